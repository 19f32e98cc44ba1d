//! One person in the MatrixRTC call of a room, one in a call by `m.call` events, one on Discord: it is one call.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::meeting::{Asked, Meeting, turn_checks};
use crate::audio::Voice;
use anyhow::Result;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let (callers, users) = ([Voice::Alice, Voice::Bob], [Voice::Dora]);
    let mut meeting = Meeting::of(bench, "rtc-and-voip", &callers, &users).await?;
    meeting.join(bench, Voice::Alice, CallKind::Rtc).await?;
    meeting.join(bench, Voice::Bob, CallKind::Voip).await?;
    meeting.all_together().await?;
    let turns = meeting.take_turns(bench).await?;
    let participants = meeting.participants(bench, turns).await?;
    turn_checks(bench, &participants, Asked::Speech);
    meeting.end(bench).await
}
