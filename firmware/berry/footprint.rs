//! A program for a chip that does nothing but run a script: its size is the size of the language.
//! `cargo xtask bench-berry` compiles it by itself for riscv32imc and links it; it is never executed.
#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::Cell;
use core::hint::black_box;

use obkmq_berry::{Host, Limits, Narrow, Scope, Vm};

/// Memory is never given back: the program is only linked.
struct Bump(Cell<usize>);

// SAFETY: there is one thread.
unsafe impl Sync for Bump {}

// SAFETY: the blocks do not overlap, and the program is never executed.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.0.get().next_multiple_of(layout.align());
        self.0.set(start + layout.size());
        start as *mut u8
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump(Cell::new(0x3fc0_0000));

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

struct Serial;

impl Host<Narrow> for Serial {
    fn print(&mut self, line: &[u8]) {
        black_box(line);
    }
}

// SAFETY: no other function has this name.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut vm = Vm::<Narrow>::new(Limits::CHIP, black_box(1));
    let source: &[u8] = black_box(b"print(1)");
    let _ = black_box(vm.run_source(&mut Serial, "autoexec.be", source, Scope::Global).is_ok());
    loop {}
}
