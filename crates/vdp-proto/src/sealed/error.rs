//! What can be wrong with a sealed packet, and with a key share.

use thiserror::Error;

use crate::DecodeError;

/// Why a sealed packet is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It is longer than any packet may be.
    #[error("the datagram has {length} bytes, more than 1200")]
    TooLarge {
        /// Its bytes.
        length: usize,
    },
    /// It is shorter than an empty packet of the sealed form, or does not begin as one.
    #[error("this is no sealed packet")]
    NotSealed,
    /// It has another version of the sealed form.
    #[error("the sealed form has version {version}, not 1")]
    Version {
        /// The version it names.
        version: u8,
    },
    /// It is for another channel.
    #[error("the packet is for another channel")]
    OtherChannel,
    /// A packet with this counter was opened before.
    #[error("the packet with counter {counter} was opened before")]
    Replayed {
        /// Its counter.
        counter: u64,
    },
    /// Its counter is so far behind the highest that it cannot be told whether it was opened before.
    #[error("counter {counter} is too far behind")]
    TooOld {
        /// Its counter.
        counter: u64,
    },
    /// It was not sealed with this key: a stranger's, or changed on the way.
    #[error("the packet was not sealed with this channel's key")]
    Forged,
    /// What was sealed is no base packet.
    #[error("what was sealed is wrong: {0}")]
    Packet(DecodeError),
}

/// The peer's share makes a secret that anybody knows (RFC 7748, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the peer's key share is a point of small order")]
pub struct WeakShare;
