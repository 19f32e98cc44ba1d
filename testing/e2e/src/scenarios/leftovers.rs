//! What the bridges hold: tasks, sockets and open channels, to tell what a call left behind.

use crate::stack::{Bridge, Person, Stack};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// The tasks and sockets of both bridges.
#[derive(Debug, PartialEq)]
pub(crate) struct Footprint {
    tasks: BTreeMap<String, u64>,
    udp_sockets: usize,
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
        let mut udp_sockets = 0;
        for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
            let status = bridge.status().await?;
            let kinds = BTreeMap::<String, u64>::deserialize(&status["tasks"])?;
            tasks.extend(kinds.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| {
                (
                    format!("{} {kind}", status["program"].as_str().unwrap_or_default()),
                    count,
                )
            }));
            udp_sockets += udp_sockets_of(bridge.process_id()?)?;
        }
        Ok(Self { tasks, udp_sockets })
    }

    /// Both directions of the only open channel.
    pub(crate) async fn links(stack: &Stack) -> Result<[(&'static str, Link); 2]> {
        Ok([
            ("Matrix to Discord", Link::received_by(&stack.discord_bridge).await?),
            ("Discord to Matrix", Link::received_by(&stack.voice_bridge).await?),
        ])
    }

    /// The rooms whose channel the control room records as open.
    pub(crate) async fn open_channels(stack: &Stack) -> Result<Vec<String>> {
        let state = control_room_state(stack).await?;
        let open = state.iter().filter(|event| {
            event["type"] == "vdp.channel" && event["content"].as_object().is_some_and(|content| !content.is_empty())
        });
        Ok(open
            .filter_map(|event| event["state_key"].as_str().map(str::to_owned))
            .collect())
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.tasks.iter().map(|(kind, count)| format!("{count} {kind}"));
        write!(
            formatter,
            "{} UDP sockets; {}",
            self.udp_sockets,
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
    let (reader, control_room) = control_room(stack).await?;
    let events = reader.latest(&control_room, 100).await?;
    let asked = events.iter().filter(|event| {
        event["type"] == "vdp.channel.request"
            && event["content"]["room_id"] == room
            && event["sender"] == stack.voice_bot().as_str()
    });
    asked
        .filter_map(|event| event["origin_server_ts"].as_f64())
        .min_by(f64::total_cmp)
        .context("nobody has asked for a channel")
}

async fn control_room_state(stack: &Stack) -> Result<Vec<Value>> {
    let (reader, control_room) = control_room(stack).await?;
    reader.state(&control_room).await
}

/// The control room, and the voice bridge itself as who reads it, since nobody else is in it.
async fn control_room(stack: &Stack) -> Result<(Person, String)> {
    let token = std::fs::read_to_string(stack.folder.join("voice-bridge/as_token"))?;
    let bridge = Person::with_token(&stack.synapse.url, &stack.voice_bot(), token.trim());
    let room = bridge.room_of_alias("#_vdp_control:localhost").await?;
    Ok((bridge, room))
}

/// How many UDP sockets a process holds, from the operating system.
fn udp_sockets_of(process: u32) -> Result<usize> {
    let proc = Path::new("/proc").join(process.to_string());
    let mut sockets = BTreeSet::new();
    for entry in std::fs::read_dir(proc.join("fd"))? {
        // A descriptor may be closed while the folder is read.
        let Ok(target) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        sockets.extend(
            target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .map(str::to_owned),
        );
    }
    let mut count = 0;
    for table in ["net/udp", "net/udp6"] {
        let table = std::fs::read_to_string(proc.join(table))?;
        // The tenth column is the inode.
        let inodes = table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(9));
        count += inodes.filter(|inode| sockets.contains(*inode)).count();
    }
    Ok(count)
}
