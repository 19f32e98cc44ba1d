//! The UDP end of VDP.
//!
//! An [`Endpoint`] owns the sockets. [`Endpoint::reserve`] chooses the port on which a room's voice is to arrive,
//! [`Reservation::open`] wires the room both ways once the peer's address is known, and dropping the
//! [`OpenChannel`] ends it. One port carries the rooms of many channels (requirement S3). In the plain form they are
//! told apart by the packets' room id, and what comes from anywhere but the negotiated address is dropped and counted;
//! in the sealed form by the channel id, and what does not open is (requirement B6).

mod channel;
mod datagrams;
mod drops;
mod ear;
mod endpoint;
mod icmp;
mod link;
mod mouth;
mod outbox;
mod peer;
mod peer_path;
mod port;
mod ports;
mod quarantine;
mod queue;
mod reservation;
mod sealed_ear;
mod throttle;

pub use channel::{FAR_SIDE, OpenChannel};
pub use drops::Drops;
pub use ear::{LinkEvent, Receive, Received};
pub use endpoint::Endpoint;
pub(crate) use outbox::gather;

pub use link::{Link, LinkStats, OpenError};
pub use peer::{Peer, SealedPeer};
pub use ports::{BindError, ReserveError};
pub use reservation::Reservation;
pub use signalling::Extensions;
pub use vdp_proto::Marks;
