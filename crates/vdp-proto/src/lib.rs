//! The Voice Data Protocol: packets, sequence windows and the channel table, without any I/O.
//!
//! Everything here is a value: bytes and instants go in, packets, verdicts and deadlines come out. There is
//! no socket, clock, task or source of randomness inside, and handling a packet allocates nothing.
//! The plain form is [`Packet`] alone; [`sealed`] wraps it.
//! `docs/vdp.md` is the specification; its golden vectors are read by this crate's tests.
//!
//! ```
//! use vdp_proto::{MAX_DATAGRAM, Packet};
//!
//! let mut datagram = [0; MAX_DATAGRAM];
//! let sent = Packet { room: "!room:example.org", voice: &[0xf8, 0xff, 0xfe], index: 7 };
//! let length = sent.encode(&mut datagram)?;
//! assert_eq!(Packet::decode(&datagram[..length])?, sent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod limits;
mod liveness;
mod marks;
mod packet;
pub mod sealed;
mod seen;
mod table;
mod voice;
mod window;
mod wire;

pub use error::{DecodeError, EncodeError, Field, Found, Place};
pub use limits::{
    BROKEN_AFTER, KEEP_ALIVE, MAX_DATAGRAM, MAX_INDEX, MAX_LEVEL, MAX_NESTING, MAX_ROOM_ID, MAX_SPEAKERS,
    MAX_VOICE_SAMPLES, SEALED_MARK,
};
pub use liveness::{Liveness, Timer};
pub use marks::{Marks, Speakers};
pub use packet::Packet;
pub use seen::WINDOW;
pub use table::{ChannelTable, Refusal, Route, Taken};
pub use window::{MAX_JUMP, RESTART_RUN, Verdict, Window, WindowStats};
