//! `sdp_stream_metadata` (MSC3077): what each media stream of a call is, and whether it is muted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The stable name, which is written.
const STABLE: &str = "sdp_stream_metadata";
/// The name of clients from before the stable one, read as well.
const UNSTABLE: &str = "org.matrix.msc3077.sdp_stream_metadata";
/// Purpose of a camera or microphone.
const USERMEDIA: &str = "m.usermedia";
/// Streams beyond this many are not read: a client has at most two.
const MAX_STREAMS: usize = 8;

/// The streams that one end of a call announces, by the stream id of the SDP's `a=msid`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamMetadata(BTreeMap<String, Stream>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Stream {
    purpose: String,
    audio_muted: bool,
    video_muted: bool,
}

impl StreamMetadata {
    /// One stream with a microphone and no camera.
    pub fn usermedia(stream_id: &str, audio_muted: bool) -> Self {
        let stream = Stream {
            purpose: USERMEDIA.to_owned(),
            audio_muted,
            video_muted: true,
        };
        Self(BTreeMap::from([(stream_id.to_owned(), stream)]))
    }

    /// Reads the metadata of an event's content under either name; nothing readable gives no streams.
    pub fn from_content(content: &Value) -> Self {
        let streams = content
            .get(STABLE)
            .or_else(|| content.get(UNSTABLE))
            .and_then(Value::as_object);
        let Some(streams) = streams else {
            return Self::default();
        };
        let read = |(id, value): (&String, &Value)| Some((id.clone(), Stream::from_json(value)?));
        Self(streams.iter().filter_map(read).take(MAX_STREAMS).collect())
    }

    /// Adds the metadata to an event's content under the stable name.
    pub fn write(&self, content: &mut Map<String, Value>) {
        let streams: Map<String, Value> = self
            .0
            .iter()
            .map(|(id, stream)| (id.clone(), stream.to_json()))
            .collect();
        content.insert(STABLE.to_owned(), Value::Object(streams));
    }

    /// Whether nothing is announced, as by clients older than MSC3077.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every announced microphone is muted; `false` where none is announced.
    ///
    /// Nobody hears who says so of all his microphones. The event comes by the homeserver, so that the first syllable after
    /// an unmute may get lost: whoever shows himself as muted may rely on it, and that counts for more.
    pub fn usermedia_muted(&self) -> bool {
        let mut microphones = self.0.values().filter(|s| s.purpose == USERMEDIA).peekable();
        microphones.peek().is_some() && microphones.all(|stream| stream.audio_muted)
    }
}

impl Stream {
    fn from_json(value: &Value) -> Option<Self> {
        let muted = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
        Some(Self {
            purpose: value.get("purpose")?.as_str()?.to_owned(),
            audio_muted: muted("audio_muted"),
            video_muted: muted("video_muted"),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "purpose": self.purpose,
            "audio_muted": self.audio_muted,
            "video_muted": self.video_muted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_both_names_are_read_and_the_stable_one_wins() {
        let muted = json!({"s": {"purpose": "m.usermedia", "audio_muted": true}});
        let open = json!({"s": {"purpose": "m.usermedia", "audio_muted": false}});
        let of = |content: Value| StreamMetadata::from_content(&content).usermedia_muted();
        assert!(of(json!({STABLE: muted})));
        assert!(of(json!({UNSTABLE: muted})));
        assert!(!of(json!({STABLE: open, UNSTABLE: muted})));
    }

    #[test]
    fn b2_written_under_the_stable_name() {
        let mut content = Map::new();
        StreamMetadata::usermedia("abc", false).write(&mut content);
        assert_eq!(
            Value::Object(content),
            json!({STABLE: {"abc": {"purpose": "m.usermedia", "audio_muted": false, "video_muted": true}}})
        );
    }

    #[test]
    fn a_shared_screen_is_no_microphone() {
        let content = json!({STABLE: {
            "mic": {"purpose": "m.usermedia", "audio_muted": true},
            "screen": {"purpose": "m.screenshare", "audio_muted": false},
        }});
        assert!(StreamMetadata::from_content(&content).usermedia_muted());
    }

    #[test]
    fn nonsense_announces_nothing() {
        for content in [json!({}), json!({STABLE: 1}), json!({STABLE: {"s": "x"}})] {
            let metadata = StreamMetadata::from_content(&content);
            assert!(metadata.is_empty());
            assert!(!metadata.usermedia_muted());
        }
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let stream = json!({"purpose": "m.usermedia"});
        let streams: Map<String, Value> = (0..100).map(|n| (n.to_string(), stream.clone())).collect();
        let metadata = StreamMetadata::from_content(&json!({STABLE: streams}));
        assert_eq!(metadata.0.len(), MAX_STREAMS);
    }
}
