//! The bridge takes part in a MatrixRTC call by a sticky event, which is the mode `matrix_2_0`: it is heard and hears, and
//! leaves like everybody else.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::call_members::CallMembers;
use super::meeting::{Asked, Meeting, turn_checks};
use crate::audio::Voice;
use crate::stack::Stack;
use anyhow::Result;

const ALICE: &str = "@alice:localhost";
const BOB: &str = "@bob:localhost";

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let mode = [("VOICE_BRIDGE_MATRIXRTC__MODE", "matrix_2_0")];
    stack.voice_bridge.restart_with(&mode).await?;
    let outcome = turns(bench, &stack).await;
    stack.voice_bridge.restart_with(&[]).await?;
    outcome
}

async fn turns(bench: &mut Bench, stack: &Stack) -> Result<()> {
    let (callers, users) = ([Voice::Alice, Voice::Bob], [Voice::Dora]);
    let mut meeting = Meeting::of(bench, "rtc-matrix-2-0", &callers, &users).await?;
    let members = CallMembers::with_bridge(stack, &meeting.room.id, &["alice", "bob"]).await?;
    meeting.join(bench, Voice::Alice, CallKind::RtcSticky).await?;
    meeting.join(bench, Voice::Bob, CallKind::Rtc).await?;
    meeting.all_together().await?;
    members.checks(bench, &[ALICE, BOB, &stack.voice_bot()], &[BOB]).await?;
    let turns = meeting.take_turns(bench).await?;
    let participants = meeting.participants(bench, turns).await?;
    turn_checks(bench, &participants, Asked::Speech);
    meeting.end(bench).await?;
    members.checks(bench, &[], &[]).await
}
