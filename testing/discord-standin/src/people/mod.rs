//! The people of the guild: what they say.

pub(crate) mod player;
pub(crate) mod resample;
pub(crate) mod sound;
