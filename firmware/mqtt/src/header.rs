//! The fixed header (section 2.2): packet type, flags, remaining length.
//!
//! Decoding is incremental. Given whatever has arrived, the answer is the header, the wish for more bytes, or an error,
//! and the error comes with the first byte that makes it certain: a reserved type or flag does not wait for a length.

use crate::variable::{MAX_VARIABLE_INTEGER, variable_integer, variable_integer_bytes};
use crate::{DecodeError, EncodeError, Sink, Version};

/// The largest body a remaining length can announce (section 2.2.3).
pub const MAX_REMAINING_LENGTH: u32 = MAX_VARIABLE_INTEGER;

/// The longest fixed header: a byte of type and flags and four of length.
pub const MAX_HEADER_BYTES: usize = 5;

/// The flag of a packet that has been sent before.
pub(crate) const DUP: u8 = 0b1000;

/// The kinds of control packet (table 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    /// Only in MQTT 5.0.
    Auth = 15,
}

impl PacketType {
    #[inline]
    const fn from_bits(bits: u8, version: Version) -> Result<Self, DecodeError> {
        Ok(match bits {
            1 => PacketType::Connect,
            2 => PacketType::ConnAck,
            3 => PacketType::Publish,
            4 => PacketType::PubAck,
            5 => PacketType::PubRec,
            6 => PacketType::PubRel,
            7 => PacketType::PubComp,
            8 => PacketType::Subscribe,
            9 => PacketType::SubAck,
            10 => PacketType::Unsubscribe,
            11 => PacketType::UnsubAck,
            12 => PacketType::PingReq,
            13 => PacketType::PingResp,
            14 => PacketType::Disconnect,
            15 if version.has_properties() => PacketType::Auth,
            _ => return Err(DecodeError::PacketType(bits)),
        })
    }

    /// The flags that the specification fixes for this packet (table 2.2); PUBLISH has flags of its own.
    pub const fn fixed_flags(self) -> u8 {
        match self {
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
            _ => 0,
        }
    }

    /// Whether the flags may stand in this packet. MQTT 3.1 sets DUP in the repetition of a packet that is answered.
    #[inline]
    const fn permits(self, flags: u8, version: Version) -> bool {
        let fixed = self.fixed_flags();
        matches!(self, PacketType::Publish)
            || flags == fixed
            || matches!(version, Version::V3_1) && fixed != 0 && flags == fixed | DUP
    }
}

/// Type, flags and length of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedHeader {
    /// Which packet follows.
    pub packet_type: PacketType,
    /// The low four bits of the first byte, already checked against table 2.2 except for PUBLISH.
    pub flags: u8,
    /// Bytes of the packet behind the fixed header.
    pub remaining_length: u32,
}

/// What the bytes so far tell about a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderProgress {
    /// A correct beginning; more bytes are needed.
    NeedMore,
    /// The header, and how many bytes it took.
    Complete {
        /// The header.
        header: FixedHeader,
        /// Its length in bytes, 2 to 5.
        header_bytes: usize,
    },
}

impl FixedHeader {
    /// A header with the flags that the packet always has.
    pub(crate) fn new(packet_type: PacketType, body_bytes: usize) -> Result<Self, EncodeError> {
        Self::with_flags(packet_type, packet_type.fixed_flags(), body_bytes)
    }

    pub(crate) fn with_flags(
        packet_type: PacketType,
        flags: u8,
        body_bytes: usize,
    ) -> Result<Self, EncodeError> {
        match u32::try_from(body_bytes) {
            Ok(remaining_length) if remaining_length <= MAX_REMAINING_LENGTH => {
                Ok(FixedHeader { packet_type, flags, remaining_length })
            }
            _ => Err(EncodeError::TooLong),
        }
    }

    /// Reads a header from the beginning of a stream, as far as it has arrived, in the version that the connection
    /// speaks. Before CONNECT has told it, any will do: the header of a CONNECT is the same in all.
    #[inline]
    pub fn decode(stream: &[u8], version: Version) -> Result<HeaderProgress, DecodeError> {
        let Some((&first, length)) = stream.split_first() else { return Ok(HeaderProgress::NeedMore) };
        let packet_type = PacketType::from_bits(first >> 4, version)?;
        let flags = first & 0x0F;
        if !packet_type.permits(flags, version) {
            return Err(DecodeError::Flags { packet_type, flags });
        }
        // Nearly all packets are short.
        if let [second @ 0..0x80, ..] = *length {
            let header = FixedHeader { packet_type, flags, remaining_length: second.into() };
            return Ok(HeaderProgress::Complete { header, header_bytes: 2 });
        }
        let mut remaining_length = 0;
        for (index, &byte) in length.iter().take(MAX_HEADER_BYTES - 1).enumerate() {
            remaining_length |= u32::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                let header = FixedHeader { packet_type, flags, remaining_length };
                return Ok(HeaderProgress::Complete { header, header_bytes: index + 2 });
            }
        }
        if length.len() >= MAX_HEADER_BYTES - 1 {
            return Err(DecodeError::RemainingLength);
        }
        Ok(HeaderProgress::NeedMore)
    }

    /// Bytes of header and body together.
    pub fn packet_bytes(&self) -> usize {
        let body = usize::try_from(self.remaining_length).unwrap_or(usize::MAX);
        body.saturating_add(1 + remaining_length_bytes(self.remaining_length))
    }

    /// Writes the header.
    #[inline(always)]
    pub fn encode(&self, sink: &mut impl Sink) {
        let first = ((self.packet_type as u8) << 4) | (self.flags & 0x0F);
        if let Ok(length @ 0..0x80) = u8::try_from(self.remaining_length) {
            return sink.put(&[first, length]);
        }
        let ([second, third, fourth, fifth], used) = variable_integer(self.remaining_length);
        let bytes = [first, second, third, fourth, fifth];
        sink.put(bytes.get(..=used).unwrap_or(&bytes));
    }
}

/// How many bytes a remaining length takes on the wire, 1 to 4.
#[inline]
pub const fn remaining_length_bytes(remaining_length: u32) -> usize {
    variable_integer_bytes(remaining_length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    fn complete(bytes: &[u8]) -> (FixedHeader, usize) {
        match decode(bytes).unwrap() {
            HeaderProgress::Complete { header, header_bytes } => (header, header_bytes),
            HeaderProgress::NeedMore => panic!("header incomplete"),
        }
    }

    fn decode(bytes: &[u8]) -> Result<HeaderProgress, DecodeError> {
        FixedHeader::decode(bytes, Version::V3_1_1)
    }

    #[test]
    fn the_limits_of_table_2_4_are_encoded_as_printed_there() {
        let table: [(u32, &[u8]); 8] = [
            (0, &[0x00]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (remaining_length, bytes) in table {
            let header = FixedHeader { packet_type: PacketType::Publish, flags: 0, remaining_length };
            let mut buffer = [0; 8];
            let mut window = Window::new(0, &mut buffer);
            header.encode(&mut window);
            let written = window.written();
            assert_eq!(&buffer[1..written], bytes);
            assert_eq!(remaining_length_bytes(remaining_length), bytes.len());
            assert_eq!(complete(&buffer[..written]), (header, written));
            for end in 0..written {
                assert_eq!(decode(&buffer[..end]), Ok(HeaderProgress::NeedMore));
            }
        }
    }

    #[test]
    fn a_fifth_length_byte_is_malformed_as_soon_as_the_fourth_announces_it() {
        assert_eq!(decode(&[0x30, 0xFF, 0xFF, 0xFF]), Ok(HeaderProgress::NeedMore));
        assert_eq!(decode(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF]), Err(DecodeError::RemainingLength));
        assert_eq!(decode(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01]), Err(DecodeError::RemainingLength));
    }

    #[test]
    fn mqtt_2_2_2_2_reserved_types_and_flags_are_refused_with_the_first_byte() {
        assert_eq!(decode(&[0x00]), Err(DecodeError::PacketType(0)));
        assert_eq!(decode(&[0xF0]), Err(DecodeError::PacketType(15)));
        assert_eq!(FixedHeader::decode(&[0x00], Version::V5), Err(DecodeError::PacketType(0)));
        for version in [Version::V3_1_1, Version::V5] {
            for packet_type in 1..=14u8 {
                for flags in 0..16 {
                    let fixed = PacketType::from_bits(packet_type, version).unwrap();
                    let allowed = fixed == PacketType::Publish || flags == fixed.fixed_flags();
                    let header = FixedHeader::decode(&[packet_type << 4 | flags], version);
                    assert_eq!(header.is_ok(), allowed);
                }
            }
        }
    }

    #[test]
    fn auth_exists_in_mqtt_5_only() {
        assert!(FixedHeader::decode(&[0xF0, 0], Version::V5).is_ok());
        let flags = DecodeError::Flags { packet_type: PacketType::Auth, flags: 2 };
        assert_eq!(FixedHeader::decode(&[0xF2, 0], Version::V5), Err(flags));
        assert_eq!(FixedHeader::decode(&[0xF0, 0], Version::V3_1), Err(DecodeError::PacketType(15)));
    }

    #[test]
    fn in_mqtt_3_1_a_repeated_request_has_dup() {
        for first in [0x6A, 0x8A, 0xAA] {
            assert!(FixedHeader::decode(&[first, 2], Version::V3_1).is_ok());
            assert!(FixedHeader::decode(&[first & !DUP, 2], Version::V3_1).is_ok());
            assert!(FixedHeader::decode(&[first, 2], Version::V3_1_1).is_err());
            assert!(FixedHeader::decode(&[first, 2], Version::V5).is_err());
        }
        for first in [0x18, 0x48, 0x58, 0x78, 0xC8, 0xE8, 0x88] {
            assert!(FixedHeader::decode(&[first, 2], Version::V3_1).is_err());
        }
    }

    #[test]
    fn tasmotas_headers_are_read() {
        assert_eq!(complete(&[0x10, 0x8A, 0x01, 0x00]).0.packet_bytes(), 141);
        assert_eq!(complete(&[0x31, 0xFA, 0x04, 0x00, 0x25]).0.packet_bytes(), 637);
        assert_eq!(complete(&[0x31, 0x55, 0x00, 0x26]).0.packet_bytes(), 87);
    }
}
