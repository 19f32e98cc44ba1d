//! The configuration that only this bridge has.

use bridge_kit::config::{ConfigError, Reader, Sections};

use crate::webrtc::WebRtc;

/// This bridge's own sections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[webrtc]`
    pub webrtc: WebRtc,
}

impl Sections for Settings {
    const NAMES: &'static [&'static str] = &["webrtc"];
    const EXAMPLE: &'static str = include_str!("settings.toml");

    fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let webrtc: WebRtc = reader.section("webrtc")?;
        webrtc
            .advertised()
            .map_err(|problem| ConfigError::invalid("webrtc.advertise", problem))?;
        Ok(Self { webrtc })
    }
}
