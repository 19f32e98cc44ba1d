//! Figures of the frames of an encrypted call at one listener.

use super::bench::Bench;
use crate::clients::ClientState;
use discord_standin::types::RecordedSource;

/// What a listener may miss while he, or somebody, is being taken into the group, and by the stutter of a busy machine:
/// half a second. Whether speech was harmed is `SPEECH_CHECK`'s to say.
const MOST_MISSED: u64 = 25;

/// Next to nothing that was said to this client is lost on the way or cannot be opened.
pub(super) fn frames_check(bench: &mut Bench, listener: &str, state: &ClientState, sources: &[RecordedSource]) {
    let lost: u64 = sources.iter().map(|source| source.lost).sum();
    let figure = format!(
        "{} received, {} decrypted, {} not, {lost} lost since the call settled; {} sent",
        state.received, state.decrypted, state.failed, state.sent
    );
    let good = state.decrypted > 0 && state.failed + lost <= MOST_MISSED;
    bench.check(&format!("frames at {listener}"), good, figure);
}
