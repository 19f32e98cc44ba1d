//! Takes part in Discord voice channels and carries their voice over VDP.
//!
//! - [`config`]: the `[discord]` section
//! - `gateway`: Discord's gateway and REST API (serenity), and what is known of guilds and channels
//! - `voice`: voice channels (songbird), behind a driver type of our own
//! - `links`, `table`, `admission`, `refusals`, `standing`: which room has which voice channel, whether the bot may join
//!   it, and whether it may stay; pure
//! - `speaker_ids`, `introduction`: who is marked how in packets, and what the other bridge is told of him; pure
//! - `bridge`: joins and leaves as the signalling asks for it; `stage`: how the bot comes to speak on one
//! - `presence`: shows rooms who is in their voice channels
//! - `doctor`: what is wrong with a set-up
//! - `service`: the program around all this; `visitor`: the bot in a voice channel alone, for tests and benches

mod admission;
mod announcement;
mod bridge;
pub mod config;
mod doctor;
mod gateway;
mod instruments;
mod introduction;
mod links;
#[cfg(test)]
mod live;
mod presence;
mod refusals;
mod service;
mod speaker_ids;
mod stage;
mod standing;
mod table;
mod visitor;
mod voice;

pub use self::instruments::INSTRUMENTS;
pub use self::service::{DiscordBridge, PROGRAM};
pub use self::visitor::{Visit, Visitor};
