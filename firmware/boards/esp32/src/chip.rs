//! What differs from chip to chip.

use obkmq_net::Capacities;

/// A chip and what it can spare.
pub(crate) struct Chip {
    /// As flashing tools write it.
    pub(crate) name: &'static str,
    /// Heap in the main data memory. What the linker leaves above `.data`, `.bss` and this is the stack;
    /// `cargo xtask image` prints how much that is and fails when it is less than the size budget asks for.
    pub(crate) heap_main_bytes: usize,
    /// Heap in the memory that the second-stage bootloader ran from: some 65 kB.
    pub(crate) heap_reclaimed_bytes: usize,
    /// Part of the heap that the broker may use. The rest is for the radio, sockets, settings and flash pages, which the
    /// broker must never starve.
    pub(crate) broker_bytes: usize,
    /// Sockets of the network that the board has joined.
    pub(crate) sockets: usize,
    /// Sockets of the board's own network, which is for setting it up.
    pub(crate) own_sockets: usize,
    /// Received frames in heap at most, each as large as it is.
    pub(crate) receive_frames: u16,
    /// Frames to be sent in heap at most, likewise.
    pub(crate) transmit_frames: u16,
}

const KIB: usize = 1024;

/// An ESP32-C3; the others say how they differ from it.
const ESP32C3: Chip = Chip {
    name: "esp32c3",
    heap_main_bytes: 208 * KIB,
    heap_reclaimed_bytes: 64 * KIB,
    broker_bytes: 84 * KIB,
    sockets: 32,
    own_sockets: 8,
    receive_frames: 12,
    transmit_frames: 12,
};

#[cfg(feature = "esp32c2")]
pub(crate) const CHIP: Chip = Chip {
    name: "esp32c2",
    heap_main_bytes: 88 * KIB,
    broker_bytes: 36 * KIB,
    sockets: 12,
    own_sockets: 5,
    receive_frames: 8,
    transmit_frames: 8,
    ..ESP32C3
};
#[cfg(feature = "esp32c3")]
pub(crate) const CHIP: Chip = ESP32C3;
#[cfg(feature = "esp32c5")]
pub(crate) const CHIP: Chip = Chip { name: "esp32c5", heap_main_bytes: 200 * KIB, ..ESP32C3 };
#[cfg(feature = "esp32c6")]
pub(crate) const CHIP: Chip =
    Chip { name: "esp32c6", heap_main_bytes: 312 * KIB, broker_bytes: 176 * KIB, sockets: 40, ..ESP32C3 };
#[cfg(feature = "esp32c61")]
pub(crate) const CHIP: Chip =
    Chip { name: "esp32c61", heap_main_bytes: 144 * KIB, broker_bytes: 56 * KIB, sockets: 20, ..ESP32C3 };
#[cfg(feature = "esp32")]
pub(crate) const CHIP: Chip =
    Chip { name: "esp32", heap_main_bytes: 96 * KIB, broker_bytes: 36 * KIB, sockets: 12, ..ESP32C3 };
#[cfg(feature = "esp32s2")]
pub(crate) const CHIP: Chip =
    Chip { name: "esp32s2", heap_main_bytes: 96 * KIB, broker_bytes: 36 * KIB, sockets: 12, ..ESP32C3 };
#[cfg(feature = "esp32s3")]
pub(crate) const CHIP: Chip = Chip { name: "esp32s3", ..ESP32C3 };

/// Gives the console's UART the pins that the chip's ROM uses, and so the boards' USB bridges.
macro_rules! with_console_pins {
    ($uart:expr, $peripherals:expr) => {{
        #[cfg(feature = "esp32")]
        let pins = ($peripherals.GPIO3, $peripherals.GPIO1);
        #[cfg(feature = "esp32c2")]
        let pins = ($peripherals.GPIO19, $peripherals.GPIO20);
        #[cfg(feature = "esp32c3")]
        let pins = ($peripherals.GPIO20, $peripherals.GPIO21);
        #[cfg(feature = "esp32c5")]
        let pins = ($peripherals.GPIO12, $peripherals.GPIO11);
        #[cfg(feature = "esp32c6")]
        let pins = ($peripherals.GPIO17, $peripherals.GPIO16);
        #[cfg(feature = "esp32c61")]
        let pins = ($peripherals.GPIO10, $peripherals.GPIO11);
        #[cfg(any(feature = "esp32s2", feature = "esp32s3"))]
        let pins = ($peripherals.GPIO44, $peripherals.GPIO43);
        $uart.with_rx(pins.0).with_tx(pins.1)
    }};
}
pub(crate) use with_console_pins;

// One chip is made for exactly.
const _: () = {
    let radio = crate::limits::RADIO_BYTES;
    let frames = (CHIP.receive_frames + CHIP.transmit_frames) as usize * crate::limits::LONG_FRAME_BYTES;
    // Sockets grow fallibly: where many frames are under way at once, a newcomer waits. So they count half.
    let sockets = (crate::limits::SOCKETS.bytes() + crate::limits::OWN_SOCKETS.bytes()) / 2;
    let used = radio + frames + sockets + CHIP.broker_bytes + crate::limits::NODE_BYTES;
    assert!(used <= CHIP.heap_main_bytes + CHIP.heap_reclaimed_bytes);
    assert!(
        CHIP.sockets > Capacities::BESIDE_CONNECTIONS && CHIP.own_sockets > Capacities::BESIDE_CONNECTIONS
    );
};
