//! The heap: all that is ever allocated on this board, the sockets' buffers included.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap as List;
use obkmq_node::HeapUse;

use crate::limits::HEAP_BYTES;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(UnsafeCell::new(List::empty()));

/// The memory itself; the size report finds it by its name.
static HEAP: Memory = Memory(UnsafeCell::new([MaybeUninit::uninit(); HEAP_BYTES]));

#[repr(align(8))]
struct Memory(UnsafeCell<[MaybeUninit<u8>; HEAP_BYTES]>);

// SAFETY: only `init` touches it, once, and from then on the allocator alone.
unsafe impl Sync for Memory {}

struct Allocator(UnsafeCell<List>);

// SAFETY: there is one processor, and the only interrupt handler never returns, so that two calls never overlap.
unsafe impl Sync for Allocator {}

impl Allocator {
    fn with<R>(&self, work: impl FnOnce(&mut List) -> R) -> R {
        // SAFETY: calls never overlap (see `Sync`), and no `work` below calls the allocator again.
        work(unsafe { &mut *self.0.get() })
    }
}

// SAFETY: the list hands out blocks of at least the layout's size and alignment that overlap no other, or none.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.with(|list| list.allocate_first_fit(layout)).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller promises that the block came from `alloc` with this layout.
            self.with(|list| unsafe { list.deallocate(block, layout) });
        }
    }
}

/// Makes the heap usable. To be called once, before anything is allocated.
///
/// # Safety
/// There was no call before.
pub(crate) unsafe fn init() {
    let start = HEAP.0.get().cast::<u8>();
    // SAFETY: the memory is static, nobody else uses it, and the caller promises that this is the only call.
    ALLOCATOR.with(|list| unsafe { list.init(start, HEAP_BYTES) });
}

/// How much of it is in use.
pub(crate) fn usage() -> HeapUse {
    ALLOCATOR.with(|list| HeapUse { used_bytes: list.used(), free_bytes: list.free() })
}
