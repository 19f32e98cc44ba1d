//! A muted participant sends nothing to Discord, whatever his client goes on to send; and what nobody hears is neither decoded
//! nor mixed, neither for a voice channel in which all are deaf nor for a call in which all are on hold.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::first_voice_on_discord;
use super::window::Window;
use crate::audio::{Voice, unix_ms, wall_clock_ms};
use crate::browser::{Browser, CallState};
use crate::stack::{BridgedRoom, LiveKit, Person, Stack, wait_for};
use anyhow::{Context as _, Result};
use discord_standin::types::{FrameKind, Overwrite, VoiceFlags};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// What was said before plays out.
const PLAYED_OUT: Duration = Duration::from_millis(1_500);
const WITHIN: Duration = Duration::from_secs(10);
/// Longer than the scenario.
const SPEECH: Duration = Duration::from_mins(2);
/// Frames in the window while somebody talks: he pauses between sentences.
const TALKS: f64 = 100.0;
/// A room in which nothing happens any more reports its last second when something does: these are no more than that.
const LEFT_OVER: f64 = 60.0;
/// The setting by which a voice channel names the callers.
const STATUS: (&str, &str) = ("DISCORD_BRIDGE_PEOPLE__STATUS", "true");

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    stack.discord_bridge.restart_with(&[STATUS]).await?;
    let mut outcome = by_voip(bench, &stack).await;
    if outcome.is_ok() && LiveKit::installed().is_some() {
        outcome = by_matrixrtc(bench, &stack).await;
    }
    stack.discord_bridge.restart_with(&[]).await?;
    outcome
}

/// Two people on Discord and two callers by VoIP v1.
async fn by_voip(bench: &mut Bench, stack: &Stack) -> Result<()> {
    let room = bench.room("mute to Discord").await?;
    let control = &stack.standin()?.control;
    may_set_status(stack, &room).await?;
    let before = Footprint::of(stack).await?;
    let mut listeners = Vec::new();
    for name in ["dora-listens", "erik-listens"] {
        let who = control.create_person(name).await?.id;
        control.join(&who, &room.channel_id).await?;
        control.record(&who).await?;
        listeners.push(who);
    }
    let page = bench.page(&room, &["alice", "bob"]).await?;
    let mut alice = in_call(bench.browser(&page, "alice", Voice::Alice).await?).await?;
    let mut bob = in_call(bench.browser(&page, "bob", Voice::Bob).await?).await?;
    let bot = stack.standin()?.info.bot_user_id.clone();
    first_voice_on_discord(control, &bot, &listeners[1]).await?;
    names_callers(bench, stack, &room, Some("In the Matrix call: alice, bob")).await?;

    bob.set_muted(true).await?;
    let stream = Announced::of(stack, "alice", &room).await?;
    muted_by_event(bench, stack, &listeners[1], &stream).await?;
    bob.set_muted(false).await?;
    all_deaf(bench, stack, &listeners).await?;
    all_on_hold(bench, stack, &listeners, [&mut alice, &mut bob]).await?;

    bob.hang_up().await?;
    bob.close().await?;
    names_callers(bench, stack, &room, Some("In the Matrix call: alice")).await?;
    alice.hang_up().await?;
    alice.close().await?;
    names_callers(bench, stack, &room, None).await?;
    for who in &listeners {
        control.leave(who).await?;
    }
    page.stop().await;
    ends_cleanly(bench, stack, &room, &before).await
}

/// One caller by MatrixRTC, who mutes his track at the SFU.
async fn by_matrixrtc(bench: &mut Bench, stack: &Stack) -> Result<()> {
    let room = bench.room("mute at an SFU").await?;
    may_set_status(stack, &room).await?;
    let control = &stack.standin()?.control;
    let erik = control.create_person("erik-by-sfu").await?.id;
    control.join(&erik, &room.channel_id).await?;
    control.record(&erik).await?;
    let page = bench.page(&room, &["alice"]).await?;
    let browser = bench.browser_for(&page, "alice", Voice::Alice, CallKind::Rtc).await?;
    let mut alice = in_call(browser).await?;
    let bot = stack.standin()?.info.bot_user_id.clone();
    first_voice_on_discord(control, &bot, &erik).await?;
    names_callers(bench, stack, &room, Some("In the Matrix call: alice")).await?;
    alice.set_muted(true).await?;
    participants_muted(stack, 1).await?;
    sleep(PLAYED_OUT).await;
    let muted = Window::of(stack).await?;
    bench.check(
        "MatrixRTC: nothing of a muted track reaches Discord",
        muted.sent < 0.5 && muted.received_here < 0.5,
        &muted,
    );
    alice.set_muted(false).await?;
    participants_muted(stack, 0).await?;
    let heard = Window::of(stack).await?;
    bench.check("MatrixRTC: an unmuted one is heard", heard.sent > TALKS, &heard);
    alice.hang_up().await?;
    alice.close().await?;
    control.leave(&erik).await?;
    page.stop().await;
    Ok(())
}

async fn may_set_status(stack: &Stack, room: &BridgedRoom) -> Result<()> {
    let standin = stack.standin()?;
    let allowed = Overwrite {
        allow: vec!["SET_VOICE_CHANNEL_STATUS".to_owned()],
        deny: vec![],
    };
    let bot = &standin.info.bot_user_id;
    standin.control.set_overwrite(&room.channel_id, bot, &allowed).await?;
    Ok(())
}

/// The voice channel's status says who is in the call.
async fn names_callers(bench: &mut Bench, stack: &Stack, room: &BridgedRoom, expected: Option<&str>) -> Result<()> {
    let control = &stack.standin()?.control;
    let status = wait_for("the voice channel's status", WITHIN, || async {
        let channels = control.state().await?.channels;
        let status = channels.into_iter().find(|channel| channel.id == room.channel_id);
        let status = status.and_then(|channel| channel.status);
        Ok((status.as_deref() == expected).then_some(status))
    })
    .await;
    let what = expected.map_or(
        "the status is taken back after the call",
        |_| "the voice channel's status names the callers",
    );
    let figure = match &status {
        Ok(status) => format!("{status:?}"),
        Err(error) => format!("{error:#}"),
    };
    bench.check(what, status.is_ok(), figure);
    Ok(())
}

async fn in_call(mut browser: Browser) -> Result<Browser> {
    browser.call().await?;
    browser.wait_for(CallState::Connected, Duration::from_secs(30)).await?;
    Ok(browser)
}

/// She says that she is muted, and her client goes on to send what she says.
async fn muted_by_event(bench: &mut Bench, stack: &Stack, listener: &str, alice: &Announced) -> Result<()> {
    let talking = Window::of(stack).await?;
    bench.check("alice is heard on Discord", talking.sent > TALKS, &talking);
    alice.say_muted(true).await?;
    participants_muted(stack, 2).await?;
    sleep(PLAYED_OUT).await;
    let muted = Window::of(stack).await?;
    bench.check(
        "nothing of a muted caller reaches Discord, though his client sends on",
        muted.sent < 0.5 && muted.received_here < 0.5 && muted.muted > TALKS,
        &muted,
    );
    let control = &stack.standin()?.control;
    let seen = control.frames(listener, 0).await?.next;
    let unmuted = unix_ms();
    alice.say_muted(false).await?;
    let again = wait_for("alice to be heard again", WITHIN, || async {
        let frames = control.frames(listener, seen).await?.frames;
        let voice = frames.iter().find(|frame| frame.kind == FrameKind::Voice);
        Ok(voice.map(|frame| wall_clock_ms(frame.at_ns)))
    })
    .await;
    let figure = match &again {
        Ok(at) => format!("{:.0} ms after the event", at - unmuted),
        Err(error) => format!("{error:#}"),
    };
    bench.check(
        "and he is heard again when he is not muted any more",
        again.is_ok(),
        figure,
    );
    Ok(())
}

/// All on Discord are deaf while two callers talk at once.
async fn all_deaf(bench: &mut Bench, stack: &Stack, listeners: &[String]) -> Result<()> {
    participants_muted(stack, 0).await?;
    let heard = Window::of(stack).await?;
    bench.check(
        "while somebody on Discord listens, voice is sent there",
        heard.sent > TALKS,
        &heard,
    );
    deafen(stack, listeners, true).await?;
    channel_heard(stack, false).await?;
    sleep(PLAYED_OUT).await;
    let deaf = Window::of(stack).await?;
    bench.check(
        "while all on Discord are deaf, nothing is mixed, decoded or sent for them, on neither side",
        deaf.sent < 0.5 && deaf.received_there < LEFT_OVER && deaf.mixed_here < 0.5 && deaf.received_here > TALKS,
        &deaf,
    );
    deafen(stack, &listeners[..1], false).await?;
    channel_heard(stack, true).await?;
    let heard = Window::of(stack).await?;
    bench.check("as soon as one listens again, it is", heard.sent > TALKS, &heard);
    deafen(stack, &listeners[1..], false).await
}

/// All callers are on hold while two people on Discord talk at once.
async fn all_on_hold(bench: &mut Bench, stack: &Stack, listeners: &[String], callers: [&mut Browser; 2]) -> Result<()> {
    let control = &stack.standin()?.control;
    for (who, voice) in listeners.iter().zip([Voice::Dora, Voice::Erik]) {
        control.play(who, &bench.speech.file(voice, SPEECH)?, false).await?;
    }
    let [alice, bob] = callers;
    // What is forwarded in the call is then what comes from Discord.
    alice.set_muted(true).await?;
    bob.set_muted(true).await?;
    alice.set_on_hold(true).await?;
    bob.set_on_hold(true).await?;
    alice.wait_held(true).await?;
    bob.wait_held(true).await?;
    sleep(PLAYED_OUT).await;
    let held = Window::of(stack).await?;
    bench.check(
        "while all callers are on hold, nothing of Discord is decoded, mixed or sent for them, on neither side",
        held.decoded_here + held.mixed_here < 0.5
            && held.forwarded_here.max(held.received_here).max(held.forwarded_there) < LEFT_OVER
            && held.decoded_there < 0.5
            && held.received_there > TALKS,
        &held,
    );
    alice.set_on_hold(false).await?;
    alice.wait_held(false).await?;
    sleep(PLAYED_OUT).await;
    let heard = Window::of(stack).await?;
    bench.check(
        "as soon as one is not on hold any more, he gets it",
        heard.forwarded_here > TALKS && heard.received_here > TALKS,
        &heard,
    );
    for who in listeners {
        control.stop(who).await?;
    }
    bob.set_on_hold(false).await?;
    bob.wait_held(false).await?;
    Ok(())
}

async fn deafen(stack: &Stack, who: &[String], deaf: bool) -> Result<()> {
    let flags = VoiceFlags {
        self_deaf: Some(deaf),
        ..VoiceFlags::default()
    };
    for who in who {
        stack.standin()?.control.set_voice(who, flags).await?;
    }
    Ok(())
}

/// Waits until the voice bridge shows that so many of its callers are muted.
async fn participants_muted(stack: &Stack, expected: usize) -> Result<()> {
    wait_for(&format!("{expected} callers to be muted"), WITHIN, || async {
        let status = stack.voice_bridge.status().await?;
        let participants = status["calls"][0]["participants"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let muted = participants.iter().filter(|one| one["muted"] == true).count();
        Ok((muted == expected).then_some(()))
    })
    .await
}

/// Waits until the Discord bridge knows whether anybody in its channel listens.
async fn channel_heard(stack: &Stack, expected: bool) -> Result<()> {
    wait_for("the bridge to know who listens", WITHIN, || async {
        let status = stack.discord_bridge.status().await?;
        Ok((status["discord"]["channels"][0]["heard"] == expected).then_some(()))
    })
    .await
}

/// A caller's microphone, as she announced it.
struct Announced {
    caller: Person,
    room: String,
    call_id: String,
    party_id: String,
    stream: String,
}

impl Announced {
    /// What the latest call of somebody in a room says.
    async fn of(stack: &Stack, name: &str, room: &BridgedRoom) -> Result<Self> {
        let caller = stack.person(name, room).await?;
        let events = caller.latest(&room.id, 100).await?;
        let mut invites = events
            .iter()
            .filter(|event| event["type"] == "m.call.invite" && event["sender"] == caller.user_id.as_str());
        let content = &invites.next().context("she has not called")?["content"];
        let text = |key: &str| content[key].as_str().unwrap_or_default().to_owned();
        let streams = content["sdp_stream_metadata"].as_object().context("no streams")?;
        Ok(Self {
            call_id: text("call_id"),
            party_id: text("party_id"),
            stream: streams.keys().next().context("no stream")?.clone(),
            room: room.id.clone(),
            caller,
        })
    }

    /// Says so, and changes nothing else.
    async fn say_muted(&self, muted: bool) -> Result<()> {
        let stream = json!({ "purpose": "m.usermedia", "audio_muted": muted, "video_muted": true });
        let content = json!({
            "version": "1", "call_id": self.call_id, "party_id": self.party_id,
            "sdp_stream_metadata": { self.stream.as_str(): stream },
        });
        let kind = "m.call.sdp_stream_metadata_changed";
        self.caller.send(&self.room, kind, content).await
    }
}
