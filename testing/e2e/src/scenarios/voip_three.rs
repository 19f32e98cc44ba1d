//! Two people in browsers and two on Discord, in one room: first one after the other, then all at once.

use super::bench::Bench;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{Span, begin_on_discord, heard_on_discord, talk_in_browser, talk_on_discord};
use crate::audio::{MixCheck, MixSource, Recording, SpeechCheck, Voice, VoicePath, unix_ms};
use crate::browser::{Browser, CallState};
use crate::stack::{BridgedRoom, Stack};
use anyhow::Result;
use std::time::Duration;

/// How long each one talks alone.
const TURN: Duration = Duration::from_secs(12);
/// How long all talk at once.
const TOGETHER: Duration = Duration::from_secs(20);
/// Between turns, so that the end of one is not taken for the start of the next.
const PAUSE: Duration = Duration::from_secs(2);

/// Somebody of the room: what he said in his turn and when all talked, and what he heard in the whole time.
struct Participant {
    name: String,
    turn: Recording,
    together: Recording,
    heard: Recording,
}

/// Somebody on Discord.
struct DiscordUser {
    id: String,
    name: &'static str,
    voice: Voice,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let room = bench.room("three").await?;
    let page = bench.page(&room, &["alice", "bob"]).await?;
    let users = [
        join_discord(&stack, &room, "dora-of-three", Voice::Dora).await?,
        join_discord(&stack, &room, "erik-of-three", Voice::Erik).await?,
    ];
    let before = Footprint::of(&stack).await?;
    let mut browsers = [
        ("alice", bench.browser(&page, "alice", Voice::Alice).await?),
        ("bob", bench.browser(&page, "bob", Voice::Bob).await?),
    ];
    for (_, browser) in &mut browsers {
        browser.call().await?;
        browser.wait_for(CallState::Connected, Duration::from_secs(30)).await?;
        browser.set_muted(true).await?;
    }

    let mut browser_turns = Vec::new();
    for (_, browser) in &mut browsers {
        browser_turns.push(talk_in_browser(browser, TURN, PAUSE).await?);
    }
    let mut discord_turns = Vec::new();
    for user in &users {
        let control = &stack.standin()?.control;
        discord_turns.push(talk_on_discord(bench, control, (&user.id, user.voice), TURN, PAUSE).await?);
    }
    let (all, discord_together) = talk_together(bench, &stack, &mut browsers, &users).await?;

    let folder = bench.folder("voip-three")?;
    let mut participants = Vec::new();
    for ((name, browser), turn) in browsers.iter_mut().zip(browser_turns) {
        let recordings = browser.recordings().await?;
        participants.push(Participant {
            name: (*name).to_owned(),
            turn: turn.of(&recordings.microphone),
            together: recordings.microphone,
            heard: recordings.remote,
        });
    }
    for ((user, turn), together) in users.iter().zip(discord_turns).zip(discord_together) {
        let heard = heard_on_discord(&stack.standin()?.control, &user.id, &folder).await?;
        participants.push(Participant {
            name: user.name.to_owned(),
            turn,
            together,
            heard,
        });
    }
    turn_checks(bench, &participants);
    mix_checks(bench, &participants, all);

    for (_, mut browser) in browsers {
        browser.hang_up().await?;
        browser.close().await?;
    }
    page.stop().await;
    ends_cleanly(bench, &stack, &room, &before).await
}

async fn join_discord(stack: &Stack, room: &BridgedRoom, name: &'static str, voice: Voice) -> Result<DiscordUser> {
    let control = &stack.standin()?.control;
    let id = control.create_person(name).await?.id;
    control.join(&id, &room.channel_id).await?;
    control.record(&id).await?;
    Ok(DiscordUser { id, name, voice })
}

/// Lets everybody talk at once; gives when that was, and what those on Discord said.
async fn talk_together(
    bench: &Bench,
    stack: &Stack,
    browsers: &mut [(&'static str, Browser)],
    users: &[DiscordUser],
) -> Result<(Span, Vec<Recording>)> {
    for (_, browser) in browsers.iter_mut() {
        browser.set_muted(false).await?;
    }
    let mut said = Vec::new();
    for user in users {
        let control = &stack.standin()?.control;
        said.push(begin_on_discord(bench, control, &user.id, user.voice, TOGETHER).await?);
    }
    let from = unix_ms();
    tokio::time::sleep(TOGETHER).await;
    let to = unix_ms();
    for (_, browser) in browsers {
        browser.set_muted(true).await?;
    }
    Ok((Span { from, to }, said))
}

/// Everybody hears everybody else's turn as it was said, and nothing in his own.
fn turn_checks(bench: &mut Bench, participants: &[Participant]) {
    for speaker in participants {
        for listener in participants {
            let check = SpeechCheck::run(&speaker.turn, &listener.heard);
            if std::ptr::eq(speaker, listener) {
                let figure = format!("median {:.2}", check.median());
                bench.check(
                    &format!("{} does not hear himself", speaker.name),
                    check.is_unrelated(),
                    figure,
                );
            } else {
                let what = format!("SPEECH_CHECK {} to {}", speaker.name, listener.name);
                bench.check(&what, check.passes(VoicePath::Forwarded), &check);
            }
        }
    }
}

/// When all talk, everybody hears the three others, equally loud, and not himself.
fn mix_checks(bench: &mut Bench, participants: &[Participant], all: Span) {
    for listener in participants {
        let sources = participants.iter().map(|speaker| MixSource {
            name: &speaker.name,
            recording: &speaker.together,
            expected: !std::ptr::eq(speaker, listener),
        });
        let check = MixCheck::run(&all.of(&listener.heard), &sources.collect::<Vec<_>>());
        bench.check(&format!("MIX_CHECK at {}", listener.name), check.passes(), &check);
    }
}
