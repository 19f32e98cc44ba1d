//! Sixty people come into a voice channel, mute and unmute themselves and leave within ten seconds, at a homeserver that takes
//! five state events a second: what the room shows in the end is right, and whoever asked for patience got it.

use super::bench::{Bench, note};
use super::shown::{shown, shows};
use crate::audio::unix_ms;
use crate::stack::{BridgedRoom, Limiter, Stack, VOICE_MEMBER, wait_for};
use anyhow::Result;
use discord_standin::types::{DavePolicy, VoiceFlags};
use std::time::Duration;
use tokio::time::{Instant, interval};

const PEOPLE: usize = 60;
/// Those who stay, half of them muted.
const STAY: usize = 6;
const STORM: Duration = Duration::from_secs(10);
/// What the homeserver takes: so many at once, then one each.
const BURST: u32 = 10;
const EVERY: Duration = Duration::from_millis(200);
/// What the last states may take after the storm: each of those who are still shown is one event.
const SETTLED: Duration = Duration::from_secs(40);

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let limiter = Limiter::start(&stack.synapse.url, VOICE_MEMBER, BURST, EVERY).await?;
    let way = ("DISCORD_BRIDGE_HOMESERVER__URL", limiter.url());
    stack.discord_bridge.restart_with(&[way]).await?;
    let outcome = storm(bench, &stack, &limiter).await;
    stack.discord_bridge.restart_with(&[]).await?;
    outcome
}

async fn storm(bench: &mut Bench, stack: &Stack, limiter: &Limiter) -> Result<()> {
    let room = bench.room("a storm").await?;
    let control = &stack.standin()?.control;
    // Sixty clients that agree on keys anew for each who comes would be a storm of another kind.
    control.set_dave(&room.channel_id, DavePolicy::Off).await?;
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(control.create_person(&format!("storm-{n}")).await?.id);
    }
    // The room is known when it shows somebody.
    control.join(&people[0], &room.channel_id).await?;
    shows(stack, &room, 1, SETTLED).await?;
    control.leave(&people[0]).await?;
    shows(stack, &room, 0, SETTLED).await?;

    let before = Counted::of(stack).await?;
    let began = Instant::now();
    rage(stack, &room, &people).await?;
    let lasted = began.elapsed();
    let ended = unix_ms();
    let right = settles(stack, &room, &people).await;
    let settled = unix_ms() - ended;
    let after = Counted::of(stack).await?;
    let seen = limiter.seen();

    bench.check(
        "the storm lasts as long as it should",
        lasted < STORM + Duration::from_secs(5),
        format!(
            "{} changes of {PEOPLE} people in {:.1} s",
            PEOPLE * 4 - 2 * STAY + STAY / 2,
            lasted.as_secs_f64()
        ),
    );
    bench.check(
        "the room shows who stayed, as they are, and nobody else",
        right.is_ok(),
        match &right {
            Ok(()) => format!("{:.1} s after the storm", settled / 1_000.0),
            Err(error) => format!("{error:#}"),
        },
    );
    let written = after.written - before.written;
    note(
        "changes that the room was to show",
        format!("{:.0}", after.changes - before.changes),
    );
    bench.check(
        "changes are coalesced",
        written < (after.changes - before.changes) * 0.8,
        format!("{written:.0} events written, {PEOPLE:.0} people shown at most at once"),
    );
    bench.check(
        "the homeserver had too much at times, and was given the patience that it asked for",
        seen.refused > 0 && seen.early == 0,
        format!(
            "{} passed, {} refused (429), {} of them too early",
            seen.passed, seen.refused, seen.early
        ),
    );
    let lost = after.lost - before.lost;
    bench.check(
        "none was given up",
        lost < 0.5,
        format!("{lost:.0} refused, failed or too many"),
    );
    for who in &people[..STAY] {
        control.leave(who).await?;
    }
    let empty = shows(stack, &room, 0, SETTLED).await;
    bench.check(
        "nobody is shown when all have left",
        empty.is_ok(),
        empty.map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned()),
    );
    Ok(())
}

/// All come, mute themselves, unmute themselves, leave; the first few stay, half of them muted.
async fn rage(stack: &Stack, room: &BridgedRoom, people: &[String]) -> Result<()> {
    let control = &stack.standin()?.control;
    let mut beat = interval(STORM / u32::try_from(PEOPLE * 4)?);
    let mute = |self_mute: bool| VoiceFlags {
        self_mute: Some(self_mute),
        ..VoiceFlags::default()
    };
    for round in 0..4 {
        for (n, who) in people.iter().enumerate() {
            beat.tick().await;
            match round {
                0 => drop(control.join(who, &room.channel_id).await?),
                1 => drop(control.set_voice(who, mute(true)).await?),
                2 if !stays_muted(n) => drop(control.set_voice(who, mute(false)).await?),
                3 if n >= STAY => control.leave(who).await?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn stays_muted(n: usize) -> bool {
    n < STAY && n.is_multiple_of(2)
}

/// Waits until the room shows those who stayed, as they are, and nobody else.
async fn settles(stack: &Stack, room: &BridgedRoom, people: &[String]) -> Result<()> {
    wait_for("the room to show who stayed", SETTLED, || async {
        let shown = shown(stack, room).await?;
        let right = people.iter().take(STAY).enumerate().all(|(n, who)| {
            let muted = shown.get(who).map(|event| event["content"]["self_mute"] == true);
            muted == Some(stays_muted(n))
        });
        Ok((right && shown.len() == STAY).then_some(()))
    })
    .await
}

/// What the bridge counted.
struct Counted {
    changes: f64,
    written: f64,
    /// Refused, failed or too many.
    lost: f64,
}

impl Counted {
    async fn of(stack: &Stack) -> Result<Self> {
        let metrics = stack.discord_bridge.metrics().await?;
        let outcome = |outcome: &str| {
            let label = format!("outcome=\"{outcome}\"");
            metrics.sum("voice_discord_presence_writes_total", &[&label])
        };
        Ok(Self {
            changes: metrics.sum("voice_discord_presence_changes_total", &[]),
            written: outcome("written"),
            lost: outcome("refused") + outcome("failed") + outcome("too_many"),
        })
    }
}
