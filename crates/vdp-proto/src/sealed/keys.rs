//! The keys of an epoch: fresh X25519 shares (RFC 7748), HKDF-SHA256 (RFC 5869).

use hkdf::Hkdf;
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Aead, Opener, Sealer, WeakShare};

/// The side of the channel that an end is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It asked for the channel, and accepted.
    Asking,
    /// It offered.
    Answering,
}

/// What one side shows the other, in the offer or the accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share(pub [u8; 32]);

/// The secret half of a [`Share`]: for one epoch, never stored.
pub struct ShareSecret(StaticSecret);

impl ShareSecret {
    /// Makes it from 32 bytes of a cryptographic source of randomness.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(StaticSecret::from(bytes))
    }

    /// What to show the peer.
    pub fn share(&self) -> Share {
        Share(PublicKey::from(&self.0).to_bytes())
    }

    /// The keys of the epoch.
    ///
    /// `transcript` is the SHA-256 of request, offer and accept as `docs/vdp.md` puts them together, so that who
    /// changes any of them on the way gets two sides that do not understand each other. `salt` is the secret that
    /// both bridges were configured with; empty where they were not.
    pub fn agree(self, peer: &Share, transcript: &[u8; 32], salt: &[u8]) -> Result<EpochKeys, WeakShare> {
        let shared = self.0.diffie_hellman(&PublicKey::from(peer.0));
        if !shared.was_contributory() {
            return Err(WeakShare);
        }
        let mut material = [0; 64];
        // Two blocks of 32 bytes each are asked for, of at most 255.
        if Hkdf::<Sha256>::new(Some(salt), shared.as_bytes())
            .expand(transcript, &mut material)
            .is_err()
        {
            return Err(WeakShare);
        }
        let mut keys = EpochKeys {
            from_asking: [0; 32],
            from_answering: [0; 32],
        };
        let (first, second) = material.split_at(32);
        keys.from_asking.copy_from_slice(first);
        keys.from_answering.copy_from_slice(second);
        material.zeroize();
        Ok(keys)
    }
}

impl std::fmt::Debug for ShareSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ShareSecret")
    }
}

/// The two keys of an epoch, one for each direction.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EpochKeys {
    from_asking: [u8; 32],
    from_answering: [u8; 32],
}

impl EpochKeys {
    /// What one side seals and opens with. The keys can be used only once, so that no counter is used twice.
    pub fn into_ends(self, role: Role, aead: Aead, channel: u64) -> (Sealer, Opener) {
        let (own, peers) = match role {
            Role::Asking => (&self.from_asking, &self.from_answering),
            Role::Answering => (&self.from_answering, &self.from_asking),
        };
        (Sealer::new(channel, aead, own), Opener::new(channel, aead, peers))
    }
}

impl std::fmt::Debug for EpochKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("EpochKeys")
    }
}
