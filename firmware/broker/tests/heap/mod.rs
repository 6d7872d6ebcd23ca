//! An allocator that counts what the broker holds, and fails when it is told to. What a test allocates for itself is
//! neither counted nor failed: only calls within [`inside`] are.
#![allow(unsafe_code, reason = "a global allocator cannot do without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Which allocations fail, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    None,
    /// This one.
    One(u64),
    /// This many, from this one on.
    Some(u64, u64),
}

impl Failing {
    fn concerns(self, number: u64) -> bool {
        match self {
            Failing::None => false,
            Failing::One(only) => number == only,
            Failing::Some(first, count) => (first..first + count).contains(&number),
        }
    }
}

/// What the broker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: usize,
    pub(crate) blocks: usize,
}

impl Held {
    /// What the broker's account says of it: two pointers more for each block.
    pub(crate) const fn accounted_bytes(self) -> usize {
        self.bytes + 2 * size_of::<usize>() * self.blocks
    }
}

thread_local! {
    // Without destructors and lazy initialisation, which would allocate.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<Held> = const { Cell::new(Held { bytes: 0, blocks: 0 }) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static FAILING: Cell<Failing> = const { Cell::new(Failing::None) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// Counts an allocation. Says whether it is to fail.
fn count() -> bool {
    if !IS_INSIDE.get() {
        return false;
    }
    let number = ALLOCATIONS.get() + 1;
    ALLOCATIONS.set(number);
    FAILING.get().concerns(number)
}

fn change(blocks: isize, bytes: isize) {
    if IS_INSIDE.get() {
        let held = HELD.get();
        let add = |held: usize, change| held.checked_add_signed(change);
        // Freed here, allocated elsewhere: a panic within an allocator is not allowed, so the figure turns absurd.
        HELD.set(Held {
            bytes: add(held.bytes, bytes).unwrap_or(usize::MAX / 2),
            blocks: add(held.blocks, blocks).unwrap_or(usize::MAX / 2),
        });
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is handed on to `System` as it came, or answered with null, which is how an allocator says that it
// has no memory; the old block is left alone then.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if count() {
            return core::ptr::null_mut();
        }
        change(1, signed(layout.size()));
        // SAFETY: the caller's promises about `layout` are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        change(-1, -signed(layout.size()));
        // SAFETY: the block came from `System` with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if count() {
            return core::ptr::null_mut();
        }
        change(0, signed(new_size) - signed(layout.size()));
        // SAFETY: the block came from `System` with this layout; the caller vouches for the new size.
        unsafe { System.realloc(block, layout, new_size) }
    }
}

/// Calls the broker.
pub(crate) fn inside<T>(call: impl FnOnce() -> T) -> T {
    counting(true, call)
}

/// What the broker's surroundings do in the middle of such a call.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    counting(false, call)
}

fn counting<T>(is_inside: bool, call: impl FnOnce() -> T) -> T {
    /// Also when a call panics, so that the report of that has memory.
    struct Leave(bool);
    impl Drop for Leave {
        fn drop(&mut self) {
            IS_INSIDE.set(self.0);
        }
    }
    let _leave = Leave(IS_INSIDE.replace(is_inside));
    call()
}

/// Begins to count allocations anew, some of which fail from now on.
pub(crate) fn fail(failing: Failing) {
    ALLOCATIONS.set(0);
    FAILING.set(failing);
}

/// Allocations since the last [`fail`].
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// What the broker holds now.
pub(crate) fn held() -> Held {
    HELD.get()
}
