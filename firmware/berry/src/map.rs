//! Maps: entries in the order of insertion, with an index when there are many.

use hashbrown::HashTable;

use crate::heap::Heap;
use crate::limits::LINEAR_MAP;
use crate::numbers::Numbers;
use crate::objects::Map;
use crate::raised::Raised;
use crate::slab::MapId;
use crate::value::Value;

type Result<T> = core::result::Result<T, Raised>;

impl<N: Numbers> Map<N> {
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

impl<N: Numbers> Heap<N> {
    fn map_place(&self, map: &Map<N>, key: Value<N>) -> Option<usize> {
        let same = |place: usize| map.entries.get(place).is_some_and(|&(other, _)| self.same_key(other, key));
        if map.index.is_empty() {
            return (0..map.entries.len()).find(|&place| same(place));
        }
        let hash = u64::from(self.hash_value(key));
        map.index.find(hash, |&place| same(place as usize)).map(|&place| place as usize)
    }

    pub(crate) fn map_get(&self, id: MapId, key: Value<N>) -> Result<Option<Value<N>>> {
        let map = self.maps.get(id)?;
        Ok(self.map_place(map, key).and_then(|place| map.entries.get(place)).map(|&(_, value)| value))
    }

    pub(crate) fn map_set(&mut self, id: MapId, key: Value<N>, value: Value<N>) -> Result<()> {
        let found = self.map_place(self.maps.get(id)?, key);
        if let Some(place) = found {
            if let Some(entry) = self.maps.get_mut(id)?.entries.get_mut(place) {
                entry.1 = value;
            }
            return Ok(());
        }
        let map = self.maps.get(id)?;
        if map.entries.len() == map.entries.capacity() && map.holes as usize > map.entries.len() / 2 {
            self.map_compact(id)?;
        }
        // Taken out meanwhile, so that its keys can be looked at.
        let mut map = self.take_map(id)?;
        let added = self.map_append(&mut map, key, value);
        *self.maps.get_mut(id)? = map;
        added
    }

    fn take_map(&mut self, id: MapId) -> Result<Map<N>> {
        let empty = Map { entries: alloc::vec::Vec::new(), index: HashTable::new(), holes: 0 };
        Ok(core::mem::replace(self.maps.get_mut(id)?, empty))
    }

    #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
    fn map_append(&mut self, map: &mut Map<N>, key: Value<N>, value: Value<N>) -> Result<()> {
        self.budget.reserve(&mut map.entries, 1)?;
        let place = map.entries.len() as u32;
        if map.index.is_empty() && map.entries.len() < LINEAR_MAP {
            return self.budget.push(&mut map.entries, (key, value));
        }
        let was_empty = map.index.is_empty();
        self.budget.push(&mut map.entries, (key, value))?;
        let entries = core::mem::take(&mut map.entries);
        let mut budget = core::mem::replace(&mut self.budget, crate::memory::Budget::new(0));
        let hasher =
            |&place: &u32| u64::from(entries.get(place as usize).map_or(0, |&(key, _)| self.hash_value(key)));
        let first = if was_empty { 0 } else { place };
        let mut outcome = Ok(());
        for place in first..=place {
            let hole = matches!(entries.get(place as usize), Some((Value::Undefined, _)) | None);
            if !hole {
                outcome = budget.insert_entry(&mut map.index, place, hasher);
            }
            if outcome.is_err() {
                break;
            }
        }
        self.budget = budget;
        map.entries = entries;
        if outcome.is_err() {
            map.entries.pop();
            if was_empty {
                self.budget.release_table(core::mem::take(&mut map.index));
            }
        }
        outcome
    }

    /// The value that was there.
    pub(crate) fn map_remove(&mut self, id: MapId, key: Value<N>) -> Result<Option<Value<N>>> {
        let map = self.maps.get(id)?;
        let Some(place) = self.map_place(map, key) else { return Ok(None) };
        let hash = u64::from(self.hash_value(key));
        let map = self.maps.get_mut(id)?;
        if let Ok(entry) = map.index.find_entry(hash, |&other| other as usize == place) {
            entry.remove();
        }
        let removed =
            map.entries.get_mut(place).map(|entry| core::mem::replace(entry, (Value::Undefined, Value::Nil)));
        map.holes += 1;
        if map.len() == 0 || (map.index.is_empty() && map.entries.len() > LINEAR_MAP) {
            // The index is gone with its last entry: the rest is holes.
            map.entries.retain(|(key, _)| !matches!(key, Value::Undefined));
            map.holes = 0;
        }
        while matches!(map.entries.last(), Some((Value::Undefined, _))) {
            map.entries.pop();
            map.holes = map.holes.saturating_sub(1);
        }
        Ok(removed.map(|(_, value)| value))
    }

    /// Takes the holes out, instead of growing. A walk that is under way and inserts may skip entries.
    #[expect(clippy::cast_possible_truncation, reason = "entries are counted in 32 bits")]
    fn map_compact(&mut self, id: MapId) -> Result<()> {
        let mut map = self.take_map(id)?;
        map.entries.retain(|(key, _)| !matches!(key, Value::Undefined));
        map.holes = 0;
        if !map.index.is_empty() {
            map.index.clear();
            let mut budget = core::mem::replace(&mut self.budget, crate::memory::Budget::new(0));
            let entries = &map.entries;
            let hasher = |&place: &u32| {
                u64::from(entries.get(place as usize).map_or(0, |&(key, _)| self.hash_value(key)))
            };
            let mut outcome = Ok(());
            for place in 0..map.entries.len() as u32 {
                // The table had more entries before: it has the room.
                outcome = outcome.and(budget.insert_entry(&mut map.index, place, hasher));
            }
            self.budget = budget;
            outcome?;
        }
        *self.maps.get_mut(id)? = map;
        Ok(())
    }

    pub(crate) fn map_clear(&mut self, id: MapId) -> Result<()> {
        let map = self.take_map(id)?;
        self.budget.release(map.entries);
        self.budget.release_table(map.index);
        Ok(())
    }
}
