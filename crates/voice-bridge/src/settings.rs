//! The configuration that only this bridge has.

use bridge_kit::config::{ConfigError, Reader, Sections};

use crate::call::People;
use crate::matrixrtc::MatrixRtc;
use crate::webrtc::WebRtc;

/// This bridge's own sections.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `[webrtc]`
    pub webrtc: WebRtc,
    /// `[people]`
    pub people: People,
    /// `[matrixrtc]`
    pub matrixrtc: MatrixRtc,
}

impl Sections for Settings {
    const NAMES: &'static [&'static str] = &["webrtc", "people", "matrixrtc"];
    const EXAMPLE: &'static str = include_str!("settings.toml");

    fn read(reader: &Reader) -> Result<Self, ConfigError> {
        let webrtc: WebRtc = reader.section("webrtc")?;
        webrtc
            .advertised()
            .map_err(|problem| ConfigError::invalid("webrtc.advertise", problem))?;
        let people = reader.section("people")?;
        let matrixrtc: MatrixRtc = reader.section("matrixrtc")?;
        matrixrtc
            .foci()
            .map_err(|problem| ConfigError::invalid("matrixrtc.livekit_service_urls", problem))?;
        matrixrtc
            .device()
            .map_err(|problem| ConfigError::invalid("matrixrtc.device_id", problem))?;
        Ok(Self {
            webrtc,
            people,
            matrixrtc,
        })
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
        assert_eq!(example.people, default.people);
        assert_eq!(format!("{:?}", example.matrixrtc), format!("{:?}", default.matrixrtc));
    }

    #[test]
    fn people_on_both_sides_are_read() {
        let text = "[people]\non_both_sides = { \"@ada:example.org\" = \"80351110224678912\" }";
        let people = read(text).expect("settings").people;
        let id = people.on_both_sides.get("@ada:example.org").expect("an entry");
        assert_eq!(id.as_str(), "80351110224678912");
    }

    #[test]
    fn errors_name_the_key() {
        for (text, key) in [
            ("[webrtc]\nlisten = \"0.0.0.0:29500\"", "webrtc.advertise"),
            ("[webrtc]\nadvertise = [\"::\"]", "webrtc.advertise"),
            ("[webrtc]\nlisten = \"here\"", "webrtc.listen"),
            ("[webrtc]\nport = 1", "webrtc.port"),
            ("[people]\non_both_sides = { ada = \"1\" }", "people.on_both_sides.ada"),
            (
                "[people]\non_both_sides = { \"@ada:hs\" = \"\" }",
                "people.on_both_sides.@ada:hs",
            ),
            ("[people]\nignore = []", "people.ignore"),
            (
                "[matrixrtc]\nlivekit_service_urls = [\"wss://x\"]",
                "matrixrtc.livekit_service_urls",
            ),
            ("[matrixrtc]\ndevice_id = \"a b\"", "matrixrtc.device_id"),
            ("[matrixrtc]\nmode = \"legacy\"", "matrixrtc.mode"),
        ] {
            let error = read(text).expect_err(text);
            assert_eq!(error.key(), key, "{error}");
        }
    }
}
