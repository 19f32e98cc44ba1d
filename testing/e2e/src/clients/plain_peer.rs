//! An asking side of VDP in another language, which knows only the plain form: `testing/vdp-python/plain_peer.py`.

use super::{Heard, opus_file};
use crate::program::{Program, ProgramError};
use crate::stack::tools;
use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The program, which speaks in the control room as the user whose token it was given.
#[derive(Debug)]
pub struct PlainPeer {
    program: Program,
    folder: PathBuf,
}

/// How the other side answered its request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// With a channel in this format.
    Format(String),
    /// With this reason why there is none.
    Rejected(String),
}

/// The packets that it heard.
#[derive(Clone, Debug, Deserialize)]
pub struct Packets {
    /// Those that are exactly the seed's, keep-alives included.
    pub heard: u64,
    /// Those with other keys or types.
    pub odd: u64,
    /// Those for another room, or from elsewhere.
    pub strange: u64,
}

impl PlainPeer {
    /// Starts it for a control room. Its files lie in `folder`.
    pub fn start(homeserver: &str, token: &str, control_room: &str, folder: &Path) -> Result<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vdp-python/plain_peer.py");
        let place = json!({ "homeserver": homeserver, "token": token, "control_room": control_room });
        let mut command = Command::new(tools()?.join("venv/bin/python"));
        command.arg(program).arg(place.to_string());
        Ok(Self {
            program: Program::start("the plain peer", command)?,
            folder: folder.to_owned(),
        })
    }

    /// Asks for a channel for the room; once it has one, it sends keep-alives.
    pub async fn call(&mut self, room: &str) -> Result<Answer, ProgramError> {
        self.program.ask_for("call", "call", json!({ "room": room })).await
    }

    /// Says a speech file, and beside it another for a room that the channel does not carry; gives when the first packet
    /// left, in UNIX milliseconds.
    pub async fn talk(&mut self, speech: &Path, elsewhere: &Path) -> Result<f64> {
        #[derive(Deserialize)]
        struct Talking {
            started_at_ms: f64,
        }
        let files = json!({
            "file": opus_file(speech, &self.folder, "said")?,
            "elsewhere": opus_file(elsewhere, &self.folder, "elsewhere")?,
        });
        let talking: Talking = self.program.ask_for("talk", "talk", files).await?;
        Ok(talking.started_at_ms)
    }

    /// All that it has heard.
    pub async fn heard(&mut self) -> Result<(Heard, Packets)> {
        let file = self.folder.join("heard.jsonl");
        let question = json!({ "file": file });
        let packets = self
            .program
            .ask_for("write its recording", "recording", question)
            .await?;
        Ok((Heard::load(&file)?, packets))
    }

    /// Closes the channel.
    pub async fn hang_up(&mut self) -> Result<(), ProgramError> {
        self.program.ask("hang up", "hang_up", json!({})).await.map(drop)
    }

    /// Ends the program and waits for it.
    pub async fn close(self) -> Result<(), ProgramError> {
        self.program.close().await
    }
}
