//! The UDP end of VDP.
//!
//! An [`Endpoint`] owns the sockets. [`Endpoint::reserve`] chooses the port on which a room's voice is to arrive,
//! [`Reservation::open`] wires the room both ways once the peer's address is known, and dropping the
//! [`OpenChannel`] ends it. One port carries the rooms of many channels, told apart by the packets' room id; what
//! comes from anywhere but the negotiated address is dropped and counted (requirement S3).

mod channel;
mod drops;
mod endpoint;
mod icmp;
mod link;
mod port;
mod quarantine;
mod throttle;

pub use channel::OpenChannel;
pub use drops::Drops;
pub use endpoint::{BindError, Endpoint, OpenError, Reservation, ReserveError};
pub use link::{Link, LinkEvent, LinkStats, Receive, Received};
