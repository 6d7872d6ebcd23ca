//! Beken's image formats, as BK7231T and BK7231N boot and update from them: read, check, write.
//!
//! The processor sees *logical* addresses; the flash holds every 32 bytes of them with a CRC-16 behind, enciphered
//! with the chip's key ([`units`], [`cipher`]). Boot loader at logical 0, application at logical 0x10000, which is
//! 0x11000 in the flash. The download partition, from which the boot loader takes updates, is neither enciphered nor
//! made of units ([`ota`]).
//!
//! | file | what it is | module |
//! |---|---|---|
//! | UA, `.crc` | the application, written to flash at 0x11000 | [`app`] |
//! | container | the same, filled up to its partition, with an RBL header at the end | [`app`], [`rbl`] |
//! | QIO | the flash from 0 on: boot loader and application | [`mod@identify`] |
//! | OTA `.rbl` | RBL header and the plain application, perhaps compressed, perhaps encrypted | [`ota`], `aes` |
//!
//! QuickLZ, FastLZ and the XOR in an OTA file are recognised but not opened. Sources: the vendor's SDK (`encrypt`, partition table of its boot
//! loaders), bk7231tools and ltchiptool. Not tried on a chip.

pub(crate) mod aes;
pub mod app;
pub mod cipher;
pub mod error;
pub mod identify;
pub mod map;
pub mod ota;
pub mod rbl;
pub mod units;

pub use app::Application;
pub use cipher::CodeKey;
pub use error::BekenError;
pub use identify::{Beken, BekenChip, BekenKind, identify, is_beken, qio};
pub use map::FlashMap;
pub use ota::Packing;
pub use rbl::{Compression, Encryption, RblHeader, Release};
