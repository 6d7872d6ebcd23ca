//! Ends a running server from another thread or a signal handler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mio::Waker;

/// A handle to end servers with. Clones are the same handle; once requested, a stop stays requested.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: AtomicBool,
    waker: Mutex<Option<Arc<Waker>>>,
}

impl Stop {
    /// A handle on which nothing was requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the server that runs with this handle, or the next one that is started with it.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        if let Some(waker) = &*self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            // A server that cannot be woken is one that has ended.
            let _ = waker.wake();
        }
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    pub(crate) fn wake_with(&self, waker: Waker) {
        *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(waker));
    }
}
