//! What was said and heard on either side, on one clock, and the checks that compare the two.

use super::bench::Bench;
use crate::audio::{Audio, Clock, Recording, SpeechCheck, Voice, VoicePath, muted, unix_ms, wall_clock_ms};
use crate::browser::Browser;
use crate::stack::wait_for;
use anyhow::Result;
use discord_standin::ControlClient;
use discord_standin::types::{Frame, FrameKind};
use std::path::Path;
use std::time::Duration;

/// What is left out at both ends of a turn: switching the microphone on and off is not what is tested.
const EDGE_MS: f64 = 500.0;
/// How long the first voice may take from a call that is connected to somebody on Discord.
const HEARD_WITHIN: Duration = Duration::from_secs(10);

/// A stretch of time in UNIX milliseconds.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Span {
    /// The part of a recording, without its edges.
    pub(crate) fn of(self, recording: &Recording) -> Recording {
        recording.between(self.from + EDGE_MS, self.to - EDGE_MS)
    }
}

/// Lets somebody talk alone in his browser for a turn, then pauses.
pub(crate) async fn talk_in_browser(browser: &mut Browser, turn: Duration, pause: Duration) -> Result<Span> {
    browser.set_muted(false).await?;
    let from = unix_ms();
    tokio::time::sleep(turn).await;
    let to = unix_ms();
    browser.set_muted(true).await?;
    tokio::time::sleep(pause).await;
    Ok(Span { from, to })
}

/// Has somebody on Discord begin to talk; gives what he will have said.
pub(crate) async fn begin_on_discord(
    bench: &Bench,
    control: &ControlClient,
    who: &str,
    voice: Voice,
    length: Duration,
) -> Result<Recording> {
    let file = bench.speech.file(voice, length)?;
    let playback = control.play(who, &file, false).await?;
    said_on_discord(&file, playback.started_at_ns)
}

/// Lets somebody on Discord talk alone for a turn, then pauses; gives what he has said, without its edges.
pub(crate) async fn talk_on_discord(
    bench: &Bench,
    control: &ControlClient,
    (who, voice): (&str, Voice),
    turn: Duration,
    pause: Duration,
) -> Result<Recording> {
    let said = begin_on_discord(bench, control, who, voice, turn).await?;
    let from = unix_ms();
    tokio::time::sleep(turn).await;
    let to = unix_ms();
    // The file may be longer than the turn.
    control.stop(who).await?;
    tokio::time::sleep(pause).await;
    Ok(Span { from, to }.of(&said))
}

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

/// Waits until somebody on Discord hears the bridge; gives when its first frame with voice reached him (UNIX milliseconds).
pub(crate) async fn first_voice_on_discord(control: &ControlClient, bot: &str, who: &str) -> Result<f64> {
    wait_for("voice from the bridge", HEARD_WITHIN, || async {
        let heard = control.frames(who, 0).await?.frames;
        let voice = |frame: &&Frame| frame.kind == FrameKind::Voice && frame.user_id == bot;
        Ok(heard.iter().find(voice).map(|frame| wall_clock_ms(frame.at_ns)))
    })
    .await
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
    said_from(file, wall_clock_ms(started_at_ns))
}

/// What was said of a file that was played from a moment on (UNIX milliseconds).
pub(crate) fn said_from(file: &Path, started_at_ms: f64) -> Result<Recording> {
    Ok(Recording::new(Audio::load(file)?, Clock::starting_at(started_at_ms)))
}
