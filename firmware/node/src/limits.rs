//! Capacities of the node. Nothing else in this crate holds a magic number.

/// PBKDF2 iterations computed in one turn of `poll`: about 8 ms at 120 MHz (estimated at 2 × 7,500 cycles an
/// iteration), so that a log-in never holds up delivery for longer than that.
pub(crate) const HASH_ITERATIONS_PER_TURN: u32 = 64;

/// Bytes of log lines that may wait for a slow UART; further lines are dropped and counted.
pub(crate) const CONSOLE_LOG_BYTES: usize = 2048;

/// Bytes that may wait for a slow UART in all. The longest answer (`list` of every setting, or 32 users with the
/// longest names) fits on top of [`CONSOLE_LOG_BYTES`].
pub(crate) const CONSOLE_OUTPUT_BYTES: usize = CONSOLE_LOG_BYTES + 12 * 1024;

/// Console input that waits while a command is at work (hashing a password takes a quarter of a second), in bytes.
/// What does not fit is lost; its line is then refused, and a program sends it again.
pub(crate) const CONSOLE_INPUT_BYTES: usize = 1024;

/// Refused connections kept for `refused` and `info`.
pub(crate) const REFUSED_KEPT: usize = 8;

/// Longest item of flash storage; an item has to fit a page together with its key and headers.
pub(crate) const FLASH_ITEM_BYTES: usize = 4096 - 64;

/// Least time between two writes to flash on behalf of retained messages, in microseconds. An erase may stall a
/// chip for up to 100 ms; one in ten leaves nine tenths of the time to clients.
pub(crate) const RETAINED_WRITE_INTERVAL_US: u64 = 200_000;

/// Time without writes after the region was full, in microseconds: finding no room costs erasures too.
pub(crate) const RETAINED_FULL_PAUSE_US: u64 = 60_000_000;

/// Changes looked at in one turn when most of them are not to be kept in flash.
pub(crate) const CHANGES_PER_TURN: usize = 32;

/// Stored retained messages noted for removal after the settings have ceased to name them; the others' turn comes at the
/// next boot.
pub(crate) const RETAINED_UNWANTED_KEPT: usize = 64;
