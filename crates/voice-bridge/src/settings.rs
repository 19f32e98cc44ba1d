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

#[cfg(test)]
mod tests {
    use bridge_kit::cli::Service;

    use super::*;
    use crate::VoiceBridge;

    fn read(text: &str) -> Result<Settings, ConfigError> {
        let reader = Reader::from_toml::<Settings>(&VoiceBridge::PROGRAM, text)?;
        Settings::read(&reader)
    }

    #[test]
    fn the_example_is_what_is_read_without_any() {
        let example = read(Settings::EXAMPLE).expect("example");
        let default = read("").expect("default");
        assert_eq!(example.webrtc.listen, default.webrtc.listen);
        assert_eq!(example.webrtc.advertised(), default.webrtc.advertised());
    }

    #[test]
    fn errors_name_the_key() {
        for (text, key) in [
            ("[webrtc]\nlisten = \"0.0.0.0:29500\"", "webrtc.advertise"),
            ("[webrtc]\nadvertise = [\"::\"]", "webrtc.advertise"),
            ("[webrtc]\nlisten = \"here\"", "webrtc.listen"),
            ("[webrtc]\nport = 1", "webrtc.port"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.key(), key, "{error}");
        }
    }
}
