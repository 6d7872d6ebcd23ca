//! The collector: mark and sweep, nothing moves.
//!
//! What waits to be marked stands on a small stack. Where that overflows, an object stays grey, and another pass over
//! the slabs finds it: no depth and no breadth of objects needs memory here.

use crate::heap::Heap;
use crate::limits::{IDLE_SLOTS, MARK_STACK};
use crate::memory::Budget;
use crate::numbers::Numbers;
use crate::objects::{Cell, Member, Parent, Small};
use crate::slab::{Colour, Key, Slab, StrId};
use crate::value::Value;
use crate::vm::{OPERATOR_SLOTS, Then, Vm};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Str,
    List,
    Map,
    Small,
    Closure,
    Class,
    Instance,
    Module,
    Proto,
    Cell,
}

/// Kinds that refer to others.
const BRANCHES: [Kind; 9] = [
    Kind::List,
    Kind::Map,
    Kind::Small,
    Kind::Closure,
    Kind::Class,
    Kind::Instance,
    Kind::Module,
    Kind::Proto,
    Kind::Cell,
];

/// Objects that are reached, and not yet what they refer to.
#[derive(Debug)]
pub(crate) struct Marker {
    waiting: [(Kind, u32); MARK_STACK],
    count: usize,
    overflowed: bool,
}

impl Marker {
    pub(crate) const fn new() -> Self {
        Marker { waiting: [(Kind::Str, 0); MARK_STACK], count: 0, overflowed: false }
    }

    fn reach<K: Key, T>(&mut self, slab: &mut Slab<K, T>, kind: Kind, place: u32) {
        if slab.colour(place) != Colour::White {
            return;
        }
        slab.paint(place, Colour::Grey);
        match self.waiting.get_mut(self.count) {
            Some(slot) => {
                *slot = (kind, place);
                self.count += 1;
            }
            None => self.overflowed = true,
        }
    }
}

impl<N: Numbers> Heap<N> {
    pub(crate) fn mark_str(&mut self, id: StrId) {
        if !id.is_fixed() {
            self.strings.paint(id.index(), Colour::Black);
        }
    }

    pub(crate) fn mark(&mut self, marker: &mut Marker, value: Value<N>) {
        match value {
            Value::Str(id) => self.mark_str(id),
            Value::Bytes(id) => self.bytes.paint(id.index(), Colour::Black),
            Value::List(id) => marker.reach(&mut self.lists, Kind::List, id.index()),
            Value::Map(id) => marker.reach(&mut self.maps, Kind::Map, id.index()),
            Value::Range(id) | Value::Iterator(id) | Value::Super(id) => {
                marker.reach(&mut self.smalls, Kind::Small, id.index());
            }
            Value::Closure(id) => marker.reach(&mut self.closures, Kind::Closure, id.index()),
            Value::Class(id) => marker.reach(&mut self.classes, Kind::Class, id.index()),
            Value::Instance(id) => marker.reach(&mut self.instances, Kind::Instance, id.index()),
            Value::Module(id) => marker.reach(&mut self.modules, Kind::Module, id.index()),
            Value::Undefined
            | Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Real(_)
            | Value::Native(_)
            | Value::Host(_)
            | Value::Type(_)
            | Value::Library(_) => {}
        }
    }

    pub(crate) fn mark_proto(&mut self, marker: &mut Marker, id: crate::slab::ProtoId) {
        marker.reach(&mut self.protos, Kind::Proto, id.index());
    }

    pub(crate) fn mark_cell(&mut self, marker: &mut Marker, id: crate::slab::CellId) {
        marker.reach(&mut self.cells, Kind::Cell, id.index());
    }

    /// Marks what everything reached refers to.
    pub(crate) fn mark_rest(&mut self, marker: &mut Marker) {
        self.drain(marker);
        while core::mem::take(&mut marker.overflowed) {
            for kind in BRANCHES {
                for place in 0..self.end_of(kind) {
                    if self.colour_of(kind, place) == Colour::Grey {
                        self.scan(marker, kind, place);
                        self.drain(marker);
                    }
                }
            }
        }
    }

    fn drain(&mut self, marker: &mut Marker) {
        while let Some(count) = marker.count.checked_sub(1) {
            marker.count = count;
            if let Some(&(kind, place)) = marker.waiting.get(count) {
                self.scan(marker, kind, place);
            }
        }
    }

    fn end_of(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Str => self.strings.end(),
            Kind::List => self.lists.end(),
            Kind::Map => self.maps.end(),
            Kind::Small => self.smalls.end(),
            Kind::Closure => self.closures.end(),
            Kind::Class => self.classes.end(),
            Kind::Instance => self.instances.end(),
            Kind::Module => self.modules.end(),
            Kind::Proto => self.protos.end(),
            Kind::Cell => self.cells.end(),
        }
    }

    fn colour_of(&self, kind: Kind, place: u32) -> Colour {
        match kind {
            Kind::Str => self.strings.colour(place),
            Kind::List => self.lists.colour(place),
            Kind::Map => self.maps.colour(place),
            Kind::Small => self.smalls.colour(place),
            Kind::Closure => self.closures.colour(place),
            Kind::Class => self.classes.colour(place),
            Kind::Instance => self.instances.colour(place),
            Kind::Module => self.modules.colour(place),
            Kind::Proto => self.protos.colour(place),
            Kind::Cell => self.cells.colour(place),
        }
    }

    /// Reaches what one object refers to. An object is taken out element by element: nothing is borrowed meanwhile.
    fn scan(&mut self, marker: &mut Marker, kind: Kind, place: u32) {
        match kind {
            Kind::Str => {}
            Kind::List => {
                let mut at = 0;
                while let Some(&value) = self.lists.get(Key::new(place)).ok().and_then(|list| list.get(at)) {
                    self.mark(marker, value);
                    at += 1;
                }
                self.lists.paint(place, Colour::Black);
            }
            Kind::Map => {
                let mut at = 0;
                while let Some(&(key, value)) =
                    self.maps.get(Key::new(place)).ok().and_then(|map| map.entries.get(at))
                {
                    self.mark(marker, key);
                    self.mark(marker, value);
                    at += 1;
                }
                self.maps.paint(place, Colour::Black);
            }
            Kind::Small => {
                match self.smalls.get(Key::new(place)) {
                    Ok(&Small::Iterator { over, .. }) => self.mark(marker, over),
                    Ok(&Small::Super { instance, class }) => {
                        self.mark(marker, Value::Instance(instance));
                        self.mark_parent(marker, class);
                    }
                    Ok(Small::Range(_)) | Err(_) => {}
                }
                self.smalls.paint(place, Colour::Black);
            }
            Kind::Closure => {
                if let Ok(proto) = self.closures.get(Key::new(place)).map(|closure| closure.proto) {
                    self.mark_proto(marker, proto);
                }
                let mut at = 0;
                while let Some(&cell) =
                    self.closures.get(Key::new(place)).ok().and_then(|closure| closure.cells.get(at))
                {
                    self.mark_cell(marker, cell);
                    at += 1;
                }
                self.closures.paint(place, Colour::Black);
            }
            Kind::Class => self.scan_class(marker, place),
            Kind::Instance => {
                if let Ok((class, base)) =
                    self.instances.get(Key::new(place)).map(|instance| (instance.class, instance.base))
                {
                    self.mark(marker, Value::Class(class));
                    self.mark(marker, base);
                }
                let mut at = 0;
                while let Some(&value) =
                    self.instances.get(Key::new(place)).ok().and_then(|instance| instance.fields.get(at))
                {
                    self.mark(marker, value);
                    at += 1;
                }
                self.instances.paint(place, Colour::Black);
            }
            Kind::Module => {
                if let Ok(name) = self.modules.get(Key::new(place)).map(|module| module.name) {
                    self.mark_str(name);
                }
                let mut at = 0;
                while let Some(&(name, value)) =
                    self.modules.get(Key::new(place)).ok().and_then(|module| module.members.get(at))
                {
                    self.mark_str(name);
                    self.mark(marker, value);
                    at += 1;
                }
                self.modules.paint(place, Colour::Black);
            }
            Kind::Proto => self.scan_proto(marker, place),
            Kind::Cell => {
                if let Ok(&Cell::Closed(value)) = self.cells.get(Key::new(place)) {
                    self.mark(marker, value);
                }
                self.cells.paint(place, Colour::Black);
            }
        }
    }

    fn mark_parent(&mut self, marker: &mut Marker, parent: Parent) {
        if let Parent::Class(class) = parent {
            self.mark(marker, Value::Class(class));
        }
    }

    fn scan_class(&mut self, marker: &mut Marker, place: u32) {
        if let Ok((name, parent)) = self.classes.get(Key::new(place)).map(|class| (class.name, class.parent))
        {
            self.mark_str(name);
            self.mark_parent(marker, parent);
        }
        let mut at = 0;
        while let Some(&(name, member)) =
            self.classes.get(Key::new(place)).ok().and_then(|class| class.members.get(at))
        {
            self.mark_str(name);
            if let Member::Method(value) | Member::Static(value) = member {
                self.mark(marker, value);
            }
            at += 1;
        }
        self.classes.paint(place, Colour::Black);
    }

    fn scan_proto(&mut self, marker: &mut Marker, place: u32) {
        if let Ok((name, source)) = self.protos.get(Key::new(place)).map(|proto| (proto.name, proto.source)) {
            self.mark_str(name);
            self.mark_str(source);
        }
        let mut at = 0;
        while let Some(&value) =
            self.protos.get(Key::new(place)).ok().and_then(|proto| proto.constants.get(at))
        {
            self.mark(marker, value);
            at += 1;
        }
        at = 0;
        while let Some(inner) = self.protos.get(Key::new(place)).ok().and_then(|proto| proto.proto(at)) {
            self.mark_proto(marker, inner);
            at += 1;
        }
        self.protos.paint(place, Colour::Black);
    }

    /// Frees what was not reached. Returns how many objects were looked at.
    pub(crate) fn sweep(&mut self) -> u32 {
        let strings = &self.strings;
        self.interned.retain(|id| strings.colour(id.index()) != Colour::White);
        let names = self.interned.len();
        if names == 0 || self.interned.capacity() > names + names / 4 + 4 {
            self.budget.shrink(&mut self.interned, names);
        }
        let budget = &mut self.budget;
        let seen = self.strings.sweep(budget, |budget, string| budget.release_block(string.bytes))
            + self.lists.sweep(budget, Budget::release)
            + self.maps.sweep(budget, |budget, map| {
                budget.release(map.entries);
                budget.release(map.index);
            })
            + self.smalls.sweep(budget, |_, _| ())
            + self.bytes.sweep(budget, |budget, bytes| budget.release(bytes.data))
            + self.closures.sweep(budget, |budget, closure| budget.release_block(closure.cells))
            + self.classes.sweep(budget, |budget, class| budget.release(class.members))
            + self.instances.sweep(budget, |budget, instance| budget.release_block(instance.fields))
            + self.modules.sweep(budget, |budget, module| budget.release(module.members))
            + self.protos.sweep(budget, |budget, proto| proto.release(budget))
            + self.cells.sweep(budget, |_, _| ());
        budget.plan_collection();
        seen
    }

    /// How many objects there are.
    pub(crate) fn objects(&self) -> u32 {
        self.strings.live()
            + self.lists.live()
            + self.maps.live()
            + self.smalls.live()
            + self.bytes.live()
            + self.closures.live()
            + self.classes.live()
            + self.instances.live()
            + self.modules.live()
            + self.protos.live()
            + self.cells.live()
    }
}

impl<N: Numbers> Vm<N> {
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
}
