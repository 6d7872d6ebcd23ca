//! The memory budget, and the only place where the broker allocates.
//!
//! Every growth is charged before it happens and may be refused, by the budget or by the allocator. What is short is
//! refused in the order of [`Purpose`]: each kind of growth leaves a part of the budget untouched for those behind it.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place where the infallible forms stand, behind a reservation"
)]

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use hashbrown::HashTable;
use obkmq_mqtt::Sink;

use crate::limits::{
    BLOCK_OVERHEAD_BYTES, RESERVE_FOR_DELIVERY_SHIFT, RESERVE_FOR_QOS_1_SHIFT, RESERVE_FOR_SESSIONS_SHIFT,
};

/// A growth was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("out of memory")]
pub struct OutOfMemory;

/// What memory is wanted for, the first to be refused first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// New connections and sessions, and subscriptions.
    Connection,
    /// What is kept without anybody waiting for it: retained messages, queues of absent clients, log entries.
    Keeping,
    /// Messages of QoS 0.
    Delivery,
    /// Messages of higher QoS and answers of running sessions.
    Session,
}

/// Bytes held and the most that may be.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    used: usize,
    peak: usize,
    /// Something was given back since [`Memory::take_freed`].
    freed: bool,
}

impl Memory {
    pub(crate) const fn new(limit: usize) -> Self {
        Memory { limit, used: 0, peak: 0, freed: false }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.freed = true;
    }

    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    pub(crate) const fn peak(&self) -> usize {
        self.peak
    }

    /// Whether memory came back since the last question.
    pub(crate) const fn take_freed(&mut self) -> bool {
        core::mem::replace(&mut self.freed, false)
    }

    /// Whether a growth for this purpose would be allowed.
    pub(crate) fn permits(&self, bytes: usize, purpose: Purpose) -> bool {
        let reserve = match purpose {
            Purpose::Connection => self.limit >> RESERVE_FOR_SESSIONS_SHIFT,
            Purpose::Keeping => self.limit >> RESERVE_FOR_DELIVERY_SHIFT,
            Purpose::Delivery => self.limit >> RESERVE_FOR_QOS_1_SHIFT,
            Purpose::Session => 0,
        };
        self.used.checked_add(bytes).is_some_and(|used| used <= self.limit - reserve)
    }

    fn charge(&mut self, bytes: usize, purpose: Purpose) -> Result<(), OutOfMemory> {
        if !self.permits(bytes, purpose) {
            return Err(OutOfMemory);
        }
        self.used += bytes;
        self.peak = self.peak.max(self.used);
        Ok(())
    }

    fn discharge(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.used, "more memory given back than was taken");
        self.used = self.used.saturating_sub(bytes);
        self.freed |= bytes > 0;
    }

    /// Charges the difference between two sizes of a container that has already been reallocated.
    fn recharge(&mut self, before: usize, after: usize) {
        if after >= before {
            self.used = self.used.saturating_add(after - before);
            self.peak = self.peak.max(self.used);
        } else {
            self.discharge(before - after);
        }
    }

    /// A copy.
    pub(crate) fn copy(&mut self, bytes: &[u8], purpose: Purpose) -> Result<Box<[u8]>, OutOfMemory> {
        self.write_block(bytes.len(), purpose, |block| block.extend_from_slice(bytes))
    }

    /// A block of exactly `length` bytes, all of which `write` appends with [`extend_reserved`].
    pub(crate) fn write_block(
        &mut self,
        length: usize,
        purpose: Purpose,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Box<[u8]>, OutOfMemory> {
        let mut block = self.block(length, purpose)?;
        write(&mut block);
        debug_assert!(block.len() == length, "a block of another length than announced");
        // What was charged is what comes back, also if there were less of it.
        block.resize(length, 0);
        Ok(block.into_boxed_slice())
    }

    /// A block of equal bytes.
    pub(crate) fn fill(
        &mut self,
        length: usize,
        byte: u8,
        purpose: Purpose,
    ) -> Result<Box<[u8]>, OutOfMemory> {
        let mut block = self.block(length, purpose)?;
        block.resize(length, byte);
        Ok(block.into_boxed_slice())
    }

    fn block(&mut self, length: usize, purpose: Purpose) -> Result<Vec<u8>, OutOfMemory> {
        let bytes = block_bytes::<u8>(length);
        self.charge(bytes, purpose)?;
        let mut block = Vec::new();
        if block.try_reserve_exact(length).is_err() {
            self.discharge(bytes);
            return Err(OutOfMemory);
        }
        Ok(block)
    }

    /// Gives a block back.
    #[expect(clippy::boxed_local, reason = "the block ends here")]
    pub(crate) fn release_block(&mut self, block: Box<[u8]>) {
        self.discharge(block_bytes::<u8>(block.len()));
    }

    /// A block of `count` elements, each made from its place.
    pub(crate) fn build<T>(
        &mut self,
        count: usize,
        purpose: Purpose,
        make: impl FnMut(usize) -> T,
    ) -> Result<Box<[T]>, OutOfMemory> {
        let bytes = block_bytes::<T>(count);
        self.charge(bytes, purpose)?;
        let mut block = Vec::new();
        if block.try_reserve_exact(count).is_err() {
            self.discharge(bytes);
            return Err(OutOfMemory);
        }
        block.extend((0..count).map(make));
        Ok(block.into_boxed_slice())
    }

    /// Gives such a block back.
    #[expect(clippy::boxed_local, reason = "the block ends here")]
    pub(crate) fn release_built<T>(&mut self, block: Box<[T]>) {
        self.discharge(block_bytes::<T>(block.len()));
    }

    /// Makes room for `additional` elements, and some more where the budget allows it.
    pub(crate) fn reserve<T>(
        &mut self,
        list: &mut Vec<T>,
        additional: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        let needed = list.len().checked_add(additional).ok_or(OutOfMemory)?;
        if needed <= list.capacity() {
            return Ok(());
        }
        let generous = needed.max(list.capacity() + list.capacity() / 2).max(MIN_ELEMENTS);
        self.reserve_exact(list, generous, purpose).or_else(|_| self.reserve_exact(list, needed, purpose))
    }

    /// Makes the capacity at least `capacity`.
    pub(crate) fn reserve_exact<T>(
        &mut self,
        list: &mut Vec<T>,
        capacity: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        let before = block_bytes::<T>(list.capacity());
        let growth = block_bytes::<T>(capacity).saturating_sub(before);
        if !self.permits(growth, purpose) {
            return Err(OutOfMemory);
        }
        list.try_reserve_exact(capacity.saturating_sub(list.len())).map_err(|_| OutOfMemory)?;
        self.recharge(before, block_bytes::<T>(list.capacity()));
        Ok(())
    }

    /// Gives back storage that a list has grown out of, if a smaller one can be had meanwhile.
    pub(crate) fn shrink<T>(&mut self, list: &mut Vec<T>) {
        if list.is_empty() {
            return self.release(core::mem::take(list));
        }
        if list.capacity() <= MIN_ELEMENTS || list.len() >= list.capacity() / SPARSE {
            return;
        }
        let mut smaller = Vec::new();
        if self.reserve_exact(&mut smaller, list.len() * 2, Purpose::Connection).is_ok() {
            smaller.append(list);
            self.release(core::mem::replace(list, smaller));
        }
    }

    /// Gives a list back.
    pub(crate) fn release<T>(&mut self, list: Vec<T>) {
        self.discharge(block_bytes::<T>(list.capacity()));
    }

    /// Makes the capacity of a queue at least `capacity`.
    pub(crate) fn reserve_queue<T>(
        &mut self,
        queue: &mut VecDeque<T>,
        capacity: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        let before = block_bytes::<T>(queue.capacity());
        if capacity <= queue.capacity() {
            return Ok(());
        }
        if !self.permits(block_bytes::<T>(capacity) - before, purpose) {
            return Err(OutOfMemory);
        }
        queue.try_reserve_exact(capacity - queue.len()).map_err(|_| OutOfMemory)?;
        self.recharge(before, block_bytes::<T>(queue.capacity()));
        Ok(())
    }

    /// Adds to a queue.
    pub(crate) fn enqueue<T>(
        &mut self,
        queue: &mut VecDeque<T>,
        value: T,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        if queue.len() == queue.capacity() {
            let capacity = (queue.capacity() + queue.capacity() / 2).max(MIN_ELEMENTS);
            self.reserve_queue(queue, capacity, purpose)?;
        }
        queue.push_back(value);
        Ok(())
    }

    /// Gives an empty queue's storage back.
    pub(crate) fn release_queue<T>(&mut self, queue: &mut VecDeque<T>) {
        if queue.is_empty() {
            self.discharge(block_bytes::<T>(queue.capacity()));
            *queue = VecDeque::new();
        }
    }

    /// Makes room for one more entry of a table.
    pub(crate) fn reserve_entry<T>(
        &mut self,
        table: &mut HashTable<T>,
        hash: impl Fn(&T) -> u64,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        if table.len() < table.capacity() {
            return Ok(());
        }
        let before = table_bytes(table);
        // The table doubles; an entry takes its size and a control byte.
        let after = (table.num_buckets().max(2) * 2).saturating_mul(size_of::<T>() + 1);
        if !self.permits(after.saturating_sub(before), purpose) {
            return Err(OutOfMemory);
        }
        table.try_reserve(1, hash).map_err(|_| OutOfMemory)?;
        self.recharge(before, table_bytes(table));
        Ok(())
    }

    /// Gives back storage that a table has grown out of: all of it if the table is empty, most of it if the table is
    /// nearly so and a smaller one can be had meanwhile.
    pub(crate) fn shrink_table<T>(&mut self, table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
        if table.is_empty() {
            return self.release_table(table);
        }
        if table.len() >= table.capacity() / SPARSE {
            return;
        }
        let mut smaller = HashTable::new();
        let before = table_bytes(table);
        // Two places for each entry, so that the next few do not make it grow again.
        let bytes = (table.len() * 4).next_power_of_two().saturating_mul(size_of::<T>() + 1);
        if !self.permits(bytes, Purpose::Connection) || smaller.try_reserve(table.len() * 2, &hash).is_err() {
            return;
        }
        let both = self.used.saturating_add(table_bytes(&smaller));
        self.peak = self.peak.max(both);
        for entry in table.drain() {
            smaller.insert_unique(hash(&entry), entry, &hash);
        }
        *table = smaller;
        self.recharge(before, table_bytes(table));
    }

    /// Gives an empty table's storage back.
    pub(crate) fn release_table<T>(&mut self, table: &mut HashTable<T>) {
        if table.is_empty() {
            self.discharge(table_bytes(table));
            *table = HashTable::new();
        }
    }
}

/// Adds an element for which [`Memory::reserve`] has made room.
pub(crate) fn push_reserved<T>(list: &mut Vec<T>, value: T) {
    debug_assert!(list.len() < list.capacity(), "pushed without a reservation");
    list.push(value);
}

/// Adds bytes for which there is room.
pub(crate) fn extend_reserved(list: &mut Vec<u8>, bytes: &[u8]) {
    debug_assert!(bytes.len() <= list.capacity() - list.len(), "extended without a reservation");
    list.extend_from_slice(bytes);
}

/// Writes to the end of a list with room for it.
pub(crate) struct Reserved<'a>(pub(crate) &'a mut Vec<u8>);

impl Sink for Reserved<'_> {
    fn put(&mut self, bytes: &[u8]) {
        extend_reserved(self.0, bytes);
    }
}

/// Adds an entry for which [`Memory::reserve_entry`] has made room.
pub(crate) fn insert_reserved<T>(table: &mut HashTable<T>, hash: u64, value: T, hasher: impl Fn(&T) -> u64) {
    debug_assert!(table.len() < table.capacity(), "inserted without a reservation");
    table.insert_unique(hash, value, hasher);
}

/// A list or table that is filled to less than one part in so many may shrink.
const SPARSE: usize = 8;

/// The first allocation of a list holds this many elements.
const MIN_ELEMENTS: usize = 4;

const fn block_bytes<T>(elements: usize) -> usize {
    if elements == 0 {
        0
    } else {
        elements.saturating_mul(size_of::<T>()).saturating_add(BLOCK_OVERHEAD_BYTES)
    }
}

fn table_bytes<T>(table: &HashTable<T>) -> usize {
    match table.allocation_size() {
        0 => 0,
        bytes => bytes + BLOCK_OVERHEAD_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_refusal_follows_the_purpose() {
        let mut memory = Memory::new(1600);
        memory.charge(1200, Purpose::Connection).unwrap();
        assert_eq!(memory.charge(1, Purpose::Connection), Err(OutOfMemory));
        memory.charge(200, Purpose::Keeping).unwrap();
        assert_eq!(memory.charge(1, Purpose::Keeping), Err(OutOfMemory));
        memory.charge(100, Purpose::Delivery).unwrap();
        assert_eq!(memory.charge(1, Purpose::Delivery), Err(OutOfMemory));
        memory.charge(100, Purpose::Session).unwrap();
        assert_eq!(memory.charge(1, Purpose::Session), Err(OutOfMemory));
        assert_eq!(memory.peak(), 1600);
    }

    #[test]
    fn what_is_taken_comes_back_to_the_byte() {
        let mut memory = Memory::new(100_000);
        let block = memory.copy(b"abcde", Purpose::Session).unwrap();
        assert_eq!(&*block, b"abcde");
        let mut list: Vec<u32> = Vec::new();
        let mut queue: VecDeque<u16> = VecDeque::new();
        let mut table: HashTable<u32> = HashTable::new();
        for value in 0..100 {
            memory.reserve(&mut list, 1, Purpose::Session).unwrap();
            push_reserved(&mut list, value);
            memory.enqueue(&mut queue, 1, Purpose::Session).unwrap();
            memory.reserve_entry(&mut table, |&value| u64::from(value), Purpose::Session).unwrap();
            insert_reserved(&mut table, u64::from(value), value, |&value| u64::from(value));
        }
        assert!(memory.used() > 100 * (4 + 2 + 5));
        memory.release_block(block);
        memory.release(list);
        queue.clear();
        memory.release_queue(&mut queue);
        table.clear();
        memory.release_table(&mut table);
        assert_eq!(memory.used(), 0);
        assert!(memory.take_freed());
        assert!(!memory.take_freed());
    }

    #[test]
    fn what_has_been_outgrown_comes_back() {
        let hash = |&value: &u32| u64::from(value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut memory = Memory::new(1 << 20);
        let mut list: Vec<u32> = Vec::new();
        let mut table: HashTable<u32> = HashTable::new();
        for value in 0..1000 {
            memory.reserve(&mut list, 1, Purpose::Session).unwrap();
            push_reserved(&mut list, value);
            memory.reserve_entry(&mut table, hash, Purpose::Session).unwrap();
            insert_reserved(&mut table, hash(&value), value, hash);
        }
        let full = memory.used();
        memory.shrink(&mut list);
        memory.shrink_table(&mut table, hash);
        assert_eq!(memory.used(), full);
        list.truncate(10);
        table.retain(|value| *value < 10);
        // What there is no room for stays as it is.
        memory.set_limit(0);
        memory.shrink(&mut list);
        memory.shrink_table(&mut table, hash);
        assert_eq!(memory.used(), full);
        memory.set_limit(1 << 20);
        memory.shrink(&mut list);
        memory.shrink_table(&mut table, hash);
        assert!(memory.used() < full / 20);
        assert_eq!(list, (0..10).collect::<Vec<u32>>());
        assert!((0..10).all(|value| table.find(hash(&value), |entry| *entry == value).is_some()));
        list.clear();
        table.clear();
        memory.shrink(&mut list);
        memory.shrink_table(&mut table, hash);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_list_near_the_budget_grows_by_what_is_needed() {
        let mut memory = Memory::new(10 + BLOCK_OVERHEAD_BYTES);
        let mut list: Vec<u8> = Vec::new();
        memory.reserve(&mut list, 8, Purpose::Session).unwrap();
        list.resize(8, 0);
        memory.reserve(&mut list, 2, Purpose::Session).unwrap();
        assert_eq!(list.capacity(), 10);
        list.resize(10, 0);
        assert_eq!(memory.reserve(&mut list, 1, Purpose::Session), Err(OutOfMemory));
    }
}
