//! The loop over instructions, and where exceptions go.
//!
//! Nothing is collected within an instruction, so a native needs no care for what it has just made. One that finds the
//! heap full ends without having changed anything, the collector runs, and it is done again, once.

use crate::code::{self, CONSTANT, Op};
use crate::host::Host;
use crate::names;
use crate::numbers::{Integer, Numbers, Real as _};
use crate::objects::{Cell, Class, Parent, Proto};
use crate::raised::{Raised, Reason};
use crate::slab::StrId;
use crate::value::Value;
use crate::vm::{Handler, Then, Vm};

type Result<T> = core::result::Result<T, Raised>;

impl<N: Numbers> Vm<N> {
    /// Runs until the frame at `floor` has returned.
    pub(crate) fn run(&mut self, host: &mut dyn Host<N>, floor: usize) -> Result<Value<N>> {
        let scratch = self.scratch.take();
        let outcome = self.run_from(host, floor);
        self.scratch = scratch;
        outcome
    }

    fn run_from(&mut self, host: &mut dyn Host<N>, floor: usize) -> Result<Value<N>> {
        let mut once = false;
        loop {
            let pc = self.pc;
            match self.go(host, once) {
                Ok(Some(value)) => return Ok(value),
                Ok(None) => {
                    once = false;
                    continue;
                }
                Err(Raised) => {}
            }
            match self.heap.budget.reason() {
                Reason::Exception => {
                    once = false;
                    if !self.unwind(floor)? {
                        return Err(Raised);
                    }
                    self.heap.budget.forget_reason();
                }
                Reason::Memory if !(once && pc + 1 == self.pc) => {
                    // Again, now that there may be room.
                    self.traceback = alloc::vec::Vec::new();
                    self.collect();
                    self.pc = self.pc.saturating_sub(1);
                    once = true;
                    self.heap.budget.forget_reason();
                }
                // The instruction is begun anew.
                Reason::Slice if self.reserve > 0 => {
                    self.pc = self.pc.saturating_sub(1);
                    if floor == 0 && self.reentry == 0 {
                        return Err(self.raised(Reason::Paused));
                    }
                    self.next_slice();
                    self.heap.budget.forget_reason();
                }
                Reason::Slice => {
                    self.trace();
                    self.leave(floor)?;
                    return Err(self.raised(Reason::Steps));
                }
                Reason::Suspended | Reason::Paused => return Err(Raised),
                Reason::Memory | Reason::Steps | Reason::Internal => {
                    if self.traceback.is_empty() {
                        self.trace();
                    }
                    self.leave(floor)?;
                    return Err(Raised);
                }
            }
        }
    }

    /// Goes to the handler of the exception, if there is one above `floor`.
    fn unwind(&mut self, floor: usize) -> Result<bool> {
        let (exception, _) = self.exception;
        let ends_loop =
            matches!(exception, Value::Str(id) if self.heap.same_text(id, names::STOP_ITERATION)?);
        let caught = self.handlers.iter().any(|handler| !handler.is_loop || ends_loop);
        if !caught && self.traceback.is_empty() {
            self.trace();
        }
        while let Some(&handler) = self.handlers.last() {
            if (handler.frame as usize) < floor {
                break;
            }
            self.handlers.pop();
            if handler.is_loop && !ends_loop {
                continue;
            }
            self.leave(handler.frame as usize + 1)?;
            self.restore()?;
            self.close_cells_from(self.base + handler.first as usize);
            self.pc = handler.target as usize;
            return Ok(true);
        }
        self.leave(floor)?;
        Ok(false)
    }

    /// Drops the frames above a number of them, with what they hold.
    fn leave(&mut self, frames: usize) -> Result<()> {
        while self.frames.len() > frames {
            let Some(frame) = self.frames.pop() else { break };
            self.close_cells_from(frame.base as usize);
            if matches!(frame.then, Then::Import | Then::ImportInit) {
                self.imports.pop();
            }
        }
        while self.handlers.last().is_some_and(|handler| handler.frame as usize >= frames) {
            self.handlers.pop();
        }
        Ok(())
    }

    /// Makes the topmost frame the running one.
    pub(crate) fn restore(&mut self) -> Result<()> {
        if let Some(frame) = self.frames.last() {
            self.pc = frame.pc as usize;
            self.base = frame.base as usize;
            self.proto = frame.proto;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn register(&self, place: usize) -> Result<Value<N>> {
        self.slot(self.base + place)
    }

    #[inline]
    pub(crate) fn set_register(&mut self, place: usize, value: Value<N>) -> Result<()> {
        self.set_slot(self.base + place, value)
    }

    fn constant(&self, place: u32) -> Result<Value<N>> {
        let proto = self.heap.protos.get(self.proto)?;
        proto.constants.get(place as usize).copied().ok_or(Raised)
    }

    /// A register or a constant.
    #[inline]
    fn operand(&self, operand: u32) -> Result<Value<N>> {
        if operand < u32::from(CONSTANT) {
            self.register(operand as usize)
        } else {
            self.constant(operand - u32::from(CONSTANT))
        }
    }

    /// The same with the running function at hand.
    #[inline]
    fn operand_in(&self, proto: &Proto<N>, operand: u32) -> Result<Value<N>> {
        if operand < u32::from(CONSTANT) {
            return self.register(operand as usize);
        }
        let place = (operand - u32::from(CONSTANT)) as usize;
        proto.constants.get(place).copied().ok_or(Raised)
    }

    fn name_operand(&mut self, operand: u32) -> Result<StrId> {
        match self.operand(operand)? {
            // A constant is interned by the compiler.
            Value::Str(id) if operand >= u32::from(CONSTANT) => Ok(id),
            Value::Str(id) => self.heap.intern_string(id),
            other => {
                self.type_error(&["the name of a member must be a string, not '", other.type_name(), "'"])
            }
        }
    }

    #[inline]
    pub(crate) fn branch(&mut self, instruction: u32) -> Result<()> {
        let target = self.pc.checked_add_signed(code::distance(instruction) as isize);
        self.pc = target.ok_or(Raised)?;
        Ok(())
    }

    fn collect_if_due(&mut self) {
        #[cfg(test)]
        if self.collects_always {
            self.heap.budget.collect_always();
        }
        if self.heap.budget.collection_is_due() {
            self.collect();
        }
    }

    /// Executes instructions until the entry frame returns, or a single one.
    #[expect(clippy::too_many_lines, reason = "one arm per instruction")]
    fn go(&mut self, host: &mut dyn Host<N>, once: bool) -> Result<Option<Value<N>>> {
        loop {
            let proto = self.heap.protos.get(self.proto)?;
            let instruction = proto.instruction(self.pc).ok_or(Raised)?;
            self.pc += 1;
            match self.steps.checked_sub(1) {
                Some(left) => self.steps = left,
                None => return Err(self.raised(Reason::Slice)),
            }
            let a = code::a(instruction);
            let b = code::b(instruction);
            let c = code::c(instruction);
            match Op::of(instruction).ok_or(Raised)? {
                Op::Move => {
                    let value = self.register(b as usize)?;
                    self.set_register(a, value)?;
                }
                Op::Constant => {
                    let place = code::index(instruction) as usize;
                    let value = proto.constants.get(place).copied().ok_or(Raised)?;
                    self.set_register(a, value)?;
                }
                Op::Integer => {
                    let int = N::Int::wrap(i64::from(code::distance(instruction)));
                    self.set_register(a, Value::Int(int))?;
                }
                Op::Nil => self.set_register(a, Value::Nil)?,
                Op::Bool => self.set_register(a, Value::bool(b != 0))?,
                Op::Truth => {
                    let value = self.register(a)?;
                    let truth = self.truth(host, value)?;
                    self.set_register(a, Value::bool(truth))?;
                }
                Op::GetCell => {
                    let cell = self.cell(code::index(instruction))?;
                    let value = match *self.heap.cells.get(cell)? {
                        Cell::Open(place) => self.slot(place as usize)?,
                        Cell::Closed(value) => value,
                    };
                    self.set_register(a, value)?;
                }
                Op::SetCell => {
                    let value = self.register(a)?;
                    let cell = self.cell(code::index(instruction))?;
                    match self.heap.cells.get_mut(cell)? {
                        Cell::Closed(closed) => *closed = value,
                        Cell::Open(place) => {
                            let place = *place as usize;
                            self.set_slot(place, value)?;
                        }
                    }
                }
                Op::GetGlobal => {
                    let value = self.globals.get(code::index(instruction))?;
                    self.set_register(a, value)?;
                }
                Op::SetGlobal => {
                    let value = self.register(a)?;
                    self.globals.set(code::index(instruction), value)?;
                }
                Op::Add => {
                    let (left, right) = (self.operand_in(proto, b)?, self.operand_in(proto, c)?);
                    match (left, right) {
                        (Value::Int(x), Value::Int(y)) => self.set_register(a, Value::Int(x.add(y)))?,
                        (Value::Str(x), Value::Str(y)) => {
                            let string = self.joined(x, y)?;
                            self.set_register(a, string)?;
                        }
                        _ => self.arithmetic(host, Op::Add, left, right, self.base + a)?,
                    }
                }
                Op::Sub => {
                    let (left, right) = (self.operand_in(proto, b)?, self.operand_in(proto, c)?);
                    match (left, right) {
                        (Value::Int(x), Value::Int(y)) => self.set_register(a, Value::Int(x.sub(y)))?,
                        _ => self.arithmetic(host, Op::Sub, left, right, self.base + a)?,
                    }
                }
                op @ (Op::Mul
                | Op::Div
                | Op::Rem
                | Op::And
                | Op::Or
                | Op::Xor
                | Op::Shl
                | Op::Shr
                | Op::Connect) => {
                    let (left, right) = (self.operand_in(proto, b)?, self.operand_in(proto, c)?);
                    self.arithmetic(host, op, left, right, self.base + a)?;
                }
                op @ (Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual) => {
                    let (left, right) = (self.operand_in(proto, b)?, self.operand_in(proto, c)?);
                    match (left, right) {
                        (Value::Int(x), Value::Int(y)) => {
                            let truth = match op {
                                Op::Less => x < y,
                                Op::LessEqual => x <= y,
                                Op::Greater => x > y,
                                _ => x >= y,
                            };
                            // A condition is mostly what the next instruction asks for.
                            let next = proto.instruction(self.pc).unwrap_or(0);
                            let branches = Op::of(next) == Some(Op::JumpFalse) && code::a(next) == a;
                            self.set_register(a, Value::bool(truth))?;
                            if branches {
                                self.pc += 1;
                                if !truth {
                                    self.branch(next)?;
                                }
                            }
                        }
                        _ => self.compare(host, op, left, right, self.base + a)?,
                    }
                }
                op @ (Op::Equal | Op::NotEqual) => {
                    let (left, right) = (self.operand_in(proto, b)?, self.operand_in(proto, c)?);
                    self.equality(host, op, left, right, self.base + a)?;
                }
                Op::Negate => match self.register(b as usize)? {
                    Value::Int(int) => {
                        self.set_register(a, Value::Int(<N::Int as Integer>::wrap(0).sub(int)))?;
                    }
                    Value::Real(real) => self.set_register(a, Value::Real(real.neg()))?,
                    other => self.unary(host, names::NEGATE, "-", other, self.base + a)?,
                },
                Op::Flip => match self.register(b as usize)? {
                    Value::Int(int) => {
                        self.set_register(a, Value::Int(N::Int::wrap(!int.wide())))?;
                    }
                    other => self.unary(host, names::TILDE, "~", other, self.base + a)?,
                },
                Op::Not => {
                    let value = self.register(b as usize)?;
                    let truth = self.truth(host, value)?;
                    self.set_register(a, Value::bool(!truth))?;
                }
                Op::Jump => {
                    self.branch(instruction)?;
                    self.collect_if_due();
                }
                Op::JumpTrue => {
                    let truth = match self.register(a)? {
                        Value::Bool(flag) => flag.get(),
                        other => self.truth(host, other)?,
                    };
                    if truth {
                        self.branch(instruction)?;
                    }
                }
                Op::JumpFalse => {
                    let truth = match self.register(a)? {
                        Value::Bool(flag) => flag.get(),
                        other => self.truth(host, other)?,
                    };
                    if !truth {
                        self.branch(instruction)?;
                    }
                }
                Op::GetMember => {
                    let name = self.name_operand(c)?;
                    let object = self.register(b as usize)?;
                    self.get_member(host, object, name, self.base + a)?;
                }
                Op::SetMember => {
                    let name = self.name_operand(b)?;
                    let object = self.register(a)?;
                    let value = self.operand(c)?;
                    self.set_member(host, object, name, value)?;
                }
                Op::GetMethod => {
                    let name = self.name_operand(c)?;
                    let object = self.register(b as usize)?;
                    self.get_method(host, object, name, self.base + a)?;
                }
                Op::GetIndex => {
                    let object = self.register(b as usize)?;
                    let key = self.operand_in(proto, c)?;
                    self.get_index(host, object, key, self.base + a)?;
                }
                Op::SetIndex => {
                    let object = self.register(a)?;
                    let key = self.operand(b)?;
                    let value = self.operand(c)?;
                    self.set_index(host, object, key, value)?;
                }
                Op::Call => {
                    let callee = self.register(a)?;
                    let place = self.base + a;
                    if let Value::Closure(closure) = callee {
                        self.call_closure(closure, place + 1, b as usize, place, Then::Store, false)?;
                    } else {
                        self.call_value(host, callee, place + 1, b as usize, place, Then::Store, false)?;
                    }
                    self.collect_if_due();
                }
                Op::Invoke => {
                    let callee = self.register(a)?;
                    let place = self.base + a;
                    let (first, count) = match self.slot(place + 1)? {
                        Value::Undefined => (place + 2, b as usize),
                        _ => (place + 1, b as usize + 1),
                    };
                    self.call_value(host, callee, first, count, place, Then::Store, false)?;
                    self.collect_if_due();
                }
                op @ (Op::Return | Op::ReturnNil) => {
                    let value = if op == Op::Return { self.register(a)? } else { Value::Nil };
                    if let Some(result) = self.return_value(host, value)? {
                        return Ok(Some(result));
                    }
                }
                Op::Closure => self.make_closure(a, code::index(instruction))?,
                Op::Close => self.close_cells_from(self.base + a),
                Op::List => {
                    let list = self.heap.list(code::index(instruction) as usize)?;
                    self.set_register(a, Value::List(list))?;
                }
                Op::ListPush => {
                    let (list, value) = (self.register(a)?, self.operand(b)?);
                    let Value::List(list) = list else { return Err(Raised) };
                    self.heap.list_push(list, value)?;
                }
                Op::Map => {
                    let map = self.heap.map()?;
                    self.set_register(a, Value::Map(map))?;
                }
                Op::Class => {
                    let Value::Str(name) = self.constant(code::index(instruction))? else {
                        return Err(Raised);
                    };
                    let class = Class {
                        name,
                        parent: Parent::None,
                        members: alloc::vec::Vec::new(),
                        inherited_fields: 0,
                        own_fields: 0,
                        root: None,
                    };
                    let class = self.heap.classes.insert(&mut self.heap.budget, class)?;
                    self.set_register(a, Value::Class(class))?;
                }
                Op::Inherit => {
                    let (class, parent) = (self.register(a)?, self.register(b as usize)?);
                    self.inherit(class, parent)?;
                }
                op @ (Op::ClassField | Op::ClassMethod | Op::ClassStatic) => {
                    let name = self.name_operand(b)?;
                    let value = if op == Op::ClassField { Value::Nil } else { self.operand(c)? };
                    let class = self.register(a)?;
                    self.add_member(class, op, name, value)?;
                }
                Op::ForPrepare => {
                    self.heap.budget.reserve(&mut self.handlers, 1)?;
                    self.prepare_loop(host, a, instruction)?;
                }
                Op::ForNext => self.next_element(host, a, instruction)?,
                Op::Try => self.open_handler(a, instruction, false)?,
                Op::EndTry => {
                    for _ in 0..a {
                        self.handlers.pop();
                    }
                }
                Op::Catch => {
                    let (exception, message) = self.exception;
                    self.set_register(a, exception)?;
                    self.set_register(a + 1, message)?;
                    self.exception = (Value::Nil, Value::Nil);
                }
                Op::Matches => {
                    let (exception, wanted) = (self.register(b as usize)?, self.operand(c)?);
                    let matches = self.exception_matches(exception, wanted)?;
                    self.set_register(a, Value::bool(matches))?;
                }
                Op::Raise => {
                    self.exception = (self.register(a)?, self.register(a + 1)?);
                    return Err(self.raised(Reason::Exception));
                }
                Op::Import => {
                    let Value::Str(name) = self.constant(code::index(instruction))? else {
                        return Err(Raised);
                    };
                    self.import_module(host, name, self.base + a)?;
                }
            }
            if once {
                return Ok(None);
            }
        }
    }

    pub(crate) fn open_handler(&mut self, first: usize, instruction: u32, is_loop: bool) -> Result<()> {
        let target = self.pc.checked_add_signed(code::distance(instruction) as isize);
        let place = |value: usize| u32::try_from(value).map_err(|_| Raised);
        let handler = Handler {
            frame: place(self.frames.len().checked_sub(1).ok_or(Raised)?)?,
            target: place(target.ok_or(Raised)?)?,
            first: place(first)?,
            is_loop,
        };
        self.heap.budget.push(&mut self.handlers, handler)
    }

    fn exception_matches(&mut self, exception: Value<N>, wanted: Value<N>) -> Result<bool> {
        match (exception, wanted) {
            (Value::Instance(_) | Value::Class(_), Value::Class(_) | Value::Type(_)) => {
                Ok(self.is_derived(exception, wanted)?)
            }
            (Value::Instance(_), _) => Ok(exception.same(wanted)),
            _ => self.equal_plain(exception, wanted, 0),
        }
    }
}
