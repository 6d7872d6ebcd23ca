//! The RBL header: 96 bytes in front of an OTA file, or behind the application in its container.

use std::io::Read as _;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::aes;
use super::error::BekenError;
use crate::bytes::{byte, half, slice, text, word};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 96;

/// What the header begins with.
pub const MAGIC: [u8; 4] = *b"RBL\0";

mod field {
    pub(super) const ENCRYPTION: usize = 4;
    pub(super) const COMPRESSION: usize = 5;
    pub(super) const RESERVED: usize = 6;
    pub(super) const TIME: usize = 8;
    pub(super) const NAME: usize = 12;
    pub(super) const NAME_BYTES: usize = 16;
    pub(super) const VERSION: usize = 28;
    pub(super) const VERSION_BYTES: usize = 24;
    pub(super) const DATA_CRC: usize = 76;
    pub(super) const HASH: usize = 80;
    pub(super) const RAW: usize = 84;
    pub(super) const PACKAGE: usize = 88;
    pub(super) const HEADER_CRC: usize = 92;
}

/// How the payload is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// It is not.
    None,
    /// An XOR, which the vendor's boot loaders refuse.
    Xor,
    /// AES-256-CBC with a published key.
    Aes256,
}

/// How the payload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// gzip.
    Gzip,
    /// QuickLZ.
    QuickLz,
    /// FastLZ, which the vendor's boot loaders refuse.
    FastLz,
}

/// What the maker of an image says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The partition it is for, `app`: 15 bytes at most, longer ones are cut.
    pub name: String,
    /// Its version: 23 bytes at most, longer ones are cut.
    pub version: String,
    /// Seconds since 1970.
    pub unix_time: u32,
}

/// A header whose own CRC is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RblHeader {
    /// How the payload is encrypted.
    pub encryption: Encryption,
    /// How the payload is compressed.
    pub compression: Compression,
    /// What the maker says.
    pub release: Release,
    /// CRC-32 of the payload.
    pub data_crc: u32,
    /// FNV-1a of the unpacked bytes.
    pub hash: u32,
    /// Unpacked bytes.
    pub raw_bytes: u32,
    /// Bytes of the payload.
    pub package_bytes: u32,
}

impl RblHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// It is not one, is cut short or damaged, or has an unknown kind of packing.
    pub fn decode(bytes: &[u8]) -> Result<Self, BekenError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(BekenError::NotBeken);
        }
        let truncated =
            || BekenError::Truncated { part: "RBL header", needed: HEADER_BYTES, found: bytes.len() };
        let number = |at| word(bytes, at).ok_or_else(truncated);
        let kind = |at| byte(bytes, at).ok_or_else(truncated);
        let string = |at, room| slice(bytes, at, room).map(text).ok_or_else(truncated);

        let expected = number(field::HEADER_CRC)?;
        let found = crc32(slice(bytes, 0, field::HEADER_CRC).ok_or_else(truncated)?);
        if expected != found {
            return Err(BekenError::HeaderCrc { expected, found });
        }
        let encryption = match kind(field::ENCRYPTION)? {
            0 => Encryption::None,
            1 => Encryption::Xor,
            2 => Encryption::Aes256,
            other => return Err(BekenError::HeaderField { field: "encryption", found: other.into() }),
        };
        let compression = match kind(field::COMPRESSION)? {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::QuickLz,
            3 => Compression::FastLz,
            other => return Err(BekenError::HeaderField { field: "compression", found: other.into() }),
        };
        match half(bytes, field::RESERVED).ok_or_else(truncated)? {
            0 => {}
            other => return Err(BekenError::HeaderField { field: "reserved", found: other.into() }),
        }
        Ok(Self {
            encryption,
            compression,
            release: Release {
                name: string(field::NAME, field::NAME_BYTES)?,
                version: string(field::VERSION, field::VERSION_BYTES)?,
                unix_time: number(field::TIME)?,
            },
            data_crc: number(field::DATA_CRC)?,
            hash: number(field::HASH)?,
            raw_bytes: number(field::RAW)?,
            package_bytes: number(field::PACKAGE)?,
        })
    }

    /// The header as it is stored. The serial number, which nothing reads, is 23 zeros.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(match self.encryption {
            Encryption::None => 0,
            Encryption::Xor => 1,
            Encryption::Aes256 => 2,
        });
        bytes.push(match self.compression {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::QuickLz => 2,
            Compression::FastLz => 3,
        });
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&self.release.unix_time.to_le_bytes());
        put_text(&mut bytes, &self.release.name, field::NAME_BYTES);
        put_text(&mut bytes, &self.release.version, field::VERSION_BYTES);
        bytes.extend_from_slice(&[b'0'; 23]);
        bytes.push(0);
        for number in [self.data_crc, self.hash, self.raw_bytes, self.package_bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Checks the payload and unpacks it.
    ///
    /// `None` if it is packed in a way that this crate does not unpack (XOR, QuickLZ, FastLZ): then only its CRC is known to
    /// be right.
    ///
    /// # Errors
    /// CRC, length or hash differ from the header's.
    pub fn unpack(&self, payload: &[u8]) -> Result<Option<Vec<u8>>, BekenError> {
        let found = crc32(payload);
        if found != self.data_crc {
            return Err(BekenError::Payload { sum: "CRC-32", expected: self.data_crc, found });
        }
        let damaged = BekenError::Unpack { raw: self.raw_bytes };
        let payload = match self.encryption {
            Encryption::None => payload.to_vec(),
            Encryption::Aes256 => aes::decrypt(payload).ok_or_else(|| damaged.clone())?,
            Encryption::Xor => return Ok(None),
        };
        let raw = match self.compression {
            Compression::None => payload,
            Compression::Gzip => {
                let mut raw = Vec::new();
                // One byte more than announced tells a longer payload apart, and is all that is ever unpacked.
                let limit = u64::from(self.raw_bytes).saturating_add(1);
                let mut unpacker = flate2::read::GzDecoder::new(payload.as_slice()).take(limit);
                unpacker.read_to_end(&mut raw).map_err(|_| damaged.clone())?;
                raw
            }
            Compression::QuickLz | Compression::FastLz => return Ok(None),
        };
        if u32::try_from(raw.len()) != Ok(self.raw_bytes) {
            return Err(damaged);
        }
        let found = fnv1a(&raw);
        if found != self.hash {
            return Err(BekenError::Payload { sum: "FNV-1a", expected: self.hash, found });
        }
        Ok(Some(raw))
    }
}

/// The text in a field of `room` bytes, filled up with zeros, of which there is one at least.
fn put_text(bytes: &mut Vec<u8>, text: &str, room: usize) {
    let end = bytes.len().saturating_add(room);
    bytes.extend(text.bytes().take(room.saturating_sub(1)));
    bytes.resize(end, 0);
}

/// CRC-32 as zlib has it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// FNV-1a of 32 bits.
pub(super) fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sums_are_the_usual_ones() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(fnv1a(b""), 0x811C_9DC5);
        assert_eq!(fnv1a(b"foobar"), 0xBF9C_F968);
    }

    proptest! {
        #[test]
        fn headers_are_read_as_written(
            name in "[a-z]{0,15}", version in "[0-9.]{0,23}", unix_time: u32, sums: [u32; 4], packing in 0_usize..12,
        ) {
            let encryption = [Encryption::None, Encryption::Xor, Encryption::Aes256][packing % 3];
            let compression =
                [Compression::None, Compression::Gzip, Compression::QuickLz, Compression::FastLz][packing / 3];
            let [data_crc, hash, raw_bytes, package_bytes] = sums;
            let release = Release { name, version, unix_time };
            let header =
                RblHeader { encryption, compression, release, data_crc, hash, raw_bytes, package_bytes };
            let mut bytes = header.encode();
            prop_assert_eq!(bytes.len(), HEADER_BYTES);
            prop_assert_eq!(RblHeader::decode(&bytes), Ok(header));
            bytes[20] ^= 0x10;
            let refused = matches!(RblHeader::decode(&bytes), Err(BekenError::HeaderCrc { .. }));
            prop_assert!(refused);
        }
    }
}
