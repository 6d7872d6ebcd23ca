//! What the end-to-end tests are written with: programs that run to their end ([`Program`]), boards that run until
//! they are dropped ([`Board`]), images, plain MQTT, and foreign tools.
//!
//! Nothing here waits for a time to pass. Everything waits for a line, the end of a process or a file, and gives up
//! with what was printed until then.
#![forbid(unsafe_code)]

mod board;
pub mod image;
mod mqtt;
mod program;
mod tool;

pub use board::Board;
pub use mqtt::{Client, connack, text};
pub use program::{Ended, Program};
pub use tool::{Tool, missing};

use std::path::PathBuf;
use std::time::Duration;

/// How long a program may take before a test gives it up. Generous: it only ends tests that hang.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is so that nothing tells of.
///
/// # Panics
/// When it is not so within [`PATIENCE`].
#[track_caller]
pub fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "it did not come about within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The command line under test: `cargo xtask test` builds it into the folder that the tests themselves are built into.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn obkmq() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let folder = own.ancestors().nth(2).unwrap_or(&own);
    let program = folder.join("obkmq").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is not there; build it with `cargo build --package obkmq`",
        program.display()
    );
    program
}
