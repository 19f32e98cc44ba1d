//! Reads what comes out of the control room, and finds the room that it is for.

use ruma::{OwnedRoomId, RoomId};
use signalling::{Body, Event, Refusal, RejectReason, Timing};

use super::metrics::{self, Ignored};
use super::port::Incoming;

/// What came out of the control room.
#[derive(Debug)]
pub(super) enum Reading {
    /// An event, and the room that it is for.
    Event(OwnedRoomId, Event),
    /// It cannot be read; the answer, where the answering side owes one.
    Unreadable(Option<Event>),
    /// Nothing to do.
    Nothing,
}

/// Reads an event of the peer.
pub(super) fn read(incoming: &Incoming, timing: &Timing) -> Reading {
    let event = match Event::from_json(&incoming.kind, &incoming.content) {
        Ok(Some(event)) => event,
        Ok(None) => {
            metrics::ignored(Ignored::UnknownType);
            return Reading::Nothing;
        }
        Err(error) => {
            tracing::debug!(%error, "an event of the peer cannot be read");
            metrics::ignored(Ignored::Unreadable);
            return Reading::Unreadable(error.rejection());
        }
    };
    metrics::received(event.kind());
    // Whoever asked this long ago has given up since, and may be gone without having said so.
    if matches!(event.body, Body::Request(_)) && incoming.age > timing.open_within {
        metrics::ignored(Ignored::Stale);
        return Reading::Nothing;
    }
    match RoomId::parse(event.header.room_id.as_str()) {
        Ok(room_id) => Reading::Event(room_id, event),
        Err(_not_a_room_id) => {
            metrics::ignored(Ignored::Unreadable);
            Reading::Unreadable(reject(&event, RejectReason::Malformed, "`room_id` is not a room id"))
        }
    }
}

/// The rejection of a request for which there is no machine; none where the event is something else.
pub(super) fn reject(event: &Event, reason: RejectReason, text: &str) -> Option<Event> {
    matches!(event.body, Body::Request(_)).then(|| Event {
        header: event.header.clone(),
        body: Body::Reject(Refusal::new(reason, text)),
    })
}
