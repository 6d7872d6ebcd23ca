//! The machine's registers: where each device stands, and how they are read and written.
//!
//! Source: ARM DUI 0224 (Versatile Platform Baseboard), table 4-1.

use core::ptr;

/// The registers of one device.
#[derive(Clone, Copy)]
pub(crate) struct Registers(usize);

/// System registers: reset.
pub(crate) const SYSTEM: Registers = Registers(0x1000_0000);
/// Secondary interrupt controller.
pub(crate) const SECONDARY_INTERRUPTS: Registers = Registers(0x1000_3000);
/// Ethernet: SMSC LAN91C111.
pub(crate) const ETHERNET: Registers = Registers(0x1001_0000);
/// Primary interrupt controller: ARM PL190.
pub(crate) const INTERRUPTS: Registers = Registers(0x1014_0000);
/// Timer 0 of the first ARM SP804: wakes from sleep.
pub(crate) const WAKE_TIMER: Registers = Registers(0x101E_2000);
/// Timer 1 of the first ARM SP804: the clock.
pub(crate) const CLOCK: Registers = Registers(0x101E_2020);
/// Timer 0 of the second ARM SP804: the watchdog.
pub(crate) const WATCHDOG_TIMER: Registers = Registers(0x101E_3000);
/// Serial port: ARM PL011.
pub(crate) const UART: Registers = Registers(0x101F_1000);

/// What can be read and written at once.
pub(crate) trait Width: Copy {}
impl Width for u8 {}
impl Width for u16 {}
impl Width for u32 {}

impl Registers {
    /// Reads the register at `offset` bytes.
    pub(crate) fn read<T: Width>(self, offset: usize) -> T {
        // SAFETY: `self` is one of the constants above, whose devices have 4 KiB of addresses each on this machine, and the
        // callers, all in this crate, name registers of theirs, aligned to their width. Any bits are a `u8`, `u16` or
        // `u32`.
        unsafe { ptr::read_volatile((self.0 + offset) as *const T) }
    }

    /// Writes the register at `offset` bytes.
    pub(crate) fn write<T: Width>(self, offset: usize, value: T) {
        // SAFETY: as in `read`; no device here accesses memory by itself, so a write cannot change what Rust owns.
        unsafe { ptr::write_volatile((self.0 + offset) as *mut T, value) }
    }
}
