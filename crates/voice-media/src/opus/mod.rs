//! Opus packets as bytes: table of contents, frames, merging and splitting (RFC 6716 §3).

mod packet;
mod toc;
mod write;

pub use self::packet::{Packet, PacketError};
pub use self::toc::{Mode, Toc};
pub use self::write::write_packet;

/// The packet of silence with which Discord ends a talk spurt: CELT, fullband, mono, 20 ms.
pub const SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];

/// Most samples that a packet may last: 120 ms at 48 kHz (RFC 6716 §3.4, R5).
pub const MAX_PACKET_SAMPLES: u32 = 5_760;

/// Most bytes of one frame (RFC 6716 §3.4, R2).
pub const MAX_FRAME: usize = 1_275;
