//! What the node asks of this board: flash, random bytes, heap figures, the radio.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::Cell;

use esp_hal::rng::Rng;
use obkmq_node::{Anonymous, Board, Capabilities, Capability, HeapUse, Identity, Limits, Radio, Start};

use crate::chip::CHIP;
use crate::limits;
use crate::noise::Noise;
use crate::watchdog::WatchedFlash;

/// Seconds since 1970 UTC, once the network has told.
pub(crate) type Clock = Rc<Cell<Option<i64>>>;

/// What `hello` answers.
pub(crate) fn identity(has_radio: bool) -> Identity {
    let wifi = [Capability::Wifi, Capability::AccessPoint, Capability::Address, Capability::Clock];
    let wifi = if has_radio { wifi.as_slice() } else { &[] };
    Identity {
        chip: CHIP.name,
        board: "esp32",
        firmware: env!("CARGO_PKG_VERSION"),
        capabilities: wifi.iter().copied().fold(Capabilities::NONE, Capabilities::with),
        limits: Limits {
            max_links: u32::try_from(limits::MAX_LINKS).unwrap_or(u32::MAX),
            ..Limits::for_chip(CHIP.broker_bytes)
        },
        anonymous_without_users: Anonymous::Never,
    }
}

/// The chip's flash, its radio, its random number generator and its heap.
pub(crate) struct EspBoard {
    flash: WatchedFlash,
    radio: Option<Box<dyn Radio>>,
    clock: Clock,
    /// Cryptographically secure as long as there is noise.
    random: Rng,
    _noise: Noise,
    start: Start,
}

impl EspBoard {
    pub(crate) fn new(
        flash: WatchedFlash,
        radio: Option<Box<dyn Radio>>,
        clock: Clock,
        (random, noise): (Rng, Noise),
        start: Start,
    ) -> Self {
        Self { flash, radio, clock, random, _noise: noise, start }
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

    fn start(&self) -> Option<&Start> {
        Some(&self.start)
    }

    fn unix_seconds(&mut self) -> Option<i64> {
        self.clock.get()
    }

    fn radio(&mut self) -> Option<&mut dyn Radio> {
        self.radio.as_deref_mut().map(|radio| radio as &mut dyn Radio)
    }

    fn heap(&self) -> Option<HeapUse> {
        Some(HeapUse { used_bytes: esp_alloc::HEAP.used(), free_bytes: esp_alloc::HEAP.free() })
    }
}
