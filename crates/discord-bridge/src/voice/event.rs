//! How voice connections fail, in words that can be passed on.

use std::fmt;
use std::time::Duration;

use songbird::error::{ConnectionError, JoinError as SongbirdError};
use songbird::events::context_data::DisconnectReason;
use songbird::model::CloseCode;

/// How long Discord may take to answer the request to join; the driver gives up then.
pub(super) const GATEWAY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a voice channel could not be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    /// The request could not be sent: the gateway's connection has just ended.
    #[error("the connection to Discord's gateway has just ended")]
    Offline,
    /// Discord did not answer the request. That is what it does where it would not let the bot in.
    #[error("Discord did not answer the request to join the voice channel within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// The voice server could not be used.
    #[error("{0}")]
    Lost(Loss),
    /// Another request for the same guild took this one's place.
    #[error("another request took its place")]
    Superseded,
    /// The voice server was joined, but songbird cannot play the room to it.
    #[error("the voice driver cannot play to the voice channel")]
    Playback,
}

/// Why a voice connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Discord closed it with this code.
    Closed(u16),
    /// Discord closed it without one, or the connection broke.
    Broken,
    /// The voice server did not answer in time.
    TimedOut,
    /// The operating system's network failed.
    Network,
    /// Driver and voice server did not understand each other.
    Protocol,
    /// The driver failed.
    Internal,
}

impl Loss {
    /// Whether the bot was taken out of the channel by somebody, of which the gateway tells more.
    pub(crate) fn is_removal(self) -> bool {
        matches!(self, Self::Closed(4014 | 4022))
    }

    /// Whether the driver cannot do what the voice server asks of it, so that trying again is in vain.
    pub(crate) fn is_incapacity(self) -> bool {
        matches!(
            self,
            Self::Protocol | Self::Closed(4001 | 4002 | 4005 | 4012 | 4016 | 4017 | 4020)
        )
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(code) => write!(
                f,
                "Discord's voice server closed the connection: {} ({code})",
                meaning(*code)
            ),
            Self::Broken => f.write_str("the connection to Discord's voice server broke"),
            Self::TimedOut => f.write_str("Discord's voice server did not answer in time"),
            Self::Network => f.write_str("Discord's voice server cannot be reached from here"),
            Self::Protocol => f.write_str("Discord's voice server and this bridge did not agree on the protocol"),
            Self::Internal => f.write_str("the voice driver failed"),
        }
    }
}

/// What Discord's documentation says about a close code of the voice gateway.
fn meaning(code: u16) -> &'static str {
    match code {
        4001 => "unknown opcode",
        4002 => "payload could not be decoded",
        4003 => "not authenticated",
        4004 => "authentication failed",
        4005 => "already authenticated",
        4006 => "session no longer valid",
        4009 => "session timed out",
        4011 => "server not found",
        4012 => "unknown protocol",
        4014 => "disconnected from the channel",
        4015 => "voice server crashed",
        4016 => "unknown encryption mode",
        4017 => "end-to-end encryption (DAVE) is required",
        4020 => "bad request",
        4021 => "rate limited",
        4022 => "call terminated",
        _ => "no reason known",
    }
}

impl From<DisconnectReason> for Loss {
    fn from(reason: DisconnectReason) -> Self {
        match reason {
            DisconnectReason::WsClosed(Some(code)) => Self::Closed(close_code(code)),
            DisconnectReason::WsClosed(None) => Self::Broken,
            DisconnectReason::TimedOut => Self::TimedOut,
            DisconnectReason::Io => Self::Network,
            DisconnectReason::ProtocolViolation => Self::Protocol,
            _ => Self::Internal,
        }
    }
}

fn close_code(code: CloseCode) -> u16 {
    code as u16
}

impl From<&SongbirdError> for JoinError {
    fn from(error: &SongbirdError) -> Self {
        match error {
            SongbirdError::Dropped
            | SongbirdError::NoCall
            | SongbirdError::Driver(ConnectionError::AttemptDiscarded) => Self::Superseded,
            SongbirdError::NoSender | SongbirdError::Serenity(_) => Self::Offline,
            SongbirdError::TimedOut => Self::NoAnswer(GATEWAY_TIMEOUT),
            SongbirdError::Driver(error) => Self::Lost(DisconnectReason::from(error).into()),
            _ => Self::Lost(Loss::Internal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_code_comes_with_its_number_and_its_meaning() {
        let loss = Loss::from(DisconnectReason::WsClosed(Some(CloseCode::DaveProtocolRequired)));
        assert_eq!(loss, Loss::Closed(4017));
        let text = loss.to_string();
        assert!(text.contains("4017") && text.contains("DAVE"), "{text}");
    }

    #[test]
    fn only_being_taken_out_is_a_removal() {
        let removals: Vec<u16> = (4000..4100).filter(|code| Loss::Closed(*code).is_removal()).collect();
        assert_eq!(removals, [4014, 4022]);
        assert!(!Loss::Broken.is_removal());
    }

    #[test]
    fn what_the_driver_cannot_do_it_will_not_learn() {
        let incapacities: Vec<u16> = (4000..4100)
            .filter(|code| Loss::Closed(*code).is_incapacity())
            .collect();
        assert_eq!(incapacities, [4001, 4002, 4005, 4012, 4016, 4017, 4020]);
        assert!(Loss::Protocol.is_incapacity() && !Loss::Network.is_incapacity());
    }

    #[test]
    fn every_failure_to_join_keeps_its_cause() {
        let cases = [
            (SongbirdError::TimedOut, JoinError::NoAnswer(GATEWAY_TIMEOUT)),
            (SongbirdError::NoSender, JoinError::Offline),
            (SongbirdError::Dropped, JoinError::Superseded),
            (
                SongbirdError::Driver(ConnectionError::TimedOut),
                JoinError::Lost(Loss::TimedOut),
            ),
            (
                SongbirdError::Driver(ConnectionError::IllegalIp),
                JoinError::Lost(Loss::Protocol),
            ),
            (
                SongbirdError::Driver(ConnectionError::AttemptDiscarded),
                JoinError::Superseded,
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(JoinError::from(&error), expected, "{error}");
        }
    }
}
