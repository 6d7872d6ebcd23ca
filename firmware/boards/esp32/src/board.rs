//! What the node asks of this board: flash, random bytes, heap figures.

use esp_hal::rng::{Trng, TrngSource};
use obkmq_node::{Anonymous, Board, Capabilities, HeapUse, Identity, Limits};

use crate::limits;
use crate::watchdog::WatchedFlash;

/// Name of the chip, as flashing tools write it.
#[cfg(feature = "esp32c3")]
const CHIP: &str = "esp32c3";

/// What `hello` answers.
pub(crate) fn identity() -> Identity {
    Identity {
        chip: CHIP,
        board: "esp32",
        firmware: env!("CARGO_PKG_VERSION"),
        capabilities: Capabilities::NONE,
        limits: Limits::for_chip(limits::BROKER_MEMORY_BYTES),
        anonymous_without_users: Anonymous::Never,
    }
}

/// The chip's flash, its random number generator and its heap.
pub(crate) struct EspBoard {
    flash: WatchedFlash,
    random: Trng,
    /// Keeps the noise source running that makes `random` cryptographically secure while the radio is off.
    _noise: TrngSource<'static>,
}

impl EspBoard {
    pub(crate) fn new(flash: WatchedFlash, noise: TrngSource<'static>, random: Trng) -> Self {
        Self { flash, random, _noise: noise }
    }
}

impl Board for EspBoard {
    type Flash = WatchedFlash;

    fn flash(&mut self) -> &mut Self::Flash {
        &mut self.flash
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.random.read(bytes);
    }

    fn heap(&self) -> Option<HeapUse> {
        Some(HeapUse { used_bytes: esp_alloc::HEAP.used(), free_bytes: esp_alloc::HEAP.free() })
    }
}
