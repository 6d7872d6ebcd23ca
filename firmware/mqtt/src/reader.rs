//! Bounds-checked reading of a packet's body.

use crate::{Binary, DecodeError, PacketId, Text};

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

    /// Ends the packet: nothing may be left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}
