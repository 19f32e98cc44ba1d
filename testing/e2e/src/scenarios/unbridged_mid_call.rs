//! A room's link to its voice channel is removed while people talk: voice stops at once, and everybody is told why.

use super::bench::Bench;
use super::signalling::ControlRoom;
use super::silent_call::notices;
use super::talk::Talk;
use crate::audio::unix_ms;
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// How long both talk before, and would have been heard after it.
const TALK: Duration = Duration::from_secs(5);
/// How long the channel may take to close.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);
/// "At once": the homeserver tells the bridges, and what is on its way is still heard.
const SILENT_WITHIN_MS: f64 = 1_000.0;
/// Neither speaks for longer than this without a pause being over.
const PAUSE_MS: f64 = 2_000.0;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let control = ControlRoom::of(&stack).await?;
    let mut talk = Talk::start(bench, "unbridged-mid-call").await?;
    sleep(TALK).await;
    let removed = unix_ms();
    stack.unlink(&talk.room).await?;
    let close = control.said("vdp.channel.close", &talk.room.id, CLOSED_WITHIN).await;
    bench.check(
        "the channel closes with no_longer_bridged",
        close
            .as_ref()
            .is_ok_and(|event| event["content"]["reason"] == "no_longer_bridged"),
        close.map_or_else(|error| format!("{error:#}"), |event| event["content"].to_string()),
    );
    sleep(TALK).await;
    for way in talk.so_far().await? {
        let last = way.heard.last_sound_ms().unwrap_or(f64::NEG_INFINITY) - removed;
        bench.check(
            &format!("voice stops at once {}", way.direction),
            (-PAUSE_MS..SILENT_WITHIN_MS).contains(&last),
            format!("last heard {last:.0} ms after the link was removed"),
        );
    }
    let said = notices(&stack.operator, &talk.room.id, &stack.voice_bot()).await?;
    bench.check(
        "the room is told once",
        said.len() == 1 && said.iter().all(|text| text.contains("link")),
        format!("{said:?}"),
    );
    talk.left(bench).await
}
