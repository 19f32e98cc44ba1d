//! Brings packets of any duration to 20 ms.

use opus2::Error;

use crate::codec::{Coding, Decoder, Encoder, FRAME_LEN, MAX_PACKET_LEN};
use crate::opus::{MAX_FRAME, Packet, Toc, write_packet};
use crate::{Channels, FRAME_SAMPLES, MAX_OPUS};

/// Most frames that fit into 20 ms: 8 of 2.5 ms.
const MAX_GROUP: usize = 8;

/// The 20 ms packets that one packet became. It keeps its memory between uses.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many of them were encoded anew.
    pub(crate) transcoded: u32,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.transcoded = 0;
    }

    /// The packets in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(self.ends.iter().copied());
        ranges.filter_map(|(start, end)| self.bytes.get(start..end))
    }

    pub(crate) fn push(&mut self, opus: &[u8]) {
        self.bytes.extend_from_slice(opus);
        self.ends.push(self.bytes.len());
    }
}

/// Splits packets of several frames, merges short frames of equal kind, and encodes the rest anew.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    group: Group,
    transcoder: Option<Box<Transcoder>>,
}

impl Framer {
    /// Takes a packet; `out` gets the 20 ms packets that it completes.
    pub(crate) fn push(&mut self, packet: &Packet<'_>, out: &mut Batch) -> Result<(), Error> {
        if self.passes(packet) {
            out.push(packet.bytes());
            return Ok(());
        }
        for frame in packet.frames() {
            if self.transcoder.is_none() && self.group.push(packet.toc(), frame) {
                if self.group.is_full() && !self.group.take(out) {
                    self.transcode_group(packet.toc(), out)?;
                }
            } else {
                self.transcode_group(packet.toc(), out)?;
                self.transcode(packet.toc(), frame, out)?;
            }
        }
        Ok(())
    }

    /// Whether this packet is one of 20 ms and goes on with its bytes as they are.
    pub(crate) fn passes(&self, packet: &Packet<'_>) -> bool {
        let untouched = self.transcoder.is_none() && !self.is_partial();
        untouched && packet.samples() == FRAME_SAMPLES && packet.bytes().len() <= MAX_OPUS
    }

    /// Whether it has no need to decode a packet of this kind.
    pub(crate) fn needs_no_decoder(&self, packet: &Packet<'_>) -> bool {
        self.transcoder.is_none() && packet.toc().frame_samples() <= FRAME_SAMPLES
    }

    /// Whether the last 20 ms are not complete yet.
    pub(crate) fn is_partial(&self) -> bool {
        self.group.count > 0
            || self
                .transcoder
                .as_ref()
                .is_some_and(|transcoder| !transcoder.samples.is_empty())
    }

    /// Gives up 20 ms that are not complete, because the rest of them was lost.
    pub(crate) fn flush(&mut self) {
        self.group.clear();
        if let Some(transcoder) = &mut self.transcoder {
            transcoder.samples.clear();
        }
    }

    /// Gives up what is not complete and tries without encoding again: only between talk spurts, where nobody hears
    /// the change.
    pub(crate) fn restart(&mut self) {
        self.group.clear();
        self.transcoder = None;
    }

    /// Hands the frames of the group to the transcoder, which takes all frames until the next restart: going back
    /// within a spurt would be heard.
    fn transcode_group(&mut self, toc: Toc, out: &mut Batch) -> Result<(), Error> {
        let group = std::mem::take(&mut self.group);
        for frame in group.frames().iter().take(group.count) {
            self.transcode(group.toc.unwrap_or(toc), frame, out)?;
        }
        Ok(())
    }

    fn transcode(&mut self, toc: Toc, frame: &[u8], out: &mut Batch) -> Result<(), Error> {
        let transcoder = match &mut self.transcoder {
            Some(transcoder) => transcoder,
            none => none.insert(Box::new(Transcoder::new(toc)?)),
        };
        transcoder.push(toc, frame, out)
    }
}

/// Frames of equal kind that wait until they are 20 ms.
#[derive(Debug, Default)]
struct Group {
    toc: Option<Toc>,
    bytes: Vec<u8>,
    lengths: [usize; MAX_GROUP],
    count: usize,
}

impl Group {
    /// Takes a frame, unless it is of another kind than those before it or longer than 20 ms.
    fn push(&mut self, toc: Toc, frame: &[u8]) -> bool {
        let agrees = self.count == 0 || self.toc.is_some_and(|first| first.agrees_with(toc));
        let Some(length) = self.lengths.get_mut(self.count) else {
            return false;
        };
        if !agrees || toc.frame_samples() > FRAME_SAMPLES {
            return false;
        }
        *length = frame.len();
        self.toc = Some(toc);
        self.bytes.extend_from_slice(frame);
        self.count += 1;
        true
    }

    fn is_full(&self) -> bool {
        let frames = self.lengths.iter().take(self.count);
        let samples: u32 = frames.map(|_| self.toc.map_or(0, Toc::frame_samples)).sum();
        samples >= FRAME_SAMPLES
    }

    /// Moves the group into `out` as one packet; `false`, and nothing is done, where that would be too large.
    fn take(&mut self, out: &mut Batch) -> bool {
        let (Some(toc), frames) = (self.toc, self.frames()) else {
            return false;
        };
        let mut packet = [0; MAX_OPUS];
        let written = write_packet(toc, frames.get(..self.count).unwrap_or_default(), &mut packet);
        let Some(opus) = written.and_then(|length| packet.get(..length)) else {
            return false;
        };
        out.push(opus);
        self.clear();
        true
    }

    fn frames(&self) -> [&[u8]; MAX_GROUP] {
        let mut frames = [&[][..]; MAX_GROUP];
        let mut rest = self.bytes.as_slice();
        for (slot, &length) in frames.iter_mut().zip(&self.lengths).take(self.count) {
            (*slot, rest) = rest.split_at_checked(length).unwrap_or_default();
        }
        frames
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }
}

/// Decodes frames and encodes what they hold 20 ms at a time.
#[derive(Debug)]
struct Transcoder {
    channels: Channels,
    decoder: Decoder,
    encoder: Encoder,
    decoded: Vec<f32>,
    /// Interleaved samples that are less than 20 ms.
    samples: Vec<f32>,
}

impl Transcoder {
    fn new(toc: Toc) -> Result<Self, Error> {
        let channels = if toc.is_stereo() {
            Channels::Stereo
        } else {
            Channels::Mono
        };
        Ok(Self {
            channels,
            decoder: Decoder::new(channels)?,
            encoder: Encoder::new(Coding::of(channels))?,
            decoded: vec![0.0; MAX_PACKET_LEN * channels.count()],
            samples: Vec::new(),
        })
    }

    fn push(&mut self, toc: Toc, frame: &[u8], out: &mut Batch) -> Result<(), Error> {
        let mut packet = [0; MAX_FRAME + 1];
        let written = write_packet(toc, &[frame], &mut packet);
        let opus = written.and_then(|length| packet.get(..length)).unwrap_or_default();
        let length = self.decoder.decode(opus, &mut self.decoded)? * self.channels.count();
        self.samples
            .extend_from_slice(self.decoded.get(..length).unwrap_or_default());
        let whole = FRAME_LEN * self.channels.count();
        while let Some(samples) = self.samples.get(..whole) {
            let mut packet = [0; MAX_OPUS];
            let length = self.encoder.encode(samples, false, &mut packet)?;
            out.push(packet.get(..length).unwrap_or_default());
            out.transcoded += 1;
            self.samples.drain(..whole);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(batch: &Batch) -> Vec<Vec<u8>> {
        batch.iter().map(<[u8]>::to_vec).collect()
    }

    fn push(framer: &mut Framer, packets: &[&[u8]]) -> (Vec<Vec<u8>>, u32) {
        let mut batch = Batch::default();
        for packet in packets {
            framer
                .push(&Packet::parse(packet).expect("well-formed"), &mut batch)
                .expect("libopus works");
        }
        (frames(&batch), batch.transcoded)
    }

    #[test]
    fn twenty_milliseconds_pass_untouched() {
        let padded = [0x7B, 0x41, 3, b'a', 0, 0, 0];
        assert_eq!(push(&mut Framer::default(), &[&padded]).0, [padded.to_vec()]);
    }

    #[test]
    fn sixty_milliseconds_of_three_frames_are_split() {
        let (out, transcoded) = push(&mut Framer::default(), &[b"\x7B\x83\x01\x02abbccc"]);
        assert_eq!(out, [b"\x78a".to_vec(), b"\x78bb".to_vec(), b"\x78ccc".to_vec()]);
        assert_eq!(transcoded, 0);
    }

    #[test]
    fn short_frames_are_merged() {
        let mut framer = Framer::default();
        // Hybrid, 10 ms: config 14.
        assert_eq!(push(&mut framer, &[b"\x70ab"]).0, Vec::<Vec<u8>>::new());
        assert!(framer.is_partial());
        assert_eq!(push(&mut framer, &[b"\x70cd"]).0, [b"\x71abcd".to_vec()]);
        assert!(!framer.is_partial());
        let tiny: Vec<&[u8]> = vec![b"\xE0x"; 8];
        assert_eq!(push(&mut framer, &tiny).0, [b"\xE3\x08xxxxxxxx".to_vec()]);
    }

    #[test]
    fn one_silk_frame_of_sixty_milliseconds_is_encoded_anew() {
        let mut framer = Framer::default();
        let (out, transcoded) = push(&mut framer, &[b"\x58\x80\x12\x34\x56\x78"]);
        assert_eq!((out.len(), transcoded), (3, 3));
        for frame in &out {
            assert_eq!(Packet::parse(frame).expect("well-formed").samples(), 960);
        }
        assert_eq!(push(&mut framer, &[b"\x48\x80\x12"]).1, 1, "until the spurt is over");
        framer.restart();
        assert_eq!(push(&mut framer, &[b"\x48\x80\x12"]).1, 0);
    }

    #[test]
    fn short_frames_that_change_kind_are_encoded_anew() {
        let mut framer = Framer::default();
        let (out, transcoded) = push(&mut framer, &[b"\x70ab", b"\xF0cd"]);
        assert_eq!((out.len(), transcoded), (1, 1));
    }
}
