//! What a program knows about its own state: components for `/ready`, providers for `/status`.

mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

pub use self::server::{Server, serve};
use crate::instruments;
use crate::program::Program;
use crate::supervise;

/// The state of one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has not tried anything yet.
    Starting,
    /// It is connecting or connecting again; it will get there by itself.
    Connecting,
    /// It works.
    Ready,
    /// It will not get better by itself.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

type Provider = Arc<dyn Fn() -> Value + Send + Sync>;

/// The registry that all parts of a program share.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    program: Program,
    started: Instant,
    components: Mutex<BTreeMap<&'static str, (State, String)>>,
    providers: Mutex<BTreeMap<&'static str, Provider>>,
    /// Whether there are components, and every one of them is ready.
    ready: watch::Sender<bool>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("components", &*lock(&self.inner.components))
            .finish_non_exhaustive()
    }
}

impl Health {
    /// Creates a registry without components: the program is still starting, and not ready.
    pub fn new(program: Program) -> Self {
        Self {
            inner: Arc::new(Inner {
                program,
                started: Instant::now(),
                components: Mutex::default(),
                providers: Mutex::default(),
                ready: watch::Sender::new(false),
            }),
        }
    }

    /// Registers a component; the program is not ready before it is. Dropping it takes it out again.
    #[must_use]
    pub fn component(&self, name: &'static str) -> Component {
        let component = Component {
            health: self.clone(),
            name,
        };
        component.set(State::Starting, "");
        component
    }

    /// Shows what `provider` returns under `name` in `/status`, until the guard is dropped. It must be quick.
    #[must_use]
    pub fn status(&self, name: &'static str, provider: impl Fn() -> Value + Send + Sync + 'static) -> StatusGuard {
        lock(&self.inner.providers).insert(name, Arc::new(provider));
        StatusGuard {
            health: self.clone(),
            name,
        }
    }

    /// Whether there are components, and every one of them is ready.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// Waits until the program is ready.
    pub async fn ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.inner.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Changes the components, and what follows from them.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<&'static str, (State, String)>)) {
        let mut components = lock(&self.inner.components);
        change(&mut components);
        let ready = !components.is_empty() && components.values().all(|(state, _)| *state == State::Ready);
        self.inner
            .ready
            .send_if_modified(|old| std::mem::replace(old, ready) != ready);
    }

    /// What `/ready` shows: whether every component is ready, and how each is doing.
    pub fn readiness(&self) -> Value {
        json!({ "ready": self.is_ready(), "components": self.components() })
    }

    /// The body of `/status`.
    pub fn report(&self) -> Value {
        // Providers run without the lock, so that one may register another.
        let providers = lock(&self.inner.providers).clone();
        let mut report: Map<String, Value> = providers
            .iter()
            .map(|(name, provider)| ((*name).to_owned(), provider()))
            .collect();
        let program = &self.inner.program;
        report.insert("program".to_owned(), json!(program.name));
        report.insert("version".to_owned(), json!(program.version));
        report.insert(
            "uptime_seconds".to_owned(),
            json!(self.inner.started.elapsed().as_secs()),
        );
        report.insert("ready".to_owned(), json!(self.is_ready()));
        report.insert("components".to_owned(), self.components());
        report.insert("tasks".to_owned(), json!(supervise::live()));
        Value::Object(report)
    }

    fn components(&self) -> Value {
        let components = lock(&self.inner.components);
        let describe = |(name, (state, text)): (&&'static str, &(State, String))| {
            ((*name).to_owned(), json!({ "state": state.name(), "text": text }))
        };
        Value::Object(components.iter().map(describe).collect())
    }
}

/// One part of the program that must work for the whole to be ready.
#[derive(Debug)]
pub struct Component {
    health: Health,
    name: &'static str,
}

impl Component {
    /// Says how the component is doing; `text` is for people.
    pub fn set(&self, state: State, text: impl Into<String>) {
        let value = if state == State::Ready { 1.0 } else { 0.0 };
        instruments::COMPONENT_READY.with([self.name]).set(value);
        let text = text.into();
        self.health
            .change(|components| drop(components.insert(self.name, (state, text))));
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        self.health.change(|components| drop(components.remove(self.name)));
    }
}

/// Keeps a provider of `/status` registered.
#[derive(Debug)]
pub struct StatusGuard {
    health: Health,
    name: &'static str,
}

impl Drop for StatusGuard {
    fn drop(&mut self) {
        lock(&self.health.inner.providers).remove(self.name);
    }
}

/// Nothing panics while these locks are held, so a poisoned one still guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
