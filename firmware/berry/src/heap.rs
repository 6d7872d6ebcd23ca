//! All objects of a machine.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::memory::Budget;
use crate::names;
use crate::numbers::{Integer as _, Numbers};
use crate::objects::{Bytes, Cell, Class, Closure, Instance, Map, Module, Proto, Small, Str};
use crate::raised::Raised;
use crate::slab::{
    BytesId, CellId, ClassId, ClosureId, InstanceId, Key as _, ListId, MapId, ModuleId, ProtoId, Slab,
    SmallId, StrId,
};
use crate::value::Value;

type Result<T> = core::result::Result<T, Raised>;

#[derive(Debug)]
pub(crate) struct Heap<N: Numbers> {
    pub(crate) budget: Budget,
    pub(crate) strings: Slab<StrId, Str>,
    pub(crate) lists: Slab<ListId, Vec<Value<N>>>,
    pub(crate) maps: Slab<MapId, Map<N>>,
    pub(crate) smalls: Slab<SmallId, Small<N>>,
    pub(crate) bytes: Slab<BytesId, Bytes>,
    pub(crate) closures: Slab<ClosureId, Closure>,
    pub(crate) classes: Slab<ClassId, Class<N>>,
    pub(crate) instances: Slab<InstanceId, Instance<N>>,
    pub(crate) modules: Slab<ModuleId, Module<N>>,
    pub(crate) protos: Slab<ProtoId, Proto<N>>,
    pub(crate) cells: Slab<CellId, Cell<N>>,
    /// The strings that compiled names share, in the order of their bytes.
    pub(crate) interned: Vec<StrId>,
    pub(crate) seed: u32,
}

impl<N: Numbers> Heap<N> {
    pub(crate) fn new(limit: usize, seed: u32) -> Self {
        Heap {
            budget: Budget::new(limit),
            strings: Slab::new(),
            lists: Slab::new(),
            maps: Slab::new(),
            smalls: Slab::new(),
            bytes: Slab::new(),
            closures: Slab::new(),
            classes: Slab::new(),
            instances: Slab::new(),
            modules: Slab::new(),
            protos: Slab::new(),
            cells: Slab::new(),
            interned: Vec::new(),
            seed,
        }
    }

    /// Spreads bytes over 32 bits; others cannot foresee collisions without the seed.
    pub(crate) fn hash_bytes(&self, bytes: &[u8]) -> u32 {
        let spread = |hash: u32, &byte: &u8| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193).rotate_left(5) ^ self.seed
        };
        mix(bytes.iter().fold(self.seed ^ 0x9e37_79b9, spread))
    }

    /// The bytes of a string.
    #[inline]
    pub(crate) fn text(&self, string: StrId) -> Result<&[u8]> {
        match string.text() {
            Some(text) => Ok(text.as_bytes()),
            None => self.strings.get(string).map(|string| &*string.bytes),
        }
    }

    fn hash_of(&self, string: StrId) -> u32 {
        match string.text() {
            Some(text) => self.hash_bytes(text.as_bytes()),
            None => self.strings.get(string).map_or(0, |string| self.hash_bytes(&string.bytes)),
        }
    }

    /// A new string.
    pub(crate) fn string(&mut self, bytes: &[u8]) -> Result<Value<N>> {
        if bytes.is_empty() {
            return Ok(Value::Str(names::EMPTY));
        }
        let copy = self.budget.copy(bytes)?;
        self.add_string(copy).map(Value::Str)
    }

    /// A new string of two others in a row, and its length.
    pub(crate) fn joined(&mut self, first: StrId, second: StrId) -> Result<(Value<N>, usize)> {
        let strings = &self.strings;
        let bytes = |id: StrId| match id.text() {
            Some(text) => Ok(text.as_bytes()),
            None => strings.get(id).map(|string| &*string.bytes),
        };
        let both = self.budget.join(bytes(first)?, bytes(second)?)?;
        let length = both.len();
        Ok((Value::Str(self.add_string(both)?), length))
    }

    fn add_string(&mut self, bytes: Box<[u8]>) -> Result<StrId> {
        if let Err(raised) = self.strings.reserve(&mut self.budget) {
            self.budget.release_block(bytes);
            return Err(raised);
        }
        self.strings.insert_reserved(Str { bytes, interned: false })
    }

    /// The one string with this text that names are compared with.
    pub(crate) fn intern(&mut self, bytes: &[u8]) -> Result<StrId> {
        if let Some(found) = names::find(bytes) {
            return Ok(found);
        }
        match self.find_interned(bytes) {
            Ok(found) => Ok(found),
            Err(place) => {
                self.budget.reserve(&mut self.interned, 1)?;
                let copy = self.budget.copy(bytes)?;
                let id = self.add_string(copy)?;
                self.make_interned(id, place)
            }
        }
    }

    /// The name with the text of any string.
    pub(crate) fn intern_string(&mut self, id: StrId) -> Result<StrId> {
        if id.is_fixed() {
            return Ok(id);
        }
        let string = self.strings.get(id)?;
        if string.interned {
            return Ok(id);
        }
        if let Some(found) = names::find(&string.bytes) {
            return Ok(found);
        }
        match self.find_interned(&string.bytes) {
            Ok(found) => Ok(found),
            Err(place) => self.make_interned(id, place),
        }
    }

    fn make_interned(&mut self, id: StrId, place: usize) -> Result<StrId> {
        self.budget.insert(&mut self.interned, place, id)?;
        self.strings.get_mut(id)?.interned = true;
        Ok(id)
    }

    /// The name with this text, or the place where it belongs.
    fn find_interned(&self, bytes: &[u8]) -> core::result::Result<StrId, usize> {
        let text = |id: &StrId| self.strings.get(*id).map_or(b"".as_slice(), |string| &string.bytes);
        let place = self.interned.binary_search_by(|id| text(id).cmp(bytes))?;
        self.interned.get(place).copied().ok_or(place)
    }

    pub(crate) fn same_text(&self, a: StrId, b: StrId) -> Result<bool> {
        Ok(a == b || self.text(a)? == self.text(b)?)
    }

    pub(crate) fn list(&mut self, capacity: usize) -> Result<ListId> {
        self.lists.reserve(&mut self.budget)?;
        let mut list = Vec::new();
        self.budget.reserve_exact(&mut list, capacity)?;
        self.lists.insert(&mut self.budget, list)
    }

    pub(crate) fn list_push(&mut self, id: ListId, value: Value<N>) -> Result<()> {
        self.budget.push(self.lists.get_mut(id)?, value)
    }

    pub(crate) fn small(&mut self, small: Small<N>) -> Result<SmallId> {
        self.smalls.insert(&mut self.budget, small)
    }

    pub(crate) fn new_bytes(&mut self, data: &[u8]) -> Result<BytesId> {
        self.bytes.reserve(&mut self.budget)?;
        let mut copy = Vec::new();
        self.budget.reserve_exact(&mut copy, data.len())?;
        self.budget.extend(&mut copy, data)?;
        self.bytes.insert(&mut self.budget, Bytes { data: copy, fixed: false })
    }

    pub(crate) fn map(&mut self) -> Result<MapId> {
        self.maps.insert(&mut self.budget, Map::new())
    }

    pub(crate) fn module(&mut self, name: StrId) -> Result<ModuleId> {
        self.modules.insert(&mut self.budget, Module { name, members: Vec::new() })
    }

    /// A hash that is equal for equal keys.
    pub(crate) fn hash_value(&self, value: Value<N>) -> u32 {
        let number = |tag: u32, bits: u64| mix(self.seed ^ tag ^ fold(bits));
        match value {
            Value::Undefined | Value::Nil => self.seed,
            Value::Bool(flag) => number(1, u64::from(flag.get())),
            Value::Int(int) => number(2, int.bits()),
            Value::Real(real) => number(3, crate::numbers::Real::bits(real)),
            Value::Str(id) => self.hash_of(id),
            Value::List(id) => number(4, u64::from(id.index())),
            Value::Map(id) => number(5, u64::from(id.index())),
            Value::Range(id) | Value::Iterator(id) | Value::Super(id) => number(6, u64::from(id.index())),
            Value::Bytes(id) => number(7, u64::from(id.index())),
            Value::Closure(id) => number(8, u64::from(id.index())),
            Value::Class(id) => number(9, u64::from(id.index())),
            Value::Instance(id) => number(10, u64::from(id.index())),
            Value::Module(id) => number(11, u64::from(id.index())),
            Value::Native(id) => number(12, u64::from(id.0)),
            Value::Host(id) => number(13, u64::from(id.0)),
            Value::Type(id) => number(14, u64::from(id as u32)),
            Value::Library(id) => number(15, u64::from(id as u32)),
        }
    }

    /// Whether two keys are the same: strings by their text, objects by identity.
    pub(crate) fn same_key(&self, a: Value<N>, b: Value<N>) -> bool {
        match (a, b) {
            (Value::Str(a), Value::Str(b)) => self.same_text(a, b).unwrap_or(false),
            _ => a.same(b),
        }
    }
}

const fn mix(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[expect(clippy::cast_possible_truncation, reason = "both halves go in")]
const fn fold(bits: u64) -> u32 {
    bits as u32 ^ (bits >> 32) as u32
}
