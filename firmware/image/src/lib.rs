//! Chip image formats, partition tables and manifests: read, check, write.
//!
//! One place for what `xtask` makes, the CLI flashes and the tests inspect. Everything here works on byte slices;
//! nothing opens a file, a port or a device.
//!
//! [`identify()`] is the gate in front of a device: it takes any file an owner may name and says either what it is, with
//! every byte of it accounted for, or what is wrong with it and where.
//!
//! | module | what |
//! |---|---|
//! | [`beken`] | Beken's image formats: code cipher, CRC units, RBL containers and OTA files |
//! | [`board`] | the boards of both families by their names |
//! | [`chip`] | the chips an image can be for, and the ids by which headers name them |
//! | [`esp`] | Espressif's image format: header, segments, checksum, hash, application descriptor |
//! | [`partition`] | partition tables: read, check, write |
//! | [`layout`] | obkmq's own partition tables, final since the first release |
//! | [`identify`](mod@identify) | which of these a file is |
//! | [`manifest`] | the JSON beside an image, also readable by ESP Web Tools |
#![forbid(unsafe_code)]

pub mod beken;
pub mod board;
pub mod chip;
pub mod error;
pub mod esp;
pub mod identify;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod partition;

mod bytes;
#[cfg(test)]
mod fixtures;

pub use board::Board;
pub use chip::{Chip, ChipId};
pub use error::ImageError;
pub use identify::{Identified, Kind, Region, identify};
pub use manifest::Manifest;
pub use partition::{Partition, PartitionTable, PartitionType};
