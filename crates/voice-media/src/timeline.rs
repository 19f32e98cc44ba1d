//! When the packets of a sink play.

use std::time::{Duration, Instant};

use crate::{FRAME, FRAME_SAMPLES};

const STEP: u64 = FRAME_SAMPLES as u64;

/// A stream without media time of its own that falls behind the wall clock by more than this after a frame without
/// speech has paused, though nothing said so.
pub(crate) const SILENT: Duration = Duration::from_millis(60);

/// In the middle of speech nobody pauses: such a stream was held up on its way, and the frames that follow make up for it.
/// Beyond this there is no telling.
pub(crate) const HELD_UP: Duration = Duration::from_millis(300);

/// A mix that makes no frame for longer than this has paused.
const GAP: Duration = Duration::from_millis(100);

/// A mix that begins this far behind the wall clock, in samples, does not go on where something ended.
const FAR: u64 = 5 * STEP;

/// Media time and numbers of one packet of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Samples at 48 kHz.
    pub(crate) media_time: u64,
    pub(crate) sequence: u64,
    pub(crate) marker: bool,
    pub(crate) lost_before: u32,
}

/// The time of one sink. Inside a talk spurt it follows the source, so that jitter stays visible to the far end; each
/// spurt begins at the wall clock, so that silence never freezes it and no delay adds up.
#[derive(Debug)]
pub(crate) struct Timeline {
    epoch: Instant,
    /// Media time and number after all packets so far.
    end: u64,
    next_sequence: u64,
    spurt: Option<Spurt>,
    /// When the last frame was made, if that was mixed.
    mixed: Option<Instant>,
}

/// How places of the source map to this sink since the last pause.
#[derive(Debug, Clone, Copy)]
struct Spurt {
    index: u64,
    media_time: u64,
    sequence: u64,
    /// When the frame at `index` came.
    received: Instant,
}

impl Timeline {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            end: 0,
            next_sequence: 0,
            spurt: None,
            mixed: None,
        }
    }

    /// Ends the spurt: the next packet is anchored to the wall clock.
    pub(crate) fn pause(&mut self) {
        self.spurt = None;
        self.mixed = None;
    }

    /// Stamps the forwarded frame at `index` of its source, `lost` and `paused` frames after the one before it.
    /// `patience` is how far it may fall behind the wall clock without having paused; none where the places come from a
    /// media time, which tells of pauses.
    pub(crate) fn follow(
        &mut self,
        received: Instant,
        index: u64,
        lost: u32,
        paused: u64,
        patience: Option<Duration>,
    ) -> Stamp {
        let has_paused = |spurt: &Spurt| patience.is_some_and(|patience| spurt.behind(received, index) > patience);
        let Some(spurt) = self.spurt.filter(|spurt| !has_paused(spurt)) else {
            return self.begin(received, index);
        };
        let media_time = spurt.media_time + index.saturating_sub(spurt.index) * STEP;
        let sequence = self.next_sequence + u64::from(lost);
        if paused > 0 {
            self.spurt = Some(Spurt {
                index,
                media_time,
                sequence,
                received,
            });
        }
        self.advance(media_time.max(self.end), sequence, false, lost)
    }

    /// Stamps a frame that came late; `None` where no number was reserved for it.
    pub(crate) fn late(&self, index: u64) -> Option<Stamp> {
        let spurt = self.spurt?;
        let steps = index.checked_sub(spurt.index)?;
        let sequence = spurt.sequence + steps;
        (sequence < self.next_sequence).then_some(Stamp {
            media_time: spurt.media_time + steps * STEP,
            sequence,
            marker: false,
            lost_before: 0,
        })
    }

    /// Stamps a mixed frame made at `now`: it goes on where the last packet ended, unless that was a while ago. So a mix
    /// follows the speaker who clocks it, as forwarding does.
    pub(crate) fn mixed(&mut self, now: Instant) -> Stamp {
        self.spurt = None;
        let goes_on = self
            .mixed
            .is_some_and(|last| now.saturating_duration_since(last) <= GAP);
        self.mixed = Some(now);
        if !goes_on && self.wall(now) > self.end + FAR {
            let media_time = self.anchor(now);
            return self.advance(media_time, self.next_sequence, true, 0);
        }
        self.advance(self.end, self.next_sequence, false, 0)
    }

    /// Stamps a frame of silence made at `now`.
    pub(crate) fn silence(&mut self, now: Instant) -> Stamp {
        self.pause();
        let media_time = self.anchor(now);
        self.advance(media_time, self.next_sequence, false, 0)
    }

    fn begin(&mut self, received: Instant, index: u64) -> Stamp {
        let media_time = self.anchor(received);
        let sequence = self.next_sequence;
        self.spurt = Some(Spurt {
            index,
            media_time,
            sequence,
            received,
        });
        self.advance(media_time, sequence, true, 0)
    }

    fn advance(&mut self, media_time: u64, sequence: u64, marker: bool, lost_before: u32) -> Stamp {
        self.end = media_time + STEP;
        self.next_sequence = sequence + 1;
        Stamp {
            media_time,
            sequence,
            marker,
            lost_before,
        }
    }

    /// The wall clock's media time, but never inside what was already sent.
    fn anchor(&self, now: Instant) -> u64 {
        self.wall(now).max(self.end)
    }

    /// The wall clock in samples since the sink was made, rounded to a frame.
    fn wall(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch) + FRAME / 2;
        let frames = elapsed.as_micros() / FRAME.as_micros();
        u64::try_from(frames).unwrap_or(u64::MAX / STEP) * STEP
    }
}

impl Spurt {
    /// How much later than it should a frame came.
    fn behind(&self, received: Instant, index: u64) -> Duration {
        let frames = u32::try_from(index.saturating_sub(self.index)).unwrap_or(u32::MAX);
        let due = FRAME.saturating_mul(frames);
        received.saturating_duration_since(self.received).saturating_sub(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_spurt_is_anchored_to_the_wall_and_follows_its_source() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let first = timeline.follow(at(start, 105), 40, 3, 0, None);
        assert_eq!((first.media_time, first.marker, first.lost_before), (5 * 960, true, 0));
        let jittered = timeline.follow(at(start, 160), 41, 0, 0, None);
        assert_eq!(
            (jittered.media_time, jittered.marker),
            (6 * 960, false),
            "jitter is not media time"
        );
        let after_loss = timeline.follow(at(start, 190), 44, 2, 0, None);
        assert_eq!(
            (after_loss.media_time, after_loss.sequence, after_loss.lost_before),
            (9 * 960, 4, 2)
        );
        let late = timeline.late(43).expect("its number is reserved");
        assert_eq!((late.media_time, late.sequence), (8 * 960, 3));
        assert_eq!(timeline.late(45), None);
        timeline.pause();
        let next = timeline.follow(at(start, 2_000), 45, 0, 0, None);
        assert_eq!((next.media_time, next.sequence, next.marker), (100 * 960, 5, true));
    }

    #[test]
    fn an_anchor_never_overlaps_what_was_sent() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        for index in 0..10 {
            timeline.follow(start, index, 0, 0, None);
        }
        timeline.pause();
        assert_eq!(timeline.follow(at(start, 20), 90, 0, 0, None).media_time, 10 * 960);
    }

    #[test]
    fn a_pause_that_nothing_tells_of_does_not_freeze_the_time() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        timeline.follow(start, 0, 0, 0, Some(SILENT));
        let stamp = timeline.follow(at(start, 180), 1, 0, 0, Some(SILENT));
        assert_eq!((stamp.media_time, stamp.marker), (9 * 960, true));
    }

    #[test]
    fn speech_that_was_held_up_is_late_and_not_ahead_of_the_clock_afterwards() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        timeline.follow(start, 0, 0, 0, Some(HELD_UP));
        let mut burst = (1..=9).map(|index| timeline.follow(at(start, 180), index, 0, 0, Some(HELD_UP)));
        assert!(burst.all(|stamp| !stamp.marker), "nobody has paused");
        let next = timeline.follow(at(start, 200), 10, 0, 0, Some(HELD_UP));
        assert_eq!(next.media_time, 10 * 960, "as the wall clock has it");
        let later = timeline.follow(at(start, 600), 11, 0, 0, Some(HELD_UP));
        assert_eq!(
            (later.media_time, later.marker),
            (30 * 960, true),
            "nobody waits that long"
        );
    }

    #[test]
    fn a_mix_goes_on_where_forwarding_ended() {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        timeline.follow(start, 0, 0, 0, None);
        let mixed = timeline.mixed(at(start, 30));
        assert_eq!((mixed.media_time, mixed.marker), (960, false));
        let after_pause = timeline.mixed(at(start, 1_000));
        assert_eq!((after_pause.media_time, after_pause.marker), (50 * 960, true));
    }
}
