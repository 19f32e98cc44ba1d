//! Two people join the call of a bridged room through Element Call's own interface. The bridge is on their screens under its
//! name, its ring is lit while somebody on Discord speaks and at no other time, and everybody hears everybody else.

mod rings;

use super::bench::Bench;
use super::call_members::CallMembers;
use super::leftovers::{Footprint, ends_cleanly};
use super::listening::{Span, begin_on_discord, heard_on_discord};
use super::meeting::{Asked, Participant, turn_checks};
use crate::audio::{Recording, Voice, unix_ms};
use crate::browser::{Browser, CallState, ElementCallPage};
use crate::page::PageServer;
use crate::stack::Stack;
use anyhow::Result;
use rings::{Rings, changes};
use std::time::Duration;
use tokio::time::sleep;

/// How long each one talks alone.
const TURN: Duration = Duration::from_secs(15);
/// Between turns, so that the end of one is not taken for the start of the next, and its ring is out.
const PAUSE: Duration = Duration::from_secs(2);
/// How long nobody talks at all.
const QUIET: Duration = Duration::from_secs(3);
const JOINED_WITHIN: Duration = Duration::from_secs(30);
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// The people in Element Call.
const PEOPLE: [Voice; 2] = [Voice::Alice, Voice::Bob];
const USER_IDS: [&str; 2] = ["@alice:localhost", "@bob:localhost"];
/// How the bridge of this room is called.
const BRIDGE: &str = "Discord: element-call";
const PICTURE: &str = "element-call.png";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = &stack.standin()?.control;
    let room = bench.room("element-call").await?;
    let dora = control.create_person("dora-of-element-call").await?.id;
    control.join(&dora, &room.channel_id).await?;
    control.record(&dora).await?;
    let page = bench.page(&room, &PEOPLE.map(Voice::name)).await?;
    let members = CallMembers::with_bridge(&stack, &room.id, &PEOPLE.map(Voice::name)).await?;
    let before = Footprint::at_rest(&stack).await?;

    let mut screens = join(bench, &page).await?;
    let bot = stack.voice_bot();
    let all = [USER_IDS[0], USER_IDS[1], &bot];
    members.checks(bench, &all, &all).await?;
    for screen in &mut screens {
        screen.mute_element_call(true).await?;
    }
    let turns = [
        talk_in_element_call(bench, &mut screens, 0).await?,
        talk_in_element_call(bench, &mut screens, 1).await?,
    ];
    let by_dora = talk_on_discord(bench, &stack, &mut screens, &dora).await?;
    let mut participants = vec![Participant {
        name: Voice::Dora.name(),
        turn: by_dora,
        microphone: None,
        heard: vec![heard_on_discord(control, &dora, &bench.folder("element-call")?).await?],
    }];
    for ((screen, voice), turn) in screens.iter_mut().zip(PEOPLE).zip(turns) {
        let recordings = screen.recordings().await?;
        participants.push(Participant {
            name: voice.name(),
            turn: turn.of(&recordings.microphone),
            microphone: None,
            heard: vec![recordings.remote],
        });
    }
    turn_checks(bench, &participants, Asked::Voice);
    keep_picture(bench, &stack, &mut screens, &dora).await?;

    for mut screen in screens {
        screen.leave_element_call().await?;
        let ended = |page: &ElementCallPage| page.call == CallState::Ended;
        screen
            .element_call_until("the call to end", ENDED_WITHIN, ended)
            .await?;
        screen.close().await?;
    }
    page.stop().await;
    ends_cleanly(bench, &stack, &room, &before).await?;
    members.checks(bench, &[], &[]).await?;
    Ok(control.leave(&dora).await?)
}

/// Both join from Element Call's lobby; then both screens show both and the bridge.
async fn join(bench: &mut Bench, page: &PageServer) -> Result<[Browser; 2]> {
    let [first, second] = PEOPLE;
    let mut screens = [
        bench.element_call(page, first.name(), first).await?,
        bench.element_call(page, second.name(), second).await?,
    ];
    for screen in &mut screens {
        screen.join_element_call().await?;
    }
    for screen in &mut screens {
        let all = |page: &ElementCallPage| page.shows(&[first.name(), second.name(), BRIDGE]);
        let what = "both people and the bridge on screen";
        let shown = screen.element_call_until(what, JOINED_WITHIN, all).await?;
        bench.check(what, true, shown);
    }
    Ok(screens)
}

/// Lets one of the people talk alone: his ring is lit on the other's screen, and the bridge's on neither.
async fn talk_in_element_call(bench: &mut Bench, screens: &mut [Browser; 2], who: usize) -> Result<Span> {
    let name = PEOPLE[who].name();
    screens[who].mute_element_call(false).await?;
    changes(bench, &mut screens[1 - who], name, true).await?;
    let from = unix_ms();
    let rings = Rings::watch(screens, TURN).await?;
    let to = unix_ms();
    screens[who].mute_element_call(true).await?;
    rings.lit_check(bench, &format!("{name}'s ring while he speaks"), [1 - who], name);
    rings.dark_check(bench, &format!("the bridge's ring while {name} speaks"), BRIDGE);
    sleep(PAUSE).await;
    Ok(Span { from, to })
}

/// Lets somebody on Discord talk alone: the bridge's ring is lit on both screens, and goes out after him.
async fn talk_on_discord(
    bench: &mut Bench,
    stack: &Stack,
    screens: &mut [Browser; 2],
    dora: &str,
) -> Result<Recording> {
    let control = &stack.standin()?.control;
    let said = begin_on_discord(bench, control, dora, Voice::Dora, TURN * 2).await?;
    for screen in screens.iter_mut() {
        changes(bench, screen, BRIDGE, true).await?;
    }
    let from = unix_ms();
    let rings = Rings::watch(screens, TURN).await?;
    let to = unix_ms();
    control.stop(dora).await?;
    rings.lit_check(bench, "the bridge's ring while Discord speaks", [0, 1], BRIDGE);
    for screen in screens.iter_mut() {
        changes(bench, screen, BRIDGE, false).await?;
    }
    let rings = Rings::watch(screens, QUIET).await?;
    rings.dark_check(bench, "the bridge's ring while nobody speaks", BRIDGE);
    Ok(Span { from, to }.of(&said))
}

/// Keeps a picture of a screen on which the bridge's ring is lit, for people to look at.
async fn keep_picture(bench: &mut Bench, stack: &Stack, screens: &mut [Browser; 2], dora: &str) -> Result<()> {
    let control = &stack.standin()?.control;
    begin_on_discord(bench, control, dora, Voice::Dora, TURN).await?;
    let [screen, _] = screens;
    changes(bench, screen, BRIDGE, true).await?;
    screen.screenshot(&Bench::artefact(PICTURE)?).await?;
    Ok(control.stop(dora).await?)
}
