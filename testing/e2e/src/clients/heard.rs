//! The frames that a client heard.

use crate::audio::{Audio, Clock, Recording, wall_clock_ms};
use anyhow::{Context as _, Result, ensure};
use discord_standin::types::RecordedSource;
use discord_standin::{HeardFrame, Hearing};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The frame that Discord's clients send five times at the end of speech.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// All frames of a client, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Heard {
    frames: Vec<HeardFrame>,
}

/// A line of a client's recording.
#[derive(Deserialize)]
struct Line {
    at_ms: f64,
    user_id: String,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    opus: String,
}

impl Heard {
    /// Reads what a client wrote.
    pub(super) fn load(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let frames = text.lines().map(|line| {
            let line: Line = serde_json::from_str(line)?;
            Ok(HeardFrame {
                at_ns: nanoseconds(line.at_ms),
                user_id: line.user_id.parse()?,
                ssrc: line.ssrc,
                sequence: line.sequence,
                timestamp: line.timestamp,
                opus: bytes(&line.opus)?,
            })
        });
        let frames = frames
            .collect::<Result<_>>()
            .with_context(|| file.display().to_string())?;
        Ok(Self { frames })
    }

    /// How everybody together sounded between two moments (UNIX milliseconds).
    pub fn recording(&self, from_ms: f64, until_ms: f64) -> Result<Recording> {
        let samples = self.hearing(from_ms, until_ms).sound()?;
        Ok(Recording::new(
            Audio::from_interleaved(&samples, 1),
            Clock::starting_at(from_ms),
        ))
    }

    /// The part that one user said.
    #[must_use]
    pub fn only(&self, user_id: &str) -> Self {
        let frames = self.frames.iter().filter(|frame| frame.user_id.to_string() == user_id);
        Self {
            frames: frames.cloned().collect(),
        }
    }

    /// Who was heard between two moments, and what of him was lost on the way.
    pub fn sources(&self, from_ms: f64, until_ms: f64) -> Vec<RecordedSource> {
        self.hearing(from_ms, until_ms).sources()
    }

    /// When the first frame with this user's voice came from a moment on; both in UNIX milliseconds.
    pub fn first_voice(&self, user_id: &str, from_ms: f64) -> Option<f64> {
        let heard = self.only(user_id);
        let voice = heard.frames.iter().filter(|frame| *frame.opus != SILENCE);
        voice
            .map(|frame| wall_clock_ms(frame.at_ns))
            .find(|at_ms| *at_ms >= from_ms)
    }

    /// Which of the frames that were said never came, by their places. Frames are told apart by their bytes.
    pub fn missing(&self, said: &[Arc<[u8]>]) -> Vec<usize> {
        let mut heard = HashMap::<&[u8], usize>::new();
        for frame in &self.frames {
            *heard.entry(&frame.opus).or_default() += 1;
        }
        let mut came = |frame: &'_ Arc<[u8]>| match heard.get_mut(&**frame) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        let places = said.iter().enumerate().filter(|(_, frame)| !came(frame));
        places.map(|(place, _)| place).collect()
    }

    fn hearing(&self, from_ms: f64, until_ms: f64) -> Hearing {
        Hearing::new(nanoseconds(from_ms), nanoseconds(until_ms), self.frames.iter().cloned())
    }
}

fn bytes(hexadecimal: &str) -> Result<Arc<[u8]>> {
    ensure!(
        hexadecimal.is_ascii() && hexadecimal.len().is_multiple_of(2),
        "not hexadecimal"
    );
    let digits = (0..hexadecimal.len()).step_by(2);
    Ok(digits
        .map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16))
        .collect::<Result<_, _>>()?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are after 1970 and before 2500"
)]
fn nanoseconds(unix_ms: f64) -> u64 {
    (unix_ms * 1e6) as u64
}
