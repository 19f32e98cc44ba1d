//! What a person heard, as a log of frames that is decoded when it is read.

use std::collections::BTreeMap;

use opus2::{Channels, Decoder};

use super::frames::{FrameLog, LoggedFrame, samples};
use crate::{
    control::types::{FrameKind, RecordedSource, Recording as Metadata},
    snowflake::Snowflake,
};

/// Samples a second of a recording.
pub(crate) const SAMPLE_RATE: u32 = 48_000;
/// Frames kept: half an hour of five people.
const FRAMES_KEPT: usize = 450_000;
/// The longest Opus packet, 120 ms.
const LONGEST_PACKET: usize = 5_760;
/// Lost frames that are concealed; a longer gap is silence.
const CONCEALED: u32 = 1;
/// Packets of a spurt that say when it began.
const ANCHORING: usize = 25;
const FRAME: u64 = 960;

/// A recording of one person's ears.
#[derive(Debug)]
pub(crate) struct Recording {
    started_ns: u64,
    stopped_ns: Option<u64>,
    log: FrameLog,
}

impl Recording {
    pub(crate) fn start(now_ns: u64) -> Self {
        Self {
            started_ns: now_ns,
            stopped_ns: None,
            log: FrameLog::new(FRAMES_KEPT),
        }
    }

    pub(crate) fn stop(&mut self, now_ns: u64) {
        self.stopped_ns.get_or_insert(now_ns);
    }

    pub(crate) const fn is_running(&self) -> bool {
        self.stopped_ns.is_none()
    }

    pub(crate) const fn log(&self) -> &FrameLog {
        &self.log
    }

    pub(crate) const fn log_mut(&mut self) -> &mut FrameLog {
        &mut self.log
    }

    /// Everything but the sound.
    pub(crate) fn metadata(&self, now_ns: u64) -> Metadata {
        let mut sources: BTreeMap<(Snowflake, u32), RecordedSource> = BTreeMap::new();
        for frame in self.log.iter() {
            let arrival = &frame.arrival;
            sources
                .entry((arrival.user, arrival.ssrc))
                .or_insert_with(|| RecordedSource {
                    user_id: arrival.user.to_string(),
                    ssrc: arrival.ssrc,
                    frames: 0,
                    lost: 0,
                    silence: 0,
                    toc_only: 0,
                    unheard: 0,
                    spurts: 0,
                    first_arrival_ns: arrival.at_ns,
                    last_arrival_ns: arrival.at_ns,
                })
                .add(frame);
        }
        Metadata {
            started_at_ns: self.started_ns,
            stopped_at_ns: self.stopped_ns,
            sample_rate: SAMPLE_RATE,
            samples: self.samples(now_ns),
            sources: sources.into_values().collect(),
            truncated: self.log.truncated(),
        }
    }

    fn samples(&self, now_ns: u64) -> u64 {
        let end = self.stopped_ns.unwrap_or(now_ns);
        samples(end.saturating_sub(self.started_ns))
    }

    /// What [`render`] needs, copied so that decoding holds no lock.
    pub(crate) fn sound(&self, now_ns: u64, source: Option<Snowflake>) -> Sound {
        let mut frames: BTreeMap<u32, Vec<LoggedFrame>> = BTreeMap::new();
        let wanted = self
            .log
            .iter()
            .filter(|frame| source.is_none_or(|user| frame.arrival.user == user));
        for frame in wanted {
            frames.entry(frame.arrival.ssrc).or_default().push(frame.clone());
        }
        Sound {
            started_ns: self.started_ns,
            samples: usize::try_from(self.samples(now_ns)).unwrap_or(usize::MAX),
            frames,
        }
    }
}

impl RecordedSource {
    fn add(&mut self, frame: &LoggedFrame) {
        self.frames += 1;
        self.lost += u64::from(frame.lost_before);
        self.spurts += u64::from(frame.spurt_start);
        self.last_arrival_ns = frame.arrival.at_ns;
        match frame.arrival.kind() {
            FrameKind::Silence => self.silence += 1,
            FrameKind::TocOnly => self.toc_only += 1,
            FrameKind::Encrypted | FrameKind::Voice => {}
        }
        self.unheard += u64::from(!frame.arrival.is_heard());
    }
}

/// Frames by RTP source, and the timeline that they belong on.
#[derive(Debug)]
pub(crate) struct Sound {
    started_ns: u64,
    samples: usize,
    frames: BTreeMap<u32, Vec<LoggedFrame>>,
}

impl Sound {
    /// Decodes everything onto one timeline: 48 kHz, mono.
    ///
    /// # Errors
    /// When no decoder can be made; packets that do not decode are left out.
    pub(crate) fn render(&self) -> Result<Vec<i16>, opus2::Error> {
        let mut mix = vec![0_f32; self.samples];
        for frames in self.frames.values() {
            Listener::new(self.started_ns)?.listen(frames, &mut mix);
        }
        Ok(mix.into_iter().map(to_sample).collect())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the value is clamped to the range of i16 before"
)]
fn to_sample(value: f32) -> i16 {
    (value * 32_767.0).clamp(-32_768.0, 32_767.0) as i16
}

/// Decodes one source.
struct Listener {
    started_ns: u64,
    decoder: Decoder,
    /// Sample of the timeline and RTP timestamp of the present spurt's start.
    anchor: (u64, u32),
    /// Length of the last packet, which a concealed one takes over.
    last_len: u64,
    pcm: Vec<f32>,
}

impl Listener {
    fn new(started_ns: u64) -> Result<Self, opus2::Error> {
        Ok(Self {
            started_ns,
            decoder: Decoder::new(SAMPLE_RATE, Channels::Mono)?,
            anchor: (0, 0),
            last_len: FRAME,
            pcm: vec![0.0; LONGEST_PACKET],
        })
    }

    fn listen(mut self, frames: &[LoggedFrame], mix: &mut [f32]) {
        let frames: Vec<&LoggedFrame> = frames.iter().filter(|frame| !frame.late).collect();
        for (place, frame) in frames.iter().enumerate() {
            let arrival = &frame.arrival;
            if frame.spurt_start {
                let spurt = frames.get(place..).unwrap_or_default();
                self.anchor = (self.beginning(spurt), arrival.timestamp);
            }
            let (start, timestamp) = self.anchor;
            let position = start + u64::from(arrival.timestamp.wrapping_sub(timestamp));
            if (1..=CONCEALED).contains(&frame.lost_before) {
                let len = self.last_len;
                self.decode(&[], len, position.saturating_sub(len), mix);
            }
            let Some(opus) = arrival.opus.as_ref().filter(|_| arrival.is_heard()) else {
                continue;
            };
            self.last_len = opus2::packet::get_nb_samples(opus, SAMPLE_RATE).map_or(FRAME, |count| count as u64);
            self.decode(opus, self.last_len, position, mix);
        }
    }

    /// The sample of the timeline at which a spurt began: where its first packets would have come had the fastest of them
    /// been the rule. What was held up on the way and then came at once is so told from a pause, after which packets come
    /// at their pace.
    fn beginning(&self, spurt: &[&LoggedFrame]) -> u64 {
        let Some(first) = spurt.first() else {
            return 0;
        };
        let same_spurt = spurt.iter().skip(1).take_while(|frame| !frame.spurt_start);
        let begins = std::iter::once(first).chain(same_spurt.take(ANCHORING)).map(|frame| {
            let since_start = samples(frame.arrival.at_ns.saturating_sub(self.started_ns));
            let into_spurt = frame.arrival.timestamp.wrapping_sub(first.arrival.timestamp);
            since_start.saturating_sub(into_spurt.into())
        });
        begins.min().unwrap_or_default()
    }

    /// Adds one packet to the timeline; no bytes stand for a lost one of `len` samples.
    fn decode(&mut self, opus: &[u8], len: u64, position: u64, mix: &mut [f32]) {
        let room = if opus.is_empty() {
            usize::try_from(len).unwrap_or(LONGEST_PACKET)
        } else {
            LONGEST_PACKET
        };
        let Some(buffer) = self.pcm.get_mut(..room) else {
            return;
        };
        let Ok(count) = self.decoder.decode_float(opus, buffer, false) else {
            return;
        };
        let heard = self.pcm.get(..count).unwrap_or_default();
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let timeline = mix.get_mut(start..).unwrap_or_default();
        for (sum, sample) in timeline.iter_mut().zip(heard) {
            *sum += sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{control::types::Protection, voice::frames::Arrival};
    use opus2::{Application, Encoder};

    const MS: u64 = 1_000_000;

    /// A tone in 20 ms packets.
    fn tone(count: usize) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Audio).unwrap();
        (0..count)
            .map(|packet| {
                let pcm: Vec<f32> = (0..960)
                    .map(|n| {
                        let sample = f32::from(u16::try_from((packet * 960 + n) % 48_000).unwrap());
                        (sample * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.5
                    })
                    .collect();
                encoder.encode_vec_float(&pcm, 1_500).unwrap()
            })
            .collect()
    }

    fn record(frames: &[(u64, u16, &[u8])], stop_ms: u64) -> Recording {
        let mut recording = Recording::start(0);
        for (at_ms, sequence, opus) in frames {
            recording.log_mut().push(Arrival {
                at_ns: at_ms * MS,
                user: Snowflake(1),
                ssrc: 7,
                sequence: *sequence,
                timestamp: u32::from(*sequence) * 960,
                payload: (*opus).into(),
                opus: Some((*opus).into()),
                protection: Protection::Off,
            });
        }
        recording.stop(stop_ms * MS);
        recording
    }

    fn level(pcm: &[i16], from_ms: usize, to_ms: usize) -> f32 {
        let window = &pcm[from_ms * 48..to_ms * 48];
        let energy: f32 = window.iter().map(|s| f32::from(*s).powi(2)).sum();
        (energy / f32::from(u16::try_from(window.len()).unwrap())).sqrt()
    }

    #[test]
    fn jitter_of_arrival_does_not_move_sound_inside_a_spurt() {
        let packets = tone(20);
        let steady: Vec<_> = (0..20_u16)
            .map(|n| (100 + 20 * u64::from(n), n, packets[usize::from(n)].as_slice()))
            .collect();
        let jittery: Vec<_> = steady
            .iter()
            .map(|(at, n, opus)| (at + u64::from(n % 3) * 9, *n, *opus))
            .collect();
        let steady = record(&steady, 600).sound(0, None).render().unwrap();
        let jittery = record(&jittery, 600).sound(0, None).render().unwrap();
        assert_eq!(steady.len(), 600 * 48);
        assert_eq!(steady, jittery);
        assert!(level(&steady, 0, 99) < 1.0, "nothing before the first arrival");
        assert!(level(&steady, 200, 400) > 5_000.0);
    }

    #[test]
    fn what_was_held_up_and_then_comes_at_once_stays_in_its_place() {
        let packets = tone(60);
        let at = |hold: Option<(u64, u64)>| {
            let frames: Vec<_> = (0..60_u16)
                .map(|n| {
                    let due = 20 * u64::from(n);
                    let at_ms = hold.map_or(due, |(from, until)| if due >= from { due.max(until) } else { due });
                    (at_ms, n, packets[usize::from(n)].as_slice())
                })
                .collect();
            record(&frames, 1_500).sound(0, None).render().unwrap()
        };
        assert_eq!(at(Some((400, 600))), at(None));
    }

    #[test]
    fn one_lost_frame_is_concealed_and_more_are_silence() {
        let packets = tone(30);
        let present = |lost: std::ops::Range<u16>| {
            let frames: Vec<_> = (0..30_u16)
                .filter(|n| !lost.contains(n))
                .map(|n| (20 * u64::from(n), n, packets[usize::from(n)].as_slice()))
                .collect();
            let recording = record(&frames, 600);
            let lost = recording.metadata(0).sources[0].lost;
            (recording.sound(0, None).render().unwrap(), lost)
        };
        let (one, lost) = present(15..16);
        assert_eq!(lost, 1);
        assert!(level(&one, 300, 320) > 3_000.0);
        let (four, lost) = present(15..19);
        assert_eq!(lost, 4);
        assert!(level(&four, 310, 370) < 1.0);
    }

    #[test]
    fn a_source_can_be_heard_alone() {
        let packets = tone(10);
        let frames: Vec<_> = (0..10_u16)
            .map(|n| (20 * u64::from(n), n, packets[usize::from(n)].as_slice()))
            .collect();
        let recording = record(&frames, 200);
        let stranger = recording.sound(0, Some(Snowflake(2))).render().unwrap();
        assert!(level(&stranger, 0, 200) < 1.0);
        let speaker = recording.sound(0, Some(Snowflake(1))).render().unwrap();
        assert!(level(&speaker, 100, 200) > 5_000.0);
    }

    #[test]
    fn packets_that_are_no_opus_are_left_out() {
        let garbage = [0xff_u8; 40];
        let recording = record(&[(0, 0, &garbage), (20, 1, &[]), (40, 2, &[0x78])], 100);
        assert_eq!(recording.sound(0, None).render().unwrap().len(), 4_800);
    }
}
