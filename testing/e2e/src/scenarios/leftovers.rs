//! What the bridges hold: tasks, sockets, rooms, channels and memory, to tell what a call left behind.

use super::bench::Bench;
use super::process::{connections_of, memory_of, udp_ports_of};
use super::signalling::ControlRoom;
use crate::stack::{Bridge, BridgedRoom, Focus, Stack, wait_for};
use anyhow::{Context as _, Result};
use discord_standin::types::AccountKind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How long the bridges may take to let go of a call.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// How long what was said before a bridge was started may keep it busy.
const REST_WITHIN: Duration = Duration::from_secs(45);
/// Tasks that exist while there are calls.
const OF_CALLS: [&str; 5] = [
    " channel.room",
    " channel.enter",
    " call.channel",
    " voip.call",
    " voip.goodbye",
];
/// A bridge may keep so much more memory than before a call: its allocator holds what the call needed at its most for the
/// next one. A call that left its buffers or its codecs behind would not show in one run, but in the count of tasks.
const MEMORY_LIMIT_MIB: u64 = 64;

/// What both bridges hold.
#[derive(Debug)]
pub(crate) struct Footprint {
    pub(crate) held: Held,
    /// Resident memory of the two bridges, in MiB: what the system counts, with all that the allocator keeps.
    memory: [u64; 2],
}

/// What is the same before and after a call.
#[derive(Debug, PartialEq)]
pub(crate) struct Held {
    tasks: BTreeMap<String, u64>,
    pub(crate) udp_sockets: usize,
    /// Connections to LiveKit.
    at_livekit: usize,
    /// Calls in rooms, and voice channels.
    rooms: usize,
}

/// One direction of a VDP channel, as its receiver counted it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) received: u64,
    pub(crate) lost: u64,
}

impl Footprint {
    /// What both bridges hold now.
    pub(crate) async fn of(stack: &Stack) -> Result<Self> {
        let mut tasks = BTreeMap::new();
        let livekit = stack.focus.as_ref().map(Focus::signal_port);
        let (mut udp_sockets, mut at_livekit, mut rooms) = (0, 0, 0);
        let mut memory = [0; 2];
        for (bridge, memory) in [&stack.voice_bridge, &stack.discord_bridge]
            .into_iter()
            .zip(&mut memory)
        {
            let status = bridge.status().await?;
            let kinds = BTreeMap::<String, u64>::deserialize(&status["tasks"])?;
            tasks.extend(
                kinds
                    .into_iter()
                    .filter(|(_, count)| *count > 0)
                    .map(|(kind, count)| (format!("{} {kind}", bridge.name()), count)),
            );
            let seats = [&status["calls"], &status["discord"]["channels"]];
            rooms += seats
                .iter()
                .filter_map(|seats| seats.as_array())
                .map(Vec::len)
                .sum::<usize>();
            udp_sockets += udp_ports_of(bridge)?.len();
            at_livekit += livekit.map_or(Ok(0), |port| connections_of(bridge, port))?;
            *memory = memory_of(bridge)?;
        }
        let held = Held {
            tasks,
            udp_sockets,
            at_livekit,
            rooms,
        };
        Ok(Self { held, memory })
    }

    /// What they hold when no call is left: one that was just started deals with what was said before.
    pub(crate) async fn at_rest(stack: &Stack) -> Result<Self> {
        wait_for("the bridges to be at rest", REST_WITHIN, || async {
            let now = Self::of(stack).await?;
            let of_calls = |kind: &String| OF_CALLS.iter().any(|task| kind.ends_with(task));
            let rests = now.held.rooms == 0 && !now.held.tasks.keys().any(of_calls);
            Ok(rests.then_some(now))
        })
        .await
    }

    /// By how much the memory of that bridge has grown that has grown more, in MiB.
    pub(crate) fn grown_since(&self, before: &Self) -> u64 {
        let memory = self.memory.iter().zip(before.memory);
        let grown = memory.map(|(now, before)| now.saturating_sub(before));
        grown.max().unwrap_or_default()
    }

    /// Both directions of the only open channel.
    pub(crate) async fn links(stack: &Stack) -> Result<[(&'static str, Link); 2]> {
        Ok([
            ("Matrix to Discord", Link::received_by(&stack.discord_bridge).await?),
            ("Discord to Matrix", Link::received_by(&stack.voice_bridge).await?),
        ])
    }
}

/// After the hang-up: the bot has left, the channel is closed, and the bridges are as they were before the call.
pub(crate) async fn ends_cleanly(
    bench: &mut Bench,
    stack: &Stack,
    room: &BridgedRoom,
    before: &Footprint,
) -> Result<()> {
    bot_leaves(bench, stack, room).await?;
    nothing_is_left(bench, stack, before).await
}

/// After the hang-up: the bot leaves the room's voice channel.
pub(crate) async fn bot_leaves(bench: &mut Bench, stack: &Stack, room: &BridgedRoom) -> Result<()> {
    let guild = stack.standin()?.control.of_guild(&room.guild_id);
    let left = wait_for("the bot to leave the voice channel", LET_GO_WITHIN, || async {
        let state = guild.state().await?;
        let there = state
            .voice
            .iter()
            .any(|voice| voice.kind == AccountKind::Bot && voice.channel_id == room.channel_id);
        Ok((!there).then_some(()))
    });
    let left = left.await;
    bench.check("the bot has left the voice channel", left.is_ok(), outcome(&left));
    Ok(())
}

/// The control room records no open channel, and the bridges are as they were before.
pub(crate) async fn nothing_is_left(bench: &mut Bench, stack: &Stack, before: &Footprint) -> Result<()> {
    let control = ControlRoom::of(stack).await?;
    let closed = wait_for("the VDP channel to be closed", LET_GO_WITHIN, || async {
        Ok(control.open_channels().await?.is_empty().then_some(()))
    });
    let closed = closed.await;
    bench.check(
        "the control room holds no open channel",
        closed.is_ok(),
        outcome(&closed),
    );
    let same = wait_for("the bridges to let go of everything", LET_GO_WITHIN, || async {
        let after = Footprint::of(stack).await?;
        if after.held == before.held {
            Ok(Some(after))
        } else {
            Err(anyhow::anyhow!("{} before, {} now", before.held, after.held))
        }
    });
    let same = same.await.context("tasks and sockets");
    let figure = same
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |after| after.held.to_string());
    bench.check("no task, room or socket of the call is left", same.is_ok(), figure);
    let after = Footprint::of(stack).await?;
    bench.check(
        "memory of voice-bridge and discord-bridge",
        after.grown_since(before) <= MEMORY_LIMIT_MIB,
        format!("{:?} MiB before, {:?} MiB now", before.memory, after.memory),
    );
    Ok(())
}

fn outcome<T>(result: &Result<T>) -> String {
    result
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |_| "yes".to_owned())
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks.iter().map(|(kind, count)| format!("{count} {kind}"));
        write!(
            formatter,
            "{} UDP sockets, {} connections to LiveKit, {} rooms; {}",
            self.udp_sockets,
            self.at_livekit,
            self.rooms,
            tasks.collect::<Vec<_>>().join(", ")
        )
    }
}

impl Link {
    async fn received_by(bridge: &Bridge) -> Result<Self> {
        let status = bridge.status().await?;
        let channel = status["channels"].get(0).context("the bridge has no channel")?;
        let number = |key: &str| {
            channel[key]
                .as_u64()
                .with_context(|| format!("{key} is not in {channel}"))
        };
        Ok(Self {
            received: number("received")?,
            lost: number("lost")?,
        })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.lost, self.received + self.lost)
    }
}

/// When the voice bridge asked for this room's channel first, by the homeserver's clock: UNIX milliseconds.
pub(crate) async fn channel_asked_at(stack: &Stack, room: &str) -> Result<f64> {
    let control = ControlRoom::of(stack).await?;
    let requests = control.events("vdp.channel.request", room).await?;
    requests
        .iter()
        .filter(|event| event["sender"] == stack.voice_bot().as_str())
        .filter_map(|event| event["origin_server_ts"].as_f64())
        .min_by(f64::total_cmp)
        .context("nobody has asked for a channel")
}
