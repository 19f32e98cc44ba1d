//! Everything that this bridge says to the people of a room, in one place.

use std::time::Duration;

/// A text for a room's people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The room is encrypted.
    Encrypted,
    /// The room has a call, but no voice channel.
    NotBridged,
    /// The offer of a call cannot be answered.
    UnusableOffer,
    /// The bot may not show that it is in the room's call.
    MissingCallPower,
    /// No SFU lets the bridge into the room's call.
    NoSfu,
    /// The other bridge refused the call.
    Refused {
        /// Its own words; may be empty.
        text: String,
        /// The reason for programs, which stands in for missing words.
        code: String,
        /// When it makes sense to try again.
        retry_after: Option<Duration>,
    },
    /// The other bridge ended the voice of a running call.
    Closed {
        /// Its own words; may be empty.
        text: String,
        /// The reason for programs, which stands in for missing words.
        code: String,
    },
}

impl Notice {
    /// Names what a room needs to hear only now and then. `None`: it concerns one call, and is said each time.
    pub fn standing(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted => Some("encrypted"),
            Self::NotBridged => Some("not_bridged"),
            Self::MissingCallPower => Some("call_power"),
            Self::NoSfu => Some("no_sfu"),
            Self::UnusableOffer | Self::Refused { .. } | Self::Closed { .. } => None,
        }
    }

    /// The text.
    pub fn text(&self) -> String {
        match self {
            Self::Encrypted => "This room is encrypted, and calls of encrypted rooms cannot be bridged yet. \
                Calls here stay inside Matrix."
                .into(),
            Self::NotBridged => "This room is not bridged to a voice channel, so this call stays inside Matrix.".into(),
            Self::UnusableOffer => "This call could not be bridged: it offers no audio that the bridge understands \
                (Opus is needed)."
                .into(),
            Self::MissingCallPower => {
                "The bridge may not join this call: in the permissions of this room, set the power \
                that `org.matrix.msc3401.call.member` needs to 0 (Element: Settings, Roles & Permissions, \
                \"Join calls\"), or give the bridge's bot as much as it needs."
                    .into()
            }
            Self::NoSfu => {
                "This call could not be bridged: no media server lets the bridge in. Whoever runs the bridge \
                finds the reason in its log."
                    .into()
            }
            Self::Refused {
                text,
                code,
                retry_after,
            } => {
                let why = words(text, code);
                let again = retry_after.map(again).unwrap_or_default();
                format!("This call could not be bridged: {why}{again}")
            }
            Self::Closed { text, code } => {
                format!("The bridge to this call was closed: {}", words(text, code))
            }
        }
    }
}

/// Somebody else's words as a sentence of ours; the code where there are none.
fn words(text: &str, code: &str) -> String {
    let text = text.trim();
    let words = if text.is_empty() { code } else { text };
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{words}{stop}")
}

fn again(wait: Duration) -> String {
    match wait.as_secs() {
        0 => String::new(),
        1..=90 => format!(" Try again in {} seconds.", wait.as_secs()),
        seconds => format!(" Try again in {} minutes.", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_when_to_try_again() {
        let refused = |text: &str, retry_after| {
            Notice::Refused {
                text: text.into(),
                code: "at_capacity".into(),
                retry_after,
            }
            .text()
        };
        assert_eq!(
            refused("Every voice line is taken.", Some(Duration::from_secs(30))),
            "This call could not be bridged: Every voice line is taken. Try again in 30 seconds."
        );
        assert!(refused("x.", Some(Duration::from_mins(10))).ends_with("Try again in 10 minutes."));
        assert!(refused(" ", None).ends_with(": at_capacity."));
        assert!(refused("it is full", Some(Duration::from_secs(9))).ends_with("it is full. Try again in 9 seconds."));
    }

    #[test]
    fn what_concerns_one_call_is_said_each_time() {
        let closed = Notice::Closed {
            text: String::new(),
            code: "shutdown".into(),
        };
        assert_eq!(closed.standing(), None);
        assert!(closed.text().ends_with(": shutdown."));
        assert_ne!(Notice::Encrypted.standing(), Notice::NotBridged.standing());
    }
}
