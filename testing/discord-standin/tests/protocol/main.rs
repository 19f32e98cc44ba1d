//! The stand-in over its real sockets, judged by clients written from the protocol and not from its source.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it did not expect should fail on the spot"
)]
#![expect(clippy::large_futures, reason = "a client is held by value, and each test has few")]
#![expect(clippy::many_single_char_names, reason = "members of a call are a, b, c, …")]

mod client;
mod crypto;
mod dave;
mod dave_client;
mod garbage;
mod gateway;
mod guilds;
mod identify;
mod impairments;
mod interactions;
mod limits;
mod page;
mod rest;
mod roles;
mod stages;
mod voice;
mod voice_servers;
