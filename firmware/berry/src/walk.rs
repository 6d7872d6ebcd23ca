//! What loops walk over, and what closures and classes are made of.

use crate::host::Host;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::{Capture, Cell, Closure, Parent, Small};
use crate::raised::Raised;
use crate::slab::{CellId, ClosureId, Key as _};
use crate::value::Value;
use crate::vm::{Then, Vm};

type Result<T> = core::result::Result<T, Raised>;

impl<N: Numbers> Vm<N> {
    /// Puts an iterator where what it walks over stood. The room for the handler is there.
    pub(crate) fn prepare_loop(&mut self, host: &mut dyn Host<N>, a: usize, instruction: u32) -> Result<()> {
        let over = self.register(a)?;
        let next = match over {
            Value::Range(range) => match self.heap.smalls.get(range)? {
                Small::Range(range) => Some(range.lower.wide()),
                _ => return Err(Raised),
            },
            Value::List(_) | Value::Map(_) | Value::Bytes(_) => Some(0),
            _ => None,
        };
        if let Some(next) = next {
            let iterator = self.heap.small(Small::Iterator { over, next, keys: false })?;
            self.open_handler(a + 1, instruction, true)?;
            return self.set_register(a, Value::Iterator(iterator));
        }
        if over.is_function() {
            return self.open_handler(a + 1, instruction, true);
        }
        if matches!(over, Value::Instance(_) | Value::Super(_)) {
            let handlers = self.handlers.len();
            self.open_handler(a + 1, instruction, true)?;
            let called = self.call_method(host, over, names::ITER, &[], self.base + a);
            if !matches!(called, Ok(true)) {
                self.handlers.truncate(handlers);
            }
            if called? {
                return Ok(());
            }
        }
        self.type_error(&["'", over.type_name(), "' value is not callable"])
    }

    pub(crate) fn next_element(&mut self, host: &mut dyn Host<N>, a: usize, instruction: u32) -> Result<()> {
        let iterator = self.register(a)?;
        let Value::Iterator(id) = iterator else {
            let place = self.base + self.registers()?;
            self.set_slot(place, iterator)?;
            return self.call_value(host, iterator, place + 1, 0, self.base + a + 1, Then::Store, false);
        };
        match self.iterate(id)? {
            Some(value) => self.set_register(a + 1, value),
            None => {
                self.handlers.pop();
                self.branch(instruction)
            }
        }
    }

    /// The next element of what the machine itself can walk over.
    pub(crate) fn iterate(&mut self, id: crate::slab::SmallId) -> Result<Option<Value<N>>> {
        let &Small::Iterator { over, next, keys } = self.heap.smalls.get(id)? else {
            return Err(Raised);
        };
        let place = usize::try_from(next).unwrap_or(usize::MAX);
        let (value, after) = match over {
            Value::List(list) => (self.heap.lists.get(list)?.get(place).copied(), next + 1),
            Value::Map(map) => match self.heap.maps.get(map)?.entry_from(place) {
                Some((place, key, value)) => {
                    (Some(if keys { key } else { value }), i64::try_from(place).unwrap_or(i64::MAX - 1) + 1)
                }
                None => (None, next),
            },
            Value::Bytes(bytes) => (
                self.heap.bytes.get(bytes)?.data.get(place).map(|&byte| Value::int(i64::from(byte))),
                next + 1,
            ),
            Value::Range(range) => {
                let Small::Range(range) = self.heap.smalls.get(range)? else { return Err(Raised) };
                let (upper, step) = (range.upper.wide(), range.step.wide());
                let inside = if step > 0 { next <= upper } else { next >= upper };
                // A range that ends at the last integer would begin anew.
                let after = next
                    .checked_add(step)
                    .filter(|&after| after >= N::Int::MIN.wide() && after <= N::Int::MAX.wide());
                match after {
                    Some(after) => (inside.then(|| Value::int(next)), after),
                    None => {
                        let end = Small::Iterator { over: Value::Nil, next: 0, keys };
                        *self.heap.smalls.get_mut(id)? = end;
                        return Ok(inside.then(|| Value::int(next)));
                    }
                }
            }
            _ => (None, next),
        };
        if let Small::Iterator { next, .. } = self.heap.smalls.get_mut(id)? {
            *next = after;
        }
        Ok(value)
    }

    // Closures.

    pub(crate) fn registers(&self) -> Result<usize> {
        let proto = self.heap.protos.get(self.proto)?;
        Ok(usize::from(proto.registers))
    }

    fn running_closure(&self) -> Result<ClosureId> {
        self.frames.last().map(|frame| frame.closure).ok_or(Raised)
    }

    pub(crate) fn cell(&self, place: u32) -> Result<CellId> {
        let closure = self.heap.closures.get(self.running_closure()?)?;
        closure.cells.get(place as usize).copied().ok_or(Raised)
    }

    pub(crate) fn make_closure(&mut self, a: usize, place: u32) -> Result<()> {
        let outer = self.heap.protos.get(self.proto)?;
        let proto = outer.proto(place as usize).ok_or(Raised)?;
        let count = self.heap.protos.get(proto)?.captures().len();
        self.heap.closures.reserve(&mut self.heap.budget)?;
        let mut cells = self.heap.budget.fill(count, CellId::new(0))?;
        for (at, slot) in cells.iter_mut().enumerate() {
            match self.capture(proto, at) {
                Ok(cell) => *slot = cell,
                Err(raised) => {
                    self.heap.budget.release_block(cells);
                    return Err(raised);
                }
            }
        }
        let closure = self.heap.closures.insert(&mut self.heap.budget, Closure { proto, cells })?;
        self.set_register(a, Value::Closure(closure))
    }

    fn capture(&mut self, proto: crate::slab::ProtoId, at: usize) -> Result<CellId> {
        let capture = self.heap.protos.get(proto)?.captures().get(at).copied();
        match Capture::from_word(capture.ok_or(Raised)?) {
            Capture { local: false, place } => self.cell(u32::from(place)),
            Capture { local: true, place } => {
                let place = u32::try_from(self.base + usize::from(place)).map_err(|_| Raised)?;
                self.open_cell(place)
            }
        }
    }

    /// The cell of a slot of the stack; there is one for each at most.
    fn open_cell(&mut self, place: u32) -> Result<CellId> {
        let mut at = self.open_cells.len();
        while let Some(&cell) = at.checked_sub(1).and_then(|before| self.open_cells.get(before)) {
            match *self.heap.cells.get(cell)? {
                Cell::Open(other) if other == place => return Ok(cell),
                Cell::Open(other) if other < place => break,
                _ => at -= 1,
            }
        }
        self.heap.budget.reserve(&mut self.open_cells, 1)?;
        let cell = self.heap.cells.insert(&mut self.heap.budget, Cell::Open(place))?;
        self.heap.budget.insert(&mut self.open_cells, at, cell)?;
        Ok(cell)
    }

    /// The variables from a slot on leave the stack.
    pub(crate) fn close_cells_from(&mut self, first: usize) {
        while let Some(&id) = self.open_cells.last() {
            let Ok(cell) = self.heap.cells.get_mut(id) else { break };
            if let Cell::Open(place) = *cell {
                if (place as usize) < first {
                    break;
                }
                *cell = Cell::Closed(self.stack.get(place as usize).copied().unwrap_or_default());
            }
            self.open_cells.pop();
        }
    }

    // Classes.

    pub(crate) fn inherit(&mut self, class: Value<N>, parent: Value<N>) -> Result<()> {
        let Value::Class(class) = class else { return Err(Raised) };
        let (parent, fields, root) = match parent {
            Value::Class(id) => {
                let above = self.heap.classes.get(id)?;
                (Parent::Class(id), above.inherited_fields.saturating_add(above.own_fields), above.root)
            }
            Value::Type(kind) => (Parent::Type(kind), 0, Some(kind)),
            other => {
                return self.type_error(&["value '", other.type_name(), "' does not support inheritance"]);
            }
        };
        let class = self.heap.classes.get_mut(class)?;
        class.parent = parent;
        class.inherited_fields = fields;
        class.root = root;
        Ok(())
    }
}
