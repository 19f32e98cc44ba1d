//! The people of the guild: what they say, and what they hear.

pub(crate) mod encryption;
mod live;
pub(crate) mod person;
pub(crate) mod player;
pub(crate) mod resample;
pub(crate) mod sound;
