//! Sizes and bounds of the virtual board; nothing else in this crate holds a magic number of this kind.

/// Flash of a board unless its owner asks for another size.
pub const DEFAULT_FLASH_BYTES: u32 = 4 << 20;

/// Smallest unit of flash that can be erased.
pub const SECTOR_BYTES: u32 = 0x1000;

/// What one block-erase command of the flash chip clears.
pub const BLOCK_BYTES: u32 = 0x1_0000;

/// Bytes of a command after its header: the length field has 16 bits.
pub const COMMAND_DATA_BYTES: usize = 0xFFFF;

/// Bytes that may wait for the line before the loader stops taking commands.
pub const OUTPUT_BYTES: usize = 0x8000;

/// Largest packet of the stub's READ_FLASH: one sector, as the stub's buffer.
pub const READ_BLOCK_BYTES: u32 = 0x1000;

/// What the ROM's slow read answers with at most.
pub const ROM_READ_BYTES: usize = 64;

/// Pieces of RAM that a download may fill before it is started.
pub const RAM_SEGMENTS: usize = 8;

/// Registers that keep what was written to them; writes to further ones are accepted and forgotten.
pub const REGISTERS: usize = 64;

/// Bytes moved to or from the flash file at a time.
pub const TRANSFER_BYTES: usize = 0x1000;

/// How often the ROM's complaint about an empty flash is repeated. A chip goes on until its watchdog bites, and then
/// begins anew.
pub const HEADER_COMPLAINTS: usize = 8;

/// How long the simulated radio takes to join a network, or to find that it cannot, in milliseconds.
pub const RADIO_JOIN_MS: u64 = 400;

/// How long its scans take, in milliseconds.
pub const RADIO_SCAN_MS: u64 = 300;

/// How long the boot loader of a BK7231 listens for a flasher before it starts the application, in milliseconds.
pub const BEKEN_WINDOW_MS: u64 = 250;

/// How long both sides of a pty may differ in their speed before bytes suffer, in milliseconds.
pub const SPEED_SETTLING_MS: u64 = 300;

/// How long the loader waits for the line before it looks whether it was told to stop.
pub const STOP_CHECK_MS: i64 = 100;
