//! The watchdog: a timer whose interrupt nothing masks. The board's own one is not emulated.

use crate::limits::WATCHDOG_US;
use crate::registers::{INTERRUPTS, WATCHDOG_TIMER};

const LOAD: usize = 0x00;
const CONTROL: usize = 0x08;
/// On, 32 bits, once, with an interrupt.
const ONCE: u32 = 1 << 7 | 1 << 5 | 1 << 1 | 1;

const SELECT_FAST: usize = 0x0C;
const ENABLE: usize = 0x10;
/// The line of the second SP804.
const LINE: u32 = 1 << 5;

/// Resets the board when nothing has fed it for [`WATCHDOG_US`]; `start.s` brings its interrupt to
/// [`exception`](crate::reset::exception).
pub(crate) struct Watchdog;

impl Watchdog {
    pub(crate) fn start() -> Self {
        WATCHDOG_TIMER.write(LOAD, WATCHDOG_US);
        WATCHDOG_TIMER.write(CONTROL, ONCE);
        INTERRUPTS.write(SELECT_FAST, LINE);
        INTERRUPTS.write(ENABLE, LINE);
        Self
    }

    pub(crate) fn feed(&self) {
        WATCHDOG_TIMER.write(LOAD, WATCHDOG_US);
    }
}
