//! People in browsers and on Discord who meet in one room: they take turns, and everybody should hear everybody else.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{Span, heard_on_discord, talk_in_browser, talk_on_discord};
use crate::audio::{Recording, SpeechCheck, Voice, VoicePath};
use crate::browser::{Browser, CallState, PageMember, PageState, Recordings};
use crate::page::PageServer;
use crate::stack::{BridgedRoom, SERVER_NAME, Stack};
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::Duration;

/// How long each one talks alone.
const TURN: Duration = Duration::from_secs(12);
/// Between turns, so that the end of one is not taken for the start of the next.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a call may take to be connected, and those in it to see each other.
const TOGETHER_WITHIN: Duration = Duration::from_secs(30);

/// A bridged room with people on either side.
pub(crate) struct Meeting {
    pub(crate) room: BridgedRoom,
    pub(crate) callers: Vec<Caller>,
    pub(crate) users: Vec<DiscordUser>,
    name: &'static str,
    stack: Arc<Stack>,
    page: PageServer,
    before: Footprint,
}

/// Somebody who calls from a browser; his name is that of his voice.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) browser: Browser,
    /// The full user id, where the page tells members apart.
    member: Option<String>,
}

/// Somebody on Discord.
pub(crate) struct DiscordUser {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) voice: Voice,
}

/// What everybody said in his turn: of those in browsers when that was, of those on Discord what it was.
pub(crate) struct Turns {
    of_callers: Vec<Span>,
    of_users: Vec<Recording>,
}

/// What somebody said and heard.
pub(crate) struct Participant {
    pub(crate) name: &'static str,
    /// What he said in his turn.
    pub(crate) turn: Recording,
    /// All that he said, of those in browsers.
    pub(crate) microphone: Option<Recording>,
    /// What he heard in the whole time: of all in one, or of each by himself where his page tells members apart.
    pub(crate) heard: Vec<Recording>,
}

impl Meeting {
    /// A room of its own that these people may call from, with these users in its voice channel. Nobody calls yet.
    pub(crate) async fn of(bench: &mut Bench, name: &'static str, people: &[Voice], users: &[Voice]) -> Result<Self> {
        let stack = bench.stack().await?;
        let room = bench.room(name).await?;
        let people: Vec<_> = people.iter().map(|voice| voice.name()).collect();
        let page = bench.page(&room, &people).await?;
        let mut on_discord = Vec::new();
        for &voice in users {
            on_discord.push(DiscordUser::join(&stack, &room, name, voice).await?);
        }
        Ok(Self {
            room,
            callers: Vec::new(),
            users: on_discord,
            name,
            before: Footprint::of(&stack).await?,
            stack,
            page,
        })
    }

    /// Opens the page for somebody, who does not call yet.
    pub(crate) async fn open(&self, bench: &Bench, voice: Voice, kind: CallKind<'_>) -> Result<Caller> {
        let name = voice.name();
        Ok(Caller {
            name,
            browser: bench.browser_for(&self.page, name, voice, kind).await?,
            member: kind.is_rtc().then(|| format!("@{name}:{SERVER_NAME}")),
        })
    }

    /// Somebody calls from his browser. His microphone is off when this returns.
    pub(crate) async fn join(&mut self, bench: &Bench, voice: Voice, kind: CallKind<'_>) -> Result<()> {
        let mut caller = self.open(bench, voice, kind).await?;
        caller.browser.call().await?;
        caller.browser.wait_for(CallState::Connected, TOGETHER_WITHIN).await?;
        caller.browser.set_muted(true).await?;
        self.callers.push(caller);
        Ok(())
    }

    /// Waits until each page that tells members apart shows all of them connected, and the bridge.
    pub(crate) async fn all_together(&mut self) -> Result<()> {
        let members: Vec<_> = self.callers.iter().filter_map(|caller| caller.member.clone()).collect();
        let bridge = self.stack.voice_bot();
        for caller in self.callers.iter_mut().filter(|caller| caller.member.is_some()) {
            let there = |page: &PageState| {
                let mut all = members.iter().chain([&bridge]);
                all.all(|user| page.member(user).is_some_and(|member| member.there))
            };
            let what = "everybody to be there";
            caller.browser.wait_until(what, TOGETHER_WITHIN, there).await?;
        }
        Ok(())
    }

    /// Everybody talks alone, those in browsers first. All microphones must be off before.
    pub(crate) async fn take_turns(&mut self, bench: &Bench) -> Result<Turns> {
        let mut of_callers = Vec::new();
        for caller in &mut self.callers {
            of_callers.push(talk_in_browser(&mut caller.browser, TURN, PAUSE).await?);
        }
        let control = &self.stack.standin()?.control;
        let mut of_users = Vec::new();
        for user in &self.users {
            of_users.push(talk_on_discord(bench, control, (&user.id, user.voice), TURN, PAUSE).await?);
        }
        Ok(Turns { of_callers, of_users })
    }

    /// What everybody said and heard, those in browsers first.
    pub(crate) async fn participants(&mut self, bench: &Bench, turns: Turns) -> Result<Vec<Participant>> {
        let mut participants = Vec::new();
        for (caller, turn) in self.callers.iter_mut().zip(turns.of_callers) {
            let recordings = caller.recordings().await?;
            let microphone = recordings.first().context("nobody was heard")?.microphone.clone();
            participants.push(Participant {
                name: caller.name,
                turn: turn.of(&microphone),
                microphone: Some(microphone),
                heard: recordings.into_iter().map(|recordings| recordings.remote).collect(),
            });
        }
        let folder = bench.folder(self.name)?;
        let control = &self.stack.standin()?.control;
        for (user, turn) in self.users.iter().zip(turns.of_users) {
            participants.push(Participant {
                name: user.name,
                turn,
                microphone: None,
                heard: vec![heard_on_discord(control, &user.id, &folder).await?],
            });
        }
        Ok(participants)
    }

    /// Everybody hangs up; nothing is left behind.
    pub(crate) async fn end(mut self, bench: &mut Bench) -> Result<()> {
        for Caller { browser, .. } in &mut self.callers {
            browser.hang_up().await?;
        }
        self.left(bench).await
    }

    /// What is to be seen when everybody has hung up.
    pub(crate) async fn left(self, bench: &mut Bench) -> Result<()> {
        for Caller { browser, .. } in self.callers {
            browser.close().await?;
        }
        self.page.stop().await;
        ends_cleanly(bench, &self.stack, &self.room, &self.before).await
    }
}

impl Caller {
    /// What was recorded of the call: with all others as one, or with each by himself where the page tells members apart.
    async fn recordings(&mut self) -> Result<Vec<Recordings>> {
        let Some(own) = &self.member else {
            return Ok(vec![self.browser.recordings().await?]);
        };
        let members = self.browser.state().await?.members;
        let mut recordings = Vec::new();
        for member in members.iter().filter(|member| member.user_id != *own) {
            recordings.push(self.browser.recordings_with(member).await?);
        }
        Ok(recordings)
    }

    /// Waits until he sees somebody connected, and says who that is.
    pub(crate) async fn sees(&mut self, user_id: &str) -> Result<PageMember> {
        let what = format!("{user_id} to be there");
        let there = |page: &PageState| page.member(user_id).is_some_and(|member| member.there);
        let page = self.browser.wait_until(&what, TOGETHER_WITHIN, there).await?;
        page.member(user_id).cloned().context("he was just there")
    }
}

impl DiscordUser {
    async fn join(stack: &Stack, room: &BridgedRoom, meeting: &str, voice: Voice) -> Result<Self> {
        let control = &stack.standin()?.control;
        let name = voice.name();
        let id = control.create_person(&format!("{name}-of-{meeting}")).await?.id;
        control.join(&id, &room.channel_id).await?;
        control.record(&id).await?;
        Ok(Self { id, name, voice })
    }
}

/// What is asked of a turn as somebody else heard it.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    /// That it is as it was said: `SPEECH_CHECK`.
    Speech,
    /// That it is this voice, by the check's median. Element Call draws without a graphics card here, and on two busy cores
    /// Chromium then takes the microphone in, and plays, with holes.
    Voice,
}

/// What the median has to be for a turn to be somebody's: what is asked of a path that transcodes.
const HIS_VOICE: f64 = 0.8;

impl Asked {
    fn what(self) -> &'static str {
        match self {
            Self::Speech => "SPEECH_CHECK",
            Self::Voice => "whose voice",
        }
    }

    fn passes(self, check: &SpeechCheck) -> bool {
        match self {
            Self::Speech => check.passes(VoicePath::Forwarded),
            Self::Voice => check.median() >= HIS_VOICE,
        }
    }
}

/// Everybody hears everybody else's turn as it was said and from one place only, and nothing in his own.
pub(crate) fn turn_checks(bench: &mut Bench, participants: &[Participant], asked: Asked) {
    for speaker in participants {
        for listener in participants {
            let mut checks: Vec<_> = listener
                .heard
                .iter()
                .map(|heard| SpeechCheck::run(&speaker.turn, heard))
                .collect();
            checks.sort_by(|a, b| b.median().total_cmp(&a.median()));
            if !std::ptr::eq(speaker, listener) {
                let heard = checks.remove(0);
                let what = format!("{} {} to {}", asked.what(), speaker.name, listener.name);
                bench.check(&what, asked.passes(&heard), &heard);
            }
            unrelated_check(bench, speaker, listener, &checks);
        }
    }
}

/// Of what is left of the recordings, or of all for oneself, none has this turn.
fn unrelated_check(bench: &mut Bench, speaker: &Participant, listener: &Participant, checks: &[SpeechCheck]) {
    if checks.is_empty() {
        return;
    }
    let what = if std::ptr::eq(speaker, listener) {
        format!("{} does not hear himself", listener.name)
    } else {
        format!("{} hears {} once", listener.name, speaker.name)
    };
    let medians: Vec<_> = checks.iter().map(|check| format!("{:.2}", check.median())).collect();
    let passed = checks.iter().all(SpeechCheck::is_unrelated);
    bench.check(&what, passed, format!("median {}", medians.join(", ")));
}
