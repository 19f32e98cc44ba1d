//! An earlier run of the bridge had answered this call and went without a goodbye. A new media session takes the place
//! of the lost one: we have offered it, unless an offer of the caller's was waiting for an answer.
//!
//! The caller placed the call, so in a glare his offer stands and ours is dropped: clients ignore an offer that
//! comes while one of their own is out.

use std::time::Instant;

use super::established::{in_call, negotiate};
use super::ringing::Early;
use super::{Action, Actions, Dialog, EndReason, Established, Input, State, hangup_for};
use crate::voip::event::{Body, HangupReason, SdpKind};

#[derive(Debug)]
pub(super) struct TakingOver {
    /// Media must have come back by then.
    pub(super) reconnect_by: Instant,
    /// Candidates that came before the caller's description.
    early: Early,
}

impl TakingOver {
    pub(super) fn new(reconnect_by: Instant) -> Self {
        Self {
            reconnect_by,
            early: Early::default(),
        }
    }

    pub(super) fn handle(mut self, input: Input, now: Instant, dialog: &mut Dialog, actions: &mut Actions) -> State {
        match input {
            Input::Proposed(description) => {
                actions.push(negotiate(SdpKind::Offer, &description, dialog));
                State::TakingOver(self)
            }
            Input::Described(description) => {
                actions.push(Established::agreed(&description, dialog));
                self.go_on(actions)
            }
            Input::Event { event, age, .. } => match event.body {
                Body::Candidates(list) => {
                    self.early.add(list, actions);
                    State::TakingOver(self)
                }
                Body::Negotiate(answer) if answer.kind == SdpKind::Answer => {
                    dialog.renew_muted(&answer.metadata, actions);
                    actions.push(Action::Conclude { sdp: answer.sdp });
                    self.go_on(actions)
                }
                body => in_call(body, age, dialog, actions).unwrap_or(State::TakingOver(self)),
            },
            Input::Unusable => State::hang_up(dialog, HangupReason::UnknownError, EndReason::UnusableOffer, actions),
            Input::Timeout if now >= self.reconnect_by => {
                State::hang_up(dialog, HangupReason::IceTimeout, EndReason::MediaLost, actions)
            }
            Input::ChannelEnded(end) => State::hang_up(dialog, hangup_for(end), EndReason::ChannelEnded, actions),
            Input::MediaFailed(failure) => State::after_media(failure, now, dialog, actions),
            Input::HangUp(reason) => State::hang_up(dialog, HangupReason::UserHangup, reason, actions),
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::Timeout | Input::ChannelOpen | Input::Connected | Input::Disconnected => State::TakingOver(self),
        }
    }

    /// Both sides have described the new session.
    fn go_on(self, actions: &mut Actions) -> State {
        if let Some(early) = self.early.take() {
            actions.push(Action::AddCandidates(early));
        }
        State::Established(Established::returning(self.reconnect_by))
    }
}
