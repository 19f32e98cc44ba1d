//! `cargo xtask dev`: the stack and the page, until Ctrl-C.

use crate::audio::{Speech, Voice};
use crate::interruption::Interruption;
use crate::page::{PageServer, Site};
use crate::scenarios::print;
use crate::stack::{BridgedRoom, Discord, LIVEKIT_MISSING, Stack, Standin, tools};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The people who can call from the page.
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// Who talks in the local Discord.
const TALKER: &str = "Dora";
/// How the talker sounds.
pub(crate) const TALKERS_VOICE: Voice = Voice::Dora;
/// How much the talker has to say before it begins anew.
pub(crate) const TALK: Duration = Duration::from_mins(1);
/// Who a person is on the page of the local Discord.
pub(crate) const GUEST: &str = "Gwen";

/// A voice channel of the real Discord.
#[derive(Debug)]
pub struct RealDiscord {
    /// File that holds the bot's token.
    pub token_file: PathBuf,
    /// Guild id.
    pub guild: String,
    /// Voice channel id.
    pub channel: String,
}

/// Starts everything, prints the page's address and waits for Ctrl-C.
pub async fn run(port: u16, real: Option<RealDiscord>) -> Result<()> {
    let mut interruption = Interruption::new()?;
    let folder = tempfile::Builder::new().prefix("vdp-dev-").tempdir()?;
    let up = tokio::select! {
        up = start(port, real, folder.path()) => up,
        () = interruption.wait() => return Ok(()),
    };
    let (stack, page) = up.inspect_err(|_| print("what the programs said is above"))?;
    print(&format!("\n  Call from      {}/?name={}", page.url(), PEOPLE[0]));
    let element_call = match stack.focus {
        Some(_) => format!("{}/?name={}&with=element-call", page.url(), PEOPLE[1]),
        None => format!("not on this machine. {LIVEKIT_MISSING}"),
    };
    print(&format!("  Element Call   {element_call}"));
    print(&format!("  Logs           {}", stack.folder.display()));
    if let Some(standin) = &stack.standin {
        print(&format!(
            "  Local Discord  {}/?name={GUEST}  (and its control interface: docs/discord-standin.md)",
            standin.info.control
        ));
    }
    print("  Ctrl-C ends everything.\n");
    interruption.wait().await;
    print("ending everything");
    page.stop().await;
    Arc::into_inner(stack)
        .context("a request of the page is still running")?
        .stop()
        .await
}

async fn start(port: u16, real: Option<RealDiscord>, folder: &Path) -> Result<(Arc<Stack>, PageServer)> {
    let (discord, place) = match real {
        Some(real) => (
            Discord::Real {
                token_file: real.token_file,
            },
            Some((real.guild, real.channel)),
        ),
        None => (Discord::Standin, None),
    };
    let stack = Stack::start(folder, discord, print).await?;
    let (guild, channel) = match (&stack.standin, place) {
        (_, Some(place)) => place,
        (Some(standin), None) => (standin.info.guild_id.clone(), standin.info.voice_channel_id.clone()),
        (None, None) => anyhow::bail!("the real Discord needs --guild and --channel"),
    };
    let room = stack.bridged_room("Voice", &guild, &channel).await?;
    for name in PEOPLE {
        stack.person(name, &room).await?;
    }
    talk(&stack, &room).await?;
    let stack = Arc::new(stack);
    let site = Site::new(Arc::clone(&stack), room, PEOPLE.map(str::to_owned).to_vec());
    let page = PageServer::start(port, site).await?;
    Ok((stack, page))
}

/// Has somebody talk in the local Discord, over and over.
async fn talk(stack: &Stack, room: &BridgedRoom) -> Result<()> {
    let Some(standin) = &stack.standin else { return Ok(()) };
    let speech = Speech::in_directory(tools()?.join("speech")).file(TALKERS_VOICE, TALK)?;
    talk_on(standin, &room.channel_id, &speech).await
}

/// Has the talker say what is in a file, over and over; the local Discord reads that itself.
pub(crate) async fn talk_on(standin: &Standin, channel_id: &str, speech: &Path) -> Result<()> {
    let control = &standin.control;
    let state = control.state().await?;
    let talker = match state.accounts.into_iter().find(|account| account.name == TALKER) {
        Some(talker) => talker,
        None => control.create_person(TALKER).await?,
    };
    control.join(&talker.id, channel_id).await?;
    control.play(&talker.id, speech, true).await?;
    Ok(())
}
