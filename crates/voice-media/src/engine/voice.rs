//! One speaker in a mix: jitter buffer, decoder and concealment.

use std::time::{Duration, Instant};

use opus2::Error;

use super::past::Past;
use crate::Channels;
use crate::codec::{Decoder, FRAME_LEN};
use crate::ring::Ring;
use crate::speech::level_of;
use crate::stretch::{LONGEST, SHORTEST, lengthen, shorten};
use crate::waits::Waits;

/// Samples of a frame, left and right interleaved.
pub(super) const STEREO_LEN: usize = FRAME_LEN * 2;

/// A new speaker's first frame is played by the tick that finds it at least this old; one played at once would run dry
/// at the smallest jitter.
const SETTLE: Duration = Duration::from_millis(5);

/// Frames made up in a row before the voice falls silent until packets come again.
const MAX_MISSED: u32 = 5;

/// A buffer that holds more frames than this is cut down at once, whatever it sounds like.
const MAX_BACKLOG: u64 = 8;

/// A frame no louder than this, −dBov, is a pause in which nobody hears that one is missing.
const PAUSE_LEVEL: u8 = 45;

/// Samples over which a voice is faded in or out: 5 ms.
const FADE: u16 = 240;

/// The largest sample of 16 bits.
const FULL: f32 = 32_767.0;

/// The longest that stretching leaves for the next tick, in samples of both channels.
const MOST_REST: usize = STEREO_LEN + 2 * LONGEST;

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
///
/// It plays each packet as soon after its arrival as the arrivals of the last second allow ([`Waits`]): a packet that comes
/// too late for its tick is made up for and still played, and the voice lags by that much until the lag is shown not to be
/// needed. What there is too much is then cut out, and what a slow clock leaves too little is put in, a pitch period at a
/// time.
#[derive(Debug)]
pub(super) struct Voice {
    decoder: Decoder,
    /// This tick's frame.
    frame: Vec<f32>,
    /// What was decoded beyond it, by stretching. Less than two frames.
    rest: Vec<i16>,
    /// Place of the next frame, and of the one that this tick began with.
    next: u64,
    began: u64,
    state: State,
    fade: Fade,
    gain: f32,
    waits: Waits,
    /// Frames that are to be cut out.
    surplus: usize,
    /// A frame is being put in.
    grows: bool,
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
enum Fade {
    Out,
    In,
}

/// A moment at which voices move on by one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    /// When it is.
    pub(super) now: Instant,
    /// Whether it waited for this voice's packet, as far as that can be waited for.
    pub(super) waits_for_it: bool,
}

impl Tick {
    /// How long a packet waited for it, and could have waited.
    fn wait(self, received: Instant) -> Duration {
        let patience = if self.waits_for_it {
            Waits::GUARD
        } else {
            Duration::ZERO
        };
        self.now.saturating_duration_since(received) + patience
    }
}

impl Voice {
    /// A voice whose next frame is the one at `next`, with what went before it. One that is `live` was heard until now, by
    /// forwarding, and goes on without a seam; another is faded in.
    pub(super) fn new(ring: &Ring, next: u64, live: bool) -> Result<(Self, Past), Error> {
        let mut decoder = Decoder::new(Channels::Stereo)?;
        let mut frame = vec![0.0; STEREO_LEN];
        let past = Past::hear(&mut decoder, ring, next, &mut frame);
        if !live {
            frame.fill(0.0);
        }
        let voice = Self {
            decoder,
            frame,
            rest: Vec::new(),
            next,
            began: next,
            state: if live {
                State::Playing { missed: 0 }
            } else {
                State::Waiting
            },
            fade: if live { Fade::In } else { Fade::Out },
            gain: 1.0,
            waits: Waits::default(),
            surplus: 0,
            grows: false,
            quiet: 0,
        };
        Ok((voice, if live { past } else { Past::default() }))
    }

    /// What it sounded like until this tick, heard anew.
    pub(super) fn past(&self, ring: &Ring) -> Result<Past, Error> {
        if self.fade == Fade::Out {
            return Ok(Past::default());
        }
        let mut frame = vec![0.0; STEREO_LEN];
        Ok(Past::hear(
            &mut Decoder::new(Channels::Stereo)?,
            ring,
            self.began,
            &mut frame,
        ))
    }

    /// Moves on by one frame, `gain` times as loud as it came. A voice that is not `wanted` any more is faded out. `pcm` is
    /// memory to work in.
    pub(super) fn tick(&mut self, tick: Tick, ring: &Ring, wanted: bool, gain: f32, pcm: &mut Vec<f32>) -> Played {
        self.catch_up(ring);
        self.settle(tick.now, ring);
        self.began = self.next;
        pcm.clear();
        pcm.extend(self.rest.iter().map(|&sample| f32::from(sample) / FULL));
        let mut played = Played::Frame;
        while pcm.len() < STEREO_LEN {
            played = self.fetch(tick, ring, pcm);
        }
        self.stretch(ring, pcm);
        self.take(pcm);
        self.fade(wanted && played != Played::Nothing);
        self.amplify(gain);
        self.quiet = if level_of(&self.frame) >= PAUSE_LEVEL {
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

    /// Whether nothing of it is heard.
    pub(super) fn is_silent(&self) -> bool {
        self.fade == Fade::Out
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
            self.waits.restart();
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
            self.waits.restart();
        }
    }

    /// Adds one more frame to `pcm`: the next packet that is there, among the one due and those made up before it. One that
    /// was only late puts the voice back by as many frames, one that was lost does not.
    fn fetch(&mut self, tick: Tick, ring: &Ring, pcm: &mut Vec<f32>) -> Played {
        let State::Playing { missed } = self.state else {
            pcm.resize(pcm.len() + STEREO_LEN, 0.0);
            return Played::Nothing;
        };
        let due = self.next + u64::from(missed);
        if let Some(index) = ring.first_within(self.next, due)
            && let Some((opus, received)) = ring.at(index)
        {
            if index < due {
                self.waits.restart();
            }
            self.waits.note(tick.wait(received));
            self.decode(opus, pcm);
            self.next = index + 1;
            self.state = State::Playing { missed: 0 };
            return Played::Frame;
        }
        if missed == MAX_MISSED {
            self.next = due.min(ring.newest().unwrap_or(due) + 1).max(self.next);
            self.state = State::Waiting;
            pcm.resize(pcm.len() + STEREO_LEN, 0.0);
            return Played::Nothing;
        }
        let after = ring.at(due + 1).map(|(opus, _)| opus);
        let frame = append(pcm);
        if self.decoder.conceal(after, frame).is_err() {
            frame.fill(0.0);
        }
        self.state = State::Playing { missed: missed + 1 };
        Played::Concealed
    }

    fn decode(&mut self, opus: &[u8], pcm: &mut Vec<f32>) {
        let frame = append(pcm);
        if self.decoder.decode(opus, frame).is_err() {
            frame.fill(0.0);
        }
    }

    /// Cuts out what the arrivals of the last second show to be too much, and puts in what is soon too little.
    fn stretch(&mut self, ring: &Ring, pcm: &mut Vec<f32>) {
        // A piece that is cut out is not heard, whatever is said.
        self.surplus += self.waits.surplus(false);
        self.grows |= self.waits.is_scarce();
        if self.grows {
            lengthen(pcm);
            // A whole frame more than this tick needs: the next one can do without a packet.
            self.grows = pcm.len() < STEREO_LEN * 2;
            if !self.grows {
                // What was noted until now was scarce, and is no more.
                self.waits.restart();
            }
            return;
        }
        let beyond = (pcm.len() - STEREO_LEN) / 2;
        if self.surplus > 0
            && beyond < SHORTEST
            && let Some((opus, _)) = ring.at(self.next)
        {
            self.decode(opus, pcm);
            self.next += 1;
            self.surplus -= 1;
        }
        let beyond = (pcm.len() - STEREO_LEN) / 2;
        shorten(pcm, beyond);
    }

    /// Takes this tick's frame out of `pcm` and keeps the rest for the next.
    fn take(&mut self, pcm: &[f32]) {
        let (frame, rest) = pcm.split_at_checked(STEREO_LEN).unwrap_or((pcm, &[]));
        self.frame.clear();
        self.frame.extend_from_slice(frame);
        self.rest.clear();
        if self.rest.capacity() < rest.len() {
            self.rest.reserve_exact(MOST_REST);
        }
        // The cast saturates.
        #[expect(clippy::cast_possible_truncation, reason = "samples become 16 bits here")]
        self.rest.extend(rest.iter().map(|sample| (sample * FULL) as i16));
    }

    fn fade(&mut self, wanted: bool) {
        let ramp = (0..FADE).map(|position| f32::from(position) / f32::from(FADE));
        let frames = self.frame.chunks_exact_mut(2);
        match (self.fade, wanted) {
            (Fade::Out, true) => {
                frames.zip(ramp).for_each(|(frame, gain)| scale(frame, gain));
                self.fade = Fade::In;
            }
            (Fade::In, false) => {
                let fall = ramp.map(|gain| 1.0 - gain).chain(std::iter::repeat(0.0));
                frames.zip(fall).for_each(|(frame, gain)| scale(frame, gain));
                self.fade = Fade::Out;
            }
            (Fade::Out, false) => self.frame.fill(0.0),
            (Fade::In, true) => {}
        }
    }

    /// Goes from the gain of the last frame to this one's.
    fn amplify(&mut self, gain: f32) {
        let from = std::mem::replace(&mut self.gain, gain);
        let untouched = |gain: f32| (gain - 1.0).abs() < f32::EPSILON;
        if untouched(from) && untouched(gain) {
            return;
        }
        let length = f32::from(u16::try_from(FRAME_LEN).unwrap_or(u16::MAX));
        for (position, frame) in (0_u16..).zip(self.frame.chunks_exact_mut(2)) {
            scale(frame, from + (gain - from) * f32::from(position) / length);
        }
    }
}

/// Room for one more frame at the end of `pcm`.
fn append(pcm: &mut Vec<f32>) -> &mut [f32] {
    let length = pcm.len();
    pcm.resize(length + STEREO_LEN, 0.0);
    pcm.get_mut(length..).unwrap_or_default()
}

fn scale(samples: &mut [f32], gain: f32) {
    for sample in samples {
        *sample *= gain;
    }
}
