//! What can be set about channels.

use signalling::{Format, Timing};

/// What can be set about channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long to wait for what.
    pub timing: Timing,
    /// The formats that this side can do and may, the best first.
    pub formats: Vec<Format>,
    /// The most rooms that have a channel or negotiate one.
    pub max_rooms: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            formats: vec![Format::PlainOpus],
            max_rooms: 1_000,
        }
    }
}
