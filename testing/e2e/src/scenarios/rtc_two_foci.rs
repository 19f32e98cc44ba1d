//! Members of a MatrixRTC call publish on two SFUs, each on one of his own: the bridge is on both, and all hear all.

use super::bench::Bench;
use super::call_kind::CallKind;
use super::meeting::{Asked, Meeting, turn_checks};
use crate::audio::Voice;
use crate::stack::{Focus, Stack};
use anyhow::Result;
use std::collections::BTreeSet;

pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    let stack = bench.stack().await?;
    let second = Focus::start(&bench.folder("second-livekit")?, &stack.synapse.url).await?;
    let outcome = turns(bench, &stack, second.url()).await;
    second.stop().await?;
    outcome
}

async fn turns(bench: &mut Bench, stack: &Stack, second: &str) -> Result<()> {
    let (callers, users) = ([Voice::Alice, Voice::Bob], [Voice::Dora]);
    let mut meeting = Meeting::of(bench, "rtc-two-foci", &callers, &users).await?;
    meeting.join(bench, Voice::Alice, CallKind::Rtc).await?;
    meeting.join(bench, Voice::Bob, CallKind::RtcAt(second)).await?;
    meeting.all_together().await?;
    foci_check(bench, &mut meeting, [stack.focus()?.url(), second]).await?;
    let turns = meeting.take_turns(bench).await?;
    let participants = meeting.participants(bench, turns).await?;
    turn_checks(bench, &participants, Asked::Speech);
    meeting.end(bench).await
}

/// Everybody's page shows that voice comes from both SFUs.
async fn foci_check(bench: &mut Bench, meeting: &mut Meeting, both: [&str; 2]) -> Result<()> {
    for caller in &mut meeting.callers {
        let members = caller.browser.state().await?.members;
        let foci: BTreeSet<_> = members.iter().filter_map(|member| member.focus.as_deref()).collect();
        bench.check(
            &format!("the SFUs that {} knows of", caller.name),
            foci == BTreeSet::from(both),
            format!("{foci:?}"),
        );
    }
    Ok(())
}
