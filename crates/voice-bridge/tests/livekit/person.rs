//! Somebody in a LiveKit room, who talks and takes notes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use voice_bridge::livekit::{Access, Audience, Event, Session, TrackRef, Voice};
use voice_bridge::webrtc::{HeardPacket, SpokenPacket, WebRtc};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// Samples of a packet.
const FRAME: u64 = 960;
/// A level that LiveKit takes for speech.
const LEVEL: u8 = 20;

/// One packet as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) identity: String,
    pub(crate) opus: Vec<u8>,
    pub(crate) sequence: u64,
    pub(crate) media_time: u64,
}

impl Note {
    /// The number of the packet.
    fn number(&self) -> u64 {
        let number = self.opus.get(1..9).and_then(|bytes| bytes.try_into().ok());
        u64::from_be_bytes(number.expect("a packet with a number"))
    }

    /// Whether it was said since the speaker had said that many packets.
    pub(crate) fn is_said_since(&self, said: u64) -> bool {
        !self.is_silence() && self.number() >= said
    }

    /// Whether it is a frame of silence, such as the server sends in the place of a track that was muted.
    fn is_silence(&self) -> bool {
        self.opus.starts_with(&[0xf8, 0xff, 0xfe]) && self.opus.iter().skip(3).all(|byte| *byte == 0)
    }
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

impl Audience for Notes {
    fn hear(&mut self, track: &TrackRef, packet: HeardPacket<'_>) {
        self.0.lock().expect("lock").push(Note {
            identity: track.identity.clone(),
            opus: packet.opus.to_vec(),
            sequence: packet.sequence,
            media_time: packet.media_time,
        });
    }
}

pub(crate) struct Person {
    pub(crate) session: Session,
    mouth: mpsc::Sender<SpokenPacket>,
    notes: Notes,
    /// How many packets were said.
    pub(crate) said: u64,
    clock: Interval,
    /// All that was told since the last [`Person::until`].
    pub(crate) told: Vec<Event>,
}

impl Person {
    pub(crate) fn new(access: Access) -> Self {
        let webrtc = WebRtc {
            listen: "127.0.0.1:0".parse().expect("address"),
            advertise: Vec::new(),
        };
        let voice = Voice {
            name: "a voice".into(),
            stereo: true,
        };
        let (mouth, spoken) = mpsc::channel(32);
        let notes = Notes::default();
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            session: Session::start(webrtc, access, Some(voice), spoken, Box::new(notes.clone())),
            mouth,
            notes,
            said: 0,
            clock,
            told: Vec::new(),
        }
    }

    /// Waits until something is told that fits.
    pub(crate) async fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) {
        let told = async {
            loop {
                let event = self.session.next().await.expect("the session goes on");
                let found = fits(&event);
                self.told.push(event);
                if found {
                    return;
                }
            }
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        assert!(told.is_ok(), "{what} was not told, but {:?}", self.told);
        self.told.clear();
    }

    /// Says the next packet when it is time, and takes note of what is told meanwhile.
    async fn say(&mut self) {
        let packet = packet(self.said);
        loop {
            tokio::select! {
                _ = self.clock.tick() => break,
                event = self.session.next() => self.told.push(event.expect("the session goes on")),
            }
        }
        self.said += 1;
        self.mouth.send(packet).await.expect("the session goes on");
    }

    /// Says a number of packets, whoever hears them.
    pub(crate) async fn say_many(&mut self, count: usize) {
        for _ in 0..count {
            self.say().await;
        }
    }

    /// Talks until `listener` has heard that many packets in a row, without a gap or a change.
    ///
    /// What is said before the way to the listener is ready may be missing, and something from before may come first.
    pub(crate) async fn talk_to(&mut self, listener: &Self, identity: &str, count: usize) {
        listener.take();
        let first_said = self.said;
        let heard = async {
            loop {
                self.say().await;
                let heard = listener.heard_from(identity, first_said);
                if heard.len() >= count {
                    return heard;
                }
            }
        };
        let heard = tokio::time::timeout(PATIENCE, heard).await;
        let heard = heard.unwrap_or_else(|_| panic!("{identity} is not heard: {} packets", listener.take().len()));
        check(&heard);
    }

    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.notes.0.lock().expect("lock"))
    }

    fn heard_from(&self, identity: &str, said: u64) -> Vec<Note> {
        let notes = self.notes.0.lock().expect("lock");
        let heard = notes.iter().filter(|note| note.identity == identity);
        heard.skip_while(|note| !note.is_said_since(said)).cloned().collect()
    }
}

/// The packet of a number, which no other packet is like.
fn packet(number: u64) -> SpokenPacket {
    let mut opus = vec![0x78];
    opus.extend(number.to_be_bytes());
    opus.extend((0..number % 50).map(|n| n.to_le_bytes()[0]));
    SpokenPacket {
        opus: opus.into(),
        sequence: number,
        media_time: number * FRAME,
        marker: number.is_multiple_of(25),
        level: Some(LEVEL),
    }
}

/// Every packet is as it was said, and each follows the one before it.
fn check(heard: &[Note]) {
    let first = heard.first().expect("a packet");
    let start = first.number();
    for (n, note) in (0_u64..).zip(heard) {
        let said = packet(start + n);
        assert_eq!(note.opus, said.opus.to_vec(), "packet {n}");
        assert_eq!(note.sequence - first.sequence, n);
        assert_eq!(note.media_time - first.media_time, n * FRAME);
    }
}
