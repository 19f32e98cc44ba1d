//! Putting frames together into a packet.

use super::{MAX_PACKET_SAMPLES, Toc};

/// Writes `frames` as one packet under `toc`, whose frame count code is chosen anew, and returns its length
/// (RFC 6716 §3.2). `None` where there is no frame, where they last more than 120 ms, or where `out` is too small.
pub fn write_packet(toc: Toc, frames: &[&[u8]], out: &mut [u8]) -> Option<usize> {
    let count = u8::try_from(frames.len()).ok()?;
    if u32::from(count) * toc.frame_samples() > MAX_PACKET_SAMPLES {
        return None;
    }
    let mut writer = Writer { out, length: 0 };
    let equal = frames
        .windows(2)
        .all(|pair| matches!(pair, [a, b] if a.len() == b.len()));
    match (frames, equal) {
        ([], _) => return None,
        ([_], _) => writer.put(&[toc.with_code(0)])?,
        ([_, _], true) => writer.put(&[toc.with_code(1)])?,
        ([first, _], false) => {
            writer.put(&[toc.with_code(2)])?;
            writer.put_length(first.len())?;
        }
        (_, true) => writer.put(&[toc.with_code(3), count])?,
        ([before @ .., _], false) => {
            writer.put(&[toc.with_code(3), count | 0x80])?;
            for frame in before {
                writer.put_length(frame.len())?;
            }
        }
    }
    for frame in frames {
        writer.put(frame)?;
    }
    Some(writer.length)
}

struct Writer<'a> {
    out: &'a mut [u8],
    length: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.out.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    /// Writes the length of a frame (RFC 6716 §3.2.1).
    fn put_length(&mut self, length: usize) -> Option<()> {
        if let Ok(short @ 0..=251) = u8::try_from(length) {
            return self.put(&[short]);
        }
        let first = 252 + u8::try_from(length & 0x03).ok()?;
        let second = u8::try_from((length - usize::from(first)) / 4).ok()?;
        self.put(&[first, second])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::opus::{Packet, PacketError};

    fn round_trip(toc: u8, frames: &[&[u8]]) -> Vec<u8> {
        let mut out = [0; 8_000];
        let length = write_packet(Toc::new(toc), frames, &mut out).expect("it fits");
        let bytes: Vec<u8> = out.into_iter().take(length).collect();
        let packet = Packet::parse(&bytes).expect("what was written can be read");
        assert_eq!(packet.frames(), frames);
        assert!(packet.toc().agrees_with(Toc::new(toc)));
        bytes
    }

    #[test]
    fn each_count_code_is_written_and_read() {
        assert_eq!(round_trip(0x78, &[b"one"]), b"\x78one");
        assert_eq!(round_trip(0x7B, &[b"ab", b"cd"]), b"\x79abcd");
        assert_eq!(round_trip(0x78, &[b"abc", b"d"]), b"\x7A\x03abcd");
        assert_eq!(round_trip(0x78, &[b"a", b"b", b"c"]), b"\x7B\x03abc");
        assert_eq!(round_trip(0x78, &[b"a", b"", b"cc"]), b"\x7B\x83\x01\x00acc");
    }

    #[test]
    fn lengths_of_one_and_two_bytes() {
        for length in [0, 1, 251, 252, 253, 255, 256, 1_274, 1_275] {
            round_trip(0xF0, &[&vec![7; length], b"end"]);
        }
    }

    #[test]
    fn what_cannot_be_written() {
        let mut out = [0; 4];
        assert_eq!(write_packet(Toc::new(0x78), &[], &mut out), None);
        assert_eq!(write_packet(Toc::new(0x78), &[b"abcd"], &mut out), None);
        assert_eq!(
            write_packet(Toc::new(0x18), &[&[][..]; 3], &mut out),
            None,
            "3 × 60 ms are more than 120 ms"
        );
    }

    #[test]
    fn malformed_packets_are_errors() {
        let long = vec![0; 1_277];
        for (bytes, error) in [
            (&[][..], PacketError::Empty),
            (&long, PacketError::FrameTooLong(1_276)),
            (&[0x79, 1, 2, 3], PacketError::Uneven(3)),
            (&[0x7A], PacketError::Truncated),
            (&[0x7A, 252], PacketError::Truncated),
            (&[0x7A, 3, 1, 2], PacketError::Truncated),
            (&[0x7B], PacketError::Truncated),
            (&[0x7B, 0], PacketError::Duration(0)),
            (&[0x7B, 7], PacketError::Duration(7)),
            (&[0x7B, 3, 1, 2], PacketError::Uneven(2)),
            (&[0x7B, 0x41, 255], PacketError::Truncated),
            (&[0x7B, 0x41, 3, 1, 2], PacketError::Truncated),
            (&[0x7B, 0x82, 9, 1], PacketError::Truncated),
        ] {
            assert_eq!(Packet::parse(bytes).expect_err("malformed"), error, "{bytes:02x?}");
        }
    }

    #[test]
    fn padding_is_cut_off() {
        let mut padded = vec![0x7B, 0x42, 255, 1, b'a', b'b'];
        padded.extend([0; 255]);
        let packet = Packet::parse(&padded).expect("padded");
        assert_eq!(packet.frames(), [b"a", b"b"]);
        assert_eq!(packet.samples(), 1_920);
    }

    #[test]
    fn silence_and_dtx() {
        let parse = |bytes| Packet::parse(bytes).expect("well-formed");
        assert!(parse(&[0xF8, 0xFF, 0xFE]).is_silence());
        assert!(parse(&[0xFC, 0xFF, 0xFE]).is_silence());
        assert!(!parse(&[0x78, 0xFF, 0xFE]).is_silence());
        assert!(parse(&[0x78]).is_dtx());
        assert!(!parse(&[0x78, 1, 2]).is_dtx());
    }

    #[test]
    fn voice_activity_bits() {
        let vad = |bytes| Packet::parse(bytes).expect("well-formed").vad();
        assert_eq!(vad(&[0x48, 0x80, 0]), Some(true), "20 ms: one bit");
        assert_eq!(vad(&[0x48, 0x40, 0]), Some(false), "the second bit says redundancy");
        assert_eq!(vad(&[0x58, 0x20, 0]), Some(true), "60 ms: three bits");
        assert_eq!(vad(&[0x58, 0x10, 0]), Some(false));
        assert_eq!(vad(&[0x48]), Some(false), "not transmitted");
        assert_eq!(vad(&[0xF8, 0x80, 0]), None, "CELT has none");
    }
}
