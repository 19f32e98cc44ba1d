//! Reads memberships that are state.

use bridge_kit::matrix::RoomEvent;
use serde_json::Value;

use super::content::{Kind, Membership, Selection};
use super::error::EventError;
use super::read::{foci, optional_millis, optional_text, text};
use crate::matrixrtc::focus::Focus;

/// How long a membership lasts that does not say so.
pub(super) const DEFAULT_EXPIRES_MS: u64 = 4 * 60 * 60 * 1000;
/// Devices that one event of the oldest shape may list.
const MAX_DEVICES: usize = 16;

/// The memberships in a state event, whichever of its shapes it has.
pub(super) fn memberships(event: &RoomEvent) -> Result<Vec<Membership>, EventError> {
    let content = &event.content;
    // The first clients wrote all devices of a user into one event, whose state key was the user's id.
    if let Some(list) = content.get("memberships") {
        let list = list.as_array().ok_or(EventError::Invalid("memberships"))?;
        if list.len() > MAX_DEVICES {
            return Err(EventError::TooLong("memberships"));
        }
        // One device that writes nonsense takes no other out of the call.
        let read = list.iter().filter_map(|one| membership(event, one).ok().flatten());
        return Ok(read.collect());
    }
    // Empty, or with a reason for having left.
    if content.get("application").is_none() {
        return Ok(Vec::new());
    }
    Ok(membership(event, content)?.into_iter().collect())
}

/// One membership; `None` where it is in another call than the room's own.
fn membership(event: &RoomEvent, content: &Value) -> Result<Option<Membership>, EventError> {
    let (application, call_id) = (text(content, "application")?, text(content, "call_id")?);
    let device = text(content, "device_id")?;
    let created_ms = optional_millis(content, "created_ts")?.unwrap_or(event.origin_server_ts);
    let (named, selection) = transports(content)?;
    if application != "m.call" || !matches!(call_id.as_str(), "" | "ROOM") || is_of_user(content) {
        return Ok(None);
    }
    let member_id = optional_text(content, "membershipID")?.unwrap_or_else(|| format!("{}:{device}", event.sender));
    Ok(Some(Membership {
        device,
        member_id,
        kind: Kind::State,
        foci: named,
        selection,
        created_ms,
        expires_ms: expiry(content, created_ms)?,
    }))
}

fn is_of_user(content: &Value) -> bool {
    content.get("scope").and_then(Value::as_str) == Some("m.user")
}

fn expiry(content: &Value, created_ms: u64) -> Result<u64, EventError> {
    let lasts = optional_millis(content, "expires")?;
    let absolute = optional_millis(content, "expires_ts")?;
    Ok(match (lasts, absolute) {
        (None, Some(absolute)) => absolute,
        (lasts, _) => created_ms.saturating_add(lasts.unwrap_or(DEFAULT_EXPIRES_MS)),
    })
}

/// The SFUs, and how the member chooses among them; the oldest shape has `foci_active` alone.
fn transports(content: &Value) -> Result<(Vec<Focus>, Selection), EventError> {
    let Some(active) = content.get("focus_active") else {
        let listed = content.get("foci_active").map(|list| foci(list, "foci_active"));
        return Ok((listed.transpose()?.unwrap_or_default(), Selection::Oldest));
    };
    text(active, "type").map_err(|_| EventError::Invalid("focus_active"))?;
    let selection = match active.get("focus_selection").and_then(Value::as_str) {
        Some("multi_sfu") => Selection::Own,
        _ => Selection::Oldest,
    };
    let preferred = content.get("foci_preferred").map(|list| foci(list, "foci_preferred"));
    Ok((preferred.transpose()?.unwrap_or_default(), selection))
}
