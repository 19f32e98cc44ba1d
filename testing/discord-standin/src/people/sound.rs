//! Sound files as the Opus frames that a Discord client sends.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
    sync::Arc,
};

use opus2::{Application, Bitrate, Channels, Decoder, Encoder};

use super::resample::resample;

/// Samples of one channel in a frame: 20 ms at 48 kHz.
pub(crate) const FRAME: usize = 960;
const SAMPLE_RATE: u32 = 48_000;
const BITRATE: i32 = 64_000;
const LARGEST_PACKET: usize = 1_275;
/// Samples of one channel in the longest Opus packet, 120 ms.
const LONGEST_PACKET: usize = 5_760;
/// Longest file that is accepted.
const LONGEST_SECONDS: usize = 3_600;

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It cannot be read.
    #[error("cannot open the file: {0}")]
    Open(#[from] io::Error),
    /// It is called a WAV file and is none, or a kind that is not known.
    #[error("not a WAV file that can be played: {0}")]
    Wav(#[from] hound::Error),
    /// It is called an Ogg file and is none.
    #[error("not an Ogg file: {0}")]
    Ogg(#[from] ogg::OggReadError),
    /// Its sound cannot be coded.
    #[error("Opus: {0}")]
    Opus(#[from] opus2::Error),
    /// Its name has another ending.
    #[error("only .wav, .ogg and .opus files can be played")]
    UnknownKind,
    /// It has too many channels.
    #[error("only one or two channels can be played, not {0}")]
    Channels(u16),
    /// There is nothing in it.
    #[error("the file holds no sound")]
    Empty,
    /// Nobody talks that long.
    #[error("the file is longer than an hour")]
    TooLong,
}

/// A file's frames, each 20 ms.
pub type Frames = Arc<[Arc<[u8]>]>;

/// Reads and, where needed, encodes a file: 48 kHz, stereo, 20 ms, 64 kbit/s.
///
/// Ogg/Opus in 20 ms packets is taken as it is.
pub(crate) fn load(path: &Path) -> Result<Frames, SoundError> {
    let kind = path.extension().and_then(|extension| extension.to_str());
    let frames = match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("wav") => encode(&read_wav(path)?)?,
        Some("ogg" | "opus") => read_ogg(path)?,
        _ => return Err(SoundError::UnknownKind),
    };
    if frames.is_empty() {
        return Err(SoundError::Empty);
    }
    Ok(frames.into())
}

/// Interleaved stereo at 48 kHz.
fn read_wav(path: &Path) -> Result<Vec<f32>, SoundError> {
    let mut reader = hound::WavReader::open(path)?;
    let spec = reader.spec();
    if !(1..=2).contains(&spec.channels) {
        return Err(SoundError::Channels(spec.channels));
    }
    if usize::try_from(reader.duration() / spec.sample_rate.max(1)).unwrap_or(usize::MAX) > LONGEST_SECONDS {
        return Err(SoundError::TooLong);
    }
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let scale = 1.0 / f64::from(1_u32 << (spec.bits_per_sample - 1).min(31));
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|value| narrow(f64::from(value) * scale)))
                .collect::<Result<_, _>>()?
        }
    };
    let channel = |offset: usize| -> Vec<f32> {
        let own: Vec<f32> = samples
            .iter()
            .skip(offset)
            .step_by(usize::from(spec.channels))
            .copied()
            .collect();
        resample(&own, spec.sample_rate, SAMPLE_RATE)
    };
    let left = channel(0);
    let right = if spec.channels == 2 { channel(1) } else { left.clone() };
    Ok(left.into_iter().zip(right).flat_map(|(l, r)| [l, r]).collect())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a sample between -1 and 1 loses nothing that can be heard"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn encode(stereo: &[f32]) -> Result<Vec<Arc<[u8]>>, SoundError> {
    let mut encoder = Encoder::new(SAMPLE_RATE, Channels::Stereo, Application::Audio)?;
    encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
    stereo
        .chunks(FRAME * 2)
        .map(|chunk| {
            let mut frame = chunk.to_vec();
            frame.resize(FRAME * 2, 0.0);
            Ok(encoder.encode_vec_float(&frame, LARGEST_PACKET)?.into())
        })
        .collect()
}

fn read_ogg(path: &Path) -> Result<Vec<Arc<[u8]>>, SoundError> {
    let mut reader = ogg::PacketReader::new(BufReader::new(File::open(path)?));
    let mut packets: Vec<Arc<[u8]>> = Vec::new();
    while let Some(packet) = reader.read_packet()? {
        let is_header = packet.data.starts_with(b"OpusHead") || packet.data.starts_with(b"OpusTags");
        if !is_header {
            packets.push(packet.data.into());
        }
        if packets.len() > LONGEST_SECONDS * 400 {
            return Err(SoundError::TooLong);
        }
    }
    let fits = |packet: &Arc<[u8]>| opus2::packet::get_nb_samples(packet, SAMPLE_RATE).ok() == Some(FRAME);
    if packets.iter().all(fits) {
        return Ok(packets);
    }
    let mut decoder = Decoder::new(SAMPLE_RATE, Channels::Stereo)?;
    let mut stereo = Vec::new();
    let mut pcm = vec![0_f32; LONGEST_PACKET * 2];
    for packet in &packets {
        let count = decoder.decode_float(packet, &mut pcm, false)?;
        stereo.extend_from_slice(pcm.get(..count * 2).unwrap_or_default());
    }
    encode(&stereo)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(path: &Path, rate: u32, channels: u16, seconds: u32) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for n in 0..rate * seconds {
            let phase = f64::from(n) * 440.0 * std::f64::consts::TAU / f64::from(rate);
            for _ in 0..channels {
                #[expect(clippy::cast_possible_truncation, reason = "a test tone")]
                writer.write_sample((phase.sin() * 12_000.0) as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
    }

    #[test]
    fn wav_of_any_rate_becomes_stereo_frames_of_20_ms() {
        let directory = tempfile::tempdir().unwrap();
        for (rate, channels) in [(48_000, 2), (48_000, 1), (22_050, 1), (44_100, 2)] {
            let path = directory.path().join("tone.wav");
            wav(&path, rate, channels, 2);
            let frames = load(&path).unwrap();
            assert_eq!(frames.len(), 100, "{rate} Hz");
            for frame in frames.iter() {
                assert_eq!(opus2::packet::get_nb_samples(frame, SAMPLE_RATE).unwrap(), FRAME);
                assert!(matches!(
                    opus2::packet::get_nb_channels(frame).unwrap(),
                    Channels::Stereo
                ));
            }
            let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
            assert!((10_000..22_000).contains(&bytes), "{bytes} bytes are not 64 kbit/s");
        }
    }

    #[test]
    fn ogg_packets_of_20_ms_are_taken_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("tone.wav");
        wav(&source, 48_000, 1, 1);
        let frames = load(&source).unwrap();
        let path = directory.path().join("tone.opus");
        let mut writer = ogg::PacketWriter::new(File::create(&path).unwrap());
        let head = b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0".to_vec();
        let page = ogg::PacketWriteEndInfo::EndPage;
        writer.write_packet(head, 1, page, 0).unwrap();
        writer
            .write_packet(b"OpusTags\0\0\0\0\0\0\0\0".to_vec(), 1, page, 0)
            .unwrap();
        for (frame, granule) in frames.iter().zip(1..) {
            let end = if granule == 50 {
                ogg::PacketWriteEndInfo::EndStream
            } else {
                ogg::PacketWriteEndInfo::NormalPacket
            };
            writer.write_packet(frame.to_vec(), 1, end, granule * 960).unwrap();
        }
        drop(writer);
        assert_eq!(load(&path).unwrap(), frames);
    }

    #[test]
    fn what_is_no_sound_is_refused_with_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a.wav"), b"no wav").unwrap();
        std::fs::write(path("a.ogg"), b"no ogg").unwrap();
        std::fs::write(path("a.txt"), b"text").unwrap();
        wav(&path("empty.wav"), 48_000, 1, 0);
        assert!(matches!(load(&path("a.wav")), Err(SoundError::Wav(_))));
        assert!(matches!(load(&path("a.ogg")), Err(SoundError::Ogg(_))));
        assert!(matches!(load(&path("a.txt")), Err(SoundError::UnknownKind)));
        assert!(matches!(load(&path("empty.wav")), Err(SoundError::Empty)));
        assert!(matches!(load(&path("none.wav")), Err(SoundError::Wav(_))));
    }
}
