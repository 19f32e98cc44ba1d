//! The sealed form: a base packet under authenticated encryption, from whichever address it comes.
//!
//! ```text
//! 0xC1 | version (1) | channel id (8) | counter (8) | AEAD(base packet) with its tag (16)
//! ```
//!
//! The header is the additional data, the counter the nonce. The AEAD is what signalling agreed on. `docs/vdp.md` specifies it, keys included.

mod aead;
mod error;
mod keys;
mod path;
mod replay;

use std::sync::atomic::{AtomicU64, Ordering};

pub use aead::Aead;
use aead::{Cipher, Nonce};
pub use error::{OpenError, WeakShare};
pub use keys::{EpochKeys, Role, Share, ShareSecret};
pub use path::{Heard, PROBE_INTERVAL, Path};
use replay::Replay;

use crate::{EncodeError, MAX_DATAGRAM, Marks, Packet, SEALED_MARK};

/// The version of the sealed form that is spoken here.
pub const SEALED_VERSION: u8 = 1;

/// Bytes before what is encrypted.
pub const HEADER: usize = 18;

/// Bytes of the authentication tag, behind it.
pub const TAG: usize = 16;

/// Bytes that sealing adds to a base packet.
pub const OVERHEAD: usize = HEADER + TAG;

/// The channel that a datagram claims to be for; none where it is no packet of the sealed form at all.
///
/// By it one port tells all its channels apart. Whether the claim is true shows when the packet is opened.
pub fn channel_of(datagram: &[u8]) -> Option<u64> {
    match datagram {
        [SEALED_MARK, _, rest @ ..] if datagram.len() >= OVERHEAD => {
            rest.first_chunk().copied().map(u64::from_be_bytes)
        }
        _ => None,
    }
}

/// Seals the packets of one direction of one epoch, from any thread.
///
/// Cannot be copied or restored: a counter that was used twice would give the key away.
pub struct Sealer {
    channel: u64,
    cipher: Cipher,
    counter: AtomicU64,
}

impl Sealer {
    fn new(channel: u64, aead: Aead, key: &[u8; 32]) -> Self {
        Self {
            channel,
            cipher: Cipher::new(aead, key),
            counter: AtomicU64::new(0),
        }
    }

    /// Writes the sealed packet to the start of `buffer` and gives back its length in bytes.
    pub fn seal(&self, packet: &Packet<'_>, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        self.seal_with(packet, Marks::NONE, buffer)
    }

    /// The same with extension keys, for a peer that has agreed on them.
    pub fn seal_with(&self, packet: &Packet<'_>, marks: Marks, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let needed = packet.encoded_len_with(marks) + OVERHEAD;
        let available = buffer.len();
        if needed > MAX_DATAGRAM {
            return Err(EncodeError::TooLarge { length: needed });
        }
        let too_small = EncodeError::BufferTooSmall { needed, available };
        let target = buffer.get_mut(..needed).ok_or(too_small)?;
        let (header, rest) = target.split_first_chunk_mut().ok_or(too_small)?;
        let (body, tag) = rest.split_last_chunk_mut().ok_or(too_small)?;
        packet.encode_with(marks, body)?;
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        *header = header_of(self.channel, counter);
        *tag = self
            .cipher
            .seal(nonce(counter), header, body)
            .ok_or(EncodeError::TooLarge { length: needed })?;
        Ok(needed)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Sealer")
            .field("channel", &self.channel)
            .field("counter", &self.counter)
            .finish_non_exhaustive()
    }
}

/// Opens the packets of one direction of one epoch, each once.
pub struct Opener {
    channel: u64,
    cipher: Cipher,
    replay: Replay,
}

/// A packet that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was sealed.
    pub packet: Packet<'a>,
    /// Its extension keys, which count only where both ends have agreed on them.
    pub marks: Marks,
    /// Whether its counter is above all that were seen before: only such a packet says where the peer is now.
    pub newest: bool,
}

impl Opener {
    fn new(channel: u64, aead: Aead, key: &[u8; 32]) -> Self {
        Self {
            channel,
            cipher: Cipher::new(aead, key),
            replay: Replay::new(),
        }
    }

    /// Opens a datagram in place. One that fails leaves no trace here, whatever becomes of the buffer.
    pub fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Result<Opened<'a>, OpenError> {
        let length = datagram.len();
        if length > MAX_DATAGRAM {
            return Err(OpenError::TooLarge { length });
        }
        let channel = channel_of(datagram).ok_or(OpenError::NotSealed)?;
        let (header, rest) = datagram.split_at_mut(HEADER);
        match header.get(1) {
            Some(&SEALED_VERSION) => {}
            version => {
                let version = version.copied().unwrap_or_default();
                return Err(OpenError::Version { version });
            }
        }
        if channel != self.channel {
            return Err(OpenError::OtherChannel);
        }
        let counter = header.last_chunk().copied().map_or(0, u64::from_be_bytes);
        // Refused before it costs a decryption; noted only after it has opened.
        self.replay.check(counter)?;
        let (body, tag) = rest.split_last_chunk_mut().ok_or(OpenError::NotSealed)?;
        self.cipher
            .open(nonce(counter), header, body, *tag)
            .ok_or(OpenError::Forged)?;
        let newest = self.replay.note(counter);
        let (packet, marks) = Packet::decode_with_marks(body).map_err(OpenError::Packet)?;
        Ok(Opened { packet, marks, newest })
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Opener")
            .field("channel", &self.channel)
            .field("replay", &self.replay)
            .finish_non_exhaustive()
    }
}

fn header_of(channel: u64, counter: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let [mark, version, numbers @ ..] = &mut header;
    *mark = SEALED_MARK;
    *version = SEALED_VERSION;
    *numbers = (u128::from(channel) << 64 | u128::from(counter)).to_be_bytes();
    header
}

/// Four zero bytes, then the counter.
fn nonce(counter: u64) -> Nonce {
    let [_, _, _, _, nonce @ ..] = u128::from(counter).to_be_bytes();
    nonce
}
