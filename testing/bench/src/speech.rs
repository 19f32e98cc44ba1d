//! What people say: the speech of the tests, encoded once, so that everything that is compared gets the same packets.

use anyhow::Result;
use e2e::audio::{Audio, Recording, Speech, Voice};
use opus2::{Application, Bitrate, Channels, Decoder, Encoder};
use std::collections::BTreeMap;
use std::time::Duration;

/// Samples of 20 ms.
pub const FRAME_LEN: usize = 960;

/// Bits a second of the speech, and of mixes where codec settings are equal.
pub const BITRATE: i32 = 48_000;

/// Largest packet that Opus makes of a frame.
const MAX_OPUS: usize = 1_275;

/// What somebody says.
#[derive(Debug)]
pub struct Talk {
    /// His name.
    pub name: &'static str,
    /// What it sounds like.
    pub audio: Audio,
    /// The same in packets of 20 ms: mono, 48 kbit/s, complexity 4, no FEC, no DTX.
    pub packets: Vec<Vec<u8>>,
}

impl Talk {
    /// Has somebody speak for so long.
    pub fn of(voice: Voice, length: Duration) -> Result<Self> {
        let speech = Speech::in_directory(e2e::stack::tools()?.join("speech"));
        let audio = speech.audio(voice, length)?.slice(Duration::ZERO, length);
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
        encoder.set_complexity(4)?;
        let frames = audio.samples().chunks_exact(FRAME_LEN);
        let packets = frames.map(|frame| encoder.encode_vec_float(frame, MAX_OPUS));
        Ok(Self {
            name: voice.name(),
            packets: packets.collect::<Result<_, _>>()?,
            audio,
        })
    }

    /// Has as many people speak as there are of `voices`.
    pub fn of_all(voices: &[Voice], length: Duration) -> Result<Vec<Self>> {
        voices.iter().map(|&voice| Self::of(voice, length)).collect()
    }

    /// What he says after so many packets; he begins anew when he has said all.
    pub fn packet(&self, number: u64) -> &[u8] {
        let place = usize::try_from(number).unwrap_or_default() % self.packets.len().max(1);
        self.packets.get(place).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What a listener hears of packets that he got by their numbers: in order, each once, what is missing concealed.
pub fn decoded(packets: &BTreeMap<u64, Vec<u8>>) -> Result<Recording> {
    let mut decoder = Decoder::new(48_000, Channels::Mono)?;
    let mut samples = Vec::new();
    let mut frame = vec![0.0; 6 * FRAME_LEN];
    let mut next = packets.keys().next().copied().unwrap_or_default();
    for (&number, opus) in packets {
        for _ in next..number.min(next + 50) {
            let length = decoder.decode_float(&[], frame.get_mut(..FRAME_LEN).unwrap_or_default(), false)?;
            samples.extend(frame.iter().take(length));
        }
        let length = decoder.decode_float(opus, &mut frame, false)?;
        samples.extend(frame.iter().take(length));
        next = number + 1;
    }
    Ok(Recording::without_clock(Audio::new(samples)))
}
