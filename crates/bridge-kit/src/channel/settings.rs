//! What can be set about channels.

use signalling::{Format, Timing};

use crate::config::{Secret, Vdp};

/// What can be set about channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long to wait for what.
    pub timing: Timing,
    /// The formats that this side can do and may, the best first.
    pub formats: Vec<Format>,
    /// What both bridges were given to make the keys of the sealed form with, beside the shares.
    pub shared_secret: Option<Secret>,
    /// The most rooms that have a channel or negotiate one.
    pub max_rooms: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            formats: vec![Format::SealedOpus],
            shared_secret: None,
            max_rooms: 1_000,
        }
    }
}

impl Settings {
    /// As `[vdp]` has them. What goes in clear is said in the log.
    pub fn configured(vdp: &Vdp) -> Self {
        let mut settings = Self {
            shared_secret: vdp.shared_secret.clone(),
            timing: Timing {
                recover_within: vdp.give_up_after,
                ..Timing::default()
            },
            ..Self::default()
        };
        if vdp.plain_form {
            settings.formats.push(Format::PlainOpus);
            tracing::warn!(
                "vdp.plain_form is on: with a peer that does not know the sealed form, voice crosses the network in clear \
                 and whoever can send from the peer's address can speak"
            );
        }
        settings
    }
}
