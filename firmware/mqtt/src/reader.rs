//! Bounds-checked reading of a packet's body.

use crate::{
    Binary, DecodeError, PacketId, Properties, PropertyOwner, Text, TopicFilter, TopicName, Version,
};

/// Reads fields from the front of a packet's body; nothing can be read beyond its end.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over a whole body.
    pub const fn new(body: &'a [u8]) -> Self {
        Reader { rest: body }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(byte)
    }

    /// The next `length` bytes.
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// A two-byte integer, most significant byte first (section 1.5.2).
    pub fn integer(&mut self) -> Result<u16, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<2>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    /// A four-byte integer, most significant byte first (section 1.5.3 of MQTT 5.0).
    pub fn long_integer(&mut self) -> Result<u32, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    /// A variable byte integer (section 1.5.5 of MQTT 5.0), in as few bytes as it needs.
    pub fn variable_integer(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                let is_minimal = byte != 0 || index == 0;
                return if is_minimal { Ok(value) } else { Err(DecodeError::VariableInteger) };
            }
        }
        Err(DecodeError::VariableInteger)
    }

    /// The properties of a packet, behind their length; older versions have none, and nothing is read.
    #[inline]
    pub fn properties(
        &mut self,
        owner: PropertyOwner,
        version: Version,
    ) -> Result<Properties<'a>, DecodeError> {
        if !version.has_properties() {
            return Ok(Properties::EMPTY);
        }
        let length = usize::try_from(self.variable_integer()?).map_err(|_| DecodeError::Truncated)?;
        Properties::new(self.bytes(length)?, owner)
    }

    /// A packet identifier.
    pub fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.integer()?).ok_or(DecodeError::PacketIdZero)
    }

    /// Bytes behind a two-byte length.
    pub fn binary(&mut self) -> Result<Binary<'a>, DecodeError> {
        let length = usize::from(self.integer()?);
        Ok(Binary::from_checked(self.bytes(length)?))
    }

    /// A text behind a two-byte length (section 1.5.3).
    pub fn text(&mut self) -> Result<Text<'a>, DecodeError> {
        Ok(Text::from_utf8(self.binary()?.as_bytes())?)
    }

    /// A topic name behind a two-byte length.
    #[inline]
    pub fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        Ok(TopicName::from_utf8(self.binary()?.as_bytes())?)
    }

    /// A topic filter behind a two-byte length.
    pub fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        Ok(TopicFilter::from_utf8(self.binary()?.as_bytes())?)
    }

    /// Ends the packet: nothing may be left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error that every cut of the bytes gives, or the value of the whole.
    fn variable(bytes: &[u8]) -> Result<u32, DecodeError> {
        for end in 0..bytes.len().min(4) {
            assert_eq!(Reader::new(&bytes[..end]).variable_integer(), Err(DecodeError::Truncated));
        }
        Reader::new(bytes).variable_integer()
    }

    #[test]
    fn variable_byte_integers_at_the_limits_of_table_1_1() {
        assert_eq!(variable(&[0x00]), Ok(0));
        assert_eq!(variable(&[0x7F]), Ok(127));
        assert_eq!(variable(&[0x80, 0x01]), Ok(128));
        assert_eq!(variable(&[0xFF, 0x7F]), Ok(16_383));
        assert_eq!(variable(&[0x80, 0x80, 0x01]), Ok(16_384));
        assert_eq!(variable(&[0xFF, 0xFF, 0xFF, 0x7F]), Ok(268_435_455));
        assert_eq!(variable(&[0xFF, 0xFF, 0xFF, 0xFF, 0x01]), Err(DecodeError::VariableInteger));
    }

    #[test]
    fn mqtt_1_5_5_1_a_variable_byte_integer_takes_no_more_bytes_than_it_needs() {
        assert_eq!(variable(&[0x80, 0x00]), Err(DecodeError::VariableInteger));
        assert_eq!(variable(&[0xFF, 0x80, 0x00]), Err(DecodeError::VariableInteger));
        assert_eq!(variable(&[0x81, 0x80, 0x80, 0x00]), Err(DecodeError::VariableInteger));
    }

    #[test]
    fn properties_are_read_in_mqtt_5_only() {
        let body = [3, 0x23, 0, 1, 0xAA];
        let mut reader = Reader::new(&body);
        assert_eq!(reader.properties(PropertyOwner::Publish, Version::V3_1_1), Ok(Properties::EMPTY));
        assert_eq!(reader.rest(), body);
        let properties = reader.properties(PropertyOwner::Publish, Version::V5).unwrap();
        assert_eq!(properties.as_bytes(), [0x23, 0, 1]);
        assert_eq!(reader.rest(), [0xAA]);
        let mut short = Reader::new(&body[..3]);
        assert_eq!(short.properties(PropertyOwner::Publish, Version::V5), Err(DecodeError::Truncated));
    }
}
