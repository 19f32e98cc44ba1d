//! A call in which both sides talk on and on, so that it shows for how long something takes their voices away.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::leftovers::{Footprint, bot_leaves, ends_cleanly};
use super::listening::{first_voice_on_discord, heard_on_discord, said_on_discord};
use crate::audio::{Recording, SpeechCheck, Voice, VoiceAway, VoicePath, unix_ms};
use crate::browser::{AUDIBLE, Browser, CallState, PageMember};
use crate::page::PageServer;
use crate::stack::BridgedRoom;
use anyhow::Result;
use discord_standin::ControlClient;
use std::path::PathBuf;
use std::time::Duration;

/// Longer than any of these calls.
const SPEECH: Duration = Duration::from_mins(3);
/// How long a new connection may take until both ends play what arrives as it comes.
const SETTLED_MS: f64 = 1_500.0;

/// What counts as no break. A machine that does other things as well fails single windows of 400 ms in calls that nobody
/// disturbs; windows are stepped by 100 ms, so two neighbours that fail make 500 ms.
pub(crate) const NONE: Duration = Duration::from_millis(600);

/// Somebody in a browser and somebody on Discord, who both talk and both record.
pub(crate) struct Talk {
    pub(crate) room: BridgedRoom,
    pub(crate) browser: Browser,
    /// The guild of the person on Discord.
    pub(crate) guild: ControlClient,
    /// Id of the person on Discord.
    pub(crate) listener: String,
    /// From when on both were heard (UNIX milliseconds).
    pub(crate) heard_from: f64,
    /// As whom the page hears Discord, where it tells members apart.
    bridge: Option<PageMember>,
    page: PageServer,
    said_on_discord: Recording,
    folder: PathBuf,
    before: Footprint,
}

/// What was said and heard one way.
pub(crate) struct Way {
    pub(crate) direction: &'static str,
    pub(crate) said: Recording,
    pub(crate) heard: Recording,
}

/// A moment from which voice has to be there again.
#[derive(Clone, Copy)]
pub(crate) struct Back {
    /// Completes "after".
    pub(crate) what: &'static str,
    /// In UNIX milliseconds.
    pub(crate) at: f64,
}

impl Talk {
    /// Starts a call in a room of its own; returns when each has been heard by the other.
    pub(crate) async fn start(bench: &mut Bench, name: &str) -> Result<Self> {
        Self::start_by(bench, name, CallKind::Voip).await
    }

    /// The same by this kind of call.
    pub(crate) async fn start_by(bench: &mut Bench, name: &str, kind: CallKind<'_>) -> Result<Self> {
        let room = bench.room(name).await?;
        Self::of(bench, name, room, [Voice::Alice, Voice::Dora], kind).await
    }

    /// The same in a room that is there already, with these voices in the browser and on Discord.
    pub(crate) async fn in_room(bench: &mut Bench, name: &str, room: BridgedRoom, voices: [Voice; 2]) -> Result<Self> {
        Self::of(bench, name, room, voices, CallKind::Voip).await
    }

    async fn of(
        bench: &mut Bench,
        name: &str,
        room: BridgedRoom,
        voices: [Voice; 2],
        kind: CallKind<'_>,
    ) -> Result<Self> {
        let stack = bench.stack().await?;
        let standin = stack.standin()?;
        let guild = standin.control.of_guild(&room.guild_id);
        let [in_browser, on_discord] = voices;
        let before = Footprint::of(&stack).await?;
        let listener = guild.create_person(&format!("hears-{name}")).await?.id;
        guild.join(&listener, &room.channel_id).await?;
        guild.record(&listener).await?;
        let page = bench.page(&room, &[in_browser.name()]).await?;
        let mut browser = bench.browser_for(&page, in_browser.name(), in_browser, kind).await?;
        browser.call().await?;
        browser.wait_for(CallState::Connected, Duration::from_secs(20)).await?;
        let file = bench.speech.file(on_discord, SPEECH)?;
        let playback = guild.play(&listener, &file, false).await?;
        first_voice_on_discord(&guild, &standin.info.bot_user_id, &listener).await?;
        let within = Duration::from_secs(10);
        let audible = browser.wait_until("voice from Discord", within, |page| page.remote_level > AUDIBLE);
        let page_shows = audible.await?;
        Ok(Self {
            room,
            browser,
            bridge: page_shows.member(&stack.voice_bot()).cloned(),
            guild,
            listener,
            heard_from: unix_ms() + SETTLED_MS,
            page,
            said_on_discord: said_on_discord(&file, playback.started_at_ns)?,
            folder: bench.folder(name)?,
            before,
        })
    }

    /// What was said and heard so far, both ways.
    pub(crate) async fn so_far(&mut self) -> Result<[Way; 2]> {
        let recordings = match &self.bridge {
            Some(bridge) => self.browser.recordings_with(bridge).await?,
            None => self.browser.recordings().await?,
        };
        let now = unix_ms();
        let heard = heard_on_discord(&self.guild, &self.listener, &self.folder).await?;
        let said = |recording: &Recording| recording.between(self.heard_from, now);
        Ok([
            Way {
                direction: "Matrix to Discord",
                said: said(&recordings.microphone),
                heard,
            },
            Way {
                direction: "Discord to Matrix",
                said: said(&self.said_on_discord),
                heard: recordings.remote,
            },
        ])
    }

    /// For how long each voice was away, and for how long of that after `back`, which is checked then.
    pub(crate) async fn away_checks(&mut self, bench: &mut Bench, limit: Duration, back: Option<Back>) -> Result<()> {
        for Way { direction, said, heard } in self.so_far().await? {
            let away = VoiceAway::run(&said, &heard);
            let (checked, since) = match back {
                None => (away.longest(), String::new()),
                Some(Back { what, at }) => {
                    let after = away.longest_since(at);
                    (after, format!(", {:.1} s of that after {what}", after.as_secs_f64()))
                }
            };
            bench.check(
                &format!("voice away {direction}"),
                away.windows() > 0 && checked <= limit,
                format!(
                    "{away}{since} ({:.1} s allowed, {} windows of speech)",
                    limit.as_secs_f64(),
                    away.windows()
                ),
            );
        }
        Ok(())
    }

    /// `SPEECH_CHECK` both ways of what was said from a moment on (UNIX milliseconds).
    pub(crate) async fn speech_checks_since(&mut self, bench: &mut Bench, at: f64) -> Result<()> {
        for Way { direction, said, heard } in self.so_far().await? {
            let check = SpeechCheck::run(&said.since(at), &heard);
            let passes = check.passes(VoicePath::Forwarded);
            bench.check(&format!("SPEECH_CHECK {direction} after that"), passes, &check);
        }
        Ok(())
    }

    /// Hangs up; nothing is left behind.
    pub(crate) async fn end(mut self, bench: &mut Bench) -> Result<()> {
        self.browser.hang_up().await?;
        self.left(bench).await
    }

    /// The same while other calls go on, of which the bridges hold more.
    pub(crate) async fn end_beside_others(mut self, bench: &mut Bench) -> Result<()> {
        let stack = bench.stack().await?;
        self.browser.hang_up().await?;
        bot_leaves(bench, &stack, &self.room).await?;
        self.people_leave().await.map(drop)
    }

    /// What is to be seen when the call is over, however it ended.
    pub(crate) async fn left(self, bench: &mut Bench) -> Result<()> {
        let stack = bench.stack().await?;
        let (room, before) = self.people_leave().await?;
        ends_cleanly(bench, &stack, &room, &before).await
    }

    async fn people_leave(self) -> Result<(BridgedRoom, Footprint)> {
        self.browser.close().await?;
        self.page.stop().await;
        self.guild.leave(&self.listener).await?;
        Ok((self.room, self.before))
    }
}
