//! Somebody in a room: talks, and hears what the room's others say.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bridge_kit::media::{InPacket, MediaSink, MediaSource, OutPacket, PacketSink, RoomMedia, SinkSpec, SourceSpec};

pub(crate) struct Person {
    mouth: MediaSource,
    said: u64,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    _ear: MediaSink,
}

struct Ear(Arc<Mutex<Vec<Vec<u8>>>>);

impl PacketSink for Ear {
    fn send(&mut self, packet: &OutPacket<'_>) {
        self.0.lock().expect("a lock").push(packet.opus.to_vec());
    }
}

impl Person {
    pub(crate) fn enters(room: &RoomMedia) -> Self {
        let heard = Arc::default();
        let mouth = room.add_source(SourceSpec::new("person"));
        let spec = SinkSpec::new("person").except(mouth.id());
        let ear = room.add_sink(spec, Box::new(Ear(Arc::clone(&heard))));
        Self {
            mouth,
            said: 0,
            heard,
            _ear: ear,
        }
    }

    /// Says 20 ms, loudly, in a frame that nobody has to decode.
    pub(crate) fn says(&mut self, word: u8) {
        let mut opus = [word; 60];
        opus[0] = 0x78;
        self.mouth.push(&InPacket {
            opus: &opus,
            sequence: self.said,
            media_time: None,
            level: Some(10),
            marks: None,
            received: Instant::now(),
        });
        self.said += 1;
    }

    pub(crate) fn has_heard(&self, word: u8) -> bool {
        self.heard
            .lock()
            .expect("a lock")
            .iter()
            .any(|opus| opus.len() == 60 && opus[1..] == [word; 59])
    }

    /// Talks at the pace of speech until the other has heard the word; false if that takes far too long.
    pub(crate) async fn is_heard_by(&mut self, other: &Self, word: u8) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while !other.has_heard(word) && Instant::now() < deadline {
            self.says(word);
            pace.tick().await;
        }
        other.has_heard(word)
    }
}
