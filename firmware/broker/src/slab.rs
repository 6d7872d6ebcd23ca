//! Storage with stable small handles: four bytes instead of a pointer, growth inside the budget.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use crate::memory::{Memory, OutOfMemory, Purpose, push_reserved};

/// Names an element of a [`Slab`]; an optional one takes four bytes as well.
pub(crate) struct Handle<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Handle<T> {
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok()?.checked_add(1)?;
        Some(Handle(NonZeroU32::new(number)?, PhantomData))
    }

    pub(crate) const fn index(self) -> usize {
        (self.0.get() - 1) as usize
    }

    pub(crate) const fn number(self) -> u32 {
        self.0.get()
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> PartialEq for Handle<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Handle<T> {}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.index())
    }
}

#[derive(Debug)]
enum Entry<T> {
    Live(T),
    Vacant { next: Option<NonZeroU32> },
}

/// Elements behind handles. Vacant places are used again, the last vacated first.
///
/// A handle is valid until its element is removed; using it later is a mistake in this crate and panics or, worse,
/// meets another element. The lists and counts that hold handles see to it.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    vacant: Option<NonZeroU32>,
    live: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Slab { entries: Vec::new(), vacant: None, live: 0 }
    }

    /// Elements.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// One more than the largest index in use.
    pub(crate) const fn end(&self) -> usize {
        self.entries.len()
    }

    /// Makes sure that the next `additional` insertions succeed.
    pub(crate) fn reserve(
        &mut self,
        memory: &mut Memory,
        additional: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        let vacant = self.entries.len() - self.live;
        memory.reserve(&mut self.entries, additional.saturating_sub(vacant), purpose)
    }

    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        value: T,
        purpose: Purpose,
    ) -> Result<Handle<T>, OutOfMemory> {
        if let Some(number) = self.vacant {
            let handle = Handle(number, PhantomData);
            let entry = &mut self.entries[handle.index()];
            let Entry::Vacant { next } = *entry else {
                unreachable!("a live entry in the list of vacant ones")
            };
            self.vacant = next;
            *entry = Entry::Live(value);
            self.live += 1;
            return Ok(handle);
        }
        let handle = Handle::from_index(self.entries.len()).ok_or(OutOfMemory)?;
        memory.reserve(&mut self.entries, 1, purpose)?;
        push_reserved(&mut self.entries, Entry::Live(value));
        self.live += 1;
        Ok(handle)
    }

    pub(crate) fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        let entry = self.entries.get_mut(handle.index())?;
        if matches!(entry, Entry::Vacant { .. }) {
            return None;
        }
        let entry = core::mem::replace(entry, Entry::Vacant { next: self.vacant });
        self.vacant = Some(handle.0);
        self.live -= 1;
        match entry {
            Entry::Live(value) => Some(value),
            Entry::Vacant { .. } => None,
        }
    }

    /// Gives the storage back if nothing is in it.
    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        if self.live == 0 {
            memory.release(core::mem::take(&mut self.entries));
            self.vacant = None;
        }
    }

    #[inline]
    pub(crate) fn get(&self, handle: Handle<T>) -> Option<&T> {
        match self.entries.get(handle.index()) {
            Some(Entry::Live(value)) => Some(value),
            _ => None,
        }
    }

    /// The handle of a live element.
    pub(crate) fn handle_at(&self, index: usize) -> Option<Handle<T>> {
        let handle = Handle::from_index(index)?;
        self.get(handle).map(|_| handle)
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle<T>> {
        (0..self.end()).filter_map(|index| self.handle_at(index))
    }
}

impl<T> Index<Handle<T>> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, handle: Handle<T>) -> &T {
        match &self.entries[handle.index()] {
            Entry::Live(value) => value,
            Entry::Vacant { .. } => unreachable!("handle of a removed element"),
        }
    }
}

impl<T> IndexMut<Handle<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, handle: Handle<T>) -> &mut T {
        match &mut self.entries[handle.index()] {
            Entry::Live(value) => value,
            Entry::Vacant { .. } => unreachable!("handle of a removed element"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vacant_places_are_used_again_and_reservations_hold() {
        let mut memory = Memory::new(1000);
        let mut slab = Slab::new();
        let first = slab.insert(&mut memory, 1, Purpose::Session).unwrap();
        let second = slab.insert(&mut memory, 2, Purpose::Session).unwrap();
        assert_eq!(slab.remove(first), Some(1));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.insert(&mut memory, 3, Purpose::Session).unwrap(), first);
        assert_eq!((slab[first], slab[second]), (3, 2));
        slab.reserve(&mut memory, 5, Purpose::Session).unwrap();
        let used = memory.used();
        for value in 0..5 {
            slab.insert(&mut memory, value, Purpose::Session).unwrap();
        }
        assert_eq!(memory.used(), used);
        for handle in [0, 1, 2, 3, 4, 5, 6].map(|index| Handle::from_index(index).unwrap()) {
            slab.remove(handle);
        }
        slab.trim(&mut memory);
        assert_eq!(memory.used(), 0);
    }
}
