//! Capacities and times of this board. Nothing else in this crate holds a magic number.

use esp_hal::time::Duration;
use obkmq_net::Capacities;

use crate::chip::CHIP;

/// Sockets of the network that the board has joined. A receive buffer is the largest window; larger packets are put
/// together by the broker.
pub(crate) const SOCKETS: Capacities =
    Capacities { sockets: CHIP.sockets, receive_bytes: 1024, send_bytes: 1440 };

/// Sockets of the board's own network, which is for setting it up.
pub(crate) const OWN_SOCKETS: Capacities =
    Capacities { sockets: CHIP.own_sockets, receive_bytes: 1024, send_bytes: 1440 };

/// Links at a time.
pub(crate) const MAX_LINKS: usize =
    SOCKETS.sockets + OWN_SOCKETS.sockets - 2 * Capacities::BESIDE_CONNECTIONS;

/// Buffers that the radio itself writes to, 1.6 kB each, taken at its start.
pub(crate) const STATIC_RECEIVE_BUFFERS: u8 = 6;

/// Heap that the radio takes at its start: esp-radio's documentation says 53 to 63 kB of an access point with ten static
/// receive buffers.
pub(crate) const RADIO_BYTES: usize = 63_000 - (10 - STATIC_RECEIVE_BUFFERS as usize) * 1_600;

/// Heap that a frame under way takes at most.
pub(crate) const LONG_FRAME_BYTES: usize = 1_600;

/// Settings, flash pages and the console's answers, which are not allocated fallibly everywhere.
pub(crate) const NODE_BYTES: usize = 12 * 1024;

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
