//! What can go wrong with the homeserver, sorted by whose fault it is.

use std::time::{Duration, SystemTime};

use ruma::api::EndpointError;
use ruma::api::error::{Error as RumaError, ErrorBody, ErrorKind, IntoHttpError, LimitExceededErrorData, RetryAfter};
use ruma::exports::http;
use serde::Deserialize;

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
    /// The homeserver answered with an error. Its words are not shown, because they may name users: see
    /// [`in_full`](Self::in_full).
    #[error("the homeserver answered {status} {code}")]
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
    /// An event was to be sent later than the homeserver allows (MSC4140).
    #[error("the homeserver delays no event for longer than {most:?}")]
    DelayTooLong {
        /// The longest delay that it takes.
        most: Duration,
    },
    /// The answer was none that the specification knows.
    #[error("the homeserver's answer makes no sense: {0}")]
    Nonsense(String),
    /// The request could not be formed.
    #[error("the request cannot be formed: {0}")]
    Request(String),
}

impl MatrixError {
    /// The error with the homeserver's own words, for the operator's eyes and not for the log.
    pub fn in_full(&self) -> String {
        match self {
            Self::Refused { message, .. } => format!("{self}: {message}"),
            _ => self.to_string(),
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unreachable(_) => Fault::Unreachable,
            Self::Refused { status, code, .. } => refused(*status, code),
            Self::Nonsense(_) => Fault::Server,
            Self::DelayTooLong { .. } | Self::Request(_) => Fault::BadRequest,
        }
    }

    /// Whether the same request may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { .. } => matches!(self.fault(), Fault::RateLimited | Fault::Server),
            Self::DelayTooLong { .. } | Self::Nonsense(_) | Self::Request(_) => false,
        }
    }

    /// Whether the homeserver does not know what it was asked for: it is older than it, or has it switched off.
    pub fn is_unsupported(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code.as_str(), "M_UNRECOGNIZED" | "M_MAX_DELAY_UNSUPPORTED"),
            _ => false,
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

    pub(super) fn refused(response: http::Response<&[u8]>) -> Self {
        let proposed: Proposed = serde_json::from_slice(response.body()).unwrap_or_default();
        let error = RumaError::from_http_response(response);
        let (code, message) = match &error.body {
            ErrorBody::Standard(body) => (body.kind.errcode().to_string(), body.message.clone()),
            // A proxy in front of a dead homeserver answers in HTML; its status still tells what happened.
            _ => ("M_UNKNOWN".to_owned(), "no reason given".to_owned()),
        };
        let code = proposed.code.unwrap_or(code);
        if let ("M_MAX_DELAY_EXCEEDED", Some(most)) = (code.as_str(), proposed.max_delay) {
            let most = Duration::from_millis(most);
            return Self::DelayTooLong { most };
        }
        Self::Refused {
            status: error.status_code.as_u16(),
            code,
            message,
            retry_after: retry_after(&error),
        }
    }
}

/// What MSC4140 adds to errors until it is part of the specification.
#[derive(Default, Deserialize)]
struct Proposed {
    #[serde(rename = "org.matrix.msc4140.errcode")]
    code: Option<String>,
    #[serde(rename = "org.matrix.msc4140.max_delay")]
    max_delay: Option<u64>,
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

    fn answered(status: u16, body: &str) -> MatrixError {
        let mut response = http::Response::new(body.as_bytes());
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        MatrixError::refused(response)
    }

    #[test]
    fn a_delay_that_is_too_long_names_the_longest() {
        let error = answered(
            400,
            r#"{"errcode": "M_UNKNOWN", "error": "too long",
                "org.matrix.msc4140.errcode": "M_MAX_DELAY_EXCEEDED", "org.matrix.msc4140.max_delay": 5000}"#,
        );
        assert!(matches!(error, MatrixError::DelayTooLong { most } if most == Duration::from_secs(5)));
        assert!(!error.is_unsupported());
    }

    #[test]
    fn what_a_homeserver_lacks_is_told_from_what_it_refuses() {
        for (status, body, unsupported) in [
            (404, r#"{"errcode": "M_UNRECOGNIZED", "error": ""}"#, true),
            (
                400,
                r#"{"errcode": "M_UNKNOWN", "error": "", "org.matrix.msc4140.errcode": "M_MAX_DELAY_UNSUPPORTED"}"#,
                true,
            ),
            (404, r#"{"errcode": "M_NOT_FOUND", "error": ""}"#, false),
            (502, "<html>", false),
        ] {
            assert_eq!(answered(status, body).is_unsupported(), unsupported, "{body}");
        }
    }

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
