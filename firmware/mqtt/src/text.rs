//! Texts and binary data with a two-byte length (section 1.5.3).

use crate::Sink;

/// Why a text may not stand in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Ill-formed UTF-8, surrogates included \[MQTT-1.5.3-1\].
    #[error("text is not UTF-8")]
    Utf8,
    /// The null character \[MQTT-1.5.3-2\].
    #[error("text contains a null character")]
    Nul,
    /// More bytes than a two-byte length can express.
    #[error("text of more than 65535 bytes")]
    TooLong,
}

/// A UTF-8 text of at most 65,535 bytes without a null character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// Checks a text.
    pub fn new(text: &'a str) -> Result<Self, TextError> {
        if text.len() > usize::from(u16::MAX) {
            return Err(TextError::TooLong);
        }
        if text.as_bytes().contains(&0) {
            return Err(TextError::Nul);
        }
        Ok(Text(text))
    }

    /// Checks bytes.
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self, TextError> {
        Text::new(core::str::from_utf8(bytes).map_err(|_| TextError::Utf8)?)
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Length and text on the wire, in bytes.
    pub(crate) const fn encoded_length(self) -> usize {
        2 + self.0.len()
    }

    pub(crate) fn encode(self, sink: &mut impl Sink) {
        put_counted(self.0.as_bytes(), sink);
    }
}

/// At most 65,535 arbitrary bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Binary<'a>(&'a [u8]);

impl<'a> Binary<'a> {
    /// Checks the length.
    pub fn new(bytes: &'a [u8]) -> Result<Self, TextError> {
        if bytes.len() > usize::from(u16::MAX) { Err(TextError::TooLong) } else { Ok(Binary(bytes)) }
    }

    /// Bytes whose length came out of a two-byte field.
    pub(crate) const fn from_checked(bytes: &'a [u8]) -> Self {
        Binary(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) const fn encoded_length(self) -> usize {
        2 + self.0.len()
    }

    pub(crate) fn encode(self, sink: &mut impl Sink) {
        put_counted(self.0, sink);
    }
}

/// Writes a two-byte length and the bytes; the checked types guarantee that the length fits.
#[inline(always)]
pub(crate) fn put_counted(bytes: &[u8], sink: &mut impl Sink) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    sink.put(&length.to_be_bytes());
    sink.put(bytes.get(..usize::from(length)).unwrap_or(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_1_5_3_1_ill_formed_utf8_and_surrogates_are_refused() {
        assert_eq!(Text::from_utf8(b"\xC0\x80"), Err(TextError::Utf8));
        assert_eq!(Text::from_utf8(b"a\xED\xA0\x80"), Err(TextError::Utf8));
    }

    #[test]
    fn mqtt_1_5_3_2_the_null_character_is_refused() {
        assert_eq!(Text::from_utf8(b"a\0b"), Err(TextError::Nul));
    }

    #[test]
    fn mqtt_1_5_3_3_a_byte_order_mark_is_kept() {
        assert_eq!(Text::from_utf8(b"\xEF\xBB\xBFa").unwrap().as_str(), "\u{feff}a");
    }

    #[test]
    fn a_text_is_as_long_as_its_length_field_can_say() {
        let long = [b'a'; 65536];
        assert!(Text::from_utf8(&long[..65535]).is_ok());
        assert_eq!(Text::from_utf8(&long), Err(TextError::TooLong));
        assert_eq!(Binary::new(&long), Err(TextError::TooLong));
    }
}
