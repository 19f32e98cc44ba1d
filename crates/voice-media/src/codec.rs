//! libopus, set up the ways an engine uses it.

use opus2::{Application, Bitrate, Error, Signal};

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

/// What an encoder is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) channels: Channels,
    /// Bits a second, at most.
    pub(crate) limit: Option<u32>,
    /// Share of packets that get lost, in percent.
    pub(crate) loss: u8,
}

impl Coding {
    /// What is sent where nothing is lost and nobody sets a limit.
    pub(crate) fn of(channels: Channels) -> Self {
        Self {
            channels,
            limit: None,
            loss: 0,
        }
    }

    fn bits(self) -> i32 {
        let usual = match self.channels {
            Channels::Mono => 48_000,
            Channels::Stereo => 64_000,
        };
        let limit = self.limit.and_then(|limit| i32::try_from(limit).ok());
        limit.unwrap_or(usual).clamp(LEAST_BITS, usual)
    }
}

/// The least that is sent, in bits a second: below it speech is not understood.
const LEAST_BITS: i32 = 8_000;

/// An encoder of 20 ms frames.
#[derive(Debug)]
pub(crate) struct Encoder {
    inner: opus2::Encoder,
    /// Whether frames may refer to earlier ones.
    predicts: bool,
}

impl Encoder {
    /// An encoder for mixes: the transform coder alone, whose look-ahead is the shortest and whose frames can be made
    /// to stand for themselves. Where packets get lost it is the coder for speech, which repeats each frame in the next.
    pub(crate) fn new(coding: Coding) -> Result<Self, Error> {
        let application = if coding.loss > 0 {
            Application::Voip
        } else {
            Application::LowDelay
        };
        let mut inner = opus2::Encoder::new(SAMPLE_RATE, coding.channels.into(), application)?;
        inner.set_bitrate(Bitrate::Bits(coding.bits()))?;
        inner.set_complexity(5)?;
        if coding.loss > 0 {
            inner.set_signal(Signal::Voice)?;
            inner.set_inband_fec(true)?;
            inner.set_packet_loss_perc(coding.loss.min(100).into())?;
        }
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
