//! The ends of a run: a reset that was asked for, one after a panic or an exception, and a board that cannot start.

use core::fmt::{self, Write as _};
use core::panic::PanicInfo;

use crate::console::Console;
use crate::registers::SYSTEM;

const LOCK: usize = 0x20;
const UNLOCKED: u32 = 0xA05F;
const RESET_CONTROL: usize = 0x40;
const RESET: u32 = 1 << 8;

/// Starts the machine again; what outlives that stands in the linker script.
pub(crate) fn reset() -> ! {
    SYSTEM.write(LOCK, UNLOCKED);
    SYSTEM.write(RESET_CONTROL, RESET);
    // The reset comes at the end of the emulator's turn.
    loop {
        core::hint::spin_loop();
    }
}

/// Says the last words and starts again.
fn reset_with(words: fmt::Arguments<'_>) -> ! {
    let _ = write!(Console, "\r\nerror: {words}; the board starts again\r\n");
    reset()
}

/// Says why the firmware cannot start. It does not start again: the next boot would meet the same.
pub(crate) fn halt(why: fmt::Arguments<'_>) -> ! {
    let _ = write!(Console, "obkmq cannot start: {why}\r\n");
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    reset_with(format_args!("{info}"))
}

/// Where `start.s` brings every exception: its number in the vector table, and the address where it came from.
#[unsafe(no_mangle)]
extern "C" fn exception(number: u32, address: u32) -> ! {
    let what = match number {
        1 => "undefined instruction",
        2 => "unexpected supervisor call",
        3 => "no code",
        4 => "no memory there, or the stack is used up",
        6 => "unexpected interrupt",
        _ => "the main loop did not turn in time (watchdog)",
    };
    reset_with(format_args!("{what}, near {address:#010x}"))
}
