//! Reads memberships that are sticky events.

use bridge_kit::matrix::RoomEvent;
use serde_json::Value;

use super::content::{Kind, Membership, Selection};
use super::error::EventError;
use super::read::{foci, optional_text, text};
use crate::matrixrtc::ROOM_SLOT;
use crate::matrixrtc::focus::Focus;

/// No event sticks for longer (MSC4354).
pub(super) const LONGEST_MS: u64 = 60 * 60 * 1000;

/// By what an event replaces its predecessor.
pub(super) fn key(content: &Value) -> Result<String, EventError> {
    let unstable = optional_text(content, "msc4354_sticky_key")?;
    match (optional_text(content, "sticky_key")?, unstable) {
        (Some(stable), Some(unstable)) if stable != unstable => Err(EventError::Invalid("sticky_key")),
        (stable, unstable) => stable.or(unstable).ok_or(EventError::Missing("msc4354_sticky_key")),
    }
}

/// The membership in a sticky event: one, or none where somebody has left.
pub(super) fn memberships(event: &RoomEvent) -> Result<Vec<Membership>, EventError> {
    let content = &event.content;
    let Some(application) = content.get("application") else {
        return Ok(Vec::new());
    };
    let application = text(application, "type").map_err(|_| EventError::Invalid("application"))?;
    let slot = text(content, "slot_id")?;
    let member = content.get("member").ok_or(EventError::Missing("member"))?;
    let user = either(member, "user_id", "claimed_user_id")?;
    if user != event.sender.as_str() {
        return Err(EventError::Invalid("member"));
    }
    let membership = Membership {
        device: either(member, "device_id", "claimed_device_id")?,
        member_id: text(member, "id")?,
        kind: Kind::Sticky,
        foci: published(content)?,
        selection: Selection::Own,
        created_ms: event.origin_server_ts,
        expires_ms: event.origin_server_ts.saturating_add(LONGEST_MS),
    };
    let is_rooms_own = application == "m.call" && slot == ROOM_SLOT;
    Ok(if is_rooms_own { vec![membership] } else { Vec::new() })
}

/// A field that drafts have called by two names.
fn either(object: &Value, name: &'static str, other: &'static str) -> Result<String, EventError> {
    match optional_text(object, name)? {
        Some(text) => Ok(text),
        None => text(object, other).map_err(|_| EventError::Missing(name)),
    }
}

/// matrix-js-sdk wrote `rtc_transports` first, and `transports.published` since mid 2026.
fn published(content: &Value) -> Result<Vec<Focus>, EventError> {
    match (content.pointer("/transports/published"), content.get("rtc_transports")) {
        (Some(list), _) => foci(list, "transports"),
        (None, Some(list)) => foci(list, "rtc_transports"),
        (None, None) => Err(EventError::Missing("rtc_transports")),
    }
}
