//! How many of something each user holds.

use alloc::vec::Vec;

use crate::memory::{Memory, OutOfMemory, Purpose, push_reserved};

#[derive(Debug)]
struct Held {
    owner: u16,
    count: u32,
}

/// A count for each owner of a [`Share`](crate::limits::Share) who holds anything: as many as there are users at most.
#[derive(Debug)]
pub(crate) struct Holdings(Vec<Held>);

impl Holdings {
    pub(crate) const fn new() -> Self {
        Holdings(Vec::new())
    }

    /// How many an owner holds.
    pub(crate) fn of(&self, owner: u16) -> usize {
        let held = self.0.iter().find(|held| held.owner == owner);
        held.map_or(0, |held| usize::try_from(held.count).unwrap_or(usize::MAX))
    }

    /// Makes room for the count of an owner.
    pub(crate) fn reserve(&mut self, memory: &mut Memory, owner: u16) -> Result<(), OutOfMemory> {
        if self.0.iter().any(|held| held.owner == owner) {
            return Ok(());
        }
        memory.reserve(&mut self.0, 1, Purpose::Keeping)
    }

    /// One more for an owner; there is room, see [`Holdings::reserve`].
    pub(crate) fn add(&mut self, owner: u16) {
        match self.0.iter_mut().find(|held| held.owner == owner) {
            Some(held) => held.count = held.count.saturating_add(1),
            None => push_reserved(&mut self.0, Held { owner, count: 1 }),
        }
    }

    /// One less for an owner.
    pub(crate) fn remove(&mut self, owner: u16) {
        let Some(place) = self.0.iter().position(|held| held.owner == owner) else { return };
        let held = &mut self.0[place];
        held.count = held.count.saturating_sub(1);
        if held.count == 0 {
            self.0.swap_remove(place);
        }
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        memory.shrink(&mut self.0);
    }
}
