//! What the node asks of this board: flash, random bytes, heap figures, the radio.

use esp_hal::rng::{Rng, TrngSource};
use obkmq_node::{Anonymous, Board, Capabilities, Capability, HeapUse, Identity, Limits, Radio};

use crate::limits;
use crate::watchdog::WatchedFlash;
use crate::wifi::{EspRadio, SharedAir};

/// Name of the chip, as flashing tools write it.
#[cfg(feature = "esp32c3")]
const CHIP: &str = "esp32c3";

/// What `hello` answers.
pub(crate) fn identity(has_radio: bool) -> Identity {
    let wifi = [Capability::Wifi, Capability::AccessPoint, Capability::Address, Capability::Clock];
    let wifi = if has_radio { wifi.as_slice() } else { &[] };
    Identity {
        chip: CHIP,
        board: "esp32",
        firmware: env!("CARGO_PKG_VERSION"),
        capabilities: wifi.iter().copied().fold(Capabilities::NONE, Capabilities::with),
        limits: Limits {
            max_links: u32::try_from(limits::MAX_LINKS).unwrap_or(u32::MAX),
            ..Limits::for_chip(limits::BROKER_MEMORY_BYTES)
        },
        anonymous_without_users: Anonymous::Never,
    }
}

/// The chip's flash, its radio, its random number generator and its heap.
pub(crate) struct EspBoard {
    flash: WatchedFlash,
    radio: Option<EspRadio>,
    air: Option<SharedAir>,
    /// Cryptographically secure as long as there is noise: of the radio, or of the source below.
    random: Rng,
    _noise: Option<TrngSource<'static>>,
}

impl EspBoard {
    pub(crate) fn new(
        flash: WatchedFlash,
        radio: Option<EspRadio>,
        noise: Option<TrngSource<'static>>,
        random: Rng,
    ) -> Self {
        let air = radio.as_ref().map(EspRadio::air);
        Self { flash, radio, air, random, _noise: noise }
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

    fn unix_seconds(&mut self) -> Option<i64> {
        self.air.as_ref()?.unix_seconds()
    }

    fn radio(&mut self) -> Option<&mut dyn Radio> {
        self.radio.as_mut().map(|radio| radio as &mut dyn Radio)
    }

    fn heap(&self) -> Option<HeapUse> {
        Some(HeapUse { used_bytes: esp_alloc::HEAP.used(), free_bytes: esp_alloc::HEAP.free() })
    }
}
