//! Strangers who speak in the control room or make one of their own, and events that are delivered or said again.

use super::figures::record;
use crate::audio::unix_ms;
use crate::scenarios::bench::{Bench, note};
use crate::scenarios::leftovers::Footprint;
use crate::scenarios::signalling::{ControlRoom, bot};
use crate::scenarios::silent_call::SilentCall;
use crate::scenarios::talk::{NONE, Talk};
use crate::stack::{BridgedRoom, Person, Stack, wait_for};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::Duration;
use tokio::time::sleep;

/// Where a stranger would like to have the voice.
const ELSEWHERE: &str = "127.0.0.6:0";
/// What bridges say about a channel, in the order in which they say it.
const KINDS: [&str; 4] = [
    "vdp.channel.request",
    "vdp.channel.offer",
    "vdp.channel.accept",
    "vdp.channel.close",
];
/// How long anything may take that has to happen.
const WITHIN: Duration = Duration::from_secs(20);
/// Long enough for an effect, if there were one.
const QUIET: Duration = Duration::from_secs(3);

/// What the bridges said in a call that is over: each event with its sender.
pub(super) struct OldCall(Vec<Value>);

impl OldCall {
    /// Has a call in the room, and waits until it is over.
    pub(super) async fn held(stack: &Stack, room: &BridgedRoom) -> Result<Self> {
        let before = Footprint::at_rest(stack).await?;
        let call = SilentCall::place(stack, room).await?;
        call.answered(WITHIN).await?;
        call.hang_up().await?;
        let control = ControlRoom::of(stack).await?;
        let mut said = Vec::new();
        for kind in KINDS {
            said.push(control.said(kind, &room.id, WITHIN).await?);
        }
        wait_for("the old call to leave nothing behind", WITHIN, || async {
            let closed = control.open_channels().await?.is_empty();
            Ok((closed && Footprint::of(stack).await?.held == before.held).then_some(()))
        })
        .await?;
        Ok(Self(said))
    }
}

pub(super) async fn run(bench: &mut Bench, stack: &Stack, talk: &mut Talk, old: &OldCall) -> Result<()> {
    let control = ControlRoom::of(stack).await?;
    let mallory = Person::register(&stack.synapse.url, "mallory-of-forged").await?;
    control.asker.invite(&control.id, &mallory.user_id).await?;
    mallory.join(&control.id).await?;
    let lure = marked_room(stack, &mallory).await?;
    let channel = Untouched::now(stack, &control, &talk.room.id).await?;

    let from = unix_ms();
    let elsewhere = UdpSocket::bind(ELSEWHERE)?;
    elsewhere.set_nonblocking(true)?;
    let forged = forgeries(&channel.record, &elsewhere)?;
    for (kind, content) in &forged {
        for room in [&control.id, &lure] {
            mallory.send(room, kind, content.clone()).await?;
        }
    }
    sleep(QUIET).await;
    let answers = mallory.latest(&lure, 50).await?;
    let answers = answers
        .iter()
        .filter(|event| event["sender"] != mallory.user_id.as_str() && event["type"] != "m.room.member");
    let answers = answers.count();
    let sent = elsewhere.recv(&mut [0; 1]).is_ok();
    channel
        .check(bench, stack, "events of a stranger", answers == 0 && !sent)
        .await?;

    delivered_again(bench, stack, &control).await?;
    channel
        .check(bench, stack, "transactions that are delivered again", true)
        .await?;

    said_again(stack, &control, old).await?;
    sleep(QUIET).await;
    channel
        .record_check(bench, stack, "events of an old call that are said again")
        .await?;

    for (direction, link) in Footprint::links(stack).await? {
        note(&format!("lost between the bridges so far {direction}"), link);
    }
    talk.heard_from = from;
    talk.away_checks(bench, NONE, None).await?;
    control.asker.remove(&control.id, &mallory.user_id).await
}

/// A channel of which nothing may change.
struct Untouched<'a> {
    control: &'a ControlRoom,
    room: &'a str,
    record: Value,
    said: usize,
}

impl<'a> Untouched<'a> {
    async fn now(stack: &Stack, control: &'a ControlRoom, room: &'a str) -> Result<Self> {
        Ok(Self {
            control,
            room,
            record: record(stack, room).await?,
            said: said_by_bridges(stack, control, room).await?,
        })
    }

    /// Neither the record nor what the bridges have said of the room is another than before.
    async fn check(&self, bench: &mut Bench, stack: &Stack, what: &str, also: bool) -> Result<()> {
        let said = said_by_bridges(stack, self.control, self.room).await? - self.said;
        let now = record(stack, self.room).await?;
        bench.check(
            &format!("{what} change nothing"),
            now == self.record && said == 0 && also,
            format!(
                "epoch {} before, {} now; {said} answers",
                self.record["epoch"], now["epoch"]
            ),
        );
        Ok(())
    }

    /// Only the record is not: what is over may be answered with that.
    async fn record_check(&self, bench: &mut Bench, stack: &Stack, what: &str) -> Result<()> {
        let now = record(stack, self.room).await?;
        bench.check(
            &format!("{what} change nothing"),
            now == self.record,
            format!("epoch {} before, {} now", self.record["epoch"], now["epoch"]),
        );
        Ok(())
    }
}

/// A room that a stranger has marked as the control room, with both bridges in it.
async fn marked_room(stack: &Stack, owner: &Person) -> Result<String> {
    let bots = [stack.voice_bot(), stack.discord_bot()];
    let mark = json!({ "version": 1, "asker": bots[0], "answerer": bots[1] });
    let options = json!({
        "preset": "private_chat", "invite": bots,
        "initial_state": [{ "type": "vdp.control", "state_key": "", "content": mark }],
    });
    let room = owner.create_room(options).await?;
    wait_for("both bridges to come into a marked room", WITHIN, || async {
        let members = owner.joined_members(&room).await?;
        Ok(bots.iter().all(|bot| members.contains(bot)).then_some(()))
    })
    .await?;
    Ok(room)
}

/// All that a bridge could say of this channel, with its true ids and a stranger's address.
fn forgeries(record: &Value, elsewhere: &UdpSocket) -> Result<Vec<(&'static str, Value)>> {
    let of_channel = |more: Value| {
        let mut content = record.clone();
        for key in ["asker", "answerer"] {
            content.as_object_mut().context("a record is an object")?.remove(key);
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            content[key] = value.clone();
        }
        anyhow::Ok(content)
    };
    let address = elsewhere.local_addr()?;
    let epoch = record["epoch"].as_u64().context("the record has no epoch")?;
    let end = json!({
        "address": address.ip(), "port": address.port(), "share": "WGmv9FBUlzLLqu1eXfmzCm2jHLDldCutWtShp2jxpns",
    });
    let mut next = end.clone();
    next["epoch"] = (epoch + 1).into();
    next["channel_id"] = "0123456789abcdef".into();
    Ok(vec![
        ("vdp.channel.request", of_channel(json!({ "after_epoch": epoch }))?),
        ("vdp.channel.offer", of_channel(next.clone())?),
        ("vdp.channel.accept", of_channel(end)?),
        ("vdp.channel.accept", of_channel(next)?),
        ("vdp.channel.broken", of_channel(json!({ "reason": "silent" }))?),
        ("vdp.channel.reject", of_channel(json!({ "reason": "not_bridged" }))?),
        ("vdp.channel.close", of_channel(json!({ "reason": "call_ended" }))?),
    ])
}

/// How much the bridges have said of a room's channel.
async fn said_by_bridges(stack: &Stack, control: &ControlRoom, room: &str) -> Result<usize> {
    let bots = [stack.voice_bot(), stack.discord_bot()];
    let mut said = 0;
    for kind in KINDS.into_iter().chain(["vdp.channel.broken", "vdp.channel.reject"]) {
        let events = control.events(kind, room).await?;
        said += events
            .iter()
            .filter(|event| bots.iter().any(|bot| event["sender"] == bot.as_str()))
            .count();
    }
    Ok(said)
}

/// All events of the control room are delivered to both bridges again, by a transaction's id that was used and by another.
async fn delivered_again(bench: &mut Bench, stack: &Stack, control: &ControlRoom) -> Result<()> {
    let mut events = control.asker.latest(&control.id, 100).await?;
    events.reverse();
    for event in &mut events {
        event["room_id"] = control.id.clone().into();
    }
    let of = |count: usize| u32::try_from(count).map_or(f64::INFINITY, f64::from);
    for bridge in [&stack.voice_bridge, &stack.discord_bridge] {
        let count = |outcome: &'static str| async move {
            let metrics = bridge.metrics().await?;
            anyhow::Ok(metrics.sum("vdp_matrix_events_total", &[&format!("outcome=\"{outcome}\"")]))
        };
        let (repeated, new) = (count("repeated").await?, count("new").await?);
        // Synapse counts its transactions from 1.
        for id in ["1", "delivered-again"] {
            bridge.transact(id, &events).await?;
        }
        sleep(QUIET).await;
        let (repeated, new) = (count("repeated").await? - repeated, count("new").await? - new);
        bench.check(
            &format!("{} knows events again", bridge.name()),
            repeated >= of(events.len()) && repeated + new >= of(2 * events.len()),
            format!(
                "{repeated} of {} events, delivered twice; {new} are from before its start",
                events.len()
            ),
        );
    }
    Ok(())
}

/// The bridges' own accounts say again what they said in a call that is over.
async fn said_again(stack: &Stack, control: &ControlRoom, old: &OldCall) -> Result<()> {
    let answerer = bot(stack, &stack.discord_bridge, &stack.discord_bot())?;
    for event in &old.0 {
        let kind = event["type"].as_str().context("an event has a type")?;
        let sender = if event["sender"] == answerer.user_id.as_str() {
            &answerer
        } else {
            &control.asker
        };
        sender.send(&control.id, kind, event["content"].clone()).await?;
    }
    Ok(())
}
