//! A BK7231T or BK7231N as flashers meet it over UART1.
//!
//! Sans-IO like [`rom`](crate::rom): [`Loader::receive`] takes bytes from the line, [`Loader::output`] holds those for it,
//! [`Loader::take_busy_us`] says how long the chip is busy before it would send them, and [`Loader::next_event`] that it
//! leaves the loader.
//!
//! What the two chips do differently, and flashers stumble over, is here on purpose:
//!
//! | | BK7231T: a boot loader in flash | BK7231N: mask ROM |
//! |---|---|---|
//! | end of CheckCRC's range | exclusive | inclusive |
//! | after CheckCRC | flash is protected again, and erasing frees it only after another LinkCheck | nothing |
//! | protection at the start | none once linked | the flash's own block protection is on |
//! | commands | no registers, no flash id, no status register | all |
//! | below 0x11000 | refused, but addresses wrap around at the flash's end | as everything else |
//! | a blank flash | is a dead board | is a board |
//!
//! On both, an erase of protected flash reports success and does nothing, and a 64 kB erase takes the whole block that its
//! address lies in. What is not known of the real loaders is what a refusal looks like; here it has status 1.
//!
//! References: bk7231tools 2.1, hid_download_py, BK7231GUIFlashTool, and the vendor's SDK. Never compared with a chip.

pub mod boot;
pub mod factory;
mod frame;
mod loader;

pub use loader::{Event, Loader};
