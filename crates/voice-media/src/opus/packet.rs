//! Taking a packet apart into frames.

use super::{MAX_FRAME, MAX_PACKET_SAMPLES, Mode, SILENCE, Toc};

/// Most frames of a packet: 48 of 2.5 ms (RFC 6716 §3.2.5).
const MAX_FRAMES: usize = 48;

/// Why bytes are not an Opus packet. The rules R1 to R7 are those of RFC 6716 §3.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// No table of contents (R1).
    #[error("the packet is empty")]
    Empty,
    /// A frame is longer than 1,275 bytes (R2).
    #[error("a frame of {0} bytes is longer than 1,275")]
    FrameTooLong(usize),
    /// Two frames of equal size do not fill an odd number of bytes (R3), nor M frames the rest of the packet (R6).
    #[error("frames of equal size do not fill {0} bytes")]
    Uneven(usize),
    /// A length, a frame or the padding reaches beyond the end (R4, R6, R7).
    #[error("the packet ends before its contents do")]
    Truncated,
    /// No frame at all, or more than 120 ms (R5).
    #[error("{0} frames are none or last more than 120 ms")]
    Duration(u8),
}

/// A well-formed Opus packet.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    toc: Toc,
    frames: [&'a [u8]; MAX_FRAMES],
    count: usize,
}

impl<'a> Packet<'a> {
    /// Takes `bytes` apart.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let (&first, rest) = bytes.split_first().ok_or(PacketError::Empty)?;
        let toc = Toc::new(first);
        let mut packet = Self {
            bytes,
            toc,
            frames: [&[]; MAX_FRAMES],
            count: 0,
        };
        match toc.code() {
            0 => packet.push(rest)?,
            1 => packet.push_equal(rest, 2)?,
            2 => packet.push_two(rest)?,
            _ => packet.push_many(rest)?,
        }
        Ok(packet)
    }

    /// The packet as it came.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its table of contents.
    pub fn toc(&self) -> Toc {
        self.toc
    }

    /// Its frames; an empty one stands for lost or not transmitted (DTX).
    pub fn frames(&self) -> &[&'a [u8]] {
        self.frames.get(..self.count).unwrap_or_default()
    }

    /// How long it plays, in samples at 48 kHz.
    pub fn samples(&self) -> u32 {
        self.frames().iter().map(|_| self.toc.frame_samples()).sum()
    }

    /// Whether this is the packet of digital silence that ends a talk spurt on Discord, in mono or stereo.
    pub fn is_silence(&self) -> bool {
        self.bytes.len() == SILENCE.len() && self.toc.config() == 31 && self.bytes.ends_with(&[0xFF, 0xFE])
    }

    /// Whether nothing was transmitted (DTX): no frame has more than one byte.
    pub fn is_dtx(&self) -> bool {
        self.frames().iter().all(|frame| frame.len() <= 1)
    }

    /// The voice activity bits of the SILK layer, of the mid channel where there are two (RFC 6716 §4.2.3): whether
    /// any 20 ms of the packet hold speech. `None` for CELT, which has no such bits.
    pub fn vad(&self) -> Option<bool> {
        if self.toc.mode() == Mode::Celt {
            return None;
        }
        let flags = self.toc.frame_samples().div_ceil(960);
        let mask = !(0xFF_u8 >> flags);
        let speaks = |frame: &&[u8]| frame.first().is_some_and(|first| first & mask != 0);
        Some(self.frames().iter().any(speaks))
    }

    fn push(&mut self, frame: &'a [u8]) -> Result<(), PacketError> {
        if frame.len() > MAX_FRAME {
            return Err(PacketError::FrameTooLong(frame.len()));
        }
        let slot = self.frames.get_mut(self.count).ok_or(PacketError::Duration(u8::MAX))?;
        *slot = frame;
        self.count += 1;
        Ok(())
    }

    fn push_equal(&mut self, bytes: &'a [u8], count: usize) -> Result<(), PacketError> {
        if !bytes.len().is_multiple_of(count) {
            return Err(PacketError::Uneven(bytes.len()));
        }
        let length = bytes.len() / count;
        let mut rest = bytes;
        for _ in 0..count {
            let (frame, after) = rest.split_at_checked(length).ok_or(PacketError::Truncated)?;
            self.push(frame)?;
            rest = after;
        }
        Ok(())
    }

    fn push_two(&mut self, bytes: &'a [u8]) -> Result<(), PacketError> {
        let (length, rest) = take_length(bytes)?;
        let (first, second) = rest.split_at_checked(length).ok_or(PacketError::Truncated)?;
        self.push(first)?;
        self.push(second)
    }

    fn push_many(&mut self, bytes: &'a [u8]) -> Result<(), PacketError> {
        let (&flags, mut rest) = bytes.split_first().ok_or(PacketError::Truncated)?;
        let (varying, padded, count) = (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x3F);
        if count == 0 || u32::from(count) * self.toc.frame_samples() > MAX_PACKET_SAMPLES {
            return Err(PacketError::Duration(count));
        }
        if padded {
            rest = without_padding(rest)?;
        }
        if varying {
            self.push_varying(rest, usize::from(count))
        } else {
            self.push_equal(rest, usize::from(count))
        }
    }

    fn push_varying(&mut self, bytes: &'a [u8], count: usize) -> Result<(), PacketError> {
        let mut rest = bytes;
        let mut lengths = [0; MAX_FRAMES];
        for slot in lengths.iter_mut().take(count - 1) {
            (*slot, rest) = take_length(rest)?;
        }
        for &length in lengths.iter().take(count - 1) {
            let (frame, after) = rest.split_at_checked(length).ok_or(PacketError::Truncated)?;
            self.push(frame)?;
            rest = after;
        }
        self.push(rest)
    }
}

/// Reads the length of a frame (RFC 6716 §3.2.1).
fn take_length(bytes: &[u8]) -> Result<(usize, &[u8]), PacketError> {
    match *bytes {
        [short @ 0..=251, ref rest @ ..] => Ok((usize::from(short), rest)),
        [first, second, ref rest @ ..] => Ok((usize::from(second) * 4 + usize::from(first), rest)),
        _ => Err(PacketError::Truncated),
    }
}

/// Cuts the padding and its length off (RFC 6716 §3.2.5): each 255 stands for 254 bytes and says that more length
/// follows.
fn without_padding(bytes: &[u8]) -> Result<&[u8], PacketError> {
    let mut rest = bytes;
    let mut padding = 0;
    loop {
        let (&length, after) = rest.split_first().ok_or(PacketError::Truncated)?;
        rest = after;
        if length < 255 {
            padding += usize::from(length);
            break;
        }
        padding += 254;
    }
    let kept = rest.len().checked_sub(padding).ok_or(PacketError::Truncated)?;
    rest.get(..kept).ok_or(PacketError::Truncated)
}
