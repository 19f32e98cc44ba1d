//! Two people in browsers and two on Discord, in one room: first one after the other, then all at once.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::listening::{Span, begin_on_discord};
use super::meeting::{Asked, Meeting, Participant, turn_checks};
use crate::audio::{MixCheck, MixSource, Recording, Voice, unix_ms};
use anyhow::Result;
use std::time::Duration;

/// How long all talk at once.
const TOGETHER: Duration = Duration::from_secs(20);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let (callers, users) = ([Voice::Alice, Voice::Bob], [Voice::Dora, Voice::Erik]);
    let mut meeting = Meeting::of(bench, "voip-three", &callers, &users).await?;
    for voice in callers {
        meeting.join(bench, voice, CallKind::Voip).await?;
    }
    let turns = meeting.take_turns(bench).await?;
    let (all, said_on_discord) = talk_together(bench, &mut meeting).await?;
    let participants = meeting.participants(bench, turns).await?;
    turn_checks(bench, &participants, Asked::Speech);
    mix_checks(bench, &participants, &said_on_discord, all);
    meeting.end(bench).await
}

/// Lets everybody talk at once; gives when that was, and what those on Discord said.
async fn talk_together(bench: &mut Bench, meeting: &mut Meeting) -> Result<(Span, Vec<Recording>)> {
    let stack = bench.stack().await?;
    for caller in &mut meeting.callers {
        caller.browser.set_muted(false).await?;
    }
    let mut said = Vec::new();
    for user in &meeting.users {
        let control = &stack.standin()?.control;
        said.push(begin_on_discord(bench, control, &user.id, user.voice, TOGETHER).await?);
    }
    let from = unix_ms();
    tokio::time::sleep(TOGETHER).await;
    let to = unix_ms();
    for caller in &mut meeting.callers {
        caller.browser.set_muted(true).await?;
    }
    Ok((Span { from, to }, said))
}

/// When all talk, everybody hears the three others, equally loud, and not himself.
fn mix_checks(bench: &mut Bench, participants: &[Participant], said_on_discord: &[Recording], all: Span) {
    let in_browsers = participants.iter().filter_map(|speaker| speaker.microphone.as_ref());
    let said: Vec<_> = in_browsers.chain(said_on_discord).collect();
    for listener in participants {
        let sources = participants.iter().zip(&said).map(|(speaker, recording)| MixSource {
            name: speaker.name,
            recording,
            expected: !std::ptr::eq(speaker, listener),
        });
        let sources: Vec<_> = sources.collect();
        for heard in &listener.heard {
            let check = MixCheck::run(&all.of(heard), &sources);
            bench.check(&format!("MIX_CHECK at {}", listener.name), check.passes(), &check);
        }
    }
}
