//! The peer has ended the media, and its hangup is probably on its way: clients close their media first.

use std::time::Instant;

use super::{Actions, Dialog, EndReason, Input, State};
use crate::voip::event::{Body, HangupReason};

#[derive(Debug)]
pub(super) struct Closing {
    pub(super) hang_up_at: Instant,
}

impl Closing {
    pub(super) fn handle(self, input: Input, now: Instant, dialog: &Dialog, actions: &mut Actions) -> State {
        match input {
            Input::Event { event, .. } => match event.body {
                Body::Hangup { .. } | Body::Reject { .. } => State::end(EndReason::HungUp, actions),
                _ => State::Closing(self),
            },
            // A page that was closed says nothing, and other devices of the caller should know.
            Input::Timeout if now >= self.hang_up_at => {
                State::hang_up(dialog, HangupReason::UserHangup, EndReason::MediaClosed, actions)
            }
            Input::HangUp(reason) => State::hang_up(dialog, HangupReason::UserHangup, reason, actions),
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::ChannelEnded(_) => State::end(EndReason::ChannelEnded, actions),
            Input::Timeout
            | Input::ChannelOpen
            | Input::Described(_)
            | Input::Proposed(_)
            | Input::Unusable
            | Input::Connected
            | Input::Disconnected
            | Input::MediaFailed(_) => State::Closing(self),
        }
    }
}
