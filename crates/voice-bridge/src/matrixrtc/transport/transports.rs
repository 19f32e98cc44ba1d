//! Finds SFUs, and keeps the tokens for them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bridge_kit::matrix::{MatrixClient, MatrixError, OpenIdToken};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::error::TransportError;
use super::grant::Grant;
use super::service::{Caller, Entry, Services};
use crate::matrixrtc::config::Mode;
use crate::matrixrtc::event;
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::moment::Moment;
use crate::reach::Reach;

/// Tokens that are kept; a call has a handful.
const MAX_GRANTS: usize = 1024;

/// What the homeserver has to say to all this.
pub trait Credentials: Send + Sync + 'static {
    /// A proof of who the bridge is. Each is used once.
    fn openid_token(&self) -> BoxFuture<'_, Result<OpenIdToken, MatrixError>>;

    /// The SFUs that the homeserver names for its users, as it says it.
    fn rtc_transports(&self) -> BoxFuture<'_, Result<Value, MatrixError>>;

    /// What it publishes about itself.
    fn well_known(&self) -> BoxFuture<'_, Result<Value, MatrixError>>;

    /// Its name.
    fn server_name(&self) -> &str;
}

impl Credentials for MatrixClient {
    fn openid_token(&self) -> BoxFuture<'_, Result<OpenIdToken, MatrixError>> {
        Box::pin(Self::openid_token(self))
    }

    fn rtc_transports(&self) -> BoxFuture<'_, Result<Value, MatrixError>> {
        Box::pin(Self::rtc_transports(self))
    }

    fn well_known(&self) -> BoxFuture<'_, Result<Value, MatrixError>> {
        Box::pin(Self::well_known(self))
    }

    fn server_name(&self) -> &str {
        Self::server_name(self).as_str()
    }
}

/// The SFUs of all calls.
#[derive(Debug)]
pub struct Transports<C> {
    credentials: C,
    services: Services,
    mode: Mode,
    configured: Vec<Focus>,
    strangers: Reach,
    /// What the operator and his homeserver have named.
    trusted: Mutex<BTreeSet<Focus>>,
    grants: Mutex<HashMap<(Caller, Focus, Entry), Grant>>,
}

impl<C: Credentials> Transports<C> {
    /// Prepares for calls. `strangers` is how far the bridge goes for SFUs that members' events name.
    pub fn new(credentials: C, mode: Mode, configured: Vec<Focus>, strangers: Reach) -> Result<Self, TransportError> {
        Ok(Self {
            credentials,
            services: Services::new()?,
            mode,
            trusted: Mutex::new(configured.iter().cloned().collect()),
            configured,
            strangers,
            grants: Mutex::default(),
        })
    }

    /// Finds an SFU that lets the bridge publish: one that members use (`offered`, the best first), one that the
    /// homeserver names, one of the configuration, whichever is first. Its token is kept.
    pub async fn find(&self, caller: &Caller, offered: &[Focus]) -> Option<Focus> {
        let named = self.named_by_homeserver().await;
        for focus in in_order([offered, &named, &self.configured]) {
            match self.publishing(caller, &focus).await {
                Ok(_) => return Some(focus),
                Err(error) => tracing::warn!(%error, "an SFU does not let the bridge in"),
            }
        }
        None
    }

    /// The SFUs that the homeserver and the configuration name, the best first.
    pub async fn known(&self) -> Vec<Focus> {
        let named = self.named_by_homeserver().await;
        in_order([&named, &self.configured, &[]])
    }

    /// A token to publish on an SFU.
    pub async fn publishing(&self, caller: &Caller, focus: &Focus) -> Result<Grant, TransportError> {
        match self.mode {
            // Others look for the identity that only this door gives.
            Mode::Compatibility => self.enter(caller, focus, Entry::SpelledOut).await,
            Mode::Matrix2 => self.listening(caller, focus).await,
        }
    }

    /// A token to listen to an SFU on which others publish.
    pub async fn listening(&self, caller: &Caller, focus: &Focus) -> Result<Grant, TransportError> {
        match self.enter(caller, focus, Entry::Hashed).await {
            Err(error) if error.is_missing_endpoint() => self.enter(caller, focus, Entry::SpelledOut).await,
            answer => answer,
        }
    }

    /// Forgets the tokens for an SFU: it has refused one, or the call is over.
    pub fn forget(&self, caller: &Caller, focus: &Focus) {
        lock(&self.grants).retain(|(whose, which, _), _| whose != caller || which != focus);
    }

    async fn enter(&self, caller: &Caller, focus: &Focus, entry: Entry) -> Result<Grant, TransportError> {
        let key = (caller.clone(), focus.clone(), entry);
        let now = Moment::now().instant;
        let kept = lock(&self.grants).get(&key).cloned();
        if let Some(grant) = kept.filter(|grant| now < grant.refresh_at) {
            return Ok(grant);
        }
        let reach = self.reach(focus);
        let asked = self.services.ask(focus, reach, entry, caller, &self.credentials);
        let grant = asked.await?;
        let mut grants = lock(&self.grants);
        grants.retain(|_, grant| now < grant.refresh_at);
        if grants.len() < MAX_GRANTS {
            grants.insert(key, grant.clone());
        }
        Ok(grant)
    }

    fn reach(&self, focus: &Focus) -> Reach {
        if lock(&self.trusted).contains(focus) {
            Reach::Anywhere
        } else {
            self.strangers
        }
    }

    async fn named_by_homeserver(&self) -> Vec<Focus> {
        let mut named = match self.credentials.rtc_transports().await {
            Ok(answer) => event::transports(&answer),
            Err(error) => {
                tracing::debug!(%error, "the homeserver names no transports");
                Vec::new()
            }
        };
        if named.is_empty() {
            named = self.well_known().await;
        }
        lock(&self.trusted).extend(named.iter().cloned());
        named
    }

    /// The homeserver's own word under the address that the bridge knows, else what stands under its name.
    async fn well_known(&self) -> Vec<Focus> {
        let own = self.credentials.well_known().await;
        let named = own.map(|answer| event::well_known(&answer)).unwrap_or_default();
        if !named.is_empty() {
            return named;
        }
        let public = self.services.well_known(self.credentials.server_name()).await;
        public.map(|answer| event::well_known(&answer)).unwrap_or_default()
    }
}

/// All of them, each where it comes first.
fn in_order(sources: [&[Focus]; 3]) -> Vec<Focus> {
    let mut order: Vec<Focus> = Vec::new();
    for focus in sources.into_iter().flatten() {
        if !order.contains(focus) {
            order.push(focus.clone());
        }
    }
    order
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
