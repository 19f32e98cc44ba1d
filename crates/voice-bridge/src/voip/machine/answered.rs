//! Our answer is out: the caller has yet to choose it, and media has yet to connect.

use std::time::Instant;

use super::established::in_call;
use super::{
    Action, Actions, Addressing, Dialog, EndReason, Established, Ignored, Input, State, chose_another, hangup_for,
};
use crate::voip::event::{Body, HangupReason, Version};

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) connect_by: Instant,
    selected: bool,
    connected: bool,
}

impl Answered {
    pub(super) fn new(connect_by: Instant) -> Self {
        Self {
            connect_by,
            selected: false,
            connected: false,
        }
    }

    pub(super) fn handle(mut self, input: Input, now: Instant, dialog: &mut Dialog, actions: &mut Actions) -> State {
        match input {
            Input::Connected => {
                self.connected = true;
                self.advance(dialog)
            }
            Input::Disconnected => {
                self.connected = false;
                State::Answered(self)
            }
            Input::Event { event, age, .. } => match event.body {
                Body::SelectAnswer { selected } => {
                    if chose_another(dialog, selected.as_deref()) {
                        return State::end(EndReason::AnsweredElsewhere, actions);
                    }
                    self.selected = true;
                    self.advance(dialog)
                }
                body => in_call(body, age, dialog, actions).unwrap_or(State::Answered(self)),
            },
            Input::Timeout if now >= self.connect_by => self.give_up(dialog, actions),
            Input::ChannelEnded(end) => State::hang_up(dialog, hangup_for(end), EndReason::ChannelEnded, actions),
            Input::MediaFailed(failure) => State::after_media(failure, now, dialog, actions),
            Input::HangUp(reason) => State::hang_up(dialog, HangupReason::UserHangup, reason, actions),
            Input::Described(description) => {
                actions.push(Established::agreed(&description, dialog));
                State::Answered(self)
            }
            Input::Unusable => {
                actions.push(Action::Ignored(Ignored::OutOfPlace));
                State::Answered(self)
            }
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::Timeout | Input::ChannelOpen | Input::Proposed(_) => State::Answered(self),
        }
    }

    /// Version 0 callers choose nobody; for others both must have happened.
    fn advance(self, dialog: &Dialog) -> State {
        if self.connected && (self.selected || dialog.parties.version == Version::Zero) {
            State::Established(Established::new())
        } else {
            State::Answered(self)
        }
    }

    /// Media that connected without a choice means that the choice was lost on the way: the call goes on.
    /// A caller in a room of many who never chose us is not told, because he is in nobody's call with us.
    fn give_up(self, dialog: &Dialog, actions: &mut Actions) -> State {
        if self.connected {
            return State::Established(Established::new());
        }
        if self.selected || dialog.parties.addressing == Addressing::Bot {
            State::hang_up(dialog, HangupReason::IceFailed, EndReason::NeverConnected, actions)
        } else {
            State::end(EndReason::NeverConnected, actions)
        }
    }
}
