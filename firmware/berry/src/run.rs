//! What a host does with a machine: it compiles, runs, calls and goes on.

use alloc::vec::Vec;

use crate::compile::{self, Failed, Scope};
use crate::error::{Error, ErrorKind};
use crate::host::{Answer, Host};
use crate::memory::append_bounded;
use crate::numbers::Numbers;
use crate::objects::Closure;
use crate::raised::{Raised, Reason};
use crate::slab::{ClosureId, ProtoId};
use crate::value::Value;
use crate::vm::{Handle, Then, Vm};

/// How far a run came.
#[derive(Debug, Clone, Copy)]
pub enum Progress<N: Numbers> {
    /// To its end, with this result. It is valid until the machine is used again.
    Done(Value<N>),
    /// A function of the host wants it to wait: [`Vm::resume`] goes on.
    Suspended,
    /// To the end of its slice ([`Limits::slice`](crate::Limits::slice)): [`Vm::proceed`] goes on.
    Paused,
}

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

impl<N: Numbers> Vm<N> {
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
        self.proto = ProtoId::NONE;
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
}
