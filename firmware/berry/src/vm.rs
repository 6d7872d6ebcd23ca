//! The machine: its state, the values that its host keeps, and its stack.

use alloc::vec::Vec;

use crate::error::{Error, ErrorKind};
use crate::globals::Globals;
use crate::heap::Heap;
use crate::limits::Limits;
use crate::numbers::Numbers;
use crate::raised::{Raised, Reason};
use crate::slab::{CellId, ClosureId, InstanceId, ProtoId, StrId};
use crate::value::Value;

/// A value that the host keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(pub(crate) u32);

/// What becomes of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Store,
    /// The instance is the result, whatever `init` returns.
    Construct(InstanceId),
    /// The module that was imported has run.
    Import,
    /// Its `init` has.
    ImportInit,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) proto: ProtoId,
    pub(crate) closure: ClosureId,
    /// Where it goes on; of the running one it stands in [`Vm::pc`].
    pub(crate) pc: u32,
    pub(crate) base: u32,
    pub(crate) result: u32,
    pub(crate) then: Then,
    /// The machine's loop was entered with this frame.
    pub(crate) entry: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Handler {
    pub(crate) frame: u32,
    pub(crate) target: u32,
    /// The registers from here on are forgotten.
    pub(crate) first: u32,
    /// Of a loop: only the end of its iterator concerns it.
    pub(crate) is_loop: bool,
}

/// A machine with its own heap.
#[derive(Debug)]
pub struct Vm<N: Numbers> {
    pub(crate) heap: Heap<N>,
    pub(crate) globals: Globals<N>,
    pub(crate) limits: Limits,
    pub(crate) stack: Vec<Value<N>>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) handlers: Vec<Handler>,
    /// Cells of variables that still live on the stack, by their place there.
    pub(crate) open_cells: Vec<CellId>,
    pub(crate) exception: (Value<N>, Value<N>),
    pub(crate) traceback: Vec<u8>,
    /// The next instruction of the running frame.
    pub(crate) pc: usize,
    pub(crate) base: usize,
    /// The running function, or [`ProtoId::NONE`].
    pub(crate) proto: ProtoId,
    pub(crate) steps: u32,
    /// Steps of the run beyond this slice.
    pub(crate) reserve: u32,
    pub(crate) reentry: u8,
    /// Levels of values that are being written, those of natives further out included.
    pub(crate) depth: u16,
    /// Where a native may put arguments for scripts, if one is running.
    pub(crate) scratch: Option<usize>,
    pub(crate) modules: Vec<(StrId, Value<N>)>,
    /// Modules that are being imported.
    pub(crate) imports: Vec<(StrId, Value<N>)>,
    pub(crate) held: Vec<Value<N>>,
    pub(crate) random: u64,
    /// Where the answer goes that a run waits for.
    pub(crate) suspended: Option<usize>,
    pub(crate) paused: bool,
    pub(crate) strict: bool,
    #[cfg(test)]
    pub(crate) collects_always: bool,
}

impl<N: Numbers> Vm<N> {
    /// An empty machine. It takes memory as scripts need it. `seed`: something that others cannot foresee.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both halves go in")]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Vm {
            heap: Heap::new(limits.heap_bytes, seed as u32 ^ (seed >> 32) as u32),
            globals: Globals::new(),
            limits,
            stack: Vec::new(),
            frames: Vec::new(),
            handlers: Vec::new(),
            open_cells: Vec::new(),
            exception: (Value::Nil, Value::Nil),
            traceback: Vec::new(),
            pc: 0,
            base: 0,
            proto: ProtoId::NONE,
            steps: 0,
            reserve: 0,
            reentry: 0,
            depth: 0,
            scratch: None,
            modules: Vec::new(),
            imports: Vec::new(),
            held: Vec::new(),
            random: seed | 1,
            suspended: None,
            paused: false,
            strict: false,
            #[cfg(test)]
            collects_always: false,
        }
    }

    /// Keeps a value from the collector until [`Vm::release`].
    ///
    /// # Errors
    ///
    /// There is no memory to note it.
    pub fn hold(&mut self, value: Value<N>) -> Result<Handle, Error> {
        let vacant = self.held.iter().position(|held| matches!(held, Value::Undefined));
        let place = match vacant {
            Some(place) => {
                if let Some(slot) = self.held.get_mut(place) {
                    *slot = value;
                }
                place
            }
            None => {
                self.heap.budget.push(&mut self.held, value).map_err(|raised| self.describe(raised))?;
                self.held.len() - 1
            }
        };
        u32::try_from(place)
            .map(Handle)
            .map_err(|_| Error::new(ErrorKind::Memory, "memory_error: too many functions are kept"))
    }

    /// The host keeps that value no longer.
    pub fn release(&mut self, handle: Handle) {
        if let Some(slot) = self.held.get_mut(handle.0 as usize) {
            *slot = Value::Undefined;
        }
        while matches!(self.held.last(), Some(Value::Undefined)) {
            self.held.pop();
        }
    }

    /// A value that the host keeps.
    #[must_use]
    pub fn held(&self, handle: Handle) -> Option<Value<N>> {
        self.held.get(handle.0 as usize).copied().filter(|value| !matches!(value, Value::Undefined))
    }

    /// A global that a script has made.
    #[must_use]
    pub fn global(&self, name: &str) -> Option<Value<N>> {
        self.globals
            .entries()
            .find(|&(global, _)| self.heap.text(global).is_ok_and(|text| text == name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// The bytes of a string or of a `bytes` object.
    #[must_use]
    pub fn bytes_of(&self, value: Value<N>) -> Option<&[u8]> {
        match value {
            Value::Str(id) => self.heap.text(id).ok(),
            Value::Bytes(id) => self.heap.bytes.get(id).ok().map(|bytes| bytes.data.as_slice()),
            _ => None,
        }
    }

    /// Bytes of the heap that are taken, garbage included.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.heap.budget.used()
    }

    /// The most that were ever taken.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.heap.budget.peak()
    }

    /// Steps that the run has left, or that the last one had.
    #[must_use]
    pub fn steps_left(&self) -> u32 {
        self.steps.saturating_add(self.reserve)
    }

    /// Drops every object, so that what is still charged has been lost.
    #[cfg(test)]
    pub(crate) fn forget_everything(&mut self) {
        self.abandon();
        self.heap.budget.release(core::mem::take(&mut self.held));
        self.heap.budget.release(core::mem::take(&mut self.modules));
        self.heap.budget.release(core::mem::take(&mut self.imports));
        self.heap.budget.release(core::mem::take(&mut self.open_cells));
        self.heap.budget.release(core::mem::take(&mut self.frames));
        self.heap.budget.release(core::mem::take(&mut self.handlers));
        self.heap.budget.release(core::mem::take(&mut self.stack));
        core::mem::replace(&mut self.globals, Globals::new()).release(&mut self.heap.budget);
        self.collect();
    }

    /// Takes steps from the run's budget.
    #[inline]
    pub(crate) fn spend(&mut self, steps: usize) -> Result<(), Raised> {
        match u32::try_from(steps).ok().and_then(|steps| self.steps.checked_sub(steps)) {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => self.spend_beyond(steps),
        }
    }

    /// What is more than the slice has left comes from the slices behind it.
    #[cold]
    fn spend_beyond(&mut self, steps: usize) -> Result<(), Raised> {
        let missing = steps.saturating_sub(usize::try_from(self.steps).unwrap_or(usize::MAX));
        let left = u32::try_from(missing).ok().and_then(|missing| self.reserve.checked_sub(missing));
        self.steps = 0;
        self.reserve = left.unwrap_or(0);
        match left {
            Some(_) => Ok(()),
            None => Err(self.raised(Reason::Steps)),
        }
    }

    #[inline]
    pub(crate) fn slot(&self, place: usize) -> Result<Value<N>, Raised> {
        self.stack.get(place).copied().ok_or(Raised)
    }

    #[inline]
    pub(crate) fn set_slot(&mut self, place: usize, value: Value<N>) -> Result<(), Raised> {
        *self.stack.get_mut(place).ok_or(Raised)? = value;
        Ok(())
    }

    /// Makes the stack at least so long.
    pub(crate) fn ensure_stack(&mut self, length: usize) -> Result<(), Raised> {
        if self.stack.len() < length {
            self.heap.budget.resize(&mut self.stack, length, Value::Nil)?;
        }
        Ok(())
    }
}

/// Slots above a function's registers for the call of an operator's method: the callee and three arguments, one spare.
pub(crate) const OPERATOR_SLOTS: usize = 5;
