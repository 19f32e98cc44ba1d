//! What one side shows of a key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// One side's X25519 public key for one epoch (RFC 7748), written as 43 characters of unpadded base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyShare(pub [u8; 32]);

impl KeyShare {
    /// Reads the unpadded base64 of 32 bytes; anything else is none.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShare({self})")
    }
}
