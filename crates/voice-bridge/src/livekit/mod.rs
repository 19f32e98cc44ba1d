//! A client of LiveKit, the server that forwards the voices of a MatrixRTC call.
//!
//! A [`Session`] is one participant in one room of one server. It publishes one track of Opus and hears everybody
//! else's, all of it untouched: packets go out as they come in by [`Session::start`]'s queue, and arrive at the
//! [`Audience`] as they were sent, under the identity and the track that they belong to.
//!
//! - [`machine`] decides: joining, publishing, subscribing, resuming, beginning anew. It is pure.
//! - [`message`] is what the two sides say, [`wire`] its protobuf form, which nothing else sees.
//! - `signal` is the WebSocket, `transports` the two WebRTC connections, `task` joins all to the machine.
//!
//! Facts are from the server's source (livekit-server 1.13.5, protocol 16) and its protocol definitions (crate
//! livekit-protocol); docs/matrixrtc.md tells them.

mod address;
pub mod machine;
pub mod message;
mod metrics;
mod session;
mod signal;
mod task;
mod transports;
mod voice;
pub mod wire;

pub use self::machine::{EndReason, Event, TrackRef, Voice};
pub use self::message::{Access, Attribute};
pub use self::session::Session;
pub use self::voice::Audience;
