//! The stand-in over its real sockets, judged by clients written from the protocol and not from its source.
#![expect(clippy::indexing_slicing, reason = "a test that reads what is not there should fail")]

mod client;
mod crypto;
mod garbage;
mod gateway;
mod rest;
mod voice;
