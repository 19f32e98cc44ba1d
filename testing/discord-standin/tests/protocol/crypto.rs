//! A client's own transport encryption.

use aes_gcm::{Aes256Gcm, KeyInit, aead::Aead, aead::Payload};
use chacha20poly1305::XChaCha20Poly1305;

pub(crate) const MODES: [&str; 2] = ["aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize"];

pub(crate) struct Transport {
    mode: String,
    key: Vec<u8>,
    nonce: u32,
}

impl Transport {
    pub(crate) fn new(mode: &str, key: Vec<u8>) -> Self {
        Self {
            mode: mode.to_owned(),
            key,
            nonce: 0,
        }
    }

    pub(crate) fn seal(&mut self, header: &[u8], body: &[u8]) -> Vec<u8> {
        self.nonce += 1;
        let suffix = self.nonce.to_be_bytes();
        let payload = Payload { msg: body, aad: header };
        let sealed = match self.mode.as_str() {
            "aead_aes256_gcm_rtpsize" => Aes256Gcm::new_from_slice(&self.key)
                .unwrap()
                .encrypt(&nonce::<12>(suffix).into(), payload),
            _ => XChaCha20Poly1305::new_from_slice(&self.key)
                .unwrap()
                .encrypt(&nonce::<24>(suffix).into(), payload),
        };
        [header, &sealed.unwrap(), &suffix].concat()
    }

    pub(crate) fn open(&self, packet: &[u8], header_len: usize) -> Vec<u8> {
        let (header, rest) = packet.split_at(header_len);
        let (sealed, suffix) = rest.split_last_chunk::<4>().unwrap();
        let payload = Payload {
            msg: sealed,
            aad: header,
        };
        match self.mode.as_str() {
            "aead_aes256_gcm_rtpsize" => Aes256Gcm::new_from_slice(&self.key)
                .unwrap()
                .decrypt(&nonce::<12>(*suffix).into(), payload),
            _ => XChaCha20Poly1305::new_from_slice(&self.key)
                .unwrap()
                .decrypt(&nonce::<24>(*suffix).into(), payload),
        }
        .expect("a packet for us opens with our key")
    }
}

fn nonce<const N: usize>(suffix: [u8; 4]) -> [u8; N] {
    let mut nonce = [0; N];
    nonce[..4].copy_from_slice(&suffix);
    nonce
}
