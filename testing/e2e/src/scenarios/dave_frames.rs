//! Figures of the frames of an encrypted call at one listener.

use super::bench::Bench;
use crate::clients::ClientState;
use discord_standin::types::RecordedSource;

/// Frames that a listener may fail to open while he, or somebody, is being taken into the group: half a second.
const MOST_UNOPENED: u64 = 25;

/// Nothing that was said to this client is lost on the way, and next to nothing cannot be opened.
pub(super) fn frames_check(bench: &mut Bench, listener: &str, state: &ClientState, sources: &[RecordedSource]) {
    let lost: u64 = sources.iter().map(|source| source.lost).sum();
    let figure = format!(
        "{} received, {} decrypted, {} not, {lost} lost since the call settled; {} sent",
        state.received, state.decrypted, state.failed, state.sent
    );
    let good = state.decrypted > 0 && state.failed <= MOST_UNOPENED && lost == 0;
    bench.check(&format!("frames at {listener}"), good, figure);
}
