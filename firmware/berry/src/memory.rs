//! The heap budget, and the only place that allocates.
//!
//! Every growth is charged before it happens and may be refused, by the budget or by the allocator.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place where the infallible forms stand, behind a reservation"
)]

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::limits::{BLOCK_OVERHEAD_BYTES, FIRST_COLLECTION_BYTES, MIN_ELEMENTS};
use crate::raised::{Raised, Reason};

/// Bytes held and the most that may be.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: usize,
    peak: usize,
    /// Where the next collection is due.
    threshold: usize,
    /// Of the last [`Raised`].
    reason: Reason,
}

impl Budget {
    pub(crate) const fn new(limit: usize) -> Self {
        Budget { limit, used: 0, peak: 0, threshold: FIRST_COLLECTION_BYTES, reason: Reason::Internal }
    }

    /// Notes why the work ends.
    #[cold]
    pub(crate) fn raised(&mut self, reason: Reason) -> Raised {
        self.reason = reason;
        Raised
    }

    #[cold]
    fn refuse<T>(&mut self) -> Result<T, Raised> {
        Err(self.raised(Reason::Memory))
    }

    /// Why the work ended; [`Reason::Internal`] where nobody noted one.
    pub(crate) const fn reason(&self) -> Reason {
        self.reason
    }

    /// What was noted has been dealt with.
    pub(crate) fn forget_reason(&mut self) {
        self.reason = Reason::Internal;
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }

    pub(crate) const fn collection_is_due(&self) -> bool {
        self.used > self.threshold
    }

    /// After a collection: the next one when half as much again has been taken.
    pub(crate) fn plan_collection(&mut self) {
        self.threshold = self.used.saturating_add((self.used / 2).max(FIRST_COLLECTION_BYTES));
    }

    #[cfg(test)]
    pub(crate) fn collect_always(&mut self) {
        self.threshold = 0;
    }

    /// Whether a block may grow. Sizes are passed and not types: one function is enough for all of them.
    fn fits(&self, size: usize, before: usize, after: usize) -> bool {
        let more = block_bytes(size, after).saturating_sub(block_bytes(size, before));
        self.used.checked_add(more).is_some_and(|used| used <= self.limit)
    }

    /// Charges what a block has become.
    fn settle(&mut self, size: usize, before: usize, after: usize) {
        self.used =
            self.used.saturating_sub(block_bytes(size, before)).saturating_add(block_bytes(size, after));
        self.peak = self.peak.max(self.used);
    }

    pub(crate) fn discharge(&mut self, size: usize, elements: usize) {
        let bytes = block_bytes(size, elements);
        debug_assert!(bytes <= self.used, "more memory given back than was taken");
        self.used = self.used.saturating_sub(bytes);
    }

    /// Makes the capacity at least `capacity`.
    pub(crate) fn reserve_exact<T>(&mut self, list: &mut Vec<T>, capacity: usize) -> Result<(), Raised> {
        let before = list.capacity();
        if capacity <= before {
            return Ok(());
        }
        if !self.fits(size_of::<T>(), before, capacity)
            || list.try_reserve_exact(capacity.saturating_sub(list.len())).is_err()
        {
            return self.refuse();
        }
        self.settle(size_of::<T>(), before, list.capacity());
        Ok(())
    }

    /// Makes room for `additional` elements, and some more where the budget allows it.
    pub(crate) fn reserve<T>(&mut self, list: &mut Vec<T>, additional: usize) -> Result<(), Raised> {
        let needed = list.len().saturating_add(additional);
        if needed <= list.capacity() {
            return Ok(());
        }
        let capacity = self.generous(size_of::<T>(), list.capacity(), needed);
        self.reserve_exact(list, capacity)
    }

    /// A capacity for some more growth, where the budget allows it.
    fn generous(&self, size: usize, before: usize, needed: usize) -> usize {
        let generous = needed.max(before + before / 2).max(MIN_ELEMENTS);
        if self.fits(size, before, generous) { generous } else { needed }
    }

    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, value: T) -> Result<(), Raised> {
        if list.len() == list.capacity() {
            self.reserve(list, 1)?;
        }
        Self::push_reserved(list, value)
    }

    /// Adds an element for which there is room, or none.
    #[inline]
    pub(crate) fn push_reserved<T>(list: &mut Vec<T>, value: T) -> Result<(), Raised> {
        // The compiler sees that the list does not grow, and drops what grows it.
        if list.len() == list.capacity() {
            return Err(Raised);
        }
        list.push(value);
        Ok(())
    }

    pub(crate) fn insert<T: Copy>(&mut self, list: &mut Vec<T>, at: usize, value: T) -> Result<(), Raised> {
        self.push(list, value)?;
        let last = list.len() - 1;
        if at < last {
            list.copy_within(at..last, at + 1);
            if let Some(slot) = list.get_mut(at) {
                *slot = value;
            }
        }
        Ok(())
    }

    pub(crate) fn extend<T: Copy>(&mut self, list: &mut Vec<T>, values: &[T]) -> Result<(), Raised> {
        self.reserve(list, values.len())?;
        append_reserved(list, values)
    }

    /// A longer list is cut, a shorter one filled up.
    pub(crate) fn resize<T: Copy>(
        &mut self,
        list: &mut Vec<T>,
        length: usize,
        filler: T,
    ) -> Result<(), Raised> {
        self.reserve(list, length.saturating_sub(list.len()))?;
        list.resize(length, filler);
        Ok(())
    }

    /// A copy without slack.
    pub(crate) fn copy<T: Copy>(&mut self, values: &[T]) -> Result<Box<[T]>, Raised> {
        let mut list = self.room(values.len())?;
        append_reserved(&mut list, values)?;
        Ok(self.block(list))
    }

    /// Two texts in one block.
    pub(crate) fn join(&mut self, first: &[u8], second: &[u8]) -> Result<Box<[u8]>, Raised> {
        let mut list = self.room(first.len().saturating_add(second.len()))?;
        append_reserved(&mut list, first)?;
        append_reserved(&mut list, second)?;
        Ok(self.block(list))
    }

    /// A block of equal values.
    pub(crate) fn fill<T: Copy>(&mut self, length: usize, value: T) -> Result<Box<[T]>, Raised> {
        let mut list = self.room(length)?;
        list.resize(length, value);
        Ok(self.block(list))
    }

    /// A list that is not charged yet, for so many elements.
    fn room<T>(&mut self, length: usize) -> Result<Vec<T>, Raised> {
        let mut list = Vec::new();
        if !self.fits(size_of::<T>(), 0, length) || list.try_reserve_exact(length).is_err() {
            return self.refuse();
        }
        Ok(list)
    }

    /// Charges what has been made in such room.
    fn block<T>(&mut self, list: Vec<T>) -> Box<[T]> {
        let block = list.into_boxed_slice();
        self.settle(size_of::<T>(), 0, block.len());
        block
    }

    /// Gives a list back.
    pub(crate) fn release<T>(&mut self, list: Vec<T>) {
        self.discharge(size_of::<T>(), list.capacity());
    }

    /// Gives a block back.
    #[expect(clippy::boxed_local, reason = "the block ends here")]
    pub(crate) fn release_block<T>(&mut self, block: Box<[T]>) {
        self.discharge(size_of::<T>(), block.len());
    }

    /// Makes the capacity of a list no more than `capacity`, if a smaller one can be had meanwhile.
    pub(crate) fn shrink<T>(&mut self, list: &mut Vec<T>, capacity: usize) {
        let capacity = capacity.max(list.len());
        if capacity >= list.capacity() {
            return;
        }
        let mut smaller = Vec::new();
        // Not charged before the old one is given back: this must work in a heap that is full.
        if smaller.try_reserve_exact(capacity).is_ok() {
            for value in list.drain(..) {
                // There is room for all of them.
                let _ = Self::push_reserved(&mut smaller, value);
            }
            let before = list.capacity();
            *list = smaller;
            self.settle(size_of::<T>(), before, list.capacity());
        }
    }
}

/// Adds elements for which there is room, or none.
fn append_reserved<T: Copy>(list: &mut Vec<T>, values: &[T]) -> Result<(), Raised> {
    if values.len() > list.capacity().wrapping_sub(list.len()) {
        return Err(Raised);
    }
    list.extend_from_slice(values);
    Ok(())
}

/// Text outside of the budget, for what is told when there is no memory left: cut where it does not fit.
pub(crate) fn append_bounded(text: &mut Vec<u8>, bytes: &[u8], limit: usize) {
    let room = limit.saturating_sub(text.len());
    let part = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
    if text.try_reserve(part.len()).is_ok() {
        text.extend_from_slice(part);
    }
}

const fn block_bytes(size: usize, elements: usize) -> usize {
    match elements.saturating_mul(size) {
        0 => 0,
        bytes => bytes.saturating_add(BLOCK_OVERHEAD_BYTES),
    }
}
