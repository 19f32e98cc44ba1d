//! Whether what the far end hears is what was said.

use super::Case;
use crate::speech::{Talk, decoded};
use anyhow::{Context as _, Result};
use e2e::audio::{MixCheck, MixSource, Recording, SpeechCheck, VoicePath};
use std::collections::BTreeMap;
use std::time::Duration;

/// What comes out ends this much earlier than what goes in.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// Whether what was heard is what was said, and how exactly.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) passes: bool,
    pub(super) text: String,
}

impl Sound {
    /// Checks what came in `packets` of what those who speak said in so long.
    pub(super) fn of(
        case: &Case,
        packets: Option<&BTreeMap<u64, Vec<u8>>>,
        talks: &[Talk],
        length: Duration,
    ) -> Result<Self> {
        let heard = decoded(packets.context("there is a far end")?)?;
        let arrived = length.saturating_sub(ON_THE_WAY);
        let said: Vec<Recording> = talks
            .iter()
            .map(|talk| Recording::without_clock(talk.audio.slice(Duration::ZERO, arrived)))
            .collect();
        if case.speakers == 1 {
            let said = said.first().context("somebody speaks")?;
            let check = SpeechCheck::run(said, &heard);
            return Ok(Self {
                // What Janus plays was decoded and encoded on the way.
                passes: check.passes(VoicePath::Transcoded),
                text: check.to_string(),
            });
        }
        let sources: Vec<MixSource<'_>> = talks
            .iter()
            .zip(&said)
            .enumerate()
            .map(|(number, (talk, recording))| MixSource {
                name: talk.name,
                recording,
                expected: number < case.speakers,
            })
            .collect();
        let check = MixCheck::run(&heard, &sources);
        Ok(Self {
            passes: check.passes(),
            text: summary(&check),
        })
    }
}

/// The loudest and the quietest of those who speak, and the loudest of the others.
fn summary(check: &MixCheck) -> String {
    let gains = |expected: bool| {
        let gains = check.gains.iter().filter(move |gain| gain.expected == expected);
        gains.map(|gain| gain.gain_db)
    };
    let [loudest, quietest] = [
        gains(true).fold(f64::MIN, f64::max),
        gains(true).fold(f64::MAX, f64::min),
    ];
    let stranger = gains(false).fold(-100.0, f64::max);
    format!("speakers {quietest:.1} to {loudest:.1} dB, others at most {stranger:.1} dB")
}
