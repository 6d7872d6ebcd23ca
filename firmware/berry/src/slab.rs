//! Objects of one kind, at places that do not change, with their colours for the collector.

use alloc::vec::Vec;
use core::marker::PhantomData;

use crate::memory::Budget;
use crate::raised::{Raised, Reason};

impl StrId {
    /// The string at a place.
    pub(crate) const fn at(index: u32) -> Self {
        StrId(index)
    }
}

impl ProtoId {
    /// There is no function at this place.
    pub(crate) const NONE: Self = ProtoId(u32::MAX);
}

/// The place of an object.
pub(crate) trait Key: Copy {
    fn new(index: u32) -> Self;
    fn index(self) -> u32;
}

macro_rules! keys {
    ($($(#[$doc:meta])* $visibility:vis $name:ident),* $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
            $visibility struct $name(u32);


            impl Key for $name {
                fn new(index: u32) -> Self {
                    $name(index)
                }

                fn index(self) -> u32 {
                    self.0
                }
            }
        )*
    };
}

keys! {
    /// Place of a string; the upper half are the texts of `names.rs`.
    pub StrId,
    /// Place of a list.
    pub ListId,
    /// Place of a map.
    pub MapId,
    /// Place of a range, an iterator or a view of a superclass.
    pub SmallId,
    /// Place of a byte buffer.
    pub BytesId,
    /// Place of a closure.
    pub ClosureId,
    /// Place of a class.
    pub ClassId,
    /// Place of an instance.
    pub InstanceId,
    /// Place of a module.
    pub ModuleId,
    /// Place of a compiled function.
    pub(crate) ProtoId,
    /// Place of a captured variable.
    pub(crate) CellId,
}

/// Whether the collector has reached an object, and what it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    White,
    Grey,
    Black,
}

#[derive(Debug)]
enum Entry<T> {
    Vacant { next: u32 },
    Live { colour: Colour, value: T },
}

const NONE: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Slab<K, T> {
    entries: Vec<Entry<T>>,
    vacant: u32,
    live: u32,
    key: PhantomData<K>,
}

impl<K: Key, T> Slab<K, T> {
    pub(crate) const fn new() -> Self {
        Slab { entries: Vec::new(), vacant: NONE, live: 0, key: PhantomData }
    }

    pub(crate) const fn live(&self) -> u32 {
        self.live
    }

    #[expect(clippy::cast_possible_truncation, reason = "a heap has less than 2^31 objects")]
    pub(crate) fn end(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Makes sure that the next insertion succeeds.
    pub(crate) fn reserve(&mut self, budget: &mut Budget) -> Result<(), Raised> {
        if self.vacant != NONE || self.entries.len() < self.entries.capacity() {
            return Ok(());
        }
        if self.entries.len() >= (u32::MAX >> 1) as usize {
            return Err(budget.raised(Reason::Memory));
        }
        // Slack of an eighth: there are many slabs.
        let length = self.entries.len();
        let generous = budget.reserve_exact(&mut self.entries, length + length / 8 + 2);
        generous.or_else(|_| budget.reserve_exact(&mut self.entries, length + 1))
    }

    pub(crate) fn insert(&mut self, budget: &mut Budget, value: T) -> Result<K, Raised> {
        self.reserve(budget)?;
        self.insert_reserved(value)
    }

    /// After [`Slab::reserve`].
    #[inline]
    pub(crate) fn insert_reserved(&mut self, value: T) -> Result<K, Raised> {
        let entry = Entry::Live { colour: Colour::White, value };
        let place = self.vacant;
        match self.entries.get_mut(place as usize) {
            Some(slot) => {
                // Nothing is dropped here: the place is vacant.
                let Entry::Vacant { next } = *slot else { return Err(Raised) };
                self.vacant = next;
                *slot = entry;
                self.live += 1;
                Ok(K::new(place))
            }
            None => {
                let place = self.end();
                Budget::push_reserved(&mut self.entries, entry)?;
                self.live += 1;
                Ok(K::new(place))
            }
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Result<&T, Raised> {
        match self.entries.get(key.index() as usize) {
            Some(Entry::Live { value, .. }) => Ok(value),
            _ => Err(Raised),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Result<&mut T, Raised> {
        match self.entries.get_mut(key.index() as usize) {
            Some(Entry::Live { value, .. }) => Ok(value),
            _ => Err(Raised),
        }
    }

    /// A colour that is not there is black: there is nothing to do.
    pub(crate) fn colour(&self, place: u32) -> Colour {
        match self.entries.get(place as usize) {
            Some(Entry::Live { colour, .. }) => *colour,
            _ => Colour::Black,
        }
    }

    pub(crate) fn paint(&mut self, place: u32, new: Colour) {
        if let Some(Entry::Live { colour, .. }) = self.entries.get_mut(place as usize) {
            *colour = new;
        }
    }

    /// Frees what was not reached, and makes the rest white again. The lowest vacant place is taken next, so that those
    /// at the end can be given back.
    pub(crate) fn sweep(&mut self, budget: &mut Budget, release: fn(&mut Budget, T)) -> u32 {
        let seen = self.end();
        self.vacant = NONE;
        let mut place = seen;
        // From the end on: what is vacant there is dropped.
        while let Some(before) = place.checked_sub(1)
            && let Some(slot) = self.entries.get_mut(before as usize)
        {
            place = before;
            if let Entry::Live { colour, .. } = slot
                && *colour != Colour::White
            {
                *colour = Colour::White;
                continue;
            }
            if let Entry::Live { value, .. } = core::mem::replace(slot, Entry::Vacant { next: self.vacant }) {
                release(budget, value);
                self.live = self.live.saturating_sub(1);
            }
            if place + 1 == self.end() {
                self.entries.pop();
            } else {
                self.vacant = place;
            }
        }
        let length = self.entries.len();
        if length == 0 || self.entries.capacity() > length + length / 4 + SLACK {
            budget.shrink(&mut self.entries, length + length / 8);
        }
        seen
    }
}

/// Vacant places that are not worth a move of all others.
const SLACK: usize = 4;
