//! Who speaks.

use std::time::{Duration, Instant};

/// How long a source counts as speaking after its last speech, so that the pauses between words do not toggle it.
pub(crate) const HANGOVER: Duration = Duration::from_millis(200);

/// A level above the noise by this much is speech, in dB.
const ABOVE_NOISE: u8 = 6;

/// The threshold stays between these, −dBov: nothing below the quietest is speech. Everything above the loudest is, so that
/// music is heard, which never pauses and would be taken for noise.
const QUIETEST: u8 = 55;
const LOUDEST: u8 = 22;

/// The estimate of the noise is no lower than this, −dBov, so that noise after digital silence is soon known as such.
const STILLEST: u8 = 70;

/// What is as quiet as this, −dBov, is a muted microphone and says nothing about the noise around it.
const MUTED: u8 = 100;

/// What the noise is taken for while a source is new, −dBov, unless it is quieter.
const USUAL: u8 = 50;

/// Frames after which a source is not new any more: speech of 400 ms has had a gap between syllables.
const NEW: u32 = 20;

/// The noise is the quietest of this many frames, 3.1 s: people pause that often, and a fan that was switched on is
/// noise after that time. They are looked at in blocks.
const BLOCKS: usize = 12;
const BLOCK: u32 = 13;

/// The level of digital silence (RFC 6464).
pub(crate) const SILENT_LEVEL: u8 = 127;

/// What one packet says about speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// A level, −dBov (RFC 6464), from the sender or from decoding.
    Level(u8),
    /// It is speech: whoever sent it says so.
    Speech,
    /// It is none, by the voice activity bit of the SILK layer, but noise of this level, −dBov.
    NoVoice(u8),
    /// Nothing was transmitted (DTX).
    Nothing,
    /// The frame that says that the talk spurt is over.
    EndOfSpurt,
}

/// Whether a source speaks, with hangover.
#[derive(Debug, Default)]
pub(crate) struct Speech {
    until: Option<Instant>,
    quiet: u32,
    noise: Noise,
}

impl Speech {
    /// Takes the evidence of a packet.
    pub(crate) fn observe(&mut self, now: Instant, evidence: Evidence) {
        let speech = match evidence {
            Evidence::Level(level) => self.noise.is_speech(level),
            Evidence::Speech => true,
            Evidence::NoVoice(level) => {
                self.noise.learn(level);
                false
            }
            Evidence::Nothing => false,
            Evidence::EndOfSpurt => {
                self.until = None;
                false
            }
        };
        if speech {
            self.until = Some(now + HANGOVER);
            self.quiet = 0;
        } else {
            self.quiet = self.quiet.saturating_add(1);
        }
    }

    /// Whether the source speaks; forgets a hangover that is over.
    pub(crate) fn refresh(&mut self, now: Instant) -> bool {
        self.until = self.until.filter(|&until| now < until);
        self.until.is_some()
    }

    /// Whether the source speaks, as of the last refresh.
    pub(crate) fn is_active(&self) -> bool {
        self.until.is_some()
    }

    /// When it will have stopped, if nothing more comes.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Packets since the last speech.
    pub(crate) fn quiet(&self) -> u32 {
        self.quiet
    }
}

/// Follows the level of background noise: the quietest of the last seconds, since even who talks without a pause is
/// silent between syllables.
#[derive(Debug, Default)]
struct Noise {
    /// The quietest frame of each block, −dBov.
    blocks: [u8; BLOCKS],
    frames: u32,
}

impl Noise {
    fn is_speech(&mut self, level: u8) -> bool {
        self.learn(level);
        level <= self.level().saturating_sub(ABOVE_NOISE).clamp(LOUDEST, QUIETEST)
    }

    fn learn(&mut self, level: u8) {
        if level >= MUTED {
            return;
        }
        let level = level.min(STILLEST);
        let place = usize::try_from(self.frames / BLOCK).unwrap_or_default() % BLOCKS;
        if let Some(block) = self.blocks.get_mut(place) {
            let begins = self.frames.is_multiple_of(BLOCK);
            *block = if begins { level } else { level.max(*block) };
        }
        self.frames = self.frames.wrapping_add(1);
    }

    /// −dBov.
    fn level(&self) -> u8 {
        let quietest = self.blocks.iter().copied().max().unwrap_or_default();
        if self.frames < NEW {
            quietest.max(USUAL)
        } else {
            quietest
        }
    }
}

/// The level of samples in −dBov (RFC 6464): 0 is full scale, 127 is silence.
pub(crate) fn level_of(samples: &[f32]) -> u8 {
    let squares: f32 = samples.iter().map(|sample| sample * sample).sum();
    let count: f32 = samples.iter().map(|_| 1.0).sum();
    let decibels = -10.0 * (squares / count.max(1.0) + 1e-13).log10();
    (0..SILENT_LEVEL)
        .find(|&level| f32::from(level) + 0.5 > decibels)
        .unwrap_or(SILENT_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangover_and_end_of_spurt() {
        let (mut speech, start) = (Speech::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        speech.observe(at(0), Evidence::Speech);
        speech.observe(at(20), Evidence::Nothing);
        assert!(speech.refresh(at(199)));
        assert!(!speech.refresh(at(200)));
        assert_eq!(speech.quiet(), 1);
        speech.observe(at(300), Evidence::Level(20));
        assert!(speech.refresh(at(300)));
        speech.observe(at(320), Evidence::EndOfSpurt);
        assert!(
            !speech.refresh(at(320)),
            "no hangover after the frame that ends a spurt"
        );
    }

    #[test]
    fn background_noise_is_not_speech_for_long() {
        let (mut speech, start) = (Speech::default(), Instant::now());
        let mut active = 0;
        for frame in 0..1_500_u32 {
            let now = start + frame * crate::FRAME;
            let level = if frame % 3 == 0 { 49 } else { 51 };
            speech.observe(now, Evidence::Level(level));
            active = if speech.refresh(now) { active + 1 } else { 0 };
        }
        assert_eq!(active, 0, "a fan at −50 dBov is not a speaker after half a minute");
        speech.observe(start + Duration::from_secs(30), Evidence::Level(25));
        assert!(
            speech.refresh(start + Duration::from_secs(30)),
            "a voice over the fan is"
        );
    }

    #[test]
    fn digital_silence_is_never_speech() {
        let mut speech = Speech::default();
        speech.observe(Instant::now(), Evidence::Level(127));
        assert!(!speech.is_active());
    }

    #[test]
    fn levels_of_samples() {
        assert_eq!(level_of(&[0.0; 960]), 127);
        assert_eq!(level_of(&[1.0, -1.0]), 0);
        assert_eq!(level_of(&[0.1, -0.1]), 20);
        assert_eq!(level_of(&[]), 127);
    }
}
