//! Ends a running server from another thread or by a signal.

#[cfg(unix)]
use std::io;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

/// A handle to end servers with. Clones are the same handle; once requested, a stop stays requested.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    requested: Arc<AtomicBool>,
    waker: Mutex<Option<Arc<Waker>>>,
    /// Becomes readable with a signal.
    #[cfg(unix)]
    signalled: Mutex<Option<UnixStream>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stop {
    /// A handle on which nothing was requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the server that runs with this handle, or the next one that is started with it.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        if let Some(waker) = &*lock(&self.0.waker) {
            // A server that cannot be woken is one that has ended.
            let _ = waker.wake();
        }
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    pub(crate) fn wake_with(&self, waker: Waker) {
        *lock(&self.0.waker) = Some(Arc::new(waker));
    }
}

#[cfg(unix)]
impl Stop {
    /// Lets Ctrl-C, SIGTERM and the end of the terminal request a stop; a second one ends the process at once with this exit
    /// code. For the whole life of the process, and of one handle only.
    ///
    /// No thread waits for them: the C library makes every system call dearer in a process that has a second one.
    pub fn on_signals(&self, code: i32) -> io::Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In the order in which they act.
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&self.0.requested))?;
            signal_hook::flag::register(signal, Arc::clone(&self.0.requested))?;
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        *lock(&self.0.signalled) = Some(read);
        Ok(())
    }

    /// What becomes readable with a signal, if signals request a stop.
    pub(crate) fn signalled(&self) -> io::Result<Option<mio::net::UnixStream>> {
        let signalled = lock(&self.0.signalled).as_ref().map(UnixStream::try_clone).transpose()?;
        Ok(signalled.map(mio::net::UnixStream::from_std))
    }
}
