//! Who a room shows in its voice channel, by its state.

use crate::stack::{BridgedRoom, Person, Stack, VOICE_MEMBER, wait_for};
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a change on Discord may take until the room's state shows it.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);

/// The state events of those who are shown in a room, by their Discord ids.
pub(crate) async fn shown(stack: &Stack, room: &BridgedRoom) -> Result<BTreeMap<String, Value>> {
    shown_to(&stack.operator, room).await
}

async fn shown_to(reader: &Person, room: &BridgedRoom) -> Result<BTreeMap<String, Value>> {
    let state = reader.state(&room.id).await?;
    let members = state.into_iter().filter(|event| event["type"] == VOICE_MEMBER);
    let there = members.filter_map(|event| Some((event["content"]["id"].as_str()?.to_owned(), event)));
    Ok(there.collect())
}

/// Waits until a room shows somebody in a way that `holds`; gives the event.
pub(crate) async fn shown_as(
    stack: &Stack,
    room: &BridgedRoom,
    who: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let what = format!("the room to show {who} as he is");
    wait_for(&what, WITHIN, || async {
        let event = shown(stack, room).await?.remove(who);
        Ok(event.filter(|event| holds(&event["content"])))
    })
    .await
}

/// Waits until a room shows exactly so many people.
pub(crate) async fn shows(stack: &Stack, room: &BridgedRoom, people: usize, within: Duration) -> Result<()> {
    wait_for(&format!("the room to show {people} people"), within, || async {
        Ok((shown(stack, room).await?.len() == people).then_some(()))
    })
    .await
}

/// When an event was made, by the clock of this machine in UNIX milliseconds.
pub(crate) fn made_at(event: &Value) -> f64 {
    event["origin_server_ts"].as_f64().unwrap_or_default()
}
