//! Where the ports of an endpoint are listened to.
//!
//! Waking a thread costs more than all else that is done for a packet, and a runtime of many threads wakes two: whoever
//! of them finds work calls another to look for more. So an endpoint listens on a thread of its own, which also hears
//! when the others are busy.

use std::convert::Infallible;
use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A runtime that listens. Its thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Attention {
    runtime: Handle,
    /// The thread waits until this is gone; none where the runtime is another's.
    _thread: Option<oneshot::Sender<Infallible>>,
}

impl Attention {
    /// Starts a thread.
    pub(super) fn on_a_thread() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let handle = runtime.handle().clone();
        let (alive, gone) = oneshot::channel::<Infallible>();
        thread::Builder::new().name("vdp-receive".to_owned()).spawn(move || {
            // Nothing is ever sent.
            let _ = runtime.block_on(gone);
        })?;
        Ok(Self {
            runtime: handle,
            _thread: Some(alive),
        })
    }

    /// Listens within a runtime that is there already.
    pub(super) const fn within(runtime: Handle) -> Self {
        Self { runtime, _thread: None }
    }

    /// The runtime.
    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
