//! RTP headers (RFC 3550) as Discord's voice uses them.

use std::ops::Range;

/// Payload type of Opus on Discord.
pub(crate) const OPUS: u8 = 120;

/// RFC 6464: voice activity, and 30 dB below full scale.
const VOICE_AT_30_DB: u8 = 0x9e;
const FIXED: usize = 12;
const EXTENSION_PREAMBLE: usize = 4;

/// What a packet's clear part says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) padding: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Length of the clear part: fixed header, CSRCs and the extension's preamble.
    pub(crate) len: usize,
    /// Length of the extension, which is encrypted with the payload.
    pub(crate) extension_len: usize,
}

impl Header {
    /// Reads the header of an RTP packet; `None` when it is none.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<FIXED>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let csrc_len = usize::from(first & 0x0f) * 4;
        let (preamble_len, extension_len) = if first & 0x10 == 0 {
            (0, 0)
        } else {
            let preamble = rest.get(csrc_len..csrc_len + EXTENSION_PREAMBLE)?;
            let &[_, _, high, low] = preamble else {
                return None;
            };
            (EXTENSION_PREAMBLE, usize::from(u16::from_be_bytes([high, low])) * 4)
        };
        Some(Self {
            padding: first & 0x20 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            len: FIXED + csrc_len + preamble_len,
            extension_len,
        })
    }

    /// Where Opus is in the decrypted body; `None` when extension or padding do not fit.
    pub(crate) fn opus(&self, body: &[u8]) -> Option<Range<usize>> {
        let padding = if self.padding {
            usize::from(*body.last()?).max(1)
        } else {
            0
        };
        let end = body.len().checked_sub(padding)?;
        (self.extension_len < end).then_some(self.extension_len..end)
    }
}

/// Header and body of a packet as a Discord client sends it: with the audio level as a header extension (RFC 6464).
pub(crate) fn client_packet(sequence: u16, timestamp: u32, ssrc: u32, opus: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut header = vec![0x90, OPUS];
    header.extend_from_slice(&sequence.to_be_bytes());
    header.extend_from_slice(&timestamp.to_be_bytes());
    header.extend_from_slice(&ssrc.to_be_bytes());
    header.extend_from_slice(&[0xbe, 0xde, 0, 1]);
    let mut body = vec![0x10, VOICE_AT_30_DB, 0, 0];
    body.extend_from_slice(opus);
    (header, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_packet_is_read_back() {
        let (header, body) = client_packet(65_535, 960, 42, &[1, 2, 3]);
        let parsed = Header::parse(&header).unwrap();
        assert_eq!(
            parsed,
            Header {
                padding: false,
                payload_type: OPUS,
                sequence: 65_535,
                timestamp: 960,
                ssrc: 42,
                len: 16,
                extension_len: 4
            }
        );
        assert_eq!(&body[parsed.opus(&body).unwrap()], [1, 2, 3]);
    }

    #[test]
    fn csrcs_and_padding_are_skipped() {
        let mut packet = vec![0xa1, 0x78, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend_from_slice(&[9; 4]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!((header.len, header.extension_len), (16, 0));
        assert_eq!(header.opus(&[1, 2, 0, 0, 3]), Some(0..2));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(Header::parse(&[0x80; 11]), None);
        assert_eq!(Header::parse(&[0x40; 12]), None);
        assert_eq!(Header::parse(&[0x90; 12]), None, "extension announced, none there");
        let (header, body) = client_packet(1, 1, 1, &[]);
        assert_eq!(Header::parse(&header).unwrap().opus(&body), None);
        let padded = Header {
            padding: true,
            ..Header::parse(&header).unwrap()
        };
        assert_eq!(padded.opus(&[0, 0, 0, 0, 200]), None);
    }
}
