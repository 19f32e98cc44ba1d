//! The people of the guild: what they say.

mod live;
pub(crate) mod player;
pub(crate) mod resample;
pub(crate) mod sound;
