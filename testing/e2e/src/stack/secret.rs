//! Secrets that are made anew for each stack.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::io::Read as _;

/// 32 random bytes in unpadded base64, as the keys of Synapse have them.
pub(super) fn random_secret() -> Result<String> {
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(STANDARD_NO_PAD.encode(bytes))
}
