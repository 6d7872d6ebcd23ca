//! Why an instruction or a native did not come to its end, and how that is told.

use alloc::vec::Vec;

use crate::error::{Error, ErrorKind};
use crate::memory::append_bounded;
use crate::names;
use crate::numbers::Numbers;
use crate::slab::StrId;
use crate::value::Value;
use crate::vm::Vm;

/// It did not; [`crate::memory::Budget::reason`] tells why. Of no size: a result is as small as what it holds, and a
/// value or an error comes back in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Raised;

/// What ends the work of the machine. Only exceptions can be caught by scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// An exception of the language; its value and message lie in the machine.
    Exception,
    /// The heap is full.
    Memory,
    /// The steps of this run are used up.
    Steps,
    /// The steps of this slice are used up; none of the instruction is done.
    Slice,
    /// The run stands between two instructions and goes on later.
    Paused,
    /// A host function wants the script to wait.
    Suspended,
    /// A fault of the machine itself: an object that is referred to does not exist. Nobody has to note it.
    Internal,
}

/// The longest message that is put together or told.
const MESSAGE_BYTES: usize = 512;

impl<N: Numbers> Vm<N> {
    pub(crate) fn describe(&mut self, _: Raised) -> Error {
        let reason = self.heap.budget.reason();
        let kind = match reason {
            Reason::Exception => ErrorKind::Exception,
            Reason::Memory => ErrorKind::Memory,
            Reason::Steps | Reason::Slice => ErrorKind::Steps,
            Reason::Suspended | Reason::Paused | Reason::Internal => ErrorKind::Internal,
        };
        let mut text = Vec::new();
        match reason {
            Reason::Exception => {
                let (exception, message) = self.exception;
                self.describe_value(&mut text, exception);
                if !message.is_nil() {
                    append_bounded(&mut text, b": ", usize::MAX);
                    self.describe_value(&mut text, message);
                }
            }
            Reason::Memory => append_bounded(&mut text, b"memory_error: the heap is full", usize::MAX),
            Reason::Steps | Reason::Slice => {
                append_bounded(&mut text, b"timeout_error: the script takes too many steps", usize::MAX);
            }
            Reason::Suspended | Reason::Paused | Reason::Internal => {
                append_bounded(&mut text, b"internal_error: the machine is at fault", usize::MAX);
            }
        }
        let traceback = core::mem::take(&mut self.traceback);
        if !traceback.is_empty() {
            append_bounded(&mut text, b"\n", usize::MAX);
            append_bounded(&mut text, &traceback, usize::MAX);
        }
        Error { kind, text, position: None }
    }

    fn describe_value(&mut self, text: &mut Vec<u8>, value: Value<N>) {
        let mut shown = crate::text::Text::default();
        let _ = self.show_plain(&mut shown, value);
        append_bounded(text, shown.as_bytes(), MESSAGE_BYTES);
        self.discard(shown);
    }

    /// Writes down which calls wait for each other, the innermost first.
    pub(crate) fn trace(&mut self) {
        let mut text = Vec::new();
        self.write_trace(&mut text);
        self.traceback = text;
    }

    pub(crate) fn write_trace(&self, text: &mut Vec<u8>) {
        let limit = crate::limits::TRACEBACK_BYTES;
        append_bounded(text, b"stack traceback:", limit);
        for (depth, frame) in self.frames.iter().enumerate().rev() {
            let running = depth + 1 == self.frames.len();
            let pc = if running { self.pc } else { frame.pc as usize };
            let Ok(proto) = self.heap.protos.get(frame.proto) else { continue };
            let mut digits = crate::digits::Digits::default();
            let line = digits.decimal(i64::from(proto.line(pc.saturating_sub(1))));
            for part in [
                b"\n\t",
                self.heap.text(proto.source).unwrap_or_default(),
                b":",
                line,
                b": in function `",
                self.heap.text(proto.name).unwrap_or_default(),
                b"`",
            ] {
                append_bounded(text, part, limit);
            }
        }
    }

    /// Notes why the work ends.
    #[cold]
    pub(crate) fn raised(&mut self, reason: Reason) -> Raised {
        self.heap.budget.raised(reason)
    }

    /// Raises an exception with a fixed name and text.
    pub(crate) fn raise<T>(&mut self, exception: StrId, message: &str) -> Result<T, Raised> {
        self.raise_parts(exception, &[message.as_bytes()])
    }

    /// Raises an exception; the message is put together.
    pub(crate) fn raise_parts<T>(&mut self, exception: StrId, parts: &[&[u8]]) -> Result<T, Raised> {
        let mut text = Vec::new();
        for part in parts {
            append_bounded(&mut text, part, MESSAGE_BYTES);
        }
        let message = self.heap.string(&text)?;
        self.exception = (Value::Str(exception), message);
        Err(self.raised(Reason::Exception))
    }

    pub(crate) fn type_error<T>(&mut self, parts: &[&str]) -> Result<T, Raised> {
        let mut bytes: [&[u8]; 8] = [b""; 8];
        for (slot, part) in bytes.iter_mut().zip(parts) {
            *slot = part.as_bytes();
        }
        self.raise_parts(names::TYPE_ERROR, &bytes)
    }
}
