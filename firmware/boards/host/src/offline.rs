//! The console of a node whose broker does not run: over the same flash file, under the same lock.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant as Clock};

use obkmq_node::{Anonymous, Instant, Node};

use crate::board::HostBoard;
use crate::setup::{SetupError, identity, open_flash, regions};

/// A node without sockets. While it lives, no broker can start on the same folder.
pub struct Offline {
    node: Node<HostBoard>,
    started: Clock,
}

impl Offline {
    /// Boots the node of a data folder that is there; its flash file is made if need be.
    ///
    /// # Errors
    /// [`SetupError::Flash`] with [`OpenError::InUse`](crate::OpenError::InUse) if a broker runs on it.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let flash = open_flash(folder)?;
        let identity = identity("host", "host", Anonymous::Loopback);
        let node = Node::boot(HostBoard::new(flash), identity, regions(), Instant::ZERO);
        Ok(Self { node, started: Clock::now() })
    }

    /// What is typed, or sent by a program.
    pub fn write(&mut self, bytes: &[u8]) {
        self.node.console_input(bytes);
    }

    /// What the console says: works until there is something, or `timeout` is over. How many bytes there are.
    pub fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> usize {
        let deadline = Clock::now() + timeout;
        loop {
            let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            let now = Instant::from_micros(micros);
            let next = self.node.poll(now);
            // There are no sockets to open, and nothing to start anew.
            while self.node.next_action().is_some() {}
            let waiting = self.node.console_output();
            if !waiting.is_empty() {
                let count = waiting.len().min(buffer.len());
                for (place, byte) in buffer.iter_mut().zip(waiting) {
                    *place = *byte;
                }
                self.node.console_written(count);
                return count;
            }
            let left = deadline.saturating_duration_since(Clock::now());
            if left.is_zero() {
                return 0;
            }
            let rest = next.map_or(left, |next| {
                Duration::from_micros(next.as_micros().saturating_sub(now.as_micros())).min(left)
            });
            if !rest.is_zero() {
                thread::sleep(rest);
            }
        }
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        self.node.flush();
    }
}

impl std::fmt::Debug for Offline {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Offline")
    }
}
