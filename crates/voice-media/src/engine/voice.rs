//! One speaker in a mix: jitter buffer, decoder and concealment.

use std::time::{Duration, Instant};

use opus2::Error;

use crate::Channels;
use crate::codec::{Decoder, FRAME_LEN};
use crate::ring::Ring;
use crate::speech::level_of;

/// Samples of a frame, left and right interleaved.
pub(super) const STEREO_LEN: usize = FRAME_LEN * 2;

/// A decoder hears this many packets of the past before its first frame is used. A cold one is wrong by up to 40 dB.
const WARM_UP: u64 = 16;

/// A new speaker's first frame is played by the tick that finds it at least this old; one played at once would run dry
/// at the smallest jitter.
const SETTLE: Duration = Duration::from_millis(5);

/// Frames made up in a row before the voice falls silent until packets come again.
const MAX_MISSED: u32 = 5;

/// A buffer that holds more frames than this is cut down at once, whatever it sounds like.
const MAX_BACKLOG: u64 = 8;

/// The backlog that never went away during this many ticks (2 s) is not needed against jitter.
const WINDOW: u32 = 100;

/// From this standing backlog on a frame is dropped even in the middle of a word.
const IMPATIENT: u64 = 3;

/// A frame no louder than this, −dBov, is a pause in which nobody hears that one is missing.
const PAUSE_LEVEL: u8 = 45;

/// Samples over which a voice is faded in or out: 5 ms.
const FADE: u16 = 240;

/// What a tick did to a voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Played {
    /// Decoded a packet.
    Frame,
    /// Made a frame up.
    Concealed,
    /// Nothing: no packet has come yet, or none for a while.
    Nothing,
}

/// A source as the mixer hears it, one frame at a time.
#[derive(Debug)]
pub(super) struct Voice {
    decoder: Decoder,
    /// This tick's frame, and the one before it.
    frame: Vec<f32>,
    previous: Vec<f32>,
    spare: Vec<f32>,
    /// Place of the next frame.
    next: u64,
    state: State,
    gain: Gain,
    backlog: Backlog,
    /// Frames in a row that sounded like a pause.
    quiet: u32,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// For a packet that is there and [`SETTLE`] old.
    Waiting,
    /// Frames made up since the last packet, which may still come.
    Playing { missed: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gain {
    Zero,
    One,
}

impl Voice {
    /// A voice whose next frame is the one at `next`. One that is `live` was heard until now, by forwarding, and goes
    /// on without a seam; another is faded in.
    pub(super) fn new(ring: &Ring, next: u64, live: bool) -> Result<Self, Error> {
        let mut voice = Self {
            decoder: Decoder::new(Channels::Stereo)?,
            frame: vec![0.0; STEREO_LEN],
            previous: vec![0.0; STEREO_LEN],
            spare: vec![0.0; STEREO_LEN],
            next,
            state: if live {
                State::Playing { missed: 0 }
            } else {
                State::Waiting
            },
            gain: if live { Gain::One } else { Gain::Zero },
            backlog: Backlog::default(),
            quiet: 0,
        };
        for index in next.saturating_sub(WARM_UP)..next {
            if let Some((opus, _)) = ring.at(index) {
                voice.decode(opus);
            }
        }
        if !live {
            voice.frame.fill(0.0);
        }
        Ok(voice)
    }

    /// Moves on by one frame. A voice that is not `wanted` any more is faded out.
    pub(super) fn tick(&mut self, now: Instant, ring: &Ring, wanted: bool) -> Played {
        std::mem::swap(&mut self.frame, &mut self.previous);
        self.catch_up(ring);
        self.settle(now, ring);
        let played = match self.state {
            State::Waiting => {
                self.frame.fill(0.0);
                Played::Nothing
            }
            State::Playing { missed } => self.play(ring, missed),
        };
        if played == Played::Frame {
            self.trim(ring);
        }
        self.fade(wanted && played != Played::Nothing);
        self.quiet = if self.sounds_quiet() {
            self.quiet.saturating_add(1)
        } else {
            0
        };
        played
    }

    /// This tick's frame, left and right interleaved.
    pub(super) fn frame(&self) -> &[f32] {
        &self.frame
    }

    /// The frame before it.
    pub(super) fn previous(&self) -> &[f32] {
        &self.previous
    }

    /// Whether nothing of it is heard.
    pub(super) fn is_silent(&self) -> bool {
        self.gain == Gain::Zero
    }

    /// Frames in a row that sounded like a pause, this one included.
    pub(super) fn quiet(&self) -> u32 {
        self.quiet
    }

    /// The place up to which it has been played, made up frames included.
    pub(super) fn played_to(&self) -> u64 {
        match self.state {
            State::Waiting => self.next,
            State::Playing { missed } => self.next + u64::from(missed),
        }
    }

    /// Lets go of a backlog that no jitter explains.
    fn catch_up(&mut self, ring: &Ring) {
        if let Some(newest) = ring.newest()
            && newest + 1 > self.next + MAX_BACKLOG
        {
            self.next = newest - 1;
        }
    }

    fn settle(&mut self, now: Instant, ring: &Ring) {
        if !matches!(self.state, State::Waiting) {
            return;
        }
        let Some(head) = ring.first_within(self.next, u64::MAX) else {
            return;
        };
        let age = ring
            .at(head)
            .map(|(_, received)| now.saturating_duration_since(received));
        if age.is_some_and(|age| age >= SETTLE) {
            self.next = head;
            self.state = State::Playing { missed: 0 };
        }
    }

    /// Plays the next packet that is there, among the one due and those made up before it: one that was only late puts
    /// the voice back by as many frames, one that was lost does not.
    fn play(&mut self, ring: &Ring, missed: u32) -> Played {
        let due = self.next + u64::from(missed);
        if let Some(index) = ring.first_within(self.next, due)
            && let Some((opus, _)) = ring.at(index)
        {
            self.decode(opus);
            self.next = index + 1;
            self.state = State::Playing { missed: 0 };
            return Played::Frame;
        }
        if missed == MAX_MISSED {
            self.next = due.min(ring.newest().unwrap_or(due) + 1).max(self.next);
            self.state = State::Waiting;
            self.frame.fill(0.0);
            return Played::Nothing;
        }
        let after = ring.at(due + 1).map(|(opus, _)| opus);
        if self.decoder.conceal(after, &mut self.frame).is_err() {
            self.frame.fill(0.0);
        }
        self.state = State::Playing { missed: missed + 1 };
        Played::Concealed
    }

    fn decode(&mut self, opus: &[u8]) {
        if self.decoder.decode(opus, &mut self.frame).is_err() {
            self.frame.fill(0.0);
        }
    }

    /// Drops a frame of a standing backlog by blending it into the one after it.
    fn trim(&mut self, ring: &Ring) {
        let waiting = ring.newest().map_or(0, |newest| (newest + 1).saturating_sub(self.next));
        let surplus = self.backlog.observe(waiting);
        if surplus == 0 || (surplus < IMPATIENT && !self.sounds_quiet()) {
            return;
        }
        let Some((opus, _)) = ring.at(self.next) else {
            return;
        };
        if self.decoder.decode(opus, &mut self.spare).is_ok() {
            blend(&mut self.frame, &self.spare);
            self.next += 1;
            self.backlog.dropped_one();
        }
    }

    fn sounds_quiet(&self) -> bool {
        level_of(&self.frame) >= PAUSE_LEVEL
    }

    fn fade(&mut self, wanted: bool) {
        let ramp = (0..FADE).map(|position| f32::from(position) / f32::from(FADE));
        let frames = self.frame.chunks_exact_mut(2);
        match (self.gain, wanted) {
            (Gain::Zero, true) => {
                frames.zip(ramp).for_each(|(frame, gain)| scale(frame, gain));
                self.gain = Gain::One;
            }
            (Gain::One, false) => {
                let fall = ramp.map(|gain| 1.0 - gain).chain(std::iter::repeat(0.0));
                frames.zip(fall).for_each(|(frame, gain)| scale(frame, gain));
                self.gain = Gain::Zero;
            }
            (Gain::Zero, false) => self.frame.fill(0.0),
            (Gain::One, true) => {}
        }
    }
}

fn scale(samples: &mut [f32], gain: f32) {
    for sample in samples {
        *sample *= gain;
    }
}

/// Goes from `from` to `to` over the length of the frame; both are stereo.
fn blend(from: &mut [f32], to: &[f32]) {
    let length = f32::from(u16::try_from(FRAME_LEN).unwrap_or(u16::MAX));
    for (position, (from, to)) in (0_u16..).zip(from.chunks_exact_mut(2).zip(to.chunks_exact(2))) {
        let share = f32::from(position) / length;
        for (from, to) in from.iter_mut().zip(to) {
            *from += (to - *from) * share;
        }
    }
}

/// Tells a backlog that stands from one that jitter needs.
#[derive(Debug, Default)]
struct Backlog {
    least: Option<u64>,
    ticks: u32,
    surplus: u64,
}

impl Backlog {
    /// Takes the frames that wait after a tick; returns how many too many there are.
    fn observe(&mut self, waiting: u64) -> u64 {
        self.least = Some(self.least.map_or(waiting, |least| least.min(waiting)));
        self.ticks += 1;
        if self.ticks == WINDOW {
            self.surplus = self.least.take().unwrap_or_default();
            self.ticks = 0;
        }
        self.surplus = self.surplus.min(waiting);
        self.surplus
    }

    fn dropped_one(&mut self) {
        self.surplus = self.surplus.saturating_sub(1);
        self.least = None;
        self.ticks = 0;
    }
}
