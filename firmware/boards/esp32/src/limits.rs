//! Capacities and times of this board. Nothing else in this crate holds a magic number.

use esp_hal::time::Duration;

/// Heap in the main data memory. What the linker leaves above `.data`, `.bss` and this is the stack;
/// `cargo xtask image` prints how much that is and fails when it is less than the size budget asks for.
pub(crate) const HEAP_MAIN_BYTES: usize = 256 * 1024;

/// Heap in the memory that the second-stage bootloader ran from (66,320 bytes on an ESP32-C3).
pub(crate) const HEAP_RECLAIMED_BYTES: usize = 64 * 1024;

/// Part of the heap that the broker may use. The rest is for settings, flash pages and the network stack, which
/// the broker must never starve.
pub(crate) const BROKER_MEMORY_BYTES: usize = 160 * 1024;

/// Speed of the console on UART0. The receive FIFO holds 128 bytes, which is 11 ms at this speed: a turn of the
/// loop has to be shorter, and during the erase of a flash page (up to 100 ms) input may be lost. The line
/// protocol's checksum then catches it and the command line tool repeats the line.
pub(crate) const CONSOLE_BAUD: u32 = 115_200;

/// Console input taken in one turn: the receive FIFO of UART0.
pub(crate) const CONSOLE_INPUT_BYTES: usize = 128;

/// Longest wait for the console before a reset: 4 KiB of output take 360 ms at [`CONSOLE_BAUD`], and a USB host that
/// went away would never take any.
pub(crate) const FLUSH_LIMIT: Duration = Duration::from_millis(500);

/// The chip is reset when for this long neither the main loop has turned nor a flash page was erased (at most 400 ms
/// each on the slowest supported flash chip).
pub(crate) const WATCHDOG: Duration = Duration::from_secs(8);

/// Between a panic's message and the reset, so that the UART gets it out and a boot loop stays readable.
pub(crate) const PANIC_PAUSE: Duration = Duration::from_millis(500);

/// Between repetitions of a message that says why the board cannot start.
pub(crate) const HALT_REPEAT: Duration = Duration::from_secs(5);
