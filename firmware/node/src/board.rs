//! What the node must ask a board for, and what a board says of itself.
//!
//! Sockets are not here: a board pushes bytes into the node and the node never calls a socket.

use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_broker::{Anonymous, Limits};
use obkmq_config::settings::Capabilities;

use crate::radio::Radio;
use crate::run_record::Start;

/// The parts of a board that the node has to call.
pub trait Board {
    /// NOR flash with pages of [`NorFlash::ERASE_SIZE`](embedded_storage::nor_flash::NorFlash::ERASE_SIZE) bytes.
    type Flash: MultiwriteNorFlash;

    /// The flash chip; [`Regions`] are offsets into it.
    fn flash(&mut self) -> &mut Self::Flash;

    /// Fills `bytes` from a cryptographically secure source. Salts and the keys of hash tables come from here.
    fn fill_random(&mut self, bytes: &mut [u8]);

    /// What the allocator says of itself, or `None` where it does not count (a PC).
    fn heap(&self) -> Option<HeapUse>;

    /// The time in seconds since 1970 UTC, or `None` while it is not known. A board that has a clock has
    /// [`Capability::Clock`](crate::Capability::Clock).
    fn unix_seconds(&mut self) -> Option<i64> {
        None
    }

    /// Whether several starts in a row have failed: what the owner has put on the board to run at the start is then left
    /// alone, and so is the network to join, so that the console and the board's own network can be reached.
    fn is_safe_mode(&self) -> bool {
        self.start().is_some_and(Start::is_safe_mode)
    }

    /// How the board has come to run, where it remembers ([`RunRecord`](crate::RunRecord)).
    fn start(&self) -> Option<&Start> {
        None
    }

    /// The Wi-Fi radio of a board that has one; such a board has [`Capability::Wifi`](crate::Capability::Wifi).
    fn radio(&mut self) -> Option<&mut dyn Radio> {
        None
    }
}

/// Allocator figures in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapUse {
    /// In use now.
    pub used_bytes: usize,
    /// Not in use now.
    pub free_bytes: usize,
}

/// What `hello` answers about the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chip's name as flashing tools write it, e.g. `esp32c3`; `host` on a PC.
    pub chip: &'static str,
    /// The board crate, e.g. `esp32`, `host`, `virtual`.
    pub board: &'static str,
    /// Version of the firmware.
    pub firmware: &'static str,
    /// What the board has that not every board has; settings that need something else have no effect.
    pub capabilities: Capabilities,
    /// Capacities of the broker on this board; settings may lower them, never raise them.
    pub limits: Limits,
    /// Who may connect without a password while there is no user at all. Boards on a network say [`Anonymous::Never`].
    pub anonymous_without_users: Anonymous,
}

/// Byte ranges of the flash chip, page aligned, each at least two pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// Settings and users.
    pub settings: Range<u32>,
    /// Scripts and other files.
    pub files: Range<u32>,
    /// Retained messages and sessions that survive a power cut.
    pub retained: Range<u32>,
}

/// What the node wants its board to do; see [`Node::next_action`](crate::Node::next_action).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Flush the console, then reset.
    Reboot,
    /// Accept connections on this TCP port from now on, and on no other.
    Listen {
        /// TCP port.
        port: u16,
    },
    /// Stop accepting connections: the settings are damaged and the owner has to look first.
    StopListening,
}
