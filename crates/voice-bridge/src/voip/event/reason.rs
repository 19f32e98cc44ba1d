//! Why calls end.

/// The reasons of the specification for the end of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangupReason {
    /// No way between the two ends was found.
    IceFailed,
    /// The way between the two ends broke.
    IceTimeout,
    /// Nobody answered in time.
    InviteTimeout,
    /// Somebody hung up.
    UserHangup,
    /// No access to a microphone.
    UserMediaFailed,
    /// In another call, or full.
    UserBusy,
    /// Anything else, unknown words included.
    UnknownError,
}

impl HangupReason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IceFailed => "ice_failed",
            Self::IceTimeout => "ice_timeout",
            Self::InviteTimeout => "invite_timeout",
            Self::UserHangup => "user_hangup",
            Self::UserMediaFailed => "user_media_failed",
            Self::UserBusy => "user_busy",
            Self::UnknownError => "unknown_error",
        }
    }

    /// Reads such a word.
    pub(super) fn from_wire(word: &str) -> Self {
        match word {
            "ice_failed" => Self::IceFailed,
            "ice_timeout" => Self::IceTimeout,
            "invite_timeout" => Self::InviteTimeout,
            "user_hangup" => Self::UserHangup,
            "user_media_failed" => Self::UserMediaFailed,
            "user_busy" => Self::UserBusy,
            _ => Self::UnknownError,
        }
    }
}
