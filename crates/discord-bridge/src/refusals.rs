//! Refusals that are not found in Discord's facts: of the link, of Matrix, and of an attempt to join.

use std::time::Duration;

use bridge_kit::matrix::{Fault, MatrixError};
use signalling::{Refusal, RejectReason};

use crate::voice::event::{JoinError, Loss};

/// When it makes sense to ask again after a fault that may pass at any time.
const SOON: Duration = Duration::from_secs(10);
/// The same after Discord was asked in vain, which it counts.
const LATER: Duration = Duration::from_secs(30);

/// The room has no link that counts; `by_strangers` if it has one that does not.
pub(crate) fn not_bridged(by_strangers: bool) -> Refusal {
    let text = if by_strangers {
        "the room names a Discord channel, but whoever set that is not among this bridge's links.trusted_bridges"
    } else {
        "the room is not bridged to a Discord voice channel"
    };
    Refusal::new(RejectReason::NotBridged, text)
}

/// The room had a link that counted.
pub(crate) fn no_longer_bridged() -> Refusal {
    Refusal::new(
        RejectReason::NoLongerBridged,
        "the room is no longer bridged to a Discord voice channel",
    )
}

/// The room's links could not be read.
pub(crate) fn unreadable(error: &MatrixError) -> Refusal {
    match error.fault() {
        Fault::Forbidden | Fault::NotFound => Refusal::new(
            RejectReason::NotBridged,
            "the Discord bridge's bot is not in the room and cannot see what it is bridged to; invite it",
        ),
        _ => {
            let text = format!("the Discord bridge cannot read what the room is bridged to: {error}");
            Refusal::new(RejectReason::InternalError, text).retry_after(SOON)
        }
    }
}

/// The voice channel could not be joined.
pub(crate) fn unjoined(error: &JoinError) -> Refusal {
    let (reason, again) = match error {
        JoinError::Lost(loss) if loss.is_incapacity() => (RejectReason::NoCapability, None),
        JoinError::Superseded | JoinError::Playback | JoinError::Lost(Loss::Internal) => {
            (RejectReason::InternalError, Some(SOON))
        }
        JoinError::Offline => (RejectReason::DiscordLimit, Some(SOON)),
        JoinError::NoAnswer(_) | JoinError::Lost(_) => (RejectReason::DiscordLimit, Some(LATER)),
    };
    let refusal = Refusal::new(reason, error.to_string());
    match again {
        Some(wait) => refusal.retry_after(wait),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S8: what Discord says while joining comes out as what it is, in its own words, and says when to ask again.
    #[test]
    fn a_failed_join_is_a_refusal_with_its_cause() {
        use RejectReason::{DiscordLimit, InternalError, NoCapability};
        let no_answer = JoinError::NoAnswer(Duration::from_secs(5));
        let closed = |code| JoinError::Lost(Loss::Closed(code));
        let cases = [
            (JoinError::Offline, DiscordLimit, "gateway", Some(SOON)),
            (no_answer, DiscordLimit, "within 5 s", Some(LATER)),
            (
                closed(4006),
                DiscordLimit,
                "session no longer valid (4006)",
                Some(LATER),
            ),
            (closed(4011), DiscordLimit, "server not found (4011)", Some(LATER)),
            (closed(4021), DiscordLimit, "rate limited (4021)", Some(LATER)),
            (JoinError::Lost(Loss::TimedOut), DiscordLimit, "in time", Some(LATER)),
            (JoinError::Lost(Loss::Network), DiscordLimit, "reached", Some(LATER)),
            (closed(4012), NoCapability, "unknown protocol (4012)", None),
            (closed(4016), NoCapability, "unknown encryption mode (4016)", None),
            (closed(4017), NoCapability, "DAVE", None),
            (JoinError::Lost(Loss::Protocol), NoCapability, "did not agree", None),
            (JoinError::Lost(Loss::Internal), InternalError, "failed", Some(SOON)),
            (JoinError::Playback, InternalError, "driver", Some(SOON)),
            (JoinError::Superseded, InternalError, "another request", Some(SOON)),
        ];
        for (error, reason, words, again) in cases {
            let refusal = unjoined(&error);
            assert_eq!(refusal.reason, reason, "{error:?}");
            assert_eq!(refusal.retry_after, again, "{error:?}");
            assert!(refusal.text.contains(words), "{:?} says {words:?}", refusal.text);
        }
    }

    #[test]
    fn a_room_that_the_bot_cannot_read_is_told_apart_from_a_homeserver_that_fails() {
        let refused = |status, code: &str| MatrixError::Refused {
            status,
            code: code.to_owned(),
            message: "words".to_owned(),
            retry_after: None,
        };
        let outside = unreadable(&refused(403, "M_FORBIDDEN"));
        assert_eq!((outside.reason, outside.retry_after), (RejectReason::NotBridged, None));
        assert!(outside.text.contains("invite it"), "{}", outside.text);
        let failing = unreadable(&refused(502, "M_UNKNOWN"));
        assert_eq!(
            (failing.reason, failing.retry_after),
            (RejectReason::InternalError, Some(SOON))
        );
    }

    #[test]
    fn a_link_that_does_not_count_is_told_apart_from_none() {
        for (by_strangers, words) in [(true, "trusted_bridges"), (false, "not bridged")] {
            let refusal = not_bridged(by_strangers);
            assert_eq!(refusal.reason, RejectReason::NotBridged);
            assert!(refusal.text.contains(words), "{:?} says {words:?}", refusal.text);
        }
        assert_eq!(no_longer_bridged().reason, RejectReason::NoLongerBridged);
    }
}
