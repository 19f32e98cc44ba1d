//! The way to the other network is open, and the media session makes our answer.

use std::time::Instant;

use super::ringing::{Early, end_of_unanswered};
use super::{
    Action, Actions, Answered, CONNECT_WITHIN, Description, Dialog, EndReason, Input, State, Trouble, hangup_for,
};
use crate::voip::event::{Body, HangupReason, IceCandidate};

#[derive(Debug)]
pub(super) struct Answering {
    pub(super) expires: Instant,
    early: Early,
}

impl Answering {
    pub(super) fn new(expires: Instant, early: Early) -> Self {
        Self { expires, early }
    }

    pub(super) fn handle(mut self, input: Input, now: Instant, dialog: &Dialog, actions: &mut Actions) -> State {
        match input {
            Input::Described(description) => self.answer(&description, now, dialog, actions),
            Input::Unusable => {
                actions.push(Action::Notify(Trouble::UnusableOffer));
                State::refuse(dialog, HangupReason::UnknownError, EndReason::UnusableOffer, actions)
            }
            Input::ChannelEnded(end) => State::refuse(dialog, hangup_for(end), EndReason::ChannelEnded, actions),
            Input::Event { event, .. } => match event.body {
                Body::Candidates(list) => {
                    self.early.add(list, actions);
                    State::Answering(self)
                }
                body => end_of_unanswered(&body, dialog, actions).unwrap_or(State::Answering(self)),
            },
            Input::MediaFailed(_) => State::refuse(dialog, HangupReason::UnknownError, EndReason::MediaFailed, actions),
            Input::HangUp(reason) => State::refuse(dialog, HangupReason::UserHangup, reason, actions),
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::Timeout if now >= self.expires => State::end(EndReason::InviteExpired, actions),
            Input::Timeout | Input::ChannelOpen | Input::Proposed(_) | Input::Connected | Input::Disconnected => {
                State::Answering(self)
            }
        }
    }

    /// Sends the answer. All our candidates are in it, so their end follows at once.
    fn answer(self, description: &Description, now: Instant, dialog: &Dialog, actions: &mut Actions) -> State {
        actions.push(dialog.send(Body::Answer {
            sdp: description.sdp.clone(),
            metadata: Dialog::own_metadata(&description.stream_id),
        }));
        actions.push(dialog.send(Body::Candidates(vec![IceCandidate::End])));
        if let Some(early) = self.early.take() {
            actions.push(Action::AddCandidates(early));
        }
        State::Answered(Answered::new(now + CONNECT_WITHIN))
    }
}
