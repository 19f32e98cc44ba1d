//! The call runs: media flows, may break and come back, and may be negotiated anew.

use std::time::{Duration, Instant};

use super::{
    Action, Actions, Description, Dialog, EndReason, Ignored, Input, RECONNECT_WITHIN, State, chose_another, hangup_for,
};
use crate::voip::event::{Body, HangupReason, Negotiate, SdpKind};

/// How long a description of ours in `m.call.negotiate` stands; readers look at it for offers only.
const NEGOTIATE_LIFETIME: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Established {
    /// Set while media is away.
    pub(super) reconnect_by: Option<Instant>,
}

impl Established {
    pub(super) fn new() -> Self {
        Self { reconnect_by: None }
    }

    pub(super) fn handle(mut self, input: Input, now: Instant, dialog: &mut Dialog, actions: &mut Actions) -> State {
        match input {
            Input::Connected => {
                self.reconnect_by = None;
                State::Established(self)
            }
            Input::Disconnected => {
                self.reconnect_by.get_or_insert(now + RECONNECT_WITHIN);
                State::Established(self)
            }
            Input::Timeout if self.reconnect_by.is_some_and(|by| now >= by) => {
                State::hang_up(dialog, HangupReason::IceTimeout, EndReason::MediaLost, actions)
            }
            Input::Event { event, age, .. } => {
                in_call(event.body, age, dialog, actions).unwrap_or(State::Established(self))
            }
            Input::Described(description) => {
                actions.push(Self::agreed(&description, dialog));
                State::Established(self)
            }
            // The offer changes nothing then: the call goes on as it was agreed before.
            Input::Unusable => {
                actions.push(Action::Ignored(Ignored::OutOfPlace));
                State::Established(self)
            }
            Input::ChannelEnded(end) => State::hang_up(dialog, hangup_for(end), EndReason::ChannelEnded, actions),
            Input::MediaFailed(failure) => State::after_media(failure, now, dialog, actions),
            Input::HangUp(reason) => State::hang_up(dialog, HangupReason::UserHangup, reason, actions),
            Input::MemberLeft => State::end(EndReason::MemberLeft, actions),
            Input::SendFailed => State::end(EndReason::SendFailed, actions),
            Input::Timeout | Input::ChannelOpen | Input::Proposed(_) => State::Established(self),
        }
    }

    /// Goes on with a call whose media has yet to come back.
    pub(super) fn returning(reconnect_by: Instant) -> Self {
        Self {
            reconnect_by: Some(reconnect_by),
        }
    }

    /// The answer to the caller's renewed offer.
    pub(super) fn agreed(description: &Description, dialog: &Dialog) -> Action {
        negotiate(SdpKind::Answer, description, dialog)
    }
}

/// A description of ours in the middle of a call.
pub(super) fn negotiate(kind: SdpKind, description: &Description, dialog: &Dialog) -> Action {
    dialog.send(Body::Negotiate(Negotiate {
        kind,
        sdp: description.sdp.clone(),
        lifetime: NEGOTIATE_LIFETIME,
        metadata: Dialog::own_metadata(&description.stream_id),
    }))
}

/// What the caller's event does once we have answered: the end of the call, or `None` if it goes on.
pub(super) fn in_call(body: Body, age: Duration, dialog: &mut Dialog, actions: &mut Actions) -> Option<State> {
    match body {
        Body::Candidates(list) => actions.push(Action::AddCandidates(list)),
        Body::Hangup { .. } | Body::Reject { .. } => {
            return Some(State::end(EndReason::HungUp, actions));
        }
        Body::SelectAnswer { selected } if chose_another(dialog, selected.as_deref()) => {
            return Some(State::end(EndReason::AnsweredElsewhere, actions));
        }
        Body::Negotiate(negotiate) => renegotiate(negotiate, age, dialog, actions),
        // A repeated choice of us changes nothing; the rest is not for a callee.
        Body::SelectAnswer { .. } | Body::Invite(_) | Body::Answer { .. } | Body::Metadata(_) => {
            actions.push(Action::Ignored(Ignored::OutOfPlace));
        }
    }
    None
}

/// ICE restarts, hold and unhold all come as a new offer. This side offers nothing itself once a call runs, so it
/// has no answer to wait for and no glare to settle.
fn renegotiate(negotiate: Negotiate, age: Duration, dialog: &mut Dialog, actions: &mut Actions) {
    if negotiate.kind == SdpKind::Answer {
        actions.push(Action::Ignored(Ignored::OutOfPlace));
    } else if age >= negotiate.lifetime {
        actions.push(Action::Ignored(Ignored::Expired));
    } else {
        dialog.renew_muted(&negotiate.metadata, actions);
        actions.push(Action::Renegotiate { sdp: negotiate.sdp });
    }
}
