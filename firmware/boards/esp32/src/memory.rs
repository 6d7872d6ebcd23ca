//! The memory that a reset leaves alone, in which the last run is recorded: RTC memory, or plain memory that the start-up
//! code does not clear where a chip has no other.

use core::cell::UnsafeCell;

use esp_hal::rtc_cntl;
use esp_hal::system::Cpu;
use obkmq_node::{RUN_RECORD_BYTES, Reset, RunRecord};

/// Bytes that nobody else uses.
#[repr(transparent)]
struct Kept(UnsafeCell<[u8; RUN_RECORD_BYTES]>);

// SAFETY: only `with_record` touches it, inside a critical section.
unsafe impl Sync for Kept {}

// SAFETY: they are bytes, of which each may have any value.
#[cfg(not(any(feature = "esp32c2", feature = "esp32c61")))]
unsafe impl esp_hal::Persistable for Kept {}

#[cfg_attr(not(any(feature = "esp32c2", feature = "esp32c61")), esp_hal::ram(unstable(rtc_fast, persistent)))]
// SAFETY: the linker script keeps this section out of what is loaded and cleared, and any bytes are good.
#[cfg_attr(any(feature = "esp32c2", feature = "esp32c61"), unsafe(link_section = ".noinit"))]
static KEPT: Kept = Kept(UnsafeCell::new([0; RUN_RECORD_BYTES]));

/// Does something with the record of the last run.
pub(crate) fn with_record<R>(with: impl FnOnce(&mut RunRecord<'_>) -> R) -> R {
    critical_section::with(|_| {
        // SAFETY: there is one core, nothing else runs in a critical section, and no call is made inside of another: a
        // panic in `with` never comes back to it.
        let bytes = unsafe { &mut *KEPT.0.get() };
        with(&mut RunRecord::new(bytes))
    })
}

/// What the chip says why it was reset. The numbers are the same on the whole family.
pub(crate) fn reset() -> Reset {
    match rtc_cntl::reset_reason(Cpu::ProCpu).map(|reason| reason as usize) {
        Some(0x01) => Reset::PowerOn,
        Some(0x03 | 0x0C) => Reset::Software,
        Some(0x07 | 0x08 | 0x09 | 0x0B | 0x0D | 0x10..=0x12) => Reset::Watchdog,
        Some(0x0F) => Reset::BrownOut,
        _ => Reset::Other,
    }
}
