//! Sends ruma's requests with reqwest, and repeats what may succeed later.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Request};
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::path_builder::PathBuilder;
use ruma::api::{
    AppserviceUserIdentity, IncomingResponseExt, MatrixVersion, OutgoingRequest, OutgoingRequestAppserviceExt,
    SupportedVersions,
};
use ruma::exports::http;
use ruma::{OwnedUserId, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::MatrixClient;
use crate::config::{Appservice, Homeserver, Secret};
use crate::instruments;
use crate::matrix::MatrixError;
use crate::matrix::backoff::Backoff;

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);

/// How long one attempt may take: a join of a big room does.
const ATTEMPT: Duration = Duration::from_mins(1);

/// The waits between attempts.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest answer that is read: the state of a big room has tens of megabytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// What all clones of a client share.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    base: String,
    token: Secret,
    bot: OwnedUserId,
    ghost_prefix: String,
    versions: SupportedVersions,
}

impl Transport {
    pub(super) fn new(homeserver: &Homeserver, appservice: &Appservice) -> Result<Self, MatrixError> {
        let http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ATTEMPT)
            .build()
            .map_err(MatrixError::unreachable)?;
        Ok(Self {
            http,
            base: homeserver.url.to_string(),
            token: appservice.as_token.clone(),
            bot: appservice.bot.clone(),
            ghost_prefix: appservice.ghost_prefix.clone(),
            // Every path that we use is in 1.7 and still in later versions, so the server need not be asked.
            versions: SupportedVersions {
                versions: [MatrixVersion::V1_7].into(),
                features: [].into(),
            },
        })
    }

    pub(super) fn bot(&self) -> &UserId {
        &self.bot
    }

    pub(super) fn ghost_prefix(&self) -> &str {
        &self.ghost_prefix
    }

    /// A place at the homeserver, by the parts of its path.
    fn at(&self, path: &[&str]) -> Result<Url, MatrixError> {
        let mut url = Url::parse(&self.base).map_err(|error| unformed(&error))?;
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => return Err(unformed(&"the homeserver's address can have no path")),
        };
        Ok(url)
    }
}

/// A request that a [`MatrixClient`] can send: ruma's client-server requests with an access token or without one.
pub trait ClientRequest:
    OutgoingRequest<
        Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
        PathBuilder: for<'a> PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
    >
{
}

impl<R> ClientRequest for R where
    R: OutgoingRequest<
            Authentication: for<'a> AuthScheme<Input<'a> = SendAccessToken<'a>>,
            PathBuilder: for<'a> PathBuilder<Input<'a> = Cow<'a, SupportedVersions>>,
        >
{
}

impl MatrixClient {
    /// Sends any request that ruma knows, and repeats it while it may succeed later.
    pub async fn request<R: ClientRequest>(&self, request: R) -> Result<R::IncomingResponse, MatrixError> {
        self.repeat(&self.prepare(request)?, |response| {
            R::IncomingResponse::try_from_http_response(response)
                .map_err(|_| MatrixError::Nonsense("a field is missing or of another type".to_owned()))
        })
        .await
    }

    /// Sends a request that the specification does not have yet, and repeats it while it may succeed later.
    ///
    /// `path` is what follows `/_matrix/client`, one part after the other.
    pub(super) async fn proposed<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, MatrixError> {
        let mut request = Request::new(method, self.address(path, query)?);
        let authorization = format!("Bearer {}", self.transport.token.expose());
        let authorization = HeaderValue::try_from(authorization).map_err(|error| unformed(&error))?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        if let Some(body) = body {
            let kind = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, kind);
            *request.body_mut() = Some(body.to_string().into());
        }
        self.repeat(&request, json).await
    }

    /// Reads what anybody may read, and repeats that while it may succeed later.
    pub(super) async fn published<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, MatrixError> {
        let request = Request::new(Method::GET, self.transport.at(path)?);
        self.repeat(&request, json).await
    }

    fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, MatrixError> {
        let mut url = self.transport.at(&[&["_matrix", "client"], path].concat())?;
        if self.user != self.transport.bot {
            url.query_pairs_mut().append_pair("user_id", self.user.as_str());
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    async fn repeat<T>(
        &self,
        request: &Request,
        read: impl Fn(http::Response<&[u8]>) -> Result<T, MatrixError>,
    ) -> Result<T, MatrixError> {
        let give_up = Instant::now() + self.patience;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let error = match self.attempt(request, &read).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let wait = error
                .retry_after()
                .unwrap_or_default()
                .max(backoff.wait(&mut rand::rng()));
            if !error.is_transient() || Instant::now() + wait > give_up {
                return Err(error);
            }
            instruments::MATRIX_RETRIES.get().increment(1);
            tracing::debug!(%error, ?wait, "trying again");
            tokio::time::sleep(wait).await;
        }
    }

    fn prepare<R: ClientRequest>(&self, request: R) -> Result<Request, MatrixError> {
        let transport = &*self.transport;
        let token = SendAccessToken::Appservice(transport.token.expose());
        let versions = Cow::Borrowed(&transport.versions);
        // The bot is whom the homeserver takes the token for anyway.
        let identity = if self.user == transport.bot {
            AppserviceUserIdentity::default()
        } else {
            AppserviceUserIdentity::new(&self.user)
        };
        let request: http::Request<Vec<u8>> = request
            .try_into_http_request_with_identity(&transport.base, token, identity, versions)
            .map_err(|error| MatrixError::request(&error))?;
        Request::try_from(request).map_err(|error| MatrixError::Request(error.without_url().to_string()))
    }

    async fn attempt<T>(
        &self,
        request: &Request,
        read: impl Fn(http::Response<&[u8]>) -> Result<T, MatrixError>,
    ) -> Result<T, MatrixError> {
        let Some(request) = request.try_clone() else {
            return Err(MatrixError::Request("a streamed body cannot be repeated".to_owned()));
        };
        let started = Instant::now();
        let outcome = self.exchange(request).await;
        instruments::MATRIX_REQUEST.get().record(started.elapsed());
        let (parts, body) = outcome?.into_parts();
        let response = http::Response::from_parts(parts, body.as_slice());
        if response.status().as_u16() >= 400 {
            let error = MatrixError::refused(response);
            tracing::debug!(error = error.in_full(), "a request is refused");
            return Err(error);
        }
        read(response)
    }

    async fn exchange(&self, request: Request) -> Result<http::Response<Vec<u8>>, MatrixError> {
        let mut response = self
            .transport
            .http
            .execute(request)
            .await
            .map_err(MatrixError::unreachable)?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        while let Some(chunk) = response.chunk().await.map_err(MatrixError::unreachable)? {
            if answer.body().len() + chunk.len() > LONGEST_ANSWER {
                return Err(MatrixError::Nonsense(format!(
                    "it is longer than {LONGEST_ANSWER} bytes"
                )));
            }
            answer.body_mut().extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where ruma's own readers do, which take the answer"
)]
fn json<T: DeserializeOwned>(response: http::Response<&[u8]>) -> Result<T, MatrixError> {
    // What serde says may quote the answer.
    serde_json::from_slice(response.body()).map_err(|error| {
        tracing::debug!(%error, "an answer cannot be read");
        MatrixError::Nonsense("a field is missing or of another type".to_owned())
    })
}

fn unformed(error: &impl std::fmt::Display) -> MatrixError {
    MatrixError::Request(error.to_string())
}
