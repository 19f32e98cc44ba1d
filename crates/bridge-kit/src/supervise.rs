//! Tasks with a name, an owner and an end.
//!
//! A panic ends its task only: it is caught, counted (`vdp_task_panics_total`) and reported to whoever joins
//! the task. How many tasks of each kind live is a metric (`vdp_tasks`), so that what is left behind shows.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::instruments;

/// Why a task gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskEnd {
    /// It panicked; the text is the panic's message.
    #[error("the task panicked: {0}")]
    Panicked(String),
    /// Its owner or the runtime ended it.
    #[error("the task was ended")]
    Aborted,
}

/// A running task. Dropping it ends the task, so that no task outlives its owner.
#[derive(Debug)]
#[must_use = "dropping a task ends it"]
pub struct Task<T> {
    handle: Option<JoinHandle<Result<T, TaskEnd>>>,
}

impl<T> Task<T> {
    /// Waits for the end of the task and returns its result.
    pub async fn join(mut self) -> Result<T, TaskEnd> {
        self.finished().await
    }

    /// Waits for the end of the task without giving it up when this wait is cancelled.
    ///
    /// Returns [`TaskEnd::Aborted`] when the result has been taken before.
    pub async fn finished(&mut self) -> Result<T, TaskEnd> {
        let Some(handle) = self.handle.as_mut() else {
            return Err(TaskEnd::Aborted);
        };
        let result = handle.await.unwrap_or(Err(TaskEnd::Aborted));
        self.handle = None;
        result
    }

    /// Ends the task at its next await.
    pub fn abort(&self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }

    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Lets the task run on without an owner, until it ends by itself or the runtime does.
    pub fn detach(mut self) {
        self.handle = None;
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Starts a task.
///
/// `kind` names what it does (`area.verb`) and becomes a metric label, so it must come from a small fixed set;
/// `owner` says for whom (a room id, say) and appears in logs at debug level only.
pub fn spawn<F>(kind: &'static str, owner: impl Display, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_on(&Handle::current(), kind, owner, future)
}

/// Starts a task in a certain runtime; see [`spawn`].
pub fn spawn_on<F>(runtime: &Handle, kind: &'static str, owner: impl Display, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task {
        handle: Some(runtime.spawn(supervised(kind, &owner, future))),
    }
}

/// Starts a thread of the system for what waits in calls of the system. It is counted as a task, and named after its `kind`, but
/// nobody can end it: whoever starts it must see to that. See [`spawn`].
pub fn spawn_thread(kind: &'static str, owner: impl Display, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let span = tracing::debug_span!("thread", kind, owner = %owner);
    let alive = Alive::new(kind);
    let supervised = move || {
        let _span = span.entered();
        let _alive = alive;
        if let Err(panic) = std::panic::catch_unwind(AssertUnwindSafe(work)) {
            report(kind, panic.as_ref());
        }
    };
    let name = kind.replace('.', "-");
    std::thread::Builder::new().name(name).spawn(supervised).map(drop)
}

/// How many tasks of each kind are alive.
pub fn live() -> BTreeMap<&'static str, u64> {
    lives().clone()
}

/// Tasks that belong together and end together. Clones share the group; the last drop ends every task of it.
#[derive(Debug, Clone)]
pub struct Group {
    inner: Arc<GroupInner>,
}

#[derive(Debug)]
struct GroupInner {
    owner: String,
    tracker: TaskTracker,
    stopping: CancellationToken,
    handles: Mutex<Vec<AbortHandle>>,
}

impl Group {
    /// Creates an empty group that belongs to `owner`.
    pub fn new(owner: impl Display) -> Self {
        Self {
            inner: Arc::new(GroupInner {
                owner: owner.to_string(),
                tracker: TaskTracker::new(),
                stopping: CancellationToken::new(),
                handles: Mutex::default(),
            }),
        }
    }

    /// Starts a task of the group; see [`spawn`] for `kind`.
    pub fn spawn<F>(&self, kind: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let inner = &self.inner;
        let task = supervised(kind, &inner.owner, future).map(drop);
        let handle = tokio::spawn(inner.tracker.track_future(task)).abort_handle();
        let mut handles = lock(&inner.handles);
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle);
    }

    /// The token that [`stop`](Self::stop) cancels: tasks of the group watch it to say goodbye.
    pub fn stopping(&self) -> CancellationToken {
        self.inner.stopping.clone()
    }

    /// Asks all tasks to stop, waits for at most `limit`, then ends those that are left and waits for them.
    pub async fn stop(&self, limit: Duration) {
        self.inner.stopping.cancel();
        self.inner.tracker.close();
        if tokio::time::timeout(limit, self.inner.tracker.wait()).await.is_err() {
            self.inner.abort_all();
            self.inner.tracker.wait().await;
        }
    }
}

impl GroupInner {
    fn abort_all(&self) {
        for handle in lock(&self.handles).drain(..) {
            handle.abort();
        }
    }
}

impl Drop for GroupInner {
    fn drop(&mut self) {
        self.abort_all();
    }
}

/// Wraps a task's future: counted while it lives, its panic caught.
fn supervised<F>(
    kind: &'static str,
    owner: &dyn Display,
    future: F,
) -> impl Future<Output = Result<F::Output, TaskEnd>> + Send + 'static
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let span = tracing::debug_span!("task", kind, owner = %owner);
    let alive = Alive::new(kind);
    async move {
        let result = AssertUnwindSafe(future).catch_unwind().await;
        drop(alive);
        result.map_err(|panic| report(kind, panic.as_ref()))
    }
    .instrument(span)
}

fn report(kind: &'static str, panic: &(dyn Any + Send)) -> TaskEnd {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    instruments::TASK_PANICS.with([kind]).increment(1);
    tracing::error!(kind, message, "a task panicked; this is a bug");
    TaskEnd::Panicked(message)
}

static LIVE: Mutex<BTreeMap<&'static str, u64>> = Mutex::new(BTreeMap::new());

fn lives() -> MutexGuard<'static, BTreeMap<&'static str, u64>> {
    lock(&LIVE)
}

/// Nothing panics while these locks are held, so a poisoned one still guards sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a task as alive for as long as its future exists, whichever way it ends.
struct Alive(&'static str);

impl Alive {
    fn new(kind: &'static str) -> Self {
        *lives().entry(kind).or_default() += 1;
        instruments::TASKS.with([kind]).increment(1.0);
        Self(kind)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(count) = lives().get_mut(self.0) {
            *count = count.saturating_sub(1);
        }
        instruments::TASKS.with([self.0]).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn count(kind: &str) -> u64 {
        live().get(kind).copied().unwrap_or_default()
    }

    #[tokio::test]
    async fn a_result_comes_back_and_the_task_is_no_longer_counted() {
        let task = spawn("test.result", "nobody", async { 7 });
        assert_eq!(count("test.result"), 1);
        assert_eq!(task.join().await, Ok(7));
        assert_eq!(count("test.result"), 0);
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_only_and_names_itself() {
        let task = spawn("test.panic", "nobody", async { panic!("on purpose") });
        let end: Result<(), _> = task.join().await;
        assert_eq!(end, Err(TaskEnd::Panicked("on purpose".to_owned())));
        assert_eq!(count("test.panic"), 0);
    }

    #[tokio::test]
    async fn dropping_a_task_ends_it() {
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let task = spawn("test.drop", "nobody", async move {
            let _alive = alive;
            pending::<()>().await;
        });
        drop(task);
        assert!(gone.await.is_err());
    }

    #[tokio::test]
    async fn a_group_stops_the_willing_softly_and_the_rest_by_force() {
        let group = Group::new("nobody");
        let stopping = group.stopping();
        let (said, goodbye) = tokio::sync::oneshot::channel();
        group.spawn("test.willing", async move {
            stopping.cancelled().await;
            let _ = said.send("goodbye");
        });
        group.spawn("test.stubborn", pending());
        group.stop(Duration::from_millis(100)).await;
        assert_eq!(goodbye.await, Ok("goodbye"));
        assert_eq!((count("test.willing"), count("test.stubborn")), (0, 0));
    }

    #[tokio::test]
    async fn the_last_drop_of_a_group_ends_its_tasks() {
        let group = Group::new("nobody");
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        group.spawn("test.group_drop", async move {
            let _alive = alive;
            pending::<()>().await;
        });
        drop(group.clone());
        drop(group);
        assert!(gone.await.is_err());
    }
}
