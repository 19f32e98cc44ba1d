//! The `[matrixrtc]` section of the configuration.

use bridge_kit::config::Pattern;
use serde::Deserialize;

use super::focus::Focus;
use crate::reach::Reach;

/// Calls over an SFU.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixRtc {
    /// Whether the bridge takes part in such calls at all.
    pub enabled: bool,
    /// The SFUs of this deployment, by the addresses of their authorisation services; the first is used where nothing
    /// else names one.
    pub livekit_service_urls: Vec<String>,
    /// How the bridge shows itself in a call.
    pub mode: Mode,
    /// The name of the bridge's device. Another one leaves the memberships of the earlier one to be cleared up.
    pub device_id: String,
    /// Users who take part in calls without being people: they are heard, and nobody stays for them.
    pub bots: Vec<Pattern>,
    /// Whether SFUs that other people's events name may be in private networks and without TLS.
    pub private_foci: bool,
}

/// How the bridge shows itself in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By state events: what every client reads.
    #[default]
    Compatibility,
    /// By sticky events (MSC4354), which need no power in the room and a homeserver that knows them.
    #[serde(rename = "matrix_2_0")]
    Matrix2,
}

impl Default for MatrixRtc {
    fn default() -> Self {
        Self {
            enabled: true,
            livekit_service_urls: Vec::new(),
            mode: Mode::default(),
            device_id: "VOICEBRIDGE".to_owned(),
            bots: Vec::new(),
            private_foci: false,
        }
    }
}

/// A `[matrixrtc]` section that cannot work, by its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatrixRtcConfigError {
    /// An address that is none.
    #[error("`{0}` is no http or https address of a service")]
    Address(String),
    /// A device without a name, or with one that does not fit into events.
    #[error("must be 1 to 64 letters and digits")]
    Device,
}

impl MatrixRtc {
    /// The configured SFUs; errors concern the key `livekit_service_urls`.
    pub fn foci(&self) -> Result<Vec<Focus>, MatrixRtcConfigError> {
        let read = |text: &String| Focus::parse(text).ok_or_else(|| MatrixRtcConfigError::Address(text.clone()));
        self.livekit_service_urls.iter().map(read).collect()
    }

    /// How far the bridge goes for SFUs that other people's events name.
    pub fn strangers(&self) -> Reach {
        if self.private_foci {
            Reach::Anywhere
        } else {
            Reach::Public
        }
    }

    /// The device; errors concern the key `device_id`.
    pub fn device(&self) -> Result<&str, MatrixRtcConfigError> {
        let fits = (1..=64).contains(&self.device_id.len());
        let plain = self.device_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (fits && plain)
            .then_some(self.device_id.as_str())
            .ok_or(MatrixRtcConfigError::Device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_lead_nowhere_private_unless_the_operator_says_so() {
        let closed = MatrixRtc::default();
        assert_eq!(closed.strangers(), Reach::Public);
        let open = MatrixRtc {
            private_foci: true,
            ..closed
        };
        assert_eq!(open.strangers(), Reach::Anywhere);
    }
}
