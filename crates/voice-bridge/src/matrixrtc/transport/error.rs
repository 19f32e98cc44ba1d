//! What can go wrong on the way to an SFU.

use bridge_kit::matrix::MatrixError;

use crate::reach::OutOfReach;

/// Why there is no token for an SFU.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address is none that the bridge goes to.
    #[error("the address is out of reach: {0}")]
    OutOfReach(#[from] OutOfReach),
    /// The homeserver gives no proof of who we are.
    #[error("the homeserver gives no OpenID token")]
    OpenId(#[source] MatrixError),
    /// Nobody answers.
    #[error("the authorisation service cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The authorisation service refuses.
    #[error("the authorisation service answered {status} {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its error code; empty where it gave none.
        code: String,
    },
    /// Its answer cannot be read.
    #[error("the authorisation service's answer makes no sense: {0}")]
    Nonsense(&'static str),
}

impl TransportError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::OpenId(error) => error.is_transient(),
            Self::Refused { status, .. } => matches!(status, 429 | 500..),
            Self::OutOfReach(_) | Self::Nonsense(_) => false,
        }
    }

    /// Whether the service does not have what was asked for, being older than it.
    pub(super) fn is_missing_endpoint(&self) -> bool {
        match self {
            Self::Refused { status, code } => matches!(status, 404 | 405) || code == "M_UNRECOGNIZED",
            _ => false,
        }
    }

    /// The address is left out: it tells who calls whom.
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }
}
