//! Transport encryption of voice packets: the two `rtpsize` AEAD modes.
//!
//! A packet is `RTP header | ciphertext | tag (16) | nonce (4)`. The header, extension preamble included, is the
//! additional data; the nonce is the packet's last four bytes followed by zeros.

use aes_gcm::{Aes256Gcm, KeyInit, Nonce, aead::AeadInPlace};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const TAG: usize = 16;
const SUFFIX: usize = 4;

/// An encryption mode of select protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Aes256Gcm,
    XChaCha20Poly1305,
}

impl Mode {
    /// The modes offered, best first.
    pub(crate) const OFFERED: [Self; 2] = [Self::Aes256Gcm, Self::XChaCha20Poly1305];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aead_aes256_gcm_rtpsize",
            Self::XChaCha20Poly1305 => "aead_xchacha20_poly1305_rtpsize",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::OFFERED.into_iter().find(|mode| mode.name() == name)
    }
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// No room for tag and nonce.
    TooShort,
    /// Wrong key, or changed on the way.
    Forged,
    /// This nonce was used before, or is too old to know.
    NonceReused,
}

enum Cipher {
    Aes256Gcm(Box<Aes256Gcm>),
    XChaCha20Poly1305(XChaCha20Poly1305),
}

/// One client's key with the nonces of both directions.
pub(crate) struct Transport {
    mode: Mode,
    cipher: Cipher,
    next_nonce: u32,
    seen: NonceWindow,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(mode: Mode, key: &[u8; 32]) -> Self {
        let cipher = match mode {
            Mode::Aes256Gcm => Cipher::Aes256Gcm(Box::new(Aes256Gcm::new(key.into()))),
            Mode::XChaCha20Poly1305 => Cipher::XChaCha20Poly1305(XChaCha20Poly1305::new(key.into())),
        };
        Self {
            mode,
            cipher,
            next_nonce: 0,
            seen: NonceWindow::default(),
        }
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.mode
    }

    /// Decrypts what follows the first `header_len` bytes.
    pub(crate) fn open(&mut self, packet: &[u8], header_len: usize) -> Result<Vec<u8>, OpenError> {
        let (header, rest) = packet.split_at_checked(header_len).ok_or(OpenError::TooShort)?;
        let (sealed, suffix) = rest.split_last_chunk::<SUFFIX>().ok_or(OpenError::TooShort)?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG>().ok_or(OpenError::TooShort)?;
        let mut body = ciphertext.to_vec();
        let opened = match &self.cipher {
            Cipher::Aes256Gcm(cipher) => {
                cipher.decrypt_in_place_detached(&Nonce::from(padded(*suffix)), header, &mut body, tag.into())
            }
            Cipher::XChaCha20Poly1305(cipher) => {
                cipher.decrypt_in_place_detached(&XNonce::from(padded(*suffix)), header, &mut body, tag.into())
            }
        };
        opened.map_err(|_| OpenError::Forged)?;
        if !self.seen.accept(u32::from_be_bytes(*suffix)) {
            return Err(OpenError::NonceReused);
        }
        Ok(body)
    }

    /// Encrypts `body` behind `header`. `None` only when the AEAD refuses the length.
    pub(crate) fn seal(&mut self, header: &[u8], body: &[u8]) -> Option<Vec<u8>> {
        let suffix = self.next_nonce.to_be_bytes();
        self.next_nonce = self.next_nonce.wrapping_add(1);
        let mut packet = Vec::with_capacity(header.len() + body.len() + TAG + SUFFIX);
        packet.extend_from_slice(header);
        packet.extend_from_slice(body);
        let buffer = packet.get_mut(header.len()..)?;
        let tag = match &self.cipher {
            Cipher::Aes256Gcm(cipher) => cipher.encrypt_in_place_detached(&Nonce::from(padded(suffix)), header, buffer),
            Cipher::XChaCha20Poly1305(cipher) => {
                cipher.encrypt_in_place_detached(&XNonce::from(padded(suffix)), header, buffer)
            }
        }
        .ok()?;
        packet.extend_from_slice(&tag);
        packet.extend_from_slice(&suffix);
        Some(packet)
    }
}

/// The four bytes of a packet's end, then zeros.
fn padded<const N: usize>(suffix: [u8; SUFFIX]) -> [u8; N] {
    let mut nonce = [0; N];
    for (to, from) in nonce.iter_mut().zip(suffix) {
        *to = from;
    }
    nonce
}

/// The last 128 nonces of a client, which counts them up from anywhere.
#[derive(Debug, Default)]
struct NonceWindow {
    highest: Option<u32>,
    mask: u128,
}

impl NonceWindow {
    fn accept(&mut self, nonce: u32) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(nonce);
            self.mask = 1;
            return true;
        };
        let ahead = nonce.wrapping_sub(highest);
        if ahead != 0 && ahead < u32::MAX / 2 {
            self.mask = self.mask.checked_shl(ahead).unwrap_or(0) | 1;
            self.highest = Some(nonce);
            return true;
        }
        let bit = 1_u128.checked_shl(highest.wrapping_sub(nonce)).unwrap_or(0);
        let fresh = bit != 0 && self.mask & bit == 0;
        self.mask |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"header";

    fn pair(mode: Mode) -> (Transport, Transport) {
        (Transport::new(mode, &[7; 32]), Transport::new(mode, &[7; 32]))
    }

    #[test]
    fn both_modes_open_what_they_sealed() {
        for mode in Mode::OFFERED {
            let (mut sender, mut receiver) = pair(mode);
            let packet = sender.seal(HEADER, b"voice").unwrap();
            assert_eq!(packet.len(), HEADER.len() + 5 + TAG + SUFFIX);
            assert_eq!(receiver.open(&packet, HEADER.len()).unwrap(), b"voice");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_forged() {
        let (mut sender, mut receiver) = pair(Mode::Aes256Gcm);
        let packet = sender.seal(HEADER, b"voice").unwrap();
        for index in 0..packet.len() {
            let mut changed = packet.clone();
            changed[index] ^= 1;
            assert_eq!(
                receiver.open(&changed, HEADER.len()),
                Err(OpenError::Forged),
                "byte {index}"
            );
        }
        assert!(receiver.open(&packet, HEADER.len()).is_ok());
    }

    #[test]
    fn a_replay_is_refused_and_reordering_is_not() {
        let (mut sender, mut receiver) = pair(Mode::XChaCha20Poly1305);
        let packets: Vec<_> = (0..3).map(|_| sender.seal(HEADER, b"voice").unwrap()).collect();
        for index in [1, 0, 2] {
            assert!(receiver.open(&packets[index], HEADER.len()).is_ok());
        }
        for packet in &packets {
            let again = receiver.open(packet, HEADER.len());
            assert_eq!(again, Err(OpenError::NonceReused));
        }
    }

    #[test]
    fn the_window_moves_over_the_wrap_and_forgets_what_is_old() {
        let mut window = NonceWindow::default();
        assert!(window.accept(u32::MAX));
        assert!(window.accept(1));
        assert!(window.accept(0));
        assert!(!window.accept(u32::MAX));
        assert!(window.accept(500));
        assert!(!window.accept(2));
    }

    #[test]
    fn short_packets_are_told_from_forged_ones() {
        let (_, mut receiver) = pair(Mode::Aes256Gcm);
        assert_eq!(receiver.open(&[0; 5], 6), Err(OpenError::TooShort));
        assert_eq!(receiver.open(&[0; 20], 6), Err(OpenError::TooShort));
        assert_eq!(receiver.open(&[0; 26], 6), Err(OpenError::Forged));
    }
}
