//! The reference receiver: a decoder with concealment behind an adaptive jitter buffer, the same behind all that is compared.
//!
//! Pure: it gets packets with the times at which they came, and makes of them what would have been heard. It plays a packet
//! late enough that nearly all of the last seconds would have come in time. It moves in pauses: there it leaves out or repeats a
//! quiet frame. In speech it waits only where nothing at all has come (as `NetEQ` expands), and never for what later packets
//! show to be lost.

use crate::cpu::percentile;
use crate::speech::FRAME_LEN;
use anyhow::Result;
use e2e::audio::{Audio, Clock, Recording};
use opus2::{Channels, Decoder};
use std::collections::{BTreeMap, VecDeque};

/// A packet that came: when, in ms.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) at_ms: f64,
    pub(super) opus: Vec<u8>,
}

/// How long a frame is, in ms.
const FRAME_MS: f64 = 20.0;

/// How much of what came lately would have come in time for the delay that is aimed at.
const IN_TIME: f64 = 0.97;

/// Packets by which that is judged: four seconds.
const LATELY: usize = 200;

/// What is added for the clocks of machines, in ms.
const MARGIN_MS: f64 = 2.0;

/// The delay at the start, before anything is known of the network, in ms.
const START_MS: f64 = 40.0;

/// Frames that are waited for in a row where nothing comes.
const MOST_WAITED: u32 = 5;

/// A frame whose root mean square is below this is quiet: −50 dBFS.
const QUIET: f32 = 0.003;

/// Plays the packets of a stream, by their numbers.
pub(super) fn play(packets: &BTreeMap<u64, Came>) -> Result<Option<Recording>> {
    let (Some((&first, start)), Some((&last, _))) = (packets.first_key_value(), packets.last_key_value()) else {
        return Ok(None);
    };
    let mut player = Player::new(packets, first, start.at_ms)?;
    let begin_ms = player.now_ms;
    let mut samples = Vec::new();
    while player.next <= last {
        player.play_frame(&mut samples)?;
    }
    Ok(Some(Recording::new(Audio::new(samples), Clock::starting_at(begin_ms))))
}

struct Player<'a> {
    packets: &'a BTreeMap<u64, Came>,
    /// The same in the order in which they came, those left that have not come yet.
    to_come: VecDeque<(f64, u64)>,
    /// How late packets came, relative to their number, lately.
    lately: VecDeque<f64>,
    /// The highest number that has come.
    newest: u64,
    decoder: Decoder,
    frame: Vec<f32>,
    /// The number of the packet that is played next.
    next: u64,
    /// The time at which it is.
    now_ms: f64,
    waited: u32,
    quiet: bool,
}

impl<'a> Player<'a> {
    fn new(packets: &'a BTreeMap<u64, Came>, first: u64, at_ms: f64) -> Result<Self> {
        let mut to_come: Vec<(f64, u64)> = packets.iter().map(|(&number, came)| (came.at_ms, number)).collect();
        to_come.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(Self {
            packets,
            to_come: to_come.into(),
            lately: VecDeque::new(),
            newest: first,
            decoder: Decoder::new(48_000, Channels::Mono)?,
            frame: vec![0.0; 6 * FRAME_LEN],
            next: first,
            now_ms: at_ms + START_MS,
            waited: 0,
            quiet: false,
        })
    }

    /// Plays 20 ms.
    fn play_frame(&mut self, samples: &mut Vec<f32>) -> Result<()> {
        self.receive();
        let ahead = self.delay_ms() - self.target_ms();
        if self.quiet && ahead > FRAME_MS / 2.0 && self.next < self.newest {
            // Shorter by a frame that nobody misses.
            self.decode()?;
            self.next += 1;
        } else if self.quiet && ahead < -FRAME_MS / 2.0 {
            samples.resize(samples.len() + FRAME_LEN, 0.0);
            self.now_ms += FRAME_MS;
            return Ok(());
        }
        let has_come = self.packet().is_some();
        if !has_come && self.newest < self.next && self.waited < MOST_WAITED {
            self.waited += 1;
            self.conceal(samples)?;
            self.now_ms += FRAME_MS;
            return Ok(());
        }
        self.waited = 0;
        if has_come {
            let length = self.decode()?;
            samples.extend(self.frame.iter().take(length));
        } else {
            self.conceal(samples)?;
        }
        self.next += 1;
        self.now_ms += FRAME_MS;
        Ok(())
    }

    /// Takes note of what has come by now.
    fn receive(&mut self) {
        while let Some(&(at_ms, number)) = self.to_come.front()
            && at_ms <= self.now_ms
        {
            self.to_come.pop_front();
            self.newest = self.newest.max(number);
            self.lately.push_back(at_ms - number as f64 * FRAME_MS);
            if self.lately.len() > LATELY {
                self.lately.pop_front();
            }
        }
    }

    /// The packet that is to be played, if it has come.
    fn packet(&self) -> Option<&'a Came> {
        self.packets.get(&self.next).filter(|came| came.at_ms <= self.now_ms)
    }

    /// How late packets are played, relative to their number.
    fn delay_ms(&self) -> f64 {
        self.now_ms - self.next as f64 * FRAME_MS
    }

    /// How late they should be.
    fn target_ms(&self) -> f64 {
        percentile(self.lately.iter().copied(), IN_TIME) + MARGIN_MS
    }

    fn decode(&mut self) -> Result<usize> {
        let opus = self.packet().map(|came| came.opus.as_slice()).unwrap_or_default();
        let room = if opus.is_empty() { FRAME_LEN } else { self.frame.len() };
        let frame = self.frame.get_mut(..room).unwrap_or_default();
        let length = self.decoder.decode_float(opus, frame, false)?;
        let heard = self.frame.get(..length).unwrap_or_default();
        let energy: f32 = heard.iter().map(|sample| sample * sample).sum();
        self.quiet = (energy / heard.len().max(1) as f32).sqrt() < QUIET;
        Ok(length)
    }

    fn conceal(&mut self, samples: &mut Vec<f32>) -> Result<()> {
        let frame = self.frame.get_mut(..FRAME_LEN).unwrap_or_default();
        let length = self.decoder.decode_float(&[], frame, false)?;
        samples.extend(self.frame.iter().take(length));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opus2::{Application, Encoder};

    /// A tone that pauses every second, sent every 20 ms, each packet so late as said.
    fn packets(count: u64, late_ms: impl Fn(u64) -> Option<f64>) -> BTreeMap<u64, Came> {
        let mut encoder = Encoder::new(48_000, Channels::Mono, Application::Voip).unwrap();
        let sample = |n: u64| {
            let loud = if n % 48_000 < 36_000 { 0.3 } else { 0.0 };
            (n as f32 * 0.05).sin() * loud
        };
        let opus = (0..count).map(|n| {
            let frame: Vec<f32> = (n * 960..(n + 1) * 960).map(sample).collect();
            encoder.encode_vec_float(&frame, 1_275).unwrap()
        });
        let came = |(n, opus)| {
            Some((
                n,
                Came {
                    at_ms: n as f64 * FRAME_MS + late_ms(n)?,
                    opus,
                },
            ))
        };
        (0..).zip(opus).filter_map(came).collect()
    }

    /// How late the last frame is played after it was sent, in ms.
    fn delay_at_the_end(packets: &BTreeMap<u64, Came>) -> f64 {
        let (&last, _) = packets.last_key_value().unwrap();
        let (&first, start) = packets.first_key_value().unwrap();
        let mut player = Player::new(packets, first, start.at_ms).unwrap();
        while player.next < last {
            player.play_frame(&mut Vec::new()).unwrap();
        }
        player.delay_ms()
    }

    #[test]
    fn a_steady_stream_is_soon_played_without_delay() {
        let delay = delay_at_the_end(&packets(500, |_| Some(0.0)));
        assert!((0.0..=FRAME_MS / 2.0 + MARGIN_MS).contains(&delay), "{delay} ms");
    }

    #[test]
    fn jitter_is_waited_for_and_loss_is_not() {
        let jitter = |n: u64| (n * 7 % 13) as f64 * 5.0;
        let delay = delay_at_the_end(&packets(500, |n| Some(jitter(n))));
        assert!(
            (50.0..=75.0).contains(&delay),
            "{delay} ms behind up to 60 ms of jitter"
        );
        let delay = delay_at_the_end(&packets(500, |n| (n % 10 != 3).then_some(0.0)));
        assert!(
            delay <= FRAME_MS / 2.0 + MARGIN_MS,
            "{delay} ms where one of ten is lost"
        );
    }

    #[test]
    fn everything_is_played_as_long_as_it_was() {
        let recording = play(&packets(500, |n| (n % 10 != 3).then_some(0.0))).unwrap().unwrap();
        let played_ms = recording.audio.duration().as_secs_f64() * 1_000.0;
        assert!((500.0 * FRAME_MS - played_ms).abs() <= 3.0 * FRAME_MS, "{played_ms} ms");
        assert!(play(&BTreeMap::new()).unwrap().is_none());
    }
}
