//! Capacities of the host board.

/// Bytes moved by one `read` or `write`.
pub(crate) const TRANSFER_BYTES: usize = 32 * 1024;

/// Reads for one connection in one turn; what is left over waits for the next turn, so that one flooder cannot starve
/// the rest, and so that what it sent is on its way to the readers before more is taken in.
pub(crate) const READS_PER_TURN: usize = 1;

/// Writes for one connection in one turn, likewise.
pub(crate) const WRITES_PER_TURN: usize = 4;

/// The node's wishes are served at the end of a turn, so that a reader gets what many writers sent in one write; but
/// before more than this has come in, in bytes: what waits for a reader that takes everything must stay below the
/// default quota of slow ones, which is twice this.
pub(crate) const RECEIVED_BEFORE_WANTS_BYTES: usize = 32 * 1024;

/// Reads of the console in one turn.
pub(crate) const CONSOLE_READS_PER_TURN: usize = 4;

/// Rounds of deadlines and wishes in one turn: ending links may move deadlines, and those due may end links.
pub(crate) const ROUNDS_PER_TURN: usize = 2;

/// Connections accepted in one turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;

/// Wishes of the node served in one turn: serving one may raise the next, and a client that floods must not keep the
/// loop from the other sockets.
pub(crate) const WANTS_PER_TURN: usize = 1024;

/// Readiness events taken from the operating system in one turn.
pub(crate) const EVENTS_PER_TURN: usize = 256;

/// How long a closed connection is still read (and thrown away), in milliseconds. Closing a socket with unread input
/// resets it, and a reset may destroy the CONNACK that tells the client why.
pub(crate) const DRAIN_MS: u64 = 5_000;

/// A rest that lets the operating system gather what floods in, in microseconds; see [`crate::moderation`]. Linux adds
/// 50 to it, and what waking takes.
pub(crate) const REST_US: u64 = 30;

/// Pause after the operating system refused to accept (no file descriptors left), in milliseconds.
pub(crate) const ACCEPT_PAUSE_MS: u64 = 100;

/// Heap that the broker may use on a PC, in bytes.
pub(crate) const BROKER_MEMORY_BYTES: usize = 256 * 1024 * 1024;

/// Flash page of the file that stands for a flash chip, in bytes.
pub(crate) const PAGE_BYTES: u32 = 4096;

/// Settings region of a PC's flash file, in bytes: the same size as on a chip.
pub(crate) const SETTINGS_BYTES: u32 = 0x5000;

/// Region of retained messages of a PC's flash file, in bytes.
pub(crate) const RETAINED_BYTES: u32 = 0x10_0000;

/// Region of files of a PC's flash file, in bytes.
pub(crate) const FILES_BYTES: u32 = 0x10_0000;

/// Size of a PC's flash file. Regions are only ever added at its end: a file of an earlier version grows.
pub(crate) const FLASH_BYTES: u32 = SETTINGS_BYTES + RETAINED_BYTES + FILES_BYTES;

/// Programs on the control socket at once.
#[cfg(unix)]
pub(crate) const CONTROL_CLIENTS: usize = 8;

/// Bytes of one read of the control socket.
#[cfg(unix)]
pub(crate) const CONTROL_READ_BYTES: usize = 1024;

/// The largest settings file that is read, in bytes; a full house with all comments has a twentieth.
pub const SETTINGS_FILE_BYTES: u64 = 1 << 20;

/// The largest file of a password that is read, in bytes.
pub(crate) const PASSWORD_FILE_BYTES: u64 = 64 << 10;
