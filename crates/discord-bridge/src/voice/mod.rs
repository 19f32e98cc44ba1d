//! Voice channels: songbird, behind types of our own.
//!
//! Nothing outside of this folder names songbird, so that its driver can be replaced (its mixer costs a tick or two). What
//! the rest of the bridge sees is [`driver::Driver`], which joins a channel and connects it with a room's media, the
//! [`driver::Session`] that results, the [`line`] to the voice server, and the typed failures of [`event`].

mod counters;
mod dave;
pub(crate) mod driver;
pub(crate) mod event;
mod frame;
mod incoming;
pub(crate) mod line;
pub(crate) mod listener;
mod metrics;
mod outgoing;
mod pacer;
mod seat;
