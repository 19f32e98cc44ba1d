//! What goes into the machine and what comes out of it.

use std::collections::BTreeSet;
use std::time::Duration;

use bridge_kit::matrix::{OwnedEventId, OwnedUserId, RoomId};

use crate::matrixrtc::event::{Own, Place, RoomFact};
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::identity::Participant;
use crate::matrixrtc::roster::Cast;
use crate::matrixrtc::transport::Caller;

/// What a room's machine knows from the start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who is who.
    pub cast: Cast,
    /// Where the bridge's membership goes.
    pub place: Place,
    /// The membership's own id.
    pub member_id: String,
    /// How long after the bridge's death the homeserver takes it out of the call.
    pub leave_after: Duration,
    /// How often that is put off; well within `leave_after`.
    pub restart_every: Duration,
    /// How long a membership lasts; it is renewed in the middle of that.
    pub expires: Duration,
    /// How long the bridge stays when the last person has gone: Element Call reloads by leaving and joining.
    pub linger: Duration,
}

impl Setup {
    /// Who the bridge is to the SFUs of this room.
    pub fn caller(&self, room: &RoomId) -> Caller {
        Caller {
            room: room.to_owned(),
            user: self.cast.user.clone(),
            device: self.cast.device.clone(),
            member_id: self.member_id.clone(),
        }
    }
}

/// What can happen to a room's call.
#[derive(Debug, Clone)]
pub enum Input {
    /// The room says something.
    Fact(RoomFact),
    /// Somebody is not in the room any more.
    MemberLeft(OwnedUserId),
    /// The answer to [`Action::FindFocus`]: where to publish.
    Focus(Option<Focus>),
    /// The answer to [`Action::ScheduleLeave`]: what the delayed leave is called. `None` where it was sent at once.
    LeaveScheduled(Result<Option<String>, Refusal>),
    /// The answer to [`Action::RestartLeave`].
    LeaveRestarted {
        /// What the delayed leave is called.
        id: String,
        /// Whether it was put off.
        answer: Result<(), Refusal>,
    },
    /// The answer to [`Action::Join`]: the event.
    Joined(Result<OwnedEventId, Refusal>),
    /// The answer to [`Action::Leave`].
    Left(Result<(), Refusal>),
    /// The SFU that the bridge publishes on lets it in no more: another is to be found.
    FocusLost,
    /// Whether voice can cross to the other side. While it cannot, the bridge stays out: it would be deaf and dumb.
    Bridged(bool),
    /// The program ends.
    Stop,
    /// A deadline has passed.
    Timeout,
}

/// Why the homeserver does not do as it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The bot has not the power.
    Forbidden,
    /// What is named is not there.
    NotFound,
    /// The homeserver does not know such a thing.
    Unsupported,
    /// It delays nothing for longer than this.
    DelayTooLong(Duration),
    /// It may do so later.
    Later,
    /// Anything else.
    Other,
}

/// What the driver of the machine must do. Those that have an answer are to be done one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Find an SFU to publish on, and answer by `Focus`.
    FindFocus {
        /// Those that members use, the best first.
        offered: Vec<Focus>,
    },
    /// Have the homeserver empty the bridge's place after a while; the answer is `LeaveScheduled`.
    ScheduleLeave {
        /// After which while.
        delay: Duration,
    },
    /// Put that off; the answer is `LeaveRestarted`.
    RestartLeave {
        /// What the delayed leave is called.
        id: String,
    },
    /// Take it back. Nobody waits for the outcome.
    CancelLeave {
        /// What the delayed leave is called.
        id: String,
    },
    /// Put this membership into the bridge's place; the answer is `Joined`.
    Join(Own),
    /// Empty the bridge's place; the answer is `Left`.
    Leave,
    /// Empty a place that an earlier run has left behind, before anything else is done. Nobody waits for the outcome.
    Sweep(Place),
    /// Be connected to these SFUs and to no other. The bridge publishes on the one, and listens on all.
    Connect(Option<Connections>),
    /// These are the others in the call.
    Participants(Vec<Participant>),
    /// Tell the room.
    Notify(Trouble),
}

/// The SFUs that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connections {
    /// Where the bridge publishes.
    pub own: Focus,
    /// Where else members do.
    pub others: BTreeSet<Focus>,
}

/// What keeps the bridge out of a call, and people should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The bot may not set its membership.
    MissingPower,
    /// The room is encrypted.
    Encrypted,
    /// Nobody names an SFU that lets the bridge in.
    NoFocus,
}

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// Trying again.
    Retry,
    /// Putting the delayed leave off.
    RestartLeave,
    /// Renewing the membership.
    Renew,
    /// Leaving a call that nobody is in.
    Linger,
    /// Somebody's membership is over.
    Expiry,
}
