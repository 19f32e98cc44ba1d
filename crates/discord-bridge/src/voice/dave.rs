//! Whether voice came encrypted end to end (DAVE), as far as songbird lets it be seen.
//!
//! songbird passes unencrypted frames of an encrypted call on like all others. But it decrypts a frame where it lies, so
//! that DAVE's trailer stays in the packet behind the Opus: by that the two are told apart.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What Discord's servers send for somebody who is muted; it is never encrypted.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
/// Ends DAVE's trailer.
const MARKER: [u8; 2] = [0xfa, 0xfa];
/// Tag and nonce of the transport's encryption, behind everything else.
const TRANSPORT: usize = 20;

/// Whether the frame of a packet was decrypted.
///
/// `payload` is what follows the packet's RTP header, `end_pad` how much of its end is no Opus; `padded` packets have
/// padding of RTP's own before the transport's end, and its length in the last byte of that.
pub(super) fn was_encrypted(payload: &[u8], end_pad: usize, padded: bool) -> bool {
    let opus_end = payload.len().saturating_sub(end_pad);
    let Some(body) = payload.len().checked_sub(TRANSPORT).and_then(|end| payload.get(..end)) else {
        return false;
    };
    let padding = body.last().filter(|_| padded).map_or(0, |len| usize::from(*len));
    let trailer = body.len().checked_sub(padding).and_then(|end| body.get(opus_end..end));
    trailer.is_some_and(|trailer| trailer.ends_with(&MARKER))
}

/// Keeps unencrypted voice out of an encrypted call.
#[derive(Debug, Default)]
pub(super) struct Encrypted {
    /// A frame of the call was decrypted. Discord's voice channels never go back from that.
    seen: AtomicBool,
}

impl Encrypted {
    /// Whether a frame may be heard.
    pub(super) fn admits(&self, opus: &[u8], encrypted: bool) -> bool {
        if encrypted {
            self.seen.store(true, Relaxed);
        }
        encrypted || *opus == SILENCE || !self.seen.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opus, what is behind it, padding and the transport's end.
    fn payload(behind_opus: &[u8], padding: u8) -> (Vec<u8>, usize) {
        let end = [vec![padding; padding.into()], vec![9; TRANSPORT]].concat();
        let payload = [&[0x78; 40][..], behind_opus, &end].concat();
        (payload, behind_opus.len() + end.len())
    }

    #[test]
    fn a_decrypted_frame_has_a_trailer_behind_its_opus() {
        for padding in [0, 7] {
            let (decrypted, end_pad) = payload(&[1, 2, 3, 4, 5, 6, 7, 8, 1, 12, 0xfa, 0xfa], padding);
            assert!(was_encrypted(&decrypted, end_pad, padding > 0));
            let (plain, end_pad) = payload(&[], padding);
            assert!(!was_encrypted(&plain, end_pad, padding > 0));
        }
        assert!(!was_encrypted(&[0xfa, 0xfa], 2, false));
        assert!(!was_encrypted(&[9; 30], 100, true), "lengths that lie");
    }

    #[test]
    fn the_end_of_plain_opus_is_no_trailer() {
        let mut plain = vec![0xfa; 40];
        plain.extend([9; TRANSPORT]);
        assert!(!was_encrypted(&plain, TRANSPORT, false));
    }

    #[test]
    fn once_a_call_is_encrypted_nothing_plain_is_heard_but_silence() {
        let call = Encrypted::default();
        assert!(call.admits(b"plain", false), "a call without encryption");
        assert!(call.admits(b"sealed", true));
        assert!(!call.admits(b"plain", false));
        assert!(call.admits(&SILENCE, false));
        assert!(call.admits(b"sealed", true));
    }
}
