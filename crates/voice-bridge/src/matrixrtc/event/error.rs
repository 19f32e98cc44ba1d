//! What can be wrong with a membership.

use thiserror::Error;

/// Why the content of a membership event cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EventError {
    /// A required field is absent.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// A field has the wrong type or an impossible value.
    #[error("the field `{0}` cannot be read")]
    Invalid(&'static str),
    /// A field is longer than anything a client has reason to send.
    #[error("the field `{0}` is too long")]
    TooLong(&'static str),
}
