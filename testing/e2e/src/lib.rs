//! End-to-end scenarios against real programs, and the stack that `cargo xtask dev` shows.
//!
//! Nothing here is mocked but Discord itself, whose place the stand-in takes, and the service that lets people into a
//! LiveKit: Synapse, LiveKit, Chromium with matrix-js-sdk and both bridges run as processes of their own, and what is
//! checked is the sound that arrives.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON gives null for what is missing, and a scenario that panics has failed"
)]

pub mod audio;
pub mod authorisation;
pub mod browser;
pub mod clients;
pub mod container;
pub mod dev;
pub mod docker;
pub mod interruption;
mod machine;
pub mod page;
mod program;
pub mod scenarios;
pub mod stack;

pub use program::ProgramError;
