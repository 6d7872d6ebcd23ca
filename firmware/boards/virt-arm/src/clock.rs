//! Time and sleep: ARM SP804 timers (DDI 0271) at 1 MHz.
//!
//! No interrupt handler runs. The processor sleeps until an interrupt is *pending*, and the loop then looks at every
//! device; interrupts stay masked, so that nothing here is ever entered twice.

use core::cell::UnsafeCell;
use core::ptr;

use obkmq_node::Instant;

use crate::limits::SLEEP_US;
use crate::registers::{CLOCK, INTERRUPTS, SECONDARY_INTERRUPTS, WAKE_TIMER};

const LOAD: usize = 0x00;
const VALUE: usize = 0x04;
const CONTROL: usize = 0x08;
const CLEAR: usize = 0x0C;

/// On, 32 bits, from the top down for ever.
const FREE_RUNNING: u32 = 1 << 7 | 1 << 1;
const OFF: u32 = 0;
/// On, 32 bits, once, with an interrupt.
const ONCE: u32 = 1 << 7 | 1 << 5 | 1 << 1 | 1;

const INTERRUPT_ENABLE: usize = 0x10;
/// Lines of the first SP804, the UART, and all that the secondary controller has.
const WAKING: u32 = 1 << 4 | 1 << 12 | 1 << 31;
const SECONDARY_ENABLE: usize = 0x08;
const ETHERNET_LINE: u32 = 1 << 25;

unsafe extern "C" {
    /// In `start.s`.
    safe fn wait_for_interrupt();
}

/// Microseconds since boot and how many of them were slept, the lowest 32 bits of each, as they stood when the board fell
/// asleep last. For those who look at the board from outside (`cargo xtask capacity`): what is not slept is work.
#[unsafe(no_mangle)]
static OBKMQ_TIMES: Times = Times(UnsafeCell::new([0; 2]));

struct Times(UnsafeCell<[u32; 2]>);

// SAFETY: only `Clock` touches it, of which there is one, and no interrupt handler does.
unsafe impl Sync for Times {}

/// Microseconds since boot. It has to be read at least once in 71 minutes, which [`SLEEP_US`] sees to.
pub(crate) struct Clock {
    last: u32,
    micros: u64,
    slept_us: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        CLOCK.write(LOAD, u32::MAX);
        CLOCK.write(CONTROL, FREE_RUNNING);
        SECONDARY_INTERRUPTS.write(SECONDARY_ENABLE, ETHERNET_LINE);
        INTERRUPTS.write(INTERRUPT_ENABLE, WAKING);
        Self { last: 0, micros: 0, slept_us: 0 }
    }

    pub(crate) fn now(&mut self) -> Instant {
        // It counts down.
        let value = !CLOCK.read::<u32>(VALUE);
        self.micros = self.micros.saturating_add(value.wrapping_sub(self.last).into());
        self.last = value;
        Instant::from_micros(self.micros)
    }

    /// Sleeps until `due`, or until a device has something.
    pub(crate) fn sleep_until(&mut self, due: Option<Instant>) {
        let now = self.now().as_micros();
        let low = |micros: u64| u32::try_from(micros & 0xFFFF_FFFF).unwrap_or(0);
        // SAFETY: see `Sync`. Volatile, because it is read from outside only.
        unsafe { ptr::write_volatile(OBKMQ_TIMES.0.get(), [low(now), low(self.slept_us)]) };
        let left = due.map_or(SLEEP_US, |due| due.as_micros().saturating_sub(now)).min(SLEEP_US);
        if let Ok(left @ 1..) = u32::try_from(left) {
            WAKE_TIMER.write(LOAD, left);
            WAKE_TIMER.write(CONTROL, ONCE);
            wait_for_interrupt();
            WAKE_TIMER.write(CONTROL, OFF);
            WAKE_TIMER.write(CLEAR, OFF);
            self.slept_us = self.slept_us.saturating_add(self.now().as_micros().saturating_sub(now));
        }
    }
}
