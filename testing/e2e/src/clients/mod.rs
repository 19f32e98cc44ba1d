//! Programs that are not ours at the far ends. Discord clients in `testing/clients`, each on a library that shares nothing
//! with our bridge but Discord's protocol; and an end of VDP in `testing/vdp-python`.

mod heard;
mod plain_peer;

pub use heard::Heard;
pub use plain_peer::{Answer, Packets, PlainPeer};

use crate::program::{Program, ProgramError};
use crate::stack::{Standin, tools};
use anyhow::{Context as _, Result, ensure};
use discord_standin::frames_of;
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// How long the making of an encrypted group may take.
const ENCRYPTED_WITHIN: Duration = Duration::from_secs(10);

/// On which library a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// discord.js with @discordjs/voice: Node.js, davey.
    DiscordJs,
    /// discord.py: Python, davey. It cannot receive.
    DiscordPy,
    /// Discord's own libdave on a thin voice gateway client: Python, mlspp.
    Libdave,
    /// The same client, announcing no DAVE.
    WithoutDave,
}

impl Library {
    /// As its makers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiscordJs => "discord.js",
            Self::DiscordPy => "discord.py",
            Self::Libdave => "libdave",
            Self::WithoutDave => "a client without DAVE",
        }
    }

    /// Whether it can hear.
    pub fn receives(self) -> bool {
        self != Self::DiscordPy
    }

    fn command(self) -> Result<Command> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients");
        let (interpreter, program) = match self {
            Self::DiscordJs => (PathBuf::from("node"), "discordjs/client.mjs"),
            Self::DiscordPy => (python()?, "discordpy/client.py"),
            Self::Libdave | Self::WithoutDave => (python()?, "libdave/client.py"),
        };
        let mut command = Command::new(interpreter);
        command.arg(folder.join(program));
        Ok(command)
    }
}

/// The Python of the environment that `cargo xtask setup` makes for the clients.
fn python() -> Result<PathBuf> {
    Ok(tools()?.join("clients/bin/python"))
}

/// What a client says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct ClientState {
    /// Frames of speech that have left.
    pub sent: u64,
    /// Voice packets that came.
    pub received: u64,
    /// Those whose Opus it got.
    pub decrypted: u64,
    /// Those that it could not open, or not yet.
    pub failed: u64,
    /// The version of DAVE that it speaks in this call; 0 is no end-to-end encryption.
    pub dave_version: u16,
    /// The digits that people compare to know that nobody else listens; all members of a group have the same.
    pub privacy_code: Option<String>,
}

impl ClientState {
    /// The privacy code of an encrypted call; `None` in any other.
    pub fn group(&self) -> Option<&str> {
        self.privacy_code.as_deref().filter(|_| self.dave_version > 0)
    }
}

/// A client that is logged in as a bot of its own.
#[derive(Debug)]
pub struct DiscordClient {
    /// What it stands on.
    pub library: Library,
    /// Its user id.
    pub user_id: String,
    program: Program,
    folder: PathBuf,
}

impl DiscordClient {
    /// Makes a bot called `name` and logs it in; it is to join the given voice channel. Its files lie in `folder`.
    pub async fn start(
        standin: &Standin,
        library: Library,
        name: &str,
        channel_id: &str,
        folder: &Path,
    ) -> Result<Self> {
        let info = &standin.info;
        let token = format!("token-of-{name}");
        let account = standin.control.create_bot(name, &token).await?;
        let place = json!({
            "api_base": info.api_base,
            "gateway": info.gateway,
            "guild_id": info.guild_id,
            "channel_id": channel_id,
            "token": token,
            "dave": library != Library::WithoutDave,
        });
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let mut command = library.command()?;
        command
            .arg(place.to_string())
            .env("SSL_CERT_FILE", &info.ca)
            .env("NODE_EXTRA_CA_CERTS", &info.ca)
            .stderr(log);
        Ok(Self {
            library,
            user_id: account.id,
            program: Program::start(library.name(), command)?,
            folder: folder.to_owned(),
        })
    }

    /// Joins the voice channel and waits until it is connected.
    pub async fn join(&mut self) -> Result<(), ProgramError> {
        self.program.ask("join the voice channel", "join", json!({})).await?;
        Ok(())
    }

    /// Plays a speech file to its end; gives when the first frame left, in UNIX milliseconds.
    pub async fn play(&mut self, speech: &Path) -> Result<f64> {
        #[derive(Deserialize)]
        struct Playing {
            started_at_ms: f64,
        }
        let packets = opus_file(speech, &self.folder, &format!("said-by-{}", self.user_id))?;
        let playing: Playing = self.program.ask_for("play", "play", json!({ "file": packets })).await?;
        Ok(playing.started_at_ms)
    }

    /// Ends what it plays.
    pub async fn stop(&mut self) -> Result<(), ProgramError> {
        self.program.ask("stop playing", "stop", json!({})).await?;
        Ok(())
    }

    /// What it has counted since it joined.
    pub async fn state(&mut self) -> Result<ClientState, ProgramError> {
        self.program.ask_for("tell its state", "state", json!({})).await
    }

    /// Waits until it is in an encrypted group with others; gives the group's privacy code.
    pub async fn encrypted(&mut self) -> Result<String> {
        let deadline = Instant::now() + ENCRYPTED_WITHIN;
        loop {
            let state = self.state().await?;
            if let Some(code) = state.group() {
                return Ok(code.to_owned());
            }
            ensure!(
                Instant::now() < deadline,
                "waited {ENCRYPTED_WITHIN:?} for {} to be in an encrypted group; it says {state:?}",
                self.library.name()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// All that it has heard since it joined.
    pub async fn heard(&mut self) -> Result<Heard> {
        let file = self.folder.join(format!("heard-by-{}.jsonl", self.user_id));
        let question = json!({ "file": file });
        self.program.ask("write its recording", "recording", question).await?;
        Heard::load(&file)
    }

    /// Leaves the voice channel; it may join again.
    pub async fn leave(&mut self) -> Result<(), ProgramError> {
        self.program.ask("leave the voice channel", "leave", json!({})).await?;
        Ok(())
    }

    /// Ends the program and waits for it.
    pub async fn close(self) -> Result<(), ProgramError> {
        self.program.close().await
    }
}

/// The packets of a speech file as the programs read them: one a line, in hexadecimal.
fn opus_file(speech: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let mut text = String::new();
    for packet in frames_of(speech).with_context(|| speech.display().to_string())?.iter() {
        for byte in packet.iter() {
            write!(text, "{byte:02x}")?;
        }
        text.push('\n');
    }
    let file = folder.join(format!("{name}.hex"));
    fs::write(&file, text)?;
    Ok(file)
}
