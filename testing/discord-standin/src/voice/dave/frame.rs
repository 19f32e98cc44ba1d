//! Voice frames as DAVE encrypts them, as far as they can be told without keys.

/// Ends every encrypted frame.
const MARKER: [u8; 2] = [0xfa, 0xfa];
/// Tag, a nonce of one byte, the size of all this, and the marker.
const SMALLEST_TRAILER: usize = TAG + 1 + SIZE_AND_MARKER;
const TAG: usize = 8;
const SIZE_AND_MARKER: usize = 3;
/// Bytes of a 32-bit nonce in ULEB128, and the bit of those that are not the last.
const LONGEST_NONCE: usize = 5;
const CONTINUED: u8 = 0x80;

/// Whether a frame looks encrypted: it ends with a trailer that fits into it.
pub(crate) fn is_encrypted(frame: &[u8]) -> bool {
    let Some(([.., size], marker)) = frame.split_last_chunk() else {
        return false;
    };
    *marker == MARKER && (SMALLEST_TRAILER..=frame.len()).contains(&usize::from(*size))
}

/// Whether a frame looks like encrypted Opus: it has no clear parts, so the nonce is all between its tag and its size.
///
/// This is stricter than what a server looks at: decryption is tried on nothing else.
pub(crate) fn is_encrypted_opus(frame: &[u8]) -> bool {
    let nonce = nonce_and_ranges(frame).and_then(<[u8]>::split_last);
    is_encrypted(frame)
        && nonce.is_some_and(|(last, before)| {
            before.len() < LONGEST_NONCE && last & CONTINUED == 0 && before.iter().all(|byte| byte & CONTINUED != 0)
        })
}

/// What is between tag and size.
fn nonce_and_ranges(frame: &[u8]) -> Option<&[u8]> {
    let [size, ..] = *frame.last_chunk::<SIZE_AND_MARKER>()?;
    let trailer = frame.get(frame.len().checked_sub(size.into())?..)?;
    trailer.get(TAG..trailer.len().checked_sub(SIZE_AND_MARKER)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_frame_is_known_by_its_trailer() {
        let mut frame = vec![1; 30];
        assert!(!is_encrypted(&frame));
        frame.extend_from_slice(&[12, 0xfa, 0xfa]);
        assert!(is_encrypted(&frame));
        assert!(!is_encrypted(&frame[25..]), "the trailer does not fit");
        assert!(!is_encrypted(&[0xfa, 0xfa]));
        assert!(!is_encrypted(&[0xf8, 0xff, 0xfe]));
    }

    #[test]
    fn encrypted_opus_has_nothing_but_a_nonce_in_its_trailer() {
        let frame = |between: &[u8]| {
            let size = u8::try_from(TAG + between.len() + SIZE_AND_MARKER).unwrap();
            [&[1; 40][..], between, &[size, 0xfa, 0xfa]].concat()
        };
        assert!(is_encrypted_opus(&frame(&[5])));
        assert!(is_encrypted_opus(&frame(&[0x80, 0x80, 0x80, 0x80, 1])));
        for wrong in [&[][..], &[0x80], &[5, 1, 2], &[0x80, 0x80, 0x80, 0x80, 0x80, 1]] {
            assert!(!is_encrypted_opus(&frame(wrong)), "{wrong:?}");
        }
        assert!(!is_encrypted_opus(&[200, 0xfa, 0xfa]));
    }
}
