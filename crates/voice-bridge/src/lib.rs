//! Takes part in Matrix calls and carries their voice over VDP.
//!
//! [`voip`] and [`matrixrtc`] bring people into a call, over [`webrtc`] and for the latter by way of [`livekit`], the
//! client of a server that forwards voices. [`call`] joins the people of a room with each other and with the channel to
//! the other bridge, [`rooms`] knows which rooms that is for, and [`speaking`] tells them who speaks there.

pub mod call;
mod doctor;
mod instruments;
pub mod livekit;
pub mod matrixrtc;
pub mod notice;
pub mod ports;
pub mod reach;
pub mod rooms;
mod service;
mod settings;
pub mod speaking;
#[cfg(test)]
mod testing;
pub mod voip;
pub mod webrtc;

pub use self::instruments::INSTRUMENTS;
pub use self::service::VoiceBridge;
pub use self::settings::Settings;
