//! The place of end-to-end encryption (DAVE) in a call.
//!
//! One [`Group`] belongs to each voice channel with members. Today every call is without encryption, which the
//! protocol calls version 0; what clients send for a group is judged here, so that only this module changes when
//! groups are built.

use crate::counters::Counters;

/// The encryption state of one voice channel.
#[derive(Debug, Default)]
pub(crate) struct Group {
    protocol_version: u16,
}

impl Group {
    /// The protocol version that session descriptions announce; 0 is no encryption.
    pub(crate) const fn protocol_version(&self) -> u16 {
        self.protocol_version
    }

    /// Takes a message about the group from a member.
    pub(crate) fn message(&self, counters: &Counters) {
        if self.protocol_version == 0 {
            counters.count("voice_dave_unexpected");
        }
    }
}
