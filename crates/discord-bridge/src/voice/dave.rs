//! Whether voice came encrypted end to end (DAVE), as far as songbird lets it be seen.
//!
//! songbird passes unencrypted frames of an encrypted call on like all others. But it decrypts a frame where it lies, so
//! that DAVE's trailer stays in the packet behind the Opus: by that the two are told apart.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// How long plain voice has to keep coming, with nothing encrypted in between, until the call counts as unencrypted again.
const DOWNGRADE: Duration = Duration::from_secs(3);
/// A pause in plain voice that is longer starts that time anew.
const LULL: Duration = Duration::from_millis(500);

/// Keeps unencrypted voice out of an encrypted call.
///
/// Discord may take a call's encryption back for all of its members, and songbird follows without a word. So what shows it is
/// voice: plain frames keep coming, and nobody's are encrypted any more.
#[derive(Debug, Default)]
pub(super) struct Encrypted {
    /// Never contended: songbird runs the handlers of a call one after the other.
    call: Mutex<Call>,
}

#[derive(Debug, Default)]
enum Call {
    /// No frame was decrypted yet, or not for a long time of plain voice.
    #[default]
    Plain,
    /// Frames are encrypted.
    Encrypted {
        /// The plain voice since the last of them.
        plain: Option<Stretch>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    since: Instant,
    last: Instant,
}

impl Encrypted {
    /// Whether a frame may be heard.
    pub(super) fn admits(&self, opus: &[u8], encrypted: bool, now: Instant) -> bool {
        let mut call = self.call.lock().unwrap_or_else(PoisonError::into_inner);
        if encrypted {
            *call = Call::Encrypted { plain: None };
            return true;
        }
        if *opus == SILENCE {
            return true;
        }
        let Call::Encrypted { plain } = &mut *call else {
            return true;
        };
        let stretch = Stretch::of(*plain, now);
        *plain = Some(stretch);
        let downgraded = now.saturating_duration_since(stretch.since) >= DOWNGRADE;
        if downgraded {
            tracing::warn!("nobody's voice is encrypted end to end any more; it is heard as it is");
            *call = Call::Plain;
        }
        downgraded
    }
}

impl Stretch {
    /// With a frame at `now`: the stretch goes on, or another begins.
    fn of(before: Option<Self>, now: Instant) -> Self {
        let goes_on = before.filter(|before| now.saturating_duration_since(before.last) <= LULL);
        Self {
            since: goes_on.map_or(now, |before| before.since),
            last: now,
        }
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
        let (call, now) = (Encrypted::default(), Instant::now());
        assert!(call.admits(b"plain", false, now), "a call without encryption");
        assert!(call.admits(b"sealed", true, now));
        assert!(!call.admits(b"plain", false, now));
        assert!(call.admits(&SILENCE, false, now));
        assert!(call.admits(b"sealed", true, now));
    }

    /// Plays frames 20 ms apart, and tells after which time a plain one is heard.
    fn heard_after(call: &Encrypted, frames: u32, encrypted: impl Fn(u32) -> bool) -> Option<Duration> {
        let start = Instant::now();
        (0..frames).find_map(|frame| {
            let at = Duration::from_millis(20) * frame;
            let heard = call.admits(b"voice", encrypted(frame), start + at);
            (heard && !encrypted(frame)).then_some(at)
        })
    }

    #[test]
    fn a_call_whose_encryption_is_taken_back_is_heard_again() {
        let call = Encrypted::default();
        call.admits(b"sealed", true, Instant::now());
        assert_eq!(heard_after(&call, 500, |_| false), Some(DOWNGRADE));
        assert_eq!(heard_after(&call, 1, |_| false), Some(Duration::ZERO), "and stays so");
        call.admits(b"sealed", true, Instant::now());
        assert_eq!(heard_after(&call, 1, |_| false), None, "until it is encrypted again");
    }

    #[test]
    fn plain_voice_beside_encrypted_voice_is_never_heard() {
        let call = Encrypted::default();
        call.admits(b"sealed", true, Instant::now());
        assert_eq!(heard_after(&call, 5_000, |frame| frame % 100 == 99), None);
    }

    #[test]
    fn a_plain_frame_now_and_then_is_no_downgrade() {
        let (call, start) = (Encrypted::default(), Instant::now());
        call.admits(b"sealed", true, start);
        for second in 1..60 {
            assert!(!call.admits(b"plain", false, start + Duration::from_secs(second)));
        }
    }
}
