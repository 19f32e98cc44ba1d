//! libopus, set up the ways an engine uses it.

use opus2::{Application, Bitrate, Error};

use crate::{Channels, FRAME_SAMPLES, MAX_OPUS, SAMPLE_RATE};

/// Samples of a 20 ms frame in one channel.
pub(crate) const FRAME_LEN: usize = FRAME_SAMPLES as usize;

/// Most samples of one channel that a packet decodes to: 120 ms.
pub(crate) const MAX_PACKET_LEN: usize = 5_760;

impl From<Channels> for opus2::Channels {
    fn from(channels: Channels) -> Self {
        match channels {
            Channels::Mono => Self::Mono,
            Channels::Stereo => Self::Stereo,
        }
    }
}

/// Samples a second that a probe decodes: the band that holds most of speech's energy.
const PROBE_RATE: u32 = 8_000;

/// Most samples that a packet decodes to in a probe: 120 ms.
pub(crate) const PROBE_LEN: usize = 960;

/// A decoder.
#[derive(Debug)]
pub(crate) struct Decoder(opus2::Decoder);

impl Decoder {
    pub(crate) fn new(channels: Channels) -> Result<Self, Error> {
        opus2::Decoder::new(SAMPLE_RATE, channels.into()).map(Self)
    }

    /// A cheap decoder for measuring how loud speech is: one channel at [`PROBE_RATE`].
    pub(crate) fn probe() -> Result<Self, Error> {
        opus2::Decoder::new(PROBE_RATE, opus2::Channels::Mono).map(Self)
    }

    /// Decodes a packet into interleaved samples and returns how many of each channel it held.
    pub(crate) fn decode(&mut self, opus: &[u8], out: &mut [f32]) -> Result<usize, Error> {
        self.0.decode_float(opus, out, false)
    }

    /// Makes up for a frame that is not there: from the redundancy in the packet after it if that has come, else
    /// from the past alone.
    pub(crate) fn conceal(&mut self, after: Option<&[u8]>, out: &mut [f32]) -> Result<usize, Error> {
        match after {
            Some(after) => self.0.decode_float(after, out, true),
            None => self.0.decode_float(&[], out, false),
        }
    }
}

/// An encoder of 20 ms frames.
#[derive(Debug)]
pub(crate) struct Encoder {
    inner: opus2::Encoder,
    /// Whether frames may refer to earlier ones.
    predicts: bool,
}

impl Encoder {
    /// An encoder for mixes: the transform coder alone, whose look-ahead is the shortest and whose frames can be made
    /// to stand for themselves.
    pub(crate) fn new(channels: Channels) -> Result<Self, Error> {
        let mut inner = opus2::Encoder::new(SAMPLE_RATE, channels.into(), Application::LowDelay)?;
        let bits = match channels {
            Channels::Mono => 48_000,
            Channels::Stereo => 64_000,
        };
        inner.set_bitrate(Bitrate::Bits(bits))?;
        inner.set_complexity(5)?;
        Ok(Self { inner, predicts: true })
    }

    /// Encodes a frame of interleaved samples and returns the packet's length. A frame `alone` refers to none before
    /// it, so a far end that has heard another stream until now decodes it right.
    pub(crate) fn encode(&mut self, samples: &[f32], alone: bool, out: &mut [u8; MAX_OPUS]) -> Result<usize, Error> {
        if alone == self.predicts {
            self.inner.set_prediction_disabled(alone)?;
            self.predicts = !alone;
        }
        self.inner.encode_float(samples, out)
    }
}
