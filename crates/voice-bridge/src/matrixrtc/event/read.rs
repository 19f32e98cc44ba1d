//! Reads what a room says about its call, within limits.

use std::collections::BTreeSet;

use bridge_kit::matrix::{OwnedUserId, RoomEvent, UserId};
use serde_json::Value;

use super::content::{MemberEvent, Membership, Place};
use super::error::EventError;
use super::{state, sticky};
use crate::matrixrtc::ROOM_SLOT;
use crate::matrixrtc::focus::Focus;

/// Memberships as state.
pub(super) const STATE: &str = "org.matrix.msc3401.call.member";
/// Memberships as sticky events.
pub const STICKY: &str = "org.matrix.msc4143.rtc.member";
const SLOT: &str = "org.matrix.msc4143.rtc.slot";
const FUNCTIONAL: &str = "io.element.functional_members";

/// The types of all events that [`RoomFact::from_event`] reads.
pub const KINDS: [&str; 6] = [
    STATE,
    STICKY,
    SLOT,
    FUNCTIONAL,
    "m.room.encryption",
    "m.room.power_levels",
];

/// Longest name that is read, in bytes: no Matrix id is longer.
const MAX_NAME: usize = 255;
/// Most SFUs that one membership may name.
const MAX_FOCI: usize = 8;
/// Most service members that a room may have.
const MAX_SERVICE_MEMBERS: usize = 256;

/// Something that a room says, and that matters to its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomFact {
    /// Somebody is in the call now, or is not any more.
    Member(MemberEvent),
    /// The room's call may take place, or may not (`org.matrix.msc4143.rtc.slot`). Where nothing is said, it may.
    Slot {
        /// Whether it may.
        open: bool,
    },
    /// The users that are programs, as Element's rooms name them (`io.element.functional_members`).
    ServiceMembers(BTreeSet<OwnedUserId>),
    /// The room is encrypted from now on.
    Encrypted,
    /// Who may do what has changed.
    PowerLevels,
}

impl RoomFact {
    /// Reads an event; `None` for one that says nothing about calls.
    pub fn from_event(event: &RoomEvent) -> Result<Option<Self>, EventError> {
        let fact = match (event.kind.as_str(), event.state_key.as_deref()) {
            (STATE, Some(key)) => Self::Member(state_member(event, key)?),
            (STICKY, None) => Self::Member(sticky_member(event)?),
            (SLOT, Some(ROOM_SLOT)) => Self::Slot {
                open: is_open(&event.content),
            },
            (FUNCTIONAL, Some("")) => Self::ServiceMembers(service_members(&event.content)),
            ("m.room.encryption", Some("")) => Self::Encrypted,
            ("m.room.power_levels", Some("")) => Self::PowerLevels,
            _ => return Ok(None),
        };
        Ok(Some(fact))
    }
}

fn state_member(event: &RoomEvent, key: &str) -> Result<MemberEvent, EventError> {
    let place = Place::State(bounded(key, "state_key")?);
    Ok(member(event, place, state::memberships(event)))
}

fn sticky_member(event: &RoomEvent) -> Result<MemberEvent, EventError> {
    let place = Place::Sticky {
        sender: event.sender.clone(),
        key: sticky::key(&event.content)?,
    };
    Ok(member(event, place, sticky::memberships(event)))
}

/// An event that cannot be read replaces its predecessor all the same: clients take it for no membership.
fn member(event: &RoomEvent, place: Place, read: Result<Vec<Membership>, EventError>) -> MemberEvent {
    let (memberships, fault) = match read {
        Ok(memberships) => (memberships, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    MemberEvent {
        event_id: event.event_id.clone(),
        sender: event.sender.clone(),
        place,
        memberships,
        fault,
    }
}

fn is_open(slot: &Value) -> bool {
    let is = |path: &str, wanted: &str| slot.pointer(path).and_then(Value::as_str) == Some(wanted);
    is("/status", "open") && is("/application/type", "m.call")
}

fn service_members(content: &Value) -> BTreeSet<OwnedUserId> {
    let list = content.get("service_members").and_then(Value::as_array);
    let users = list.into_iter().flatten().filter_map(Value::as_str);
    users
        .filter_map(|user| UserId::parse(user).ok())
        .take(MAX_SERVICE_MEMBERS)
        .collect()
}

/// A required text.
pub(super) fn text(object: &Value, field: &'static str) -> Result<String, EventError> {
    optional_text(object, field)?.ok_or(EventError::Missing(field))
}

pub(super) fn optional_text(object: &Value, field: &'static str) -> Result<Option<String>, EventError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => bounded(text, field).map(Some),
        Some(_) => Err(EventError::Invalid(field)),
    }
}

fn bounded(text: &str, field: &'static str) -> Result<String, EventError> {
    if text.len() > MAX_NAME {
        return Err(EventError::TooLong(field));
    }
    Ok(text.to_owned())
}

/// A time or a length of time in milliseconds. JavaScript may write it with a fraction.
pub(super) fn optional_millis(object: &Value, field: &'static str) -> Result<Option<u64>, EventError> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => Ok(Some(whole)),
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
            (None, Some(fraction)) if (0.0..1e15).contains(&fraction) => Ok(Some(fraction as u64)),
            _ => Err(EventError::Invalid(field)),
        },
        Some(_) => Err(EventError::Invalid(field)),
    }
}

/// The SFUs in a list of transports; those of a kind that is not known are passed over.
pub(super) fn foci(list: &Value, field: &'static str) -> Result<Vec<Focus>, EventError> {
    let list = list.as_array().ok_or(EventError::Invalid(field))?;
    if list.len() > MAX_FOCI {
        return Err(EventError::TooLong(field));
    }
    Ok(list.iter().filter_map(focus).collect())
}

pub(super) fn focus(transport: &Value) -> Option<Focus> {
    let of_livekit = transport.get("type").and_then(Value::as_str) == Some("livekit");
    let address = transport.get("livekit_service_url").and_then(Value::as_str)?;
    of_livekit.then(|| Focus::parse(address)).flatten()
}
