//! What a side needs to know to make keys with its peer.

use vdp_proto::sealed::Role;

use crate::config::Secret;

/// What a side needs to know to make keys with its peer, the same for all its rooms.
#[derive(Debug, Clone)]
pub(super) struct Sealing {
    /// Which side it is.
    pub(super) role: Role,
    /// What both bridges were given, if they were.
    pub(super) shared_secret: Option<Secret>,
}

impl Sealing {
    /// The salt of the keys.
    pub(super) fn salt(&self) -> &[u8] {
        self.shared_secret
            .as_ref()
            .map_or(&[], |secret| secret.expose().as_bytes())
    }
}
