//! The machine: its state, and what a host does with it.

use alloc::vec::Vec;

use crate::collect::Marker;
use crate::compile::{self, Failed, Scope};
use crate::error::{Error, ErrorKind};
use crate::globals::Globals;
use crate::heap::Heap;
use crate::host::{Answer, Host};
use crate::limits::{IDLE_SLOTS, Limits};
use crate::memory::append_bounded;
use crate::names;
use crate::numbers::Numbers;
use crate::objects::Closure;
use crate::raised::{Raised, Reason};
use crate::slab::{CellId, ClosureId, InstanceId, ProtoId, StrId};
use crate::value::Value;

/// A value that the host keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(u32);

/// How far a run came.
#[derive(Debug, Clone, Copy)]
pub enum Progress<N: Numbers> {
    /// To its end, with this result. It is valid until the machine is used again.
    Done(Value<N>),
    /// A function of the host wants it to wait: [`Vm::resume`] goes on.
    Suspended,
    /// To the end of its slice ([`Limits::slice`]): [`Vm::proceed`] goes on.
    Paused,
}

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
    pub(crate) proto: Option<ProtoId>,
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
    held: Vec<Value<N>>,
    pub(crate) random: u64,
    suspended: Option<usize>,
    paused: bool,
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
            proto: None,
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

    /// Compiles a source without running it, and keeps nothing of it.
    ///
    /// # Errors
    ///
    /// A syntax error, or a source that is too large.
    pub fn check(&mut self, host: &dyn Host<N>, name: &str, source: &[u8]) -> Result<(), Error> {
        self.ensure_idle()?;
        self.compile(host, name, source, Scope::Local).map(|_| ())
    }

    /// Compiles a source and runs it.
    ///
    /// # Errors
    ///
    /// A syntax error, or what ended the run.
    pub fn run_source(
        &mut self,
        host: &mut dyn Host<N>,
        name: &str,
        source: &[u8],
        scope: Scope,
    ) -> Result<Progress<N>, Error> {
        self.ensure_idle()?;
        let proto = self.compile(host, name, source, scope)?;
        let closure = self.closure_of(proto).map_err(|raised| self.describe(raised))?;
        self.start(host, Value::Closure(closure), &[])
    }

    /// Imports a module, as `import` does.
    ///
    /// # Errors
    ///
    /// What ended it.
    pub fn import(&mut self, host: &mut dyn Host<N>, module: &str) -> Result<Progress<N>, Error> {
        let mut source = Vec::new();
        for part in ["import ", module] {
            append_bounded(&mut source, part.as_bytes(), 100);
        }
        self.run_source(host, "boot", &source, Scope::Local)
    }

    /// Calls a function that the host keeps.
    ///
    /// # Errors
    ///
    /// What ended the run.
    pub fn call(
        &mut self,
        host: &mut dyn Host<N>,
        function: Handle,
        arguments: &[Argument<'_>],
    ) -> Result<Progress<N>, Error> {
        self.ensure_idle()?;
        let Some(&function) = self.held.get(function.0 as usize) else {
            return Err(Error::new(ErrorKind::Internal, "internal_error: no such function"));
        };
        // Arguments that are no objects yet are made on the stack, where the collector finds them.
        let placed = self.place_arguments(arguments).or_else(|_| {
            self.collect();
            self.place_arguments(arguments)
        });
        placed.map_err(|raised| self.describe(raised))?;
        self.begin(host, function, arguments.len())
    }

    fn place_arguments(&mut self, arguments: &[Argument<'_>]) -> Result<(), Raised> {
        self.ensure_stack(arguments.len() + 2)?;
        for (place, argument) in arguments.iter().enumerate() {
            let value = match *argument {
                Argument::Nil => Value::Nil,
                Argument::Bool(bool) => Value::bool(bool),
                Argument::Int(int) => Value::int(int),
                Argument::Real(real) => Value::real(real),
                Argument::Text(text) => self.heap.string(text)?,
                Argument::Held(handle) => self.held.get(handle.0 as usize).copied().unwrap_or_default(),
            };
            self.set_slot(place + 1, value)?;
        }
        Ok(())
    }

    fn start(
        &mut self,
        host: &mut dyn Host<N>,
        callee: Value<N>,
        arguments: &[Value<N>],
    ) -> Result<Progress<N>, Error> {
        let mut placed = self.ensure_stack(arguments.len() + 2);
        for (place, &argument) in arguments.iter().enumerate() {
            placed = placed.and_then(|()| self.set_slot(place + 1, argument));
        }
        placed.map_err(|raised| self.describe(raised))?;
        self.begin(host, callee, arguments.len())
    }

    /// Calls `callee` with the arguments that lie on the stack from 1 on.
    fn begin(
        &mut self,
        host: &mut dyn Host<N>,
        callee: Value<N>,
        count: usize,
    ) -> Result<Progress<N>, Error> {
        self.steps = 0;
        self.reserve = self.limits.steps;
        self.next_slice();
        self.traceback = alloc::vec::Vec::new();
        self.scratch = Some(count + 2);
        self.set_slot(0, callee).map_err(|raised| self.describe(raised))?;
        self.heap.budget.forget_reason();
        let mut called = self.call_value(host, callee, 1, count, 0, Then::Store, true);
        if called.is_err() && self.heap.budget.reason() == Reason::Memory {
            self.collect();
            called = self.call_value(host, callee, 1, count, 0, Then::Store, true);
        }
        self.scratch = None;
        let outcome = match called {
            Ok(()) if self.frames.is_empty() => self.slot(0),
            Ok(()) => self.run(host, 0),
            Err(raised) => Err(raised),
        };
        self.end(outcome)
    }

    /// Goes on with a suspended run; `answer` is what the function returns that suspended it.
    ///
    /// # Errors
    ///
    /// What ended the run.
    pub fn resume(&mut self, host: &mut dyn Host<N>, answer: Answer) -> Result<Progress<N>, Error> {
        let Some(place) = self.suspended.take() else {
            return Err(Error::new(ErrorKind::Internal, "internal_error: nothing is suspended"));
        };
        let stored = self.answer_value(&answer).or_else(|_| {
            self.collect();
            self.answer_value(&answer)
        });
        let outcome = match stored.and_then(|value| self.set_slot(place, value)) {
            Ok(()) if self.frames.is_empty() => self.slot(0),
            Ok(()) => self.run(host, 0),
            Err(raised) => Err(raised),
        };
        self.end(outcome)
    }

    /// Goes on with a run that has paused.
    ///
    /// # Errors
    ///
    /// What ended the run.
    pub fn proceed(&mut self, host: &mut dyn Host<N>) -> Result<Progress<N>, Error> {
        if !core::mem::take(&mut self.paused) {
            return Err(Error::new(ErrorKind::Internal, "internal_error: nothing has paused"));
        }
        self.next_slice();
        let outcome = self.run(host, 0);
        self.end(outcome)
    }

    /// Gives the run the steps of another slice.
    pub(crate) fn next_slice(&mut self) {
        let steps = self.limits.slice.max(1).min(self.reserve);
        self.reserve -= steps;
        self.steps = self.steps.saturating_add(steps);
    }

    fn end(&mut self, outcome: Result<Value<N>, Raised>) -> Result<Progress<N>, Error> {
        match outcome {
            Ok(value) => {
                self.reset();
                Ok(Progress::Done(value))
            }
            Err(Raised) if self.heap.budget.reason() == Reason::Suspended => Ok(Progress::Suspended),
            Err(Raised) if self.heap.budget.reason() == Reason::Paused => {
                self.paused = true;
                Ok(Progress::Paused)
            }
            Err(raised) => {
                let error = self.describe(raised);
                self.reset();
                Err(error)
            }
        }
    }

    /// Gives up a run that is suspended or has paused.
    pub fn abandon(&mut self) {
        self.suspended = None;
        self.paused = false;
        self.reset();
    }

    /// Nothing runs any more; the globals and what the host keeps stay.
    fn reset(&mut self) {
        self.close_cells_from(0);
        self.frames.clear();
        self.handlers.clear();
        self.imports.clear();
        self.exception = (Value::Nil, Value::Nil);
        self.reentry = 0;
        self.depth = 0;
        self.scratch = None;
        self.proto = None;
        self.base = 0;
        self.pc = 0;
        if self.heap.budget.collection_is_due() {
            self.collect();
        }
    }

    fn ensure_idle(&self) -> Result<(), Error> {
        if self.suspended.is_some() || self.paused {
            return Err(Error::new(ErrorKind::Busy, "busy: another script is waiting"));
        }
        Ok(())
    }

    /// Whether a run waits for [`Vm::resume`].
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended.is_some()
    }

    pub(crate) fn suspend(&mut self, result: usize) -> Raised {
        self.suspended = Some(result);
        self.raised(Reason::Suspended)
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

    /// Frees what nothing refers to any more.
    pub fn collect(&mut self) {
        let mut marker = Marker::new();
        let top = self.top().min(self.stack.len());
        for place in 0..top {
            if let Some(&value) = self.stack.get(place) {
                self.heap.mark(&mut marker, value);
            }
        }
        // What lies above belongs to calls that are over.
        if let Some(rest) = self.stack.get_mut(top..) {
            rest.fill(Value::Nil);
        }
        let mut place = 0;
        while let Some((name, value)) = self.globals.entry(place) {
            self.heap.mark_str(name);
            self.heap.mark(&mut marker, value);
            place += 1;
        }
        for frame in &self.frames {
            self.heap.mark(&mut marker, Value::Closure(frame.closure));
            self.heap.mark_proto(&mut marker, frame.proto);
            if let Then::Construct(instance) = frame.then {
                self.heap.mark(&mut marker, Value::Instance(instance));
            }
        }
        for &(name, value) in self.modules.iter().chain(&self.imports) {
            self.heap.mark_str(name);
            self.heap.mark(&mut marker, value);
        }
        for &value in &self.held {
            self.heap.mark(&mut marker, value);
        }
        for &cell in &self.open_cells {
            self.heap.mark_cell(&mut marker, cell);
        }
        self.heap.mark(&mut marker, self.exception.0);
        self.heap.mark(&mut marker, self.exception.1);
        self.heap.mark_rest(&mut marker);
        let seen = self.heap.sweep();
        if self.frames.is_empty() && self.suspended.is_none() {
            // Room for a callback or two is kept; a deep recursion's is given back.
            self.stack.truncate(IDLE_SLOTS.max(top));
            self.heap.budget.shrink(&mut self.stack, IDLE_SLOTS.max(top));
        }
        // A heap that is nearly full must not make a run endless by collecting all the time.
        let cost = usize::try_from(seen / 4).unwrap_or(usize::MAX);
        if self.spend(cost).is_err() {
            self.reserve = 0;
        }
    }

    /// The end of the part of the stack that is in use.
    pub(crate) fn top(&self) -> usize {
        let registers = self
            .frames
            .last()
            .and_then(|frame| self.heap.protos.get(frame.proto).ok())
            .map_or(0, |proto| usize::from(proto.registers));
        let frame = if self.frames.is_empty() { 0 } else { self.base + registers + OPERATOR_SLOTS };
        frame.max(self.scratch.unwrap_or(0))
    }

    fn compile(
        &mut self,
        host: &dyn Host<N>,
        name: &str,
        source: &[u8],
        scope: Scope,
    ) -> Result<ProtoId, Error> {
        if self.heap.budget.collection_is_due() {
            self.collect();
        }
        let mut compiled = self.try_compile(host, name.as_bytes(), source, scope);
        if matches!(compiled, Err(Failed::Raised(Raised))) && self.heap.budget.reason() == Reason::Memory {
            self.collect();
            compiled = self.try_compile(host, name.as_bytes(), source, scope);
        }
        compiled.map_err(|failed| match failed {
            Failed::Raised(raised) => self.describe(raised),
            Failed::Syntax(error) => {
                let mut text = Vec::new();
                append_bounded(&mut text, b"syntax_error: ", usize::MAX);
                append_bounded(&mut text, &error.message, usize::MAX);
                Error { kind: ErrorKind::Syntax, text, position: Some((error.line, error.column)) }
            }
        })
    }

    pub(crate) fn try_compile(
        &mut self,
        host: &dyn Host<N>,
        name: &[u8],
        source: &[u8],
        scope: Scope,
    ) -> Result<ProtoId, Failed> {
        let name = self.heap.intern(name).map_err(Failed::Raised)?;
        compile::compile(
            &mut self.heap,
            &mut self.globals,
            host,
            self.limits.nesting.saturating_sub(self.depth),
            name,
            source,
            scope,
        )
    }

    pub(crate) fn closure_of(&mut self, proto: ProtoId) -> Result<ClosureId, Raised> {
        let closure = Closure { proto, cells: alloc::boxed::Box::default() };
        self.heap.closures.insert(&mut self.heap.budget, closure)
    }

    fn describe(&mut self, _: Raised) -> Error {
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
/// The longest message that is put together or told.
const MESSAGE_BYTES: usize = 512;

/// An argument that a host hands to a script.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// `nil`
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`, cut to the machine's width
    Int(i64),
    /// `real`
    Real(f64),
    /// `string`
    Text(&'a [u8]),
    /// A value that the host keeps
    Held(Handle),
}
