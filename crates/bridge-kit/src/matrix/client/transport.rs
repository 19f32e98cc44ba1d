//! Sends ruma's requests with reqwest, and repeats what may succeed later.

use std::borrow::Cow;
use std::time::Duration;

use reqwest::{Client, Request};
use ruma::api::auth_scheme::{AuthScheme, SendAccessToken};
use ruma::api::error::Error as RumaError;
use ruma::api::path_builder::PathBuilder;
use ruma::api::{
    AppserviceUserIdentity, EndpointError, IncomingResponse, IncomingResponseExt, MatrixVersion, OutgoingRequest,
    OutgoingRequestAppserviceExt, SupportedVersions,
};
use ruma::exports::http;
use ruma::{OwnedUserId, UserId};
use tokio::time::Instant;

use super::MatrixClient;
use crate::config::{Appservice, Homeserver, Secret};
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
        let request = self.prepare(request)?;
        let give_up = Instant::now() + self.patience;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let error = match self.attempt::<R::IncomingResponse>(&request).await {
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
            metrics::counter!("vdp_matrix_retries_total").increment(1);
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

    async fn attempt<R: IncomingResponse>(&self, request: &Request) -> Result<R, MatrixError> {
        let Some(request) = request.try_clone() else {
            return Err(MatrixError::Request("a streamed body cannot be repeated".to_owned()));
        };
        let started = Instant::now();
        let outcome = self.exchange(request).await;
        metrics::histogram!("vdp_matrix_request_seconds").record(started.elapsed().as_secs_f64());
        let (parts, body) = outcome?.into_parts();
        let response = http::Response::from_parts(parts, body.as_slice());
        if response.status().as_u16() >= 400 {
            return Err(MatrixError::refused(&RumaError::from_http_response(response)));
        }
        R::try_from_http_response(response)
            .map_err(|_| MatrixError::Nonsense("a field is missing or of another type".to_owned()))
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
