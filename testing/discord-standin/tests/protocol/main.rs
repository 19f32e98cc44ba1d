//! The stand-in over its real sockets, judged by clients written from the protocol and not from its source.

mod client;
mod crypto;
mod garbage;
mod gateway;
mod rest;
mod voice;
