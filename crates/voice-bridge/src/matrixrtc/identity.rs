//! Who is who at the SFU.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bridge_kit::matrix::OwnedUserId;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::focus::Focus;

/// Somebody's device in a call, and what it takes to recognise it at an SFU.
///
/// Which name the SFU gives it depends on the kind of its membership and on the version of the service that let it in,
/// so there are several; the surest comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Whose device it is.
    pub user: OwnedUserId,
    /// The device, by its own word.
    pub device: String,
    /// The membership's own id.
    pub member_id: String,
    /// The SFUs that it publishes on.
    pub foci: Vec<Focus>,
    /// The identities that it may have there.
    pub identities: Vec<String>,
}

/// The identity of a person who came by `/sfu/get`: nothing is hidden.
pub(super) fn spelled_out(user: &str, device: &str) -> String {
    format!("{user}:{device}")
}

/// The identity of a person who came by `/get_token`, as lk-jwt-service makes it since 0.4.3.
pub(super) fn hashed(user: &str, device: &str, member_id: &str) -> String {
    let members = json!([user, device, member_id]).to_string();
    STANDARD_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b1_identities_are_those_of_lk_jwt_service() {
        assert_eq!(spelled_out("@u:hs", "DEVICE"), "@u:hs:DEVICE");
        // printf '["@u:hs","DEVICE","memberid"]' | openssl dgst -sha256 -binary | base64
        assert_eq!(
            hashed("@u:hs", "DEVICE", "memberid"),
            "kyem4sSgVJDUjli0R/skQWWTuebNQb9i0FjjmmXbDqw"
        );
    }
}
