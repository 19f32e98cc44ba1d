//! One rising timeline from what may be several RTP streams of a peer.

use std::time::{Duration, Instant};

/// Samples of one second of RTP time (Opus always runs at 48 kHz, RFC 7587 §4.1).
const CLOCK_RATE: u64 = 48_000;

/// Puts packets on one timeline whatever SSRC they come with.
///
/// A client may change its SSRC in mid-call (a renegotiation, another microphone). Sequence numbers and
/// timestamps start anywhere then, so the new stream continues where the old one ended, plus the time that passed.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    current: Option<Stream>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    sequence_offset: u64,
    time_offset: u64,
    last_sequence: u64,
    last_time: u64,
    last_received: Instant,
}

impl Arrivals {
    /// The sequence number and media time of a packet on the timeline.
    pub(super) fn place(&mut self, ssrc: u32, sequence: u64, time: u64, received: Instant) -> (u64, u64) {
        let mut stream = match self.current.take() {
            Some(stream) if stream.ssrc == ssrc => stream,
            previous => Stream::after(previous.as_ref(), ssrc, sequence, time, received),
        };
        let placed = (
            sequence.wrapping_add(stream.sequence_offset),
            time.wrapping_add(stream.time_offset),
        );
        if placed.0 >= stream.last_sequence {
            stream.last_sequence = placed.0;
            stream.last_time = placed.1;
            stream.last_received = received;
        }
        self.current = Some(stream);
        placed
    }
}

impl Stream {
    fn after(previous: Option<&Self>, ssrc: u32, sequence: u64, time: u64, received: Instant) -> Self {
        let (start_sequence, start_time) = previous.map_or((sequence, time), |previous| {
            let passed = received.saturating_duration_since(previous.last_received);
            (
                previous.last_sequence.wrapping_add(1),
                previous.last_time.wrapping_add(samples(passed)),
            )
        });
        Self {
            ssrc,
            sequence_offset: start_sequence.wrapping_sub(sequence),
            time_offset: start_time.wrapping_sub(time),
            last_sequence: start_sequence,
            last_time: start_time,
            last_received: received,
        }
    }
}

fn samples(duration: Duration) -> u64 {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(CLOCK_RATE) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stream_keeps_its_numbers_loss_and_reorder_included() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        for (sequence, time) in [(1000, 96_000), (1001, 96_960), (1004, 99_840), (1003, 98_880)] {
            assert_eq!(arrivals.place(7, sequence, time, now), (sequence, time));
        }
    }

    #[test]
    fn another_ssrc_goes_on_where_the_last_one_ended() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.place(7, 1000, 96_000, now);
        let later = now + Duration::from_millis(100);
        assert_eq!(arrivals.place(8, 5, 12, later), (1001, 96_000 + 4800));
        assert_eq!(arrivals.place(8, 6, 972, later), (1002, 96_000 + 4800 + 960));
    }

    #[test]
    fn a_lower_start_never_goes_back() {
        let now = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.place(1, 10, 10, now);
        let (sequence, time) = arrivals.place(2, u64::MAX, u64::MAX, now);
        assert_eq!((sequence, time), (11, 10));
        assert_eq!(arrivals.place(2, 0, 0, now), (12, 11));
    }
}
