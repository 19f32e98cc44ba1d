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
            formats: sealed_formats(has_aes()),
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

/// The formats of the sealed form, the best first. Without instructions for AES-GCM the other one is the faster by far.
fn sealed_formats(has_aes: bool) -> Vec<Format> {
    let aes = has_aes.then_some(Format::SealedOpusAes);
    aes.into_iter().chain([Format::SealedOpusChaCha]).collect()
}

/// Whether this machine has instructions for AES-GCM.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_is_offered_first_and_only_where_the_machine_has_it() {
        assert_eq!(sealed_formats(true), [Format::SealedOpusAes, Format::SealedOpusChaCha]);
        assert_eq!(sealed_formats(false), [Format::SealedOpusChaCha]);
    }
}
