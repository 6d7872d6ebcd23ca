//! What the node asks of this board, and who it is.

use core::net::Ipv4Addr;

use obkmq_net::Setup;
use obkmq_node::{Anonymous, Board, Capabilities, HeapUse, Identity, Limits, Regions};

use crate::entropy::Random;
use crate::flash::Flash;
use crate::{heap, limits};

/// What `hello` answers.
pub(crate) fn identity() -> Identity {
    let links = u32::try_from(limits::MAX_LINKS).unwrap_or(u32::MAX);
    Identity {
        chip: "versatilepb",
        board: "virt-arm",
        firmware: env!("CARGO_PKG_VERSION"),
        capabilities: Capabilities::NONE,
        limits: Limits {
            max_links: links,
            max_packet_bytes: limits::MAX_PACKET_BYTES,
            ..Limits::for_chip(limits::BROKER_MEMORY_BYTES)
        },
        anonymous_without_users: Anonymous::Never,
    }
}

/// Where the node's storage lies.
pub(crate) fn regions() -> Regions {
    Regions { settings: limits::SETTINGS, files: limits::FILES, retained: limits::RETAINED }
}

/// The emulator's own network, as it is unless it was told otherwise.
pub(crate) fn network(seed: u64) -> Setup {
    Setup {
        mac: [0x52, 0x54, 0x00, 0x12, 0x34, 0x56],
        address: Ipv4Addr::new(10, 0, 2, 15),
        prefix_bits: 24,
        gateway: Some(Ipv4Addr::new(10, 0, 2, 2)),
        seed,
        capacities: limits::SOCKETS,
    }
}

/// Flash, random bytes and the heap's figures.
pub(crate) struct VirtBoard {
    flash: Flash,
    random: Random,
}

impl VirtBoard {
    pub(crate) fn new(flash: Flash, random: Random) -> Self {
        Self { flash, random }
    }
}

impl Board for VirtBoard {
    type Flash = Flash;

    fn flash(&mut self) -> &mut Flash {
        &mut self.flash
    }

    fn fill_random(&mut self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    fn heap(&self) -> Option<HeapUse> {
        Some(heap::usage())
    }
}
