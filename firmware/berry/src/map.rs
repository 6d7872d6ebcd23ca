//! Maps: entries in the order of insertion, with an index when there are many.
//!
//! The index has open addresses, a power of two of them, and each holds the place of an entry. What it points to is
//! compared by its key, so an entry that was removed needs no mark there, and a table for this one purpose is less code
//! than a general one.

use alloc::vec::Vec;

use crate::heap::Heap;
use crate::limits::LINEAR_MAP;
use crate::memory::Budget;
use crate::numbers::Numbers;
use crate::objects::Map;
use crate::raised::Raised;
use crate::slab::MapId;
use crate::value::Value;

type Result<T> = core::result::Result<T, Raised>;

impl<N: Numbers> Map<N> {
    pub(crate) const fn new() -> Self {
        Map { entries: Vec::new(), index: Vec::new(), holes: 0 }
    }

    #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
    pub(crate) fn len(&self) -> usize {
        (self.entries.len() as u32).saturating_sub(self.holes) as usize
    }

    /// The first entry at or after a place, and that place.
    pub(crate) fn entry_from(&self, place: usize) -> Option<(usize, Value<N>, Value<N>)> {
        let rest = self.entries.get(place..)?;
        let found = rest.iter().position(|(key, _)| !matches!(key, Value::Undefined))?;
        rest.get(found).map(|&(key, value)| (place + found, key, value))
    }
}

/// A slot of an index without an entry.
const VACANT: u32 = u32::MAX;

impl<N: Numbers> Heap<N> {
    /// Where the entry of a key stands.
    fn map_place(&self, map: &Map<N>, key: Value<N>) -> Option<usize> {
        let same = |place: usize| map.entries.get(place).is_some_and(|&(other, _)| self.same_key(other, key));
        if map.index.is_empty() {
            return (0..map.entries.len()).find(|&place| same(place));
        }
        let mut at = self.hash_value(key) as usize;
        loop {
            // There is always a vacant slot.
            match map.index.get(at & (map.index.len() - 1)) {
                Some(&VACANT) | None => return None,
                Some(&place) if same(place as usize) => return Some(place as usize),
                Some(_) => at += 1,
            }
        }
    }

    pub(crate) fn map_get(&self, id: MapId, key: Value<N>) -> Result<Option<Value<N>>> {
        let map = self.maps.get(id)?;
        Ok(self.map_place(map, key).and_then(|place| map.entries.get(place)).map(|&(_, value)| value))
    }

    pub(crate) fn map_set(&mut self, id: MapId, key: Value<N>, value: Value<N>) -> Result<()> {
        let found = self.map_place(self.maps.get(id)?, key);
        let map = self.maps.get_mut(id)?;
        if let Some(entry) = found.and_then(|place| map.entries.get_mut(place)) {
            entry.1 = value;
            return Ok(());
        }
        if map.entries.len() == map.entries.capacity() && map.holes as usize > map.entries.len() / 2 {
            self.map_compact(id)?;
        }
        let map = self.maps.get_mut(id)?;
        self.budget.reserve(&mut map.entries, 1)?;
        let count = map.entries.len() + 1;
        if count > LINEAR_MAP && count * 4 > map.index.len() * 3 {
            let slots = (count + count / 3).next_power_of_two();
            self.budget.resize(&mut map.index, slots, VACANT)?;
            self.map_index(id, 0)?;
        }
        let map = self.maps.get_mut(id)?;
        Budget::push_reserved(&mut map.entries, (key, value))?;
        self.map_index(id, count - 1)
    }

    /// Enters what stands from a place on into the index, if there is one; from 0 on, the index is made anew.
    #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
    fn map_index(&mut self, id: MapId, first: usize) -> Result<()> {
        let map = self.maps.get_mut(id)?;
        if first == 0 {
            map.index.fill(VACANT);
        }
        let mut place = first;
        while let Some(&(key, _)) = self.maps.get(id)?.entries.get(place) {
            let mut at = self.hash_value(key) as usize;
            let index = &mut self.maps.get_mut(id)?.index;
            let mask = index.len().wrapping_sub(1);
            while index.get(at & mask).is_some_and(|&slot| slot != VACANT) {
                at += 1;
            }
            if let Some(slot) = index.get_mut(at & mask) {
                *slot = place as u32;
            }
            place += 1;
        }
        Ok(())
    }

    /// The value that was there. The index goes on pointing to the hole, which is found by nobody.
    pub(crate) fn map_remove(&mut self, id: MapId, key: Value<N>) -> Result<Option<Value<N>>> {
        let Some(place) = self.map_place(self.maps.get(id)?, key) else { return Ok(None) };
        let map = self.maps.get_mut(id)?;
        let Some(entry) = map.entries.get_mut(place) else { return Err(Raised) };
        let (_, value) = core::mem::replace(entry, (Value::Undefined, Value::Nil));
        map.holes += 1;
        if map.len() == 0 {
            map.index.clear();
        }
        // Places that an index points to must not be taken by others.
        while map.index.is_empty() && matches!(map.entries.last(), Some((Value::Undefined, _))) {
            map.entries.pop();
            map.holes = map.holes.saturating_sub(1);
        }
        Ok(Some(value))
    }

    /// Takes the holes out, instead of growing. A walk that is under way and inserts may skip entries.
    fn map_compact(&mut self, id: MapId) -> Result<()> {
        let map = self.maps.get_mut(id)?;
        map.entries.retain(|(key, _)| !matches!(key, Value::Undefined));
        map.holes = 0;
        self.map_index(id, 0)
    }

    pub(crate) fn map_clear(&mut self, id: MapId) -> Result<()> {
        let map = core::mem::replace(self.maps.get_mut(id)?, Map::new());
        self.budget.release(map.entries);
        self.budget.release(map.index);
        Ok(())
    }
}
