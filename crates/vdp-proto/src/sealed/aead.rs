//! The kinds of authenticated encryption that the sealed form may have.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit as _};

use super::TAG;

/// What packets are sealed with. The format's name in signalling says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aead {
    /// AES-256-GCM (NIST SP 800-38D): the fastest where the processor has instructions for it.
    Aes256Gcm,
    /// ChaCha20-Poly1305 (RFC 8439): needs none.
    ChaCha20Poly1305,
}

/// One of them with its key. Of the two crates with instructions in C or assembler, ring takes a sixth and aws-lc-rs a
/// tenth fewer instructions for a packet of voice by AES-256-GCM; but ring brings a source of random numbers, and
/// aws-lc-rs the build of a library.
pub(super) enum Cipher {
    /// Boxed, since its expanded key is many times as long as the other's.
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha20Poly1305(ChaCha20Poly1305),
}

/// Four zero bytes, then the counter.
pub(super) type Nonce = [u8; 12];

impl Cipher {
    pub(super) fn new(aead: Aead, key: &[u8; 32]) -> Self {
        match aead {
            Aead::Aes256Gcm => Self::Aes256Gcm(Box::new(Aes256Gcm::new(key.into()))),
            Aead::ChaCha20Poly1305 => Self::ChaCha20Poly1305(ChaCha20Poly1305::new(key.into())),
        }
    }

    /// Encrypts `body` in place and gives back its tag; `None` only for more than any datagram holds.
    pub(super) fn seal(&self, nonce: Nonce, header: &[u8], body: &mut [u8]) -> Option<[u8; TAG]> {
        let (nonce, body) = (nonce.into(), InOutBuf::from(body));
        let tag = match self {
            Self::Aes256Gcm(cipher) => cipher.encrypt_inout_detached(&nonce, header, body),
            Self::ChaCha20Poly1305(cipher) => cipher.encrypt_inout_detached(&nonce, header, body),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts `body` in place; `None` if tag, header and body do not belong together.
    pub(super) fn open(&self, nonce: Nonce, header: &[u8], body: &mut [u8], tag: [u8; TAG]) -> Option<()> {
        let (nonce, body, tag) = (nonce.into(), InOutBuf::from(body), tag.into());
        let opened = match self {
            Self::Aes256Gcm(cipher) => cipher.decrypt_inout_detached(&nonce, header, body, &tag),
            Self::ChaCha20Poly1305(cipher) => cipher.decrypt_inout_detached(&nonce, header, body, &tag),
        };
        opened.ok()
    }
}
