//! The room in which the bridges talk is lost, damaged, and full of strangers: after each of it a call is bridged.

use super::bench::Bench;
use super::leftovers::{Footprint, nothing_is_left};
use super::signalling::{CONTROL_ALIAS, ControlRoom, bot};
use super::silent_call::SilentCall;
use crate::stack::{BridgedRoom, Person, Stack, wait_for};
use anyhow::Result;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The state event that marks the control room.
const MARK: &str = "vdp.control";
const POWER: &str = "m.room.power_levels";
/// How long a repair, and then a call, may take.
const WITHIN: Duration = Duration::from_secs(20);
/// Long enough for an answer to a stranger, if there were one.
const QUIET: Duration = Duration::from_secs(3);

/// The stack, and a room whose calls show whether the control room is of use.
struct Trial {
    stack: Arc<Stack>,
    room: BridgedRoom,
}

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let room = bench.room("control-room").await?;
    let before = Footprint::at_rest(&stack).await?;
    let trial = Trial { stack, room };
    trial.alias_is_missing(bench).await?;
    trial.other_bridge_is_absent(bench).await?;

    let mallory = Person::register(&trial.stack.synapse.url, "mallory").await?;
    let control = trial.control().await?;
    let power = power_of(&control).await?;
    let mut shared = power.clone();
    shared["users"][&mallory.user_id] = 100.into();
    control.asker.set_state(&control.id, POWER, "", shared).await?;
    control.asker.invite(&control.id, &mallory.user_id).await?;
    mallory.join(&control.id).await?;
    trial.mark_is_damaged(bench, &control, &mallory).await?;
    trial.power_is_taken(bench, &control, &mallory).await?;
    trial.stranger_speaks(bench, &control, &mallory).await?;
    control.asker.set_state(&control.id, POWER, "", power).await?;
    control.asker.remove(&control.id, &mallory.user_id).await?;
    trial.second_room_is_marked(bench, &control, &mallory).await?;
    nothing_is_left(bench, &trial.stack, &before).await
}

impl Trial {
    async fn control(&self) -> Result<ControlRoom> {
        ControlRoom::of(&self.stack).await
    }

    /// Nobody finds the room any more: another one is made, and the other bridge follows.
    async fn alias_is_missing(&self, bench: &mut Bench) -> Result<()> {
        let before = self.control().await?;
        self.stack.voice_bridge.stop().await?;
        before.asker.remove_alias(CONTROL_ALIAS).await?;
        self.stack.voice_bridge.start()?;
        self.stack.voice_bridge.ready().await?;
        let now = self.control().await?;
        bench.check(
            "a control room whose alias is missing is made anew",
            now.id != before.id,
            if now.id == before.id { "it is the same" } else { "yes" },
        );
        self.a_call_is_bridged(bench, "the alias was missing").await
    }

    /// The other bridge is not in the room: it is invited, and comes.
    async fn other_bridge_is_absent(&self, bench: &mut Bench) -> Result<()> {
        let control = self.control().await?;
        let answerer = bot(&self.stack, &self.stack.discord_bridge, &self.stack.discord_bot())?;
        answerer.leave(&control.id).await?;
        let back = wait_for("the discord bridge to join", WITHIN, || async {
            let members = control.asker.joined_members(&control.id).await?;
            Ok(members.contains(&answerer.user_id).then_some(()))
        });
        let back = back.await;
        bench.check(
            "a bridge that is absent is invited, and joins",
            back.is_ok(),
            said(&back),
        );
        self.a_call_is_bridged(bench, "the other bridge was absent").await
    }

    /// Somebody with power writes another mark, then none.
    async fn mark_is_damaged(&self, bench: &mut Bench, control: &ControlRoom, mallory: &Person) -> Result<()> {
        let mark = json!({ "version": 1, "asker": self.stack.voice_bot(), "answerer": self.stack.discord_bot() });
        let forged = json!({ "version": 1, "asker": mallory.user_id, "answerer": self.stack.discord_bot() });
        for (case, damage) in [("forged", forged), ("emptied", json!({}))] {
            mallory.set_state(&control.id, MARK, "", damage).await?;
            let mended = wait_for("the mark to be set again", WITHIN, || async {
                let now = control.asker.state_event(&control.id, MARK, "").await?;
                Ok((now == mark).then_some(()))
            });
            let mended = mended.await;
            bench.check(
                &format!("a mark that was {case} is set again"),
                mended.is_ok(),
                said(&mended),
            );
        }
        self.a_call_is_bridged(bench, "the mark was damaged").await
    }

    /// Power levels forbid the other bridge to speak.
    async fn power_is_taken(&self, bench: &mut Bench, control: &ControlRoom, mallory: &Person) -> Result<()> {
        let mut levels = power_of(control).await?;
        levels["events_default"] = 75.into();
        levels["events"]["vdp.channel"] = 75.into();
        mallory.set_state(&control.id, POWER, "", levels).await?;
        let mended = wait_for("the power levels to be mended", WITHIN, || async {
            let now = power_of(control).await?;
            let usable = now["events_default"] == 0 && now["events"]["vdp.channel"] == 0;
            Ok(usable.then_some(()))
        });
        let mended = mended.await;
        bench.check(
            "power levels that silence a bridge are mended",
            mended.is_ok(),
            said(&mended),
        );
        self.a_call_is_bridged(bench, "its power was taken").await
    }

    /// A stranger in the room speaks as a bridge would, of a channel that is open.
    async fn stranger_speaks(&self, bench: &mut Bench, control: &ControlRoom, mallory: &Person) -> Result<()> {
        let call = SilentCall::place(&self.stack, &self.room).await?;
        call.answered(WITHIN).await?;
        let record = wait_for("the channel to be recorded", WITHIN, || async {
            Ok(control.open_channels().await?.remove(&self.room.id))
        })
        .await?;
        let mut forged = record.clone();
        forged["reason"] = "call_ended".into();
        mallory.send(&control.id, "vdp.channel.close", forged.clone()).await?;
        forged["reason"] = "silent".into();
        mallory.send(&control.id, "vdp.channel.broken", forged).await?;
        tokio::time::sleep(QUIET).await;
        let now = control.open_channels().await?.remove(&self.room.id);
        let unmoved = now.as_ref() == Some(&record) && !call.is_ended().await?;
        bench.check(
            "a stranger's close and broken of an open channel do nothing",
            unmoved,
            now.map_or("it is closed".to_owned(), |now| format!("epoch {}", now["epoch"])),
        );
        self.is_over(&call).await
    }

    /// A stranger marks a room of his own, brings both bridges in, and asks there.
    async fn second_room_is_marked(&self, bench: &mut Bench, control: &ControlRoom, mallory: &Person) -> Result<()> {
        let bots = [self.stack.voice_bot(), self.stack.discord_bot()];
        let mark = json!({ "version": 1, "asker": bots[0], "answerer": bots[1] });
        let options = json!({
            "preset": "private_chat", "invite": bots,
            "initial_state": [{ "type": MARK, "state_key": "", "content": mark }],
        });
        let lure = mallory.create_room(options).await?;
        wait_for("both bridges to come into a marked room", WITHIN, || async {
            let members = mallory.joined_members(&lure).await?;
            Ok(bots.iter().all(|bot| members.contains(bot)).then_some(()))
        })
        .await?;
        let request = json!({
            "version": 1, "format": "sealed-opus-chacha20poly1305", "room_id": self.room.id, "transaction_id": "forged",
        });
        mallory.send(&lure, "vdp.channel.request", request).await?;
        tokio::time::sleep(QUIET).await;
        let events = mallory.latest(&lure, 50).await?;
        let answers = events
            .iter()
            .filter(|event| bots.iter().any(|bot| event["sender"] == bot.as_str()) && event["type"] != "m.room.member");
        let answers = answers.count();
        let same = self.control().await?.id == control.id;
        bench.check(
            "a second marked room of a stranger changes nothing",
            answers == 0 && same,
            format!("{answers} events of the bridges in it"),
        );
        self.a_call_is_bridged(bench, "a second room was marked").await
    }

    /// A call in the bridged room gets its channel.
    async fn a_call_is_bridged(&self, bench: &mut Bench, after: &str) -> Result<()> {
        let call = SilentCall::place(&self.stack, &self.room).await?;
        let answered = call.answered(WITHIN).await;
        bench.check(
            &format!("a call is bridged after {after}"),
            answered.is_ok(),
            said(&answered),
        );
        self.is_over(&call).await
    }

    /// Hangs up, and waits until the next call can have the channel.
    async fn is_over(&self, call: &SilentCall) -> Result<()> {
        call.hang_up().await?;
        let control = self.control().await?;
        wait_for("the channel to be closed", WITHIN, || async {
            Ok(control.open_channels().await?.is_empty().then_some(()))
        })
        .await
    }
}

async fn power_of(control: &ControlRoom) -> Result<Value> {
    control.asker.state_event(&control.id, POWER, "").await
}

fn said(outcome: &Result<()>) -> String {
    outcome
        .as_ref()
        .map_or_else(|error| format!("{error:#}"), |()| "yes".to_owned())
}
