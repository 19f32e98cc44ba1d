//! Limits and intervals of VDP, as `docs/vdp.md` states them.

use std::time::Duration;

/// Longest datagram in bytes. It fits every path that carries IPv6 (1,280 bytes) with room for a tunnel's headers,
/// so that a packet is never fragmented: a lost fragment would lose the whole.
pub const MAX_DATAGRAM: usize = 1200;

/// Longest room id in bytes, as the Matrix specification limits identifiers.
pub const MAX_ROOM_ID: usize = 255;

/// Highest index. It fits a signed and an unsigned 64-bit integer, since not every implementation has both;
/// counting to it takes longer than any channel lives, so that an index never wraps.
pub const MAX_INDEX: u64 = i64::MAX as u64;

/// Longest voice in samples at 48 kHz: 120 ms, the longest packet Opus has (RFC 6716, section 3.2.5).
pub const MAX_VOICE_SAMPLES: u32 = 5_760;

/// Ids of speakers in `s`: one for each bit of an integer that fits signed and unsigned ones of 64 bits.
pub const MAX_SPEAKERS: u32 = 63;

/// The level of silence in `v`, −dBov, which is the highest (RFC 6464).
pub const MAX_LEVEL: u8 = 127;

/// How deep the value of an unknown key may nest arrays, maps and extension types, the packet's own map included.
pub const MAX_NESTING: usize = 16;

/// First byte of a sealed packet: the one byte that never begins, nor occurs as a type in, a MessagePack value.
pub const SEALED_MARK: u8 = 0xC1;

/// How long a room may send nothing before it sends a keep-alive, unless configured otherwise.
pub const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// How long nothing may be heard for a room before its channel counts as broken, unless configured otherwise.
pub const BROKEN_AFTER: Duration = Duration::from_secs(6);
