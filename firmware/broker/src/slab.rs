//! Storage with stable small handles: four bytes instead of a pointer, growth inside the budget.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

use crate::limits::SLAB_CHUNK_BYTES;
use crate::memory::{Memory, OutOfMemory, Purpose, push_reserved};

/// Names an element of a [`Slab`]; an optional one takes four bytes as well.
pub(crate) struct Handle<T>(NonZeroU32, PhantomData<fn() -> T>);

impl<T> Handle<T> {
    pub(crate) fn from_index(index: usize) -> Option<Self> {
        let number = u32::try_from(index).ok()?.checked_add(1)?;
        Some(Handle(NonZeroU32::new(number)?, PhantomData))
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(|number| Handle(number, PhantomData))
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

/// A block of elements, and how many of them are live.
#[derive(Debug)]
struct Chunk<T, const CHUNK: usize> {
    entries: Box<[Entry<T>; CHUNK]>,
    live: u32,
}

/// Elements behind handles, in chunks that never move: growth needs no larger block than a chunk, and what has become
/// empty at the end is given back. Vacant places are used again, the last vacated first.
///
/// A handle is valid until its element is removed; using it later is a mistake in this crate and panics or, worse,
/// meets another element. The lists and counts that hold handles see to it.
///
/// `CHUNK` is [`chunk`] of the elements, and stands in the type so that a place in a chunk needs no check.
#[derive(Debug)]
pub(crate) struct Slab<T, const CHUNK: usize> {
    chunks: Vec<Chunk<T, CHUNK>>,
    vacant: Option<NonZeroU32>,
    live: usize,
}

/// Elements in a chunk: a power of two, and about [`SLAB_CHUNK_BYTES`] of them.
pub(crate) const fn chunk<T>() -> usize {
    let elements = SLAB_CHUNK_BYTES / size_of::<Entry<T>>();
    if elements < 2 { 2 } else { 1 << elements.ilog2() }
}

impl<T, const CHUNK: usize> Slab<T, CHUNK> {
    const CHUNK_SHIFT: u32 = {
        assert!(CHUNK == chunk::<T>(), "chunks of another size than their elements need");
        CHUNK.ilog2()
    };

    pub(crate) const fn new() -> Self {
        Slab { chunks: Vec::new(), vacant: None, live: 0 }
    }

    /// Elements.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// More than the largest index in use.
    pub(crate) const fn end(&self) -> usize {
        self.chunks.len() << Self::CHUNK_SHIFT
    }

    /// Makes sure that the next `additional` insertions succeed.
    #[inline]
    pub(crate) fn reserve(
        &mut self,
        memory: &mut Memory,
        additional: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        while self.end() - self.live < additional {
            self.grow(memory, purpose)?;
        }
        Ok(())
    }

    fn grow(&mut self, memory: &mut Memory, purpose: Purpose) -> Result<(), OutOfMemory> {
        let first = self.end();
        // The last index must have a handle.
        Handle::<T>::from_index(first + CHUNK).ok_or(OutOfMemory)?;
        memory.reserve(&mut self.chunks, 1, purpose)?;
        let after = self.vacant;
        let entries = memory.build(CHUNK, purpose, |place| {
            let is_last = place + 1 == CHUNK;
            let next = Handle::<T>::from_index(first + place + 1).map(|next| next.0);
            Entry::Vacant { next: if is_last { after } else { next } }
        })?;
        // It has as many as were asked for.
        let entries = <Box<[Entry<T>; CHUNK]>>::try_from(entries).map_err(|_| OutOfMemory)?;
        push_reserved(&mut self.chunks, Chunk { entries, live: 0 });
        self.vacant = Handle::<T>::from_index(first).map(|first| first.0);
        Ok(())
    }

    /// The handle that the next insertion gives, if there is room for it.
    #[inline]
    pub(crate) fn vacancy(&self) -> Option<Handle<T>> {
        self.vacant.map(|number| Handle(number, PhantomData))
    }

    #[inline]
    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        value: T,
        purpose: Purpose,
    ) -> Result<Handle<T>, OutOfMemory> {
        if self.vacant.is_none() {
            self.grow(memory, purpose)?;
        }
        let handle = Handle(self.vacant.ok_or(OutOfMemory)?, PhantomData);
        let chunk = &mut self.chunks[handle.index() >> Self::CHUNK_SHIFT];
        let entry = &mut chunk.entries[handle.index() & (CHUNK - 1)];
        let Entry::Vacant { next } = *entry else { unreachable!("a live entry in the list of vacant ones") };
        *entry = Entry::Live(value);
        chunk.live += 1;
        self.vacant = next;
        self.live += 1;
        Ok(handle)
    }

    #[inline]
    pub(crate) fn remove(&mut self, handle: Handle<T>) -> Option<T> {
        self.remove_if(handle, |_| true)
    }

    /// Removes an element if it is of no more use once it has been changed.
    #[inline]
    pub(crate) fn remove_if(&mut self, handle: Handle<T>, change: impl FnOnce(&mut T) -> bool) -> Option<T> {
        let chunk = self.chunks.get_mut(handle.index() >> Self::CHUNK_SHIFT)?;
        let entry = chunk.entries.get_mut(handle.index() & (CHUNK - 1))?;
        let Entry::Live(value) = entry else { return None };
        if !change(value) {
            return None;
        }
        let Entry::Live(value) = core::mem::replace(entry, Entry::Vacant { next: self.vacant }) else {
            return None;
        };
        chunk.live -= 1;
        self.vacant = Some(handle.0);
        self.live -= 1;
        Some(value)
    }

    /// Gives the chunks back that are empty, from the end.
    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        if self.chunks.last().is_some_and(|chunk| chunk.live > 0) {
            return;
        }
        while let Some(chunk) = self.chunks.pop_if(|chunk| chunk.live == 0) {
            memory.release_built(chunk.entries);
        }
        // The list of vacant places led through what is gone.
        self.vacant = None;
        for index in (0..self.end()).rev() {
            let entry = &mut self.chunks[index >> Self::CHUNK_SHIFT].entries[index & (CHUNK - 1)];
            if let Entry::Vacant { next } = entry {
                *next = self.vacant;
                self.vacant = Handle::<T>::from_index(index).map(|handle| handle.0);
            }
        }
        memory.shrink(&mut self.chunks);
    }

    #[inline]
    pub(crate) fn get(&self, handle: Handle<T>) -> Option<&T> {
        let chunk = self.chunks.get(handle.index() >> Self::CHUNK_SHIFT)?;
        match chunk.entries.get(handle.index() & (CHUNK - 1)) {
            Some(Entry::Live(value)) => Some(value),
            _ => None,
        }
    }

    /// The handle of a live element.
    #[inline]
    pub(crate) fn handle_at(&self, index: usize) -> Option<Handle<T>> {
        let handle = Handle::from_index(index)?;
        self.get(handle).map(|_| handle)
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle<T>> {
        (0..self.end()).filter_map(|index| self.handle_at(index))
    }
}

impl<T, const CHUNK: usize> Index<Handle<T>> for Slab<T, CHUNK> {
    type Output = T;

    #[inline(always)]
    fn index(&self, handle: Handle<T>) -> &T {
        let chunk = &self.chunks[handle.index() >> Self::CHUNK_SHIFT];
        match &chunk.entries[handle.index() & (CHUNK - 1)] {
            Entry::Live(value) => value,
            Entry::Vacant { .. } => unreachable!("handle of a removed element"),
        }
    }
}

impl<T, const CHUNK: usize> IndexMut<Handle<T>> for Slab<T, CHUNK> {
    #[inline(always)]
    fn index_mut(&mut self, handle: Handle<T>) -> &mut T {
        let chunk = &mut self.chunks[handle.index() >> Self::CHUNK_SHIFT];
        match &mut chunk.entries[handle.index() & (CHUNK - 1)] {
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
        let mut memory = Memory::new(10_000);
        let mut slab = Slab::<u64, { chunk::<u64>() }>::new();
        let first = slab.insert(&mut memory, 1_u64, Purpose::Session).unwrap();
        let second = slab.insert(&mut memory, 2, Purpose::Session).unwrap();
        assert_eq!(slab.remove(first), Some(1));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.insert(&mut memory, 3, Purpose::Session).unwrap(), first);
        assert_eq!((slab[first], slab[second]), (3, 2));
        slab.reserve(&mut memory, 200, Purpose::Session).unwrap();
        let used = memory.used();
        let rest: Vec<_> =
            (0..200).map(|value| slab.insert(&mut memory, value, Purpose::Session).unwrap()).collect();
        assert_eq!(memory.used(), used);
        for handle in rest {
            slab.remove(handle);
        }
        slab.trim(&mut memory);
        assert!(memory.used() < used / 2);
        assert_eq!((slab[first], slab[second]), (3, 2));
        // The places that are left are still there, each once.
        let mut handles: Vec<_> = (0..100)
            .map(|value| slab.insert(&mut memory, value, Purpose::Session).unwrap().index())
            .collect();
        handles.sort_unstable();
        handles.dedup();
        assert_eq!(handles.len(), 100);
        for index in 0..slab.end() {
            slab.remove(Handle::from_index(index).unwrap());
        }
        slab.trim(&mut memory);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn growth_that_is_refused_changes_nothing() {
        for budget in 0..2000 {
            let mut memory = Memory::new(budget);
            let mut slab = Slab::<u64, { chunk::<u64>() }>::new();
            let reserved = slab.reserve(&mut memory, 70, Purpose::Session);
            if reserved.is_ok() {
                (0..70).for_each(|value: u64| {
                    slab.insert(&mut memory, value, Purpose::Session).unwrap();
                });
            }
            for index in 0..slab.end() {
                slab.remove(Handle::from_index(index).unwrap());
            }
            slab.trim(&mut memory);
            assert_eq!(memory.used(), 0, "budget {budget}");
        }
    }
}
