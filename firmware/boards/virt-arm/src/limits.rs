//! Capacities and times of this board. Nothing else in this crate holds a magic number.

use obkmq_net::Capacities;

/// The whole heap: what a BK7231 has left beside its Wi-Fi.
pub(crate) const HEAP_BYTES: usize = 100 * 1024;

/// Sockets of the network.
pub(crate) const SOCKETS: Capacities = Capacities { sockets: 38, receive_bytes: 512, send_bytes: 512 };

/// Part of the heap that the broker may use.
pub(crate) const BROKER_MEMORY_BYTES: usize = 30 * 1024;

/// Links at a time.
pub(crate) const MAX_LINKS: usize = SOCKETS.sockets - Capacities::BESIDE_CONNECTIONS;

/// The rest of the heap: settings, flash pages and the console's answers, which are not allocated fallibly everywhere.
const NODE_BYTES: usize = 12 * 1024;

const _: () = assert!(SOCKETS.bytes() + BROKER_MEMORY_BYTES + NODE_BYTES <= HEAP_BYTES);

/// The largest packet of a client.
pub(crate) const MAX_PACKET_BYTES: u32 = 6 * 1024;

/// Console input taken in one turn: the receive FIFO of the UART.
pub(crate) const CONSOLE_INPUT_BYTES: usize = 16;

/// Longest Ethernet frame without its checksum.
pub(crate) const FRAME_BYTES: usize = 1514;

/// Received frames that wait for their turn, in bytes: the answers to one frame for every socket, and two that are long.
pub(crate) const BACKLOG_BYTES: usize = 8 * 1024;

/// Bytes of the chip that stands for flash.
pub(crate) const FLASH_BYTES: usize = 2 << 20;

/// Bytes of a flash page, the smallest that can be erased.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Where settings lie: LibreTiny's place for them on a BK7231T.
pub(crate) const SETTINGS: core::ops::Range<u32> = 0x1D_8000..0x1D_D000;

/// Where retained messages and sessions lie: in the user area of the same chip, as the next.
pub(crate) const RETAINED: core::ops::Range<u32> = 0x1E_3000..0x1F_0000;

/// Where scripts and other files lie.
pub(crate) const FILES: core::ops::Range<u32> = 0x1F_0000..0x20_0000;

/// The board is reset when its loop has not turned for so long, in microseconds. It counts emulated time, which goes on
/// while the host is busy with something else: longer than on a chip.
pub(crate) const WATCHDOG_US: u32 = 30_000_000;

/// Longest sleep, in microseconds: shorter than the watchdog's time.
pub(crate) const SLEEP_US: u64 = 10_000_000;

/// Looks at a device's status that may not change before it counts as broken.
pub(crate) const SPINS: u32 = 100_000;
