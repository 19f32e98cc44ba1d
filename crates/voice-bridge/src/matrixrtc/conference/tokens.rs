//! Where the tokens for SFUs come from.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::link::Role;
use crate::matrixrtc::focus::Focus;
use crate::matrixrtc::transport::{Caller, Credentials, Grant, TransportError, Transports};

/// Gets tokens for SFUs; tests have a fake.
pub trait Tokens: Send + Sync + 'static {
    /// A token for what the bridge does at this SFU.
    fn token(&self, caller: &Caller, focus: &Focus, role: Role) -> BoxFuture<'static, Result<Grant, TransportError>>;

    /// Forgets the tokens for this SFU: it has refused one.
    fn forget(&self, caller: &Caller, focus: &Focus);
}

impl<C: Credentials> Tokens for Arc<Transports<C>> {
    fn token(&self, caller: &Caller, focus: &Focus, role: Role) -> BoxFuture<'static, Result<Grant, TransportError>> {
        let (transports, caller, focus) = (Self::clone(self), caller.clone(), focus.clone());
        Box::pin(async move {
            match role {
                Role::Publishes => transports.publishing(&caller, &focus).await,
                Role::Listens => transports.listening(&caller, &focus).await,
            }
        })
    }

    fn forget(&self, caller: &Caller, focus: &Focus) {
        Transports::forget(self, caller, focus);
    }
}
