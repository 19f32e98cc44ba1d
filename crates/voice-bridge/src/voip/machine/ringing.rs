//! An invite has come, and the way to the other network is being asked for.

use std::time::Instant;

use super::{
    Action, Actions, Answering, Dialog, EndReason, Ignored, Input, MAX_EARLY_CANDIDATES, State, chose_another,
    hangup_for,
};
use crate::voip::event::{Body, HangupReason, IceCandidate};

#[derive(Debug)]
pub(super) struct Ringing {
    offer: String,
    pub(super) expires: Instant,
    early: Early,
}

/// Candidates that came before there was a media session.
#[derive(Debug, Default)]
pub(super) struct Early(Vec<IceCandidate>);

impl Ringing {
    pub(super) fn new(offer: String, expires: Instant) -> Self {
        Self {
            offer,
            expires,
            early: Early::default(),
        }
    }

    pub(super) fn handle(mut self, input: Input, now: Instant, dialog: &Dialog, actions: &mut Actions) -> State {
        match input {
            Input::ChannelOpen => {
                actions.push(Action::Accept { sdp: self.offer });
                State::Answering(Answering::new(self.expires, self.early))
            }
            Input::ChannelEnded(end) => State::refuse(dialog, hangup_for(end), EndReason::ChannelEnded, actions),
            Input::Event { event, .. } => match event.body {
                Body::Candidates(list) => {
                    self.early.add(list, actions);
                    State::Ringing(self)
                }
                body => end_of_unanswered(&body, dialog, actions).unwrap_or(State::Ringing(self)),
            },
            Input::Timeout if now >= self.expires => State::end(EndReason::InviteExpired, actions),
            Input::HangUp(reason) => State::refuse(dialog, HangupReason::UserHangup, reason, actions),
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::Timeout
            | Input::Described(_)
            | Input::Proposed(_)
            | Input::Unusable
            | Input::Connected
            | Input::Disconnected
            | Input::MediaFailed(_) => State::Ringing(self),
        }
    }
}

impl Early {
    /// Keeps candidates for later, up to a number that no client reaches.
    pub(super) fn add(&mut self, list: Vec<IceCandidate>, actions: &mut Actions) {
        let room = MAX_EARLY_CANDIDATES.saturating_sub(self.0.len());
        if list.len() > room {
            actions.push(Action::Ignored(Ignored::TooMany));
        }
        self.0.extend(list.into_iter().take(room));
    }

    pub(super) fn take(self) -> Option<Vec<IceCandidate>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

/// What an opponent's event other than candidates does before there is an answer of ours:
/// the end, or nothing (`None`).
pub(super) fn end_of_unanswered(body: &Body, dialog: &Dialog, actions: &mut Actions) -> Option<State> {
    match body {
        Body::Hangup { .. } | Body::Reject { .. } => Some(State::end(EndReason::HungUp, actions)),
        Body::SelectAnswer { selected } if chose_another(dialog, selected.as_deref()) => {
            Some(State::end(EndReason::AnsweredElsewhere, actions))
        }
        _ => {
            actions.push(Action::Ignored(Ignored::OutOfPlace));
            None
        }
    }
}
