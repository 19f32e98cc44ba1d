//! The engine as its owner sees it, in virtual time.

#![expect(clippy::indexing_slicing, reason = "a test that reads beyond the end has failed")]
#![expect(clippy::disallowed_methods, reason = "virtual time needs an instant to count from")]

mod detect;
mod drift;
mod forward;
mod garbage;
mod level;
mod marks;
mod mix;
mod priority;
mod quality;
mod room;
mod switch;
mod unheard;
