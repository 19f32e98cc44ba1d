//! PESQ and STOI, by the Python packages that are known for them.

use anyhow::{Context as _, Result, ensure};
use e2e::audio::Audio;
use serde::Deserialize;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What scores, in Python.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/score.py");

/// What was said, and what was heard of it.
#[derive(Debug)]
pub(super) struct Pair {
    said: Audio,
    heard: Audio,
}

/// How good something sounds, and how well it is understood.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Score {
    /// Mean opinion score by PESQ, wide band: 1 to 4.64.
    pub(super) pesq: f64,
    /// Short-time objective intelligibility: 0 to 1.
    pub(super) stoi: f64,
}

/// What can score.
#[derive(Debug)]
pub(super) struct Scorer {
    python: PathBuf,
}

impl Pair {
    pub(super) fn new(said: &Audio, heard: &Audio) -> Self {
        Self {
            said: said.clone(),
            heard: heard.clone(),
        }
    }
}

impl Scorer {
    /// The one on this machine, if there is one.
    pub(super) fn find() -> Result<Option<Self>> {
        let python = e2e::stack::tools()?.join("venv-bench/bin/python");
        Ok(python.exists().then_some(Self { python }))
    }

    /// Scores each pair.
    pub(super) fn score(&self, pairs: &[Pair]) -> Result<Vec<Score>> {
        let folder = tempfile::Builder::new().prefix("vdp-bench-").tempdir()?;
        for (number, Pair { said, heard }) in pairs.iter().enumerate() {
            said.save(&folder.path().join(format!("{number}-said.wav")))?;
            heard.save(&folder.path().join(format!("{number}-heard.wav")))?;
        }
        let output = Command::new(&self.python)
            .arg(SCRIPT)
            .arg(folder.path())
            .arg(pairs.len().to_string())
            .stderr(Stdio::inherit())
            .output()
            .context("what scores could not be started")?;
        ensure!(output.status.success(), "what scores failed");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
