//! A local Discord for tests and demonstrations: REST, gateway, voice gateway and UDP voice.
//!
//! Real clients (serenity with songbird, discord.js, discord.py) log in and talk as they would to Discord; the people
//! they meet are played through a control interface, which also tells what everyone said and heard. What of Discord's
//! protocol is there is listed in `docs/discord-standin.md`.

mod bots;
mod clock;
mod config;
mod control;
mod counters;
mod discord;
mod envelope;
mod gateway;
mod guild;
mod guild_changes;
mod hearing;
mod interactions;
mod journal;
mod page;
mod people;
mod rest;
mod server;
mod snowflake;
mod standin;
mod threads;
mod voice;
mod voice_servers;
mod world;

pub use config::{Config, Info};
pub use control::{
    client::{ControlClient, ControlError},
    types,
};
pub use hearing::{HeardFrame, Hearing, frames_of};
pub use people::sound::{Frames as OpusFrames, SoundError};
pub use standin::{Standin, StartError};
pub use voice::frames::digest;
pub use voice::impairment::{Fate, Impairer};
pub use voice::tls::TlsError;
