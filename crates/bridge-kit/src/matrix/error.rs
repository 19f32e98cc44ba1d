//! What can go wrong with the homeserver, sorted by whose fault it is.

use std::time::{Duration, SystemTime};

use ruma::api::error::{Error as RumaError, ErrorBody, ErrorKind, IntoHttpError, LimitExceededErrorData, RetryAfter};

/// Whose fault a failure is, and so what may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The homeserver does not accept our token: the registration or the configuration is wrong.
    Credentials,
    /// We are known, and may not: power levels, bans, a missing invitation.
    Forbidden,
    /// What we asked for is not there.
    NotFound,
    /// We ask too much; waiting helps.
    RateLimited,
    /// Nobody answers; waiting may help.
    Unreachable,
    /// Somebody was faster: the name, alias or user exists already.
    Conflict,
    /// The request itself is wrong: a bug of ours, or a server that lacks something.
    BadRequest,
    /// The homeserver failed; waiting may help.
    Server,
}

/// A failed request to the homeserver.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// No answer came.
    #[error("the homeserver cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The homeserver answered with an error.
    #[error("the homeserver answered {status} {code}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The error code of the Matrix specification, `M_UNKNOWN` where there was none.
        code: String,
        /// The homeserver's words.
        message: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// The answer was none that the specification knows.
    #[error("the homeserver's answer makes no sense: {0}")]
    Nonsense(String),
    /// The request could not be formed.
    #[error("the request cannot be formed: {0}")]
    Request(String),
}

impl MatrixError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable(_) => Fault::Unreachable,
            Self::Refused { status, code, .. } => refused(*status, code),
            Self::Nonsense(_) => Fault::Server,
            Self::Request(_) => Fault::BadRequest,
        }
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { .. } => matches!(self.fault(), Fault::RateLimited | Fault::Server),
            Self::Nonsense(_) | Self::Request(_) => false,
        }
    }

    /// How long the homeserver asked us to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The address is left out: it holds room and user ids.
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url())
    }

    pub(super) fn request(error: &IntoHttpError) -> Self {
        Self::Request(error.to_string())
    }

    pub(super) fn refused(error: &RumaError) -> Self {
        let (code, message) = match &error.body {
            ErrorBody::Standard(body) => (body.kind.errcode().to_string(), body.message.clone()),
            // A proxy in front of a dead homeserver answers in HTML; its status still tells what happened.
            _ => ("M_UNKNOWN".to_owned(), "no reason given".to_owned()),
        };
        Self::Refused {
            status: error.status_code.as_u16(),
            code,
            message,
            retry_after: retry_after(error),
        }
    }
}

fn refused(status: u16, code: &str) -> Fault {
    match (status, code) {
        (_, "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN") | (401, _) => Fault::Credentials,
        (_, "M_LIMIT_EXCEEDED") | (429, _) => Fault::RateLimited,
        (_, "M_ROOM_IN_USE" | "M_USER_IN_USE") | (409, _) => Fault::Conflict,
        (403, _) => Fault::Forbidden,
        (404, _) => Fault::NotFound,
        (500.., _) => Fault::Server,
        _ => Fault::BadRequest,
    }
}

fn retry_after(error: &RumaError) -> Option<Duration> {
    match error.error_kind() {
        Some(ErrorKind::LimitExceeded(LimitExceededErrorData {
            retry_after: Some(after),
            ..
        })) => match after {
            RetryAfter::Delay(delay) => Some(*delay),
            RetryAfter::DateTime(at) => Some(at.duration_since(SystemTime::now()).unwrap_or_default()),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_blame() {
        for (status, code, fault) in [
            (401, "M_UNKNOWN_TOKEN", Fault::Credentials),
            (401, "M_UNAUTHORIZED", Fault::Credentials),
            (403, "M_FORBIDDEN", Fault::Forbidden),
            (404, "M_NOT_FOUND", Fault::NotFound),
            (404, "M_UNRECOGNIZED", Fault::NotFound),
            (429, "M_LIMIT_EXCEEDED", Fault::RateLimited),
            (400, "M_ROOM_IN_USE", Fault::Conflict),
            (400, "M_USER_IN_USE", Fault::Conflict),
            (400, "M_BAD_JSON", Fault::BadRequest),
            (500, "M_UNKNOWN", Fault::Server),
            (502, "M_UNKNOWN", Fault::Server),
        ] {
            assert_eq!(refused(status, code), fault, "{status} {code}");
        }
    }
}
