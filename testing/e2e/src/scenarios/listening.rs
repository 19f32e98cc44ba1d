//! What was said and heard on either side, on one clock, and the checks that compare the two.

use super::bench::Bench;
use crate::audio::{Audio, Clock, Recording, SpeechCheck, VoicePath, muted};
use anyhow::Result;
use discord_standin::ControlClient;
use std::path::Path;

/// `SPEECH_CHECK`, its control against other speech, and the test of the check itself.
pub(crate) fn speech_checks(
    bench: &mut Bench,
    direction: &str,
    said: &Recording,
    heard: &Recording,
    other: &Recording,
) -> SpeechCheck {
    let check = SpeechCheck::run(said, heard);
    bench.check(
        &format!("SPEECH_CHECK {direction}"),
        check.passes(VoicePath::Forwarded),
        &check,
    );
    let control = SpeechCheck::run(other, heard);
    bench.check(
        &format!("control {direction}, other speech"),
        control.is_unrelated(),
        &control,
    );
    let half_muted = SpeechCheck::run(said, &muted(heard));
    let fails = !half_muted.passes(VoicePath::Forwarded);
    bench.check(
        &format!("self-test {direction}, a muted recording fails"),
        fails,
        &half_muted,
    );
    check
}

/// What a person on Discord heard, on the wall clock.
pub(crate) async fn heard_on_discord(control: &ControlClient, who: &str, folder: &Path) -> Result<Recording> {
    let recording = control.recording(who).await?;
    let file = folder.join(format!("{who}.wav"));
    std::fs::write(&file, control.recording_wav(who, None).await?)?;
    Ok(Recording::new(
        Audio::load(&file)?,
        Clock::starting_at(wall_clock_ms(recording.started_at_ns)),
    ))
}

/// What a person on Discord said, when he began at `started_at_ns`.
pub(crate) fn said_on_discord(file: &Path, started_at_ns: u64) -> Result<Recording> {
    Ok(Recording::new(
        Audio::load(file)?,
        Clock::starting_at(wall_clock_ms(started_at_ns)),
    ))
}

/// A stamp of the local Discord on the clock of recordings: UNIX milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "a double holds microseconds since 1970 exactly enough"
)]
pub(crate) fn wall_clock_ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}
