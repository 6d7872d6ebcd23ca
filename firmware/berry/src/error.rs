//! What a host is told when a script did not come to its end.

use alloc::vec::Vec;
use core::fmt;

/// What ended a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The source is not of the language.
    Syntax,
    /// An exception that nobody caught.
    Exception,
    /// The heap is full.
    Memory,
    /// The run took too many steps.
    Steps,
    /// Another run is suspended.
    Busy,
    /// There is no run to go on with, no such function, or a fault of the machine.
    Internal,
}

/// What ended a script, as the reference writes it, with a traceback where there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Shown(.text))]
pub struct Error {
    /// What ended it.
    pub kind: ErrorKind,
    /// `type_error: …`, then a line per call, the innermost first.
    pub text: Vec<u8>,
    /// Line and column from 1, for [`ErrorKind::Syntax`].
    pub position: Option<(u32, u32)>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, text: &str) -> Self {
        let mut bytes = Vec::new();
        crate::memory::append_bounded(&mut bytes, text.as_bytes(), usize::MAX);
        Error { kind, text: bytes, position: None }
    }
}

/// Bytes as text, with a mark where they are none.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            formatter.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                formatter.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}
