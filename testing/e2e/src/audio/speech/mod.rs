//! Voices to test with: synthetic English speech, made once and kept.

mod sentences;

use super::sound::{rms, samples_in};
use super::{Audio, AudioError};
use sentences::SENTENCES;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The level of a voice while it speaks, as a share of full scale: −20 dBFS.
const ACTIVE_LEVEL: f32 = 0.1;
/// No sample goes beyond this: −1 dBFS.
const HIGHEST_PEAK: f32 = 0.89;
/// Pauses between sentences, taken in turn, in ms: about those of somebody who reads aloud.
const PAUSES_MS: [u64; 7] = [340, 520, 280, 760, 420, 310, 600];

/// Somebody's voice: a sound of its own, and a text of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Voice {
    /// A woman of southern England.
    Alice,
    /// A man of North America.
    Bob,
    /// A woman of Scotland.
    Carol,
    /// A woman of North America.
    Dora,
    /// A man of Lancashire.
    Erik,
    /// A woman of the Caribbean.
    Fiona,
}

impl Voice {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Alice, Self::Bob, Self::Carol, Self::Dora, Self::Erik, Self::Fiona];

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Dora => "dora",
            Self::Erik => "erik",
            Self::Fiona => "fiona",
        }
    }

    /// How espeak-ng speaks it: voice and variant, pitch (0 to 99), words a minute.
    fn manner(self) -> [&'static str; 3] {
        match self {
            Self::Alice => ["en-gb-x-rp+f2", "62", "158"],
            Self::Bob => ["en-us+m3", "36", "150"],
            Self::Carol => ["en-gb-scotland+f3", "74", "166"],
            Self::Dora => ["en-us+f4", "54", "172"],
            Self::Erik => ["en-gb-x-gbclan+m7", "24", "144"],
            Self::Fiona => ["en-029+f5", "84", "162"],
        }
    }

    /// The sentences it says, from its own place in the text on and in its own order, over and over.
    fn sentences(self) -> impl Iterator<Item = &'static str> {
        // Strides without a common factor with the number of sentences reach each of them before any comes again.
        let (start, stride) = match self {
            Self::Alice => (0, 1),
            Self::Bob => (9, 5),
            Self::Carol => (18, 7),
            Self::Dora => (27, 11),
            Self::Erik => (36, 13),
            Self::Fiona => (45, 17),
        };
        (0..).filter_map(move |turn: usize| SENTENCES.get((start + turn * stride) % SENTENCES.len()).copied())
    }
}

/// Makes speech with espeak-ng and keeps it as WAV files.
#[derive(Clone, Debug)]
pub struct Speech {
    cache: PathBuf,
}

impl Speech {
    /// Keeps its files in a directory, which is made if it is not there.
    pub fn in_directory(cache: impl Into<PathBuf>) -> Self {
        Self { cache: cache.into() }
    }

    /// A WAV file (48 kHz, mono) in which `voice` speaks for at least so long, with pauses as a reader makes them.
    ///
    /// It is −20 dBFS loud while it speaks. The same arguments give the same file, which is what both ends of a test
    /// compare by: espeak-ng need not say a sentence twice in exactly the same way.
    pub fn file(&self, voice: Voice, length: Duration) -> Result<PathBuf, AudioError> {
        let path = self.cache.join(file_name(voice, length));
        if !path.exists() {
            fs::create_dir_all(&self.cache).map_err(|source| AudioError::File {
                path: self.cache.clone(),
                source,
            })?;
            let failed = |source| AudioError::File {
                path: path.clone(),
                source,
            };
            // A local Discord in a container reads it as another user.
            let readable = fs::Permissions::from_mode(0o644);
            let part = tempfile::Builder::new().permissions(readable).tempfile_in(&self.cache);
            let part = part.map_err(failed)?;
            synthesise(voice, length)?.save(part.path())?;
            // Whole or not at all: another thread or process may look for the same file.
            part.persist(&path).map_err(|error| failed(error.error))?;
        }
        Ok(path)
    }

    /// What is in that file.
    pub fn audio(&self, voice: Voice, length: Duration) -> Result<Audio, AudioError> {
        Audio::load(&self.file(voice, length)?)
    }
}

/// A name that changes with everything the file's content depends on.
fn file_name(voice: Voice, length: Duration) -> String {
    let mut hasher = DefaultHasher::new();
    (
        voice.manner(),
        SENTENCES,
        PAUSES_MS,
        ACTIVE_LEVEL.to_bits(),
        HIGHEST_PEAK.to_bits(),
        length,
    )
        .hash(&mut hasher);
    voice
        .sentences()
        .take(SENTENCES.len())
        .collect::<Vec<_>>()
        .hash(&mut hasher);
    format!("{}-{}s-{:016x}.wav", voice.name(), length.as_secs(), hasher.finish())
}

fn synthesise(voice: Voice, length: Duration) -> Result<Audio, AudioError> {
    let mut samples = Vec::new();
    let mut pauses = PAUSES_MS.into_iter().cycle();
    for sentence in voice.sentences() {
        if samples.len() >= samples_in(length) {
            break;
        }
        samples.extend(levelled(spoken(voice, sentence)?));
        let pause = Audio::silence(Duration::from_millis(pauses.next().unwrap_or_default()));
        samples.extend(pause.into_samples());
    }
    Ok(Audio::new(samples))
}

/// One sentence as espeak-ng says it, without the silence that it adds at the end.
fn spoken(voice: Voice, sentence: &str) -> Result<Vec<f32>, AudioError> {
    let file = tempfile::Builder::new().suffix(".wav").tempfile();
    let file = file.map_err(|source| AudioError::File {
        path: std::env::temp_dir(),
        source,
    })?;
    let [manner, pitch, speed] = voice.manner();
    let output = Command::new("espeak-ng")
        .args(["-v", manner, "-p", pitch, "-s", speed, "-w"])
        .arg(file.path())
        .arg(sentence)
        .output()
        .map_err(|error| AudioError::Synthesis(error.to_string()))?;
    if !output.status.success() {
        return Err(AudioError::Synthesis(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    Ok(without_silent_end(Audio::load(file.path())?.into_samples()))
}

/// Cuts off what espeak-ng adds after the last sound.
fn without_silent_end(mut samples: Vec<f32>) -> Vec<f32> {
    let end = samples
        .iter()
        .rposition(|sample| sample.abs() > 1e-3)
        .map_or(0, |last| last + 1);
    samples.truncate(end);
    samples
}

/// At [`ACTIVE_LEVEL`], or as close to it as [`HIGHEST_PEAK`] allows.
fn levelled(samples: Vec<f32>) -> Vec<f32> {
    let peak = samples
        .iter()
        .fold(f32::MIN_POSITIVE, |peak, sample| peak.max(sample.abs()));
    let factor = (ACTIVE_LEVEL / rms(&samples).max(f32::MIN_POSITIVE)).min(HIGHEST_PEAK / peak);
    samples.into_iter().map(|sample| sample * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_as_long_as_asked_as_loud_as_said_and_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let speech = Speech::in_directory(directory.path().join("new"));
        let length = Duration::from_secs(12);
        let file = speech.file(Voice::Alice, length).unwrap();
        let audio = Audio::load(&file).unwrap();
        assert!(
            audio.duration() >= length && audio.duration() < Duration::from_secs(24),
            "{:?}",
            audio.duration()
        );
        let level = 20.0 * audio.rms().log10();
        assert!((-23.0..-19.0).contains(&level), "{level} dBFS with its pauses");
        assert!(audio.samples().iter().all(|sample| sample.abs() <= HIGHEST_PEAK + 1e-3));
        let made = fs::metadata(&file).unwrap().modified().unwrap();
        assert_eq!(speech.file(Voice::Alice, length).unwrap(), file);
        assert_eq!(
            fs::metadata(&file).unwrap().modified().unwrap(),
            made,
            "kept, not made again"
        );
        assert_ne!(speech.file(Voice::Bob, length).unwrap(), file);
    }

    #[test]
    fn everybody_says_every_sentence_in_an_order_of_his_own() {
        for voice in Voice::ALL {
            let mut said: Vec<_> = voice.sentences().take(SENTENCES.len()).collect();
            for other in Voice::ALL.into_iter().filter(|&other| other != voice) {
                assert_ne!(said, other.sentences().take(SENTENCES.len()).collect::<Vec<_>>());
            }
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), SENTENCES.len(), "{}", voice.name());
        }
    }
}
