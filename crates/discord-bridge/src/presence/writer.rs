//! Writes what a ledger has to write, one thing at a time.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use bridge_kit::matrix::{Fault, MatrixError};

use super::ledger::{Ledger, Outcome, Terms, Write};
use crate::instruments;

/// The writing of one thing.
pub(crate) type Writing = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A ledger, and the one thing of it that is being written.
pub(crate) struct Writer<K, V> {
    pub(crate) ledger: Ledger<K, V>,
    under_way: Option<(K, Writing)>,
}

impl<K: Ord + Clone, V: PartialEq + Clone> Writer<K, V> {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            ledger: Ledger::new(terms),
            under_way: None,
        }
    }

    /// Writes by `begin`, and returns when something was written or could not be. Cancel-safe.
    pub(crate) async fn next(&mut self, begin: impl Fn(Write<K, V>) -> Writing) -> (K, Outcome) {
        loop {
            if let Some((key, writing)) = &mut self.under_way {
                let outcome = writing.await;
                let key = key.clone();
                self.under_way = None;
                instruments::PRESENCE_WRITTEN.with([outcome.name()]).increment(1);
                self.ledger.finish(Instant::now(), outcome);
                return (key, outcome);
            }
            match self.ledger.due() {
                None => std::future::pending().await,
                Some((due, why)) if due > Instant::now() => {
                    tracing::trace!(?why, "waiting to write");
                    tokio::time::sleep_until(due.into()).await;
                }
                Some(_) => {
                    let next = self.ledger.next(Instant::now());
                    self.under_way = next.map(|write| (write.key.clone(), begin(write)));
                }
            }
        }
    }
}

impl Outcome {
    /// What a homeserver's answer comes to.
    pub(crate) fn of<T>(answer: &Result<T, MatrixError>) -> Self {
        let Err(error) = answer else {
            return Self::Written;
        };
        match error.fault() {
            Fault::RateLimited => Self::Limited(error.retry_after().unwrap_or_default()),
            _ if error.is_transient() => Self::Failed,
            _ => Self::Refused,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Limited(_) => "limited",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}
