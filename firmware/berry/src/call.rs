//! Calls: of scripts by scripts, of natives, and of scripts by natives.

use alloc::vec::Vec;

use crate::code::Op;
use crate::compile::{Failed, Scope};
use crate::host::{Answer, Call, Host};
use crate::libs;
use crate::memory::{Budget, append_bounded};
use crate::names;
use crate::numbers::Numbers;
use crate::objects::{Instance, Member};
use crate::raised::{Raised, Reason};
use crate::slab::{ClassId, ClosureId, StrId};
use crate::value::{Library, Type, Value};
use crate::vm::{Frame, OPERATOR_SLOTS, Then, Vm};

type Result<T> = core::result::Result<T, Raised>;

/// The arguments of a native, on the stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Args {
    pub(crate) base: usize,
    pub(crate) count: usize,
}

impl Args {
    /// Without the first.
    pub(crate) fn rest(self) -> Args {
        let skipped = self.count.min(1);
        Args { base: self.base + skipped, count: self.count - skipped }
    }
}

impl<N: Numbers> Vm<N> {
    /// An argument, or nil.
    #[inline]
    pub(crate) fn arg(&self, args: Args, place: usize) -> Value<N> {
        if place >= args.count {
            return Value::Nil;
        }
        self.stack.get(args.base + place).copied().unwrap_or_default()
    }

    /// Calls a value. Its arguments lie on the stack from `base` on; the slot before them is free to use.
    #[expect(clippy::too_many_arguments, reason = "what a call is")]
    pub(crate) fn call_value(
        &mut self,
        host: &mut dyn Host<N>,
        callee: Value<N>,
        base: usize,
        count: usize,
        result: usize,
        then: Then,
        entry: bool,
    ) -> Result<()> {
        match callee {
            Value::Closure(closure) => self.call_closure(closure, base, count, result, then, entry),
            Value::Native(id) if id == libs::CALL => self.call_spread(host, base, count, result, then, entry),
            Value::Native(id) => {
                let native = libs::native::<N>(id).ok_or(Raised)?;
                let outer = self.scratch.replace(base + count);
                let value = native(self, host, Args { base, count });
                self.scratch = outer;
                let value = match then {
                    Then::Construct(instance) => value.map(|_| Value::Instance(instance)),
                    _ => value,
                }?;
                self.set_slot(result, value)
            }
            Value::Host(id) => self.call_host(host, id.0, base, count, result),
            Value::Iterator(id) => match self.iterate(id)? {
                Some(value) => self.set_slot(result, value),
                None => self.raise(names::STOP_ITERATION, ""),
            },
            Value::Class(class) => self.construct(host, class, base, count, result, entry),
            Value::Type(kind) => {
                let outer = self.scratch.replace(base + count);
                let value = libs::construct(self, host, kind, Args { base, count });
                self.scratch = outer;
                self.set_slot(result, value?)
            }
            Value::Instance(_) | Value::Super(_) => match self.find_method(callee, names::CALL_OPERATOR)? {
                Some((method, receiver)) => {
                    let first = base.checked_sub(1).ok_or(Raised)?;
                    self.set_slot(first, receiver)?;
                    self.call_value(host, method, first, count + 1, result, then, entry)
                }
                None => self.type_error(&["'", callee.type_name(), "' value is not callable"]),
            },
            other => self.type_error(&["'", other.type_name(), "' value is not callable"]),
        }
    }

    pub(crate) fn call_closure(
        &mut self,
        closure: ClosureId,
        base: usize,
        count: usize,
        result: usize,
        then: Then,
        entry: bool,
    ) -> Result<()> {
        let proto_id = self.heap.closures.get(closure)?.proto;
        let proto = self.heap.protos.get(proto_id)?;
        let parameters = usize::from(proto.parameters);
        let registers = usize::from(proto.registers);
        let variadic = proto.variadic;
        if self.frames.len() >= usize::from(self.limits.calls) {
            return self.raise(names::RUNTIME_ERROR, "stack overflow: too many calls wait for each other");
        }
        self.ensure_stack(base + registers.max(count) + OPERATOR_SLOTS)?;
        self.heap.budget.reserve(&mut self.frames, 1)?;
        let mut filled = count;
        if variadic {
            let fixed = parameters.saturating_sub(1);
            let rest = self.stack.get(base + fixed.min(count)..base + count).unwrap_or_default();
            let list = self.heap.list(rest.len())?;
            self.heap.budget.extend(self.heap.lists.get_mut(list)?, rest)?;
            for place in count..fixed {
                self.set_slot(base + place, Value::Nil)?;
            }
            self.set_slot(base + fixed, Value::List(list))?;
            filled = fixed + 1;
        }
        if let Some(rest) = self.stack.get_mut(base + filled.min(parameters)..base + registers) {
            rest.fill(Value::Nil);
        }
        let narrow = |value: usize| u32::try_from(value).map_err(|_| Raised);
        if let Some(caller) = self.frames.last_mut() {
            caller.pc = narrow(self.pc)?;
        }
        let frame = Frame {
            proto: proto_id,
            closure,
            pc: 0,
            base: narrow(base)?,
            result: narrow(result)?,
            then,
            entry,
        };
        Budget::push_reserved(&mut self.frames, frame)?;
        self.pc = 0;
        self.base = base;
        self.proto = proto_id;
        Ok(())
    }

    /// `call(function, arguments…)`: a list at the end stands for its elements.
    fn call_spread(
        &mut self,
        host: &mut dyn Host<N>,
        base: usize,
        count: usize,
        result: usize,
        then: Then,
        entry: bool,
    ) -> Result<()> {
        let args = Args { base, count };
        let callee = self.arg(args, 0);
        if !callee.is_function() && !matches!(callee, Value::Class(_) | Value::Type(_)) {
            return self.raise(names::VALUE_ERROR, "first argument must be a function");
        }
        if matches!(callee, Value::Native(id) if id == libs::CALL) {
            return self.raise(names::VALUE_ERROR, "call cannot call itself");
        }
        let mut total = count - 1;
        if let (Value::List(list), true) = (self.arg(args, count - 1), count > 1) {
            let length = self.heap.lists.get(list)?.len();
            self.spend(length)?;
            self.ensure_stack(base + count + length + OPERATOR_SLOTS)?;
            for at in 0..length {
                let value = self.heap.lists.get(list)?.get(at).copied().unwrap_or_default();
                self.set_slot(base + count - 1 + at, value)?;
            }
            total = count - 2 + length;
        }
        self.call_value(host, callee, base + 1, total, result, then, entry)
    }

    fn call_host(
        &mut self,
        host: &mut dyn Host<N>,
        id: u32,
        base: usize,
        count: usize,
        result: usize,
    ) -> Result<()> {
        let id = u16::try_from(id).map_err(|_| Raised)?;
        let answer = host.call(id, &mut Call { vm: self, base, count });
        match answer {
            Ok(Answer::Suspend) if self.reentry > 0 => {
                self.raise(names::RUNTIME_ERROR, "a script cannot wait inside of this call")
            }
            Ok(Answer::Suspend) => {
                self.set_slot(result, Value::Nil)?;
                Err(self.suspend(result))
            }
            Ok(answer) => {
                // The call has had its effects: it must not be repeated for want of memory.
                let value = self.answer_value(&answer).or_else(|raised| {
                    if self.heap.budget.reason() != Reason::Memory {
                        return Err(raised);
                    }
                    self.collect();
                    self.answer_value(&answer).map_err(|_| self.raised(Reason::Internal))
                })?;
                self.set_slot(result, value)
            }
            Err(error) => {
                let exception = self.heap.intern(error.exception.as_bytes())?;
                self.raise_parts(exception, &[error.message.as_bytes()])
            }
        }
    }

    pub(crate) fn answer_value(&mut self, answer: &Answer) -> Result<Value<N>> {
        Ok(match answer {
            Answer::Nil | Answer::Suspend => Value::Nil,
            &Answer::Bool(bool) => Value::bool(bool),
            &Answer::Int(int) => Value::int(int),
            &Answer::Real(real) => Value::real(real),
            Answer::Text(text) => {
                self.spend(text.len() / 8)?;
                self.heap.string(text)?
            }
            Answer::List(answers) => {
                self.spend(answers.len())?;
                let list = self.heap.list(answers.len())?;
                for answer in answers {
                    let value = match answer {
                        Answer::List(_) => Value::Nil,
                        other => self.answer_value(other)?,
                    };
                    self.heap.list_push(list, value)?;
                }
                Value::List(list)
            }
        })
    }

    fn construct(
        &mut self,
        host: &mut dyn Host<N>,
        class_id: ClassId,
        base: usize,
        count: usize,
        result: usize,
        entry: bool,
    ) -> Result<()> {
        let class = self.heap.classes.get(class_id)?;
        let fields = usize::from(class.inherited_fields) + usize::from(class.own_fields);
        let root = class.root;
        self.heap.instances.reserve(&mut self.heap.budget)?;
        let base_object = match root {
            Some(kind) => self.empty_object(kind)?,
            None => Value::Undefined,
        };
        let fields = self.heap.budget.fill(fields, Value::Nil)?;
        let instance = Instance { class: class_id, base: base_object, fields };
        let id = self.heap.instances.insert(&mut self.heap.budget, instance)?;
        let instance = Value::Instance(id);
        match self.find_method(instance, names::INIT)? {
            Some((init, receiver)) => {
                let first = base.checked_sub(1).ok_or(Raised)?;
                self.set_slot(first, receiver)?;
                self.call_value(host, init, first, count + 1, result, Then::Construct(id), entry)
            }
            None => self.set_slot(result, instance),
        }
    }

    pub(crate) fn empty_object(&mut self, kind: Type) -> Result<Value<N>> {
        Ok(match kind {
            Type::List => Value::List(self.heap.list(0)?),
            Type::Map => Value::Map(self.heap.map()?),
            Type::Bytes => Value::Bytes(self.heap.new_bytes(b"")?),
            Type::Range => self.new_range(0, 0, 1)?,
        })
    }

    /// Ends the running frame. Returns the result if the loop was entered with it.
    pub(crate) fn return_value(
        &mut self,
        host: &mut dyn Host<N>,
        value: Value<N>,
    ) -> Result<Option<Value<N>>> {
        let Some(&frame) = self.frames.last() else { return Err(Raised) };
        let result = frame.result as usize;
        if frame.then == Then::Import {
            self.heap.budget.reserve(&mut self.modules, 1)?;
        }
        if !self.open_cells.is_empty() {
            self.close_cells_from(frame.base as usize);
        }
        self.frames.pop();
        let depth = self.frames.len();
        while self.handlers.last().is_some_and(|handler| handler.frame as usize >= depth) {
            self.handlers.pop();
        }
        self.restore()?;
        let mut value = value;
        match frame.then {
            Then::Store => {}
            Then::Construct(instance) => value = Value::Instance(instance),
            Then::Import => {
                if self.imported(host, value, result, frame.entry)? {
                    return Ok(None);
                }
            }
            Then::ImportInit => {
                if let Some((name, module)) = self.imports.pop() {
                    // `init` may put something else in the place of its module.
                    let kept = if value.is_nil() { module } else { value };
                    self.cache_module(name, kept)?;
                }
            }
        }
        if frame.entry {
            return Ok(Some(value));
        }
        self.set_slot(result, value)?;
        Ok(None)
    }

    // Natives call scripts.

    /// Calls a value from within a native, and waits for its result.
    pub(crate) fn call_nested(
        &mut self,
        host: &mut dyn Host<N>,
        callee: Value<N>,
        arguments: &[Value<N>],
    ) -> Result<Value<N>> {
        if self.reentry >= self.limits.reentry {
            return self.raise(names::RUNTIME_ERROR, "natives and scripts call each other too deeply");
        }
        let place = self.top();
        self.ensure_stack(place + arguments.len() + 1 + OPERATOR_SLOTS)?;
        self.set_slot(place, callee)?;
        for (at, &argument) in arguments.iter().enumerate() {
            self.set_slot(place + 1 + at, argument)?;
        }
        let floor = self.frames.len();
        let (pc, base, proto, scratch) = (self.pc, self.base, self.proto, self.scratch);
        if let Some(frame) = self.frames.last_mut() {
            frame.pc = u32::try_from(pc).map_err(|_| Raised)?;
        }
        self.scratch = Some(place + arguments.len() + 1);
        self.reentry += 1;
        let called = self.call_value(host, callee, place + 1, arguments.len(), place, Then::Store, true);
        let outcome = match called {
            Ok(()) if self.frames.len() > floor => self.run(host, floor),
            Ok(()) => self.slot(place),
            Err(raised) => Err(raised),
        };
        self.reentry -= 1;
        (self.pc, self.base, self.proto, self.scratch) = (pc, base, proto, scratch);
        outcome
    }

    /// Calls a method by its name, if the object has it, in a frame of its own: the result comes to `result`.
    pub(crate) fn call_method(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        name: StrId,
        arguments: &[Value<N>],
        result: usize,
    ) -> Result<bool> {
        let Some((method, receiver)) = self.find_method(object, name)? else { return Ok(false) };
        let place = match self.scratch {
            Some(scratch) => scratch,
            None => self.base + self.registers()?,
        };
        self.ensure_stack(place + arguments.len() + 2 + OPERATOR_SLOTS)?;
        self.set_slot(place, method)?;
        let mut at = place + 1;
        if !matches!(receiver, Value::Undefined) {
            self.set_slot(at, receiver)?;
            at += 1;
        }
        for &argument in arguments {
            self.set_slot(at, argument)?;
            at += 1;
        }
        self.call_value(host, method, place + 1, at - place - 1, result, Then::Store, false)?;
        Ok(true)
    }

    /// The same from within a native: waits for the result.
    pub(crate) fn call_method_nested(
        &mut self,
        host: &mut dyn Host<N>,
        object: Value<N>,
        name: StrId,
        arguments: &[Value<N>],
    ) -> Result<Option<Value<N>>> {
        let Some((method, receiver)) = self.find_method(object, name)? else { return Ok(None) };
        let mut all = [Value::Nil; 4];
        let mut count = 0;
        let receiver = (!matches!(receiver, Value::Undefined)).then_some(receiver);
        for (slot, value) in all.iter_mut().zip(receiver.into_iter().chain(arguments.iter().copied())) {
            *slot = value;
            count += 1;
        }
        self.call_nested(host, method, all.get(..count).unwrap_or_default()).map(Some)
    }

    // Modules.

    pub(crate) fn import_module(&mut self, host: &mut dyn Host<N>, name: StrId, result: usize) -> Result<()> {
        if let Some(&(_, module)) = self.modules.iter().find(|&&(known, _)| known == name) {
            return self.set_slot(result, module);
        }
        if let Some(library) = Library::named(name) {
            if library == Library::Strict {
                self.strict = true;
            }
            return self.set_slot(result, Value::Library(library));
        }
        let mut path = Vec::new();
        append_bounded(&mut path, self.heap.text(name)?, 200);
        let source = core::str::from_utf8(&path).ok().and_then(|path| host.module(path));
        let Some(source) = source else {
            let import_error = self.heap.intern(b"import_error")?;
            return self.raise_parts(import_error, &[b"module '", &path, b"' not found"]);
        };
        self.heap.budget.reserve(&mut self.imports, 1)?;
        append_bounded(&mut path, b".be", 210);
        let closure = self.compile_to_closure(host, &path, &source, Scope::Local)?;
        let place = match self.scratch {
            Some(scratch) => scratch,
            None => self.base + self.registers()?,
        };
        self.ensure_stack(place + 2)?;
        self.set_slot(place, Value::Closure(closure))?;
        self.call_closure(closure, place + 1, 0, result, Then::Import, false)?;
        self.heap.budget.push(&mut self.imports, (name, Value::Nil))
    }

    /// Compiles for a script: a wrong source is an exception.
    pub(crate) fn compile_to_closure(
        &mut self,
        host: &dyn Host<N>,
        name: &[u8],
        source: &[u8],
        scope: Scope,
    ) -> Result<ClosureId> {
        self.spend(source.len() / 8)?;
        match self.try_compile(host, name, source, scope) {
            Ok(proto) => self.closure_of(proto),
            Err(Failed::Raised(raised)) => Err(raised),
            Err(Failed::Syntax(error)) => self.raise_parts(names::SYNTAX_ERROR, &[&error.message]),
        }
    }

    /// What an imported source returned. Whether an `init` runs now.
    fn imported(
        &mut self,
        host: &mut dyn Host<N>,
        value: Value<N>,
        result: usize,
        entry: bool,
    ) -> Result<bool> {
        let Some(&(name, _)) = self.imports.last() else { return Err(Raised) };
        if value.is_nil() || matches!(value, Value::Bool(_)) {
            self.imports.pop();
            return Ok(false);
        }
        self.cache_module(name, value)?;
        let init = match value {
            Value::Module(module) => {
                let module = self.heap.modules.get(module)?;
                module.members.iter().find(|&&(member, _)| member == names::INIT).map(|&(_, init)| init)
            }
            _ => None,
        };
        if let Some(init) = init.filter(|init| init.is_function()) {
            if let Some(import) = self.imports.last_mut() {
                import.1 = value;
            }
            let place = match (self.frames.is_empty(), self.scratch) {
                (true, _) => 1,
                (false, Some(scratch)) => scratch,
                (false, None) => self.base + self.registers()?,
            };
            self.ensure_stack(place + 2 + OPERATOR_SLOTS)?;
            self.set_slot(place, init)?;
            self.set_slot(place + 1, value)?;
            if let Value::Closure(init) = init {
                self.call_closure(init, place + 1, 1, result, Then::ImportInit, entry)?;
                return Ok(true);
            }
            self.imports.pop();
            self.call_value(host, init, place + 1, 1, result, Then::Store, entry)?;
            return Ok(true);
        }
        self.imports.pop();
        Ok(false)
    }

    pub(crate) fn cache_module(&mut self, name: StrId, module: Value<N>) -> Result<()> {
        if let Some(known) = self.modules.iter_mut().find(|known| known.0 == name) {
            known.1 = module;
            return Ok(());
        }
        self.heap.budget.push(&mut self.modules, (name, module))
    }

    /// Forgets an imported module: the next `import` reads its source again.
    pub fn forget_module(&mut self, module: &str) {
        let heap = &self.heap;
        self.modules.retain(|&(name, _)| heap.text(name).is_ok_and(|text| text != module.as_bytes()));
    }

    // Members of classes, while they are made.

    pub(crate) fn add_member(&mut self, class: Value<N>, op: Op, name: StrId, value: Value<N>) -> Result<()> {
        let Value::Class(id) = class else { return Err(Raised) };
        let class = self.heap.classes.get_mut(id)?;
        let known = class.members.iter().position(|&(known, _)| known == name);
        let member = match op {
            Op::ClassField => match known.and_then(|place| class.members.get(place)) {
                Some((_, field @ Member::Field(_))) => *field,
                _ => Member::Field(class.own_fields),
            },
            Op::ClassMethod => Member::Method(value),
            _ => Member::Static(value),
        };
        match known.and_then(|place| class.members.get_mut(place)) {
            Some(entry) => entry.1 = member,
            None => self.heap.budget.push(&mut class.members, (name, member))?,
        }
        if let Member::Field(place) = member
            && place == class.own_fields
        {
            class.own_fields = match class.own_fields.checked_add(1) {
                Some(fields) => fields,
                None => return Err(self.raised(Reason::Memory)),
            };
        }
        Ok(())
    }
}
