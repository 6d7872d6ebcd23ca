//! Topic names (section 4.7).

use core::fmt;

use crate::{Sink, Text, TextError, text::put_counted};

/// Why a text is not a topic name or filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// At least one character is needed \[MQTT-4.7.3-1\].
    #[error("topic is empty")]
    Empty,
    /// The null character \[MQTT-4.7.3-2\].
    #[error("topic contains a null character")]
    Nul,
    /// More than 65,535 bytes \[MQTT-4.7.3-3\].
    #[error("topic of more than 65535 bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("topic is not UTF-8")]
    Utf8,
    /// A wildcard in a name \[MQTT-3.3.2-2\].
    #[error("wildcard in a topic name")]
    WildcardInName,
    /// `#` that is not the last level, or a wildcard that shares its level \[MQTT-4.7.1-2, MQTT-4.7.1-3\].
    #[error("wildcard at a place where none is allowed")]
    WildcardPlace,
    /// `$share` without a group and a filter behind it \[MQTT-4.8.2-1, MQTT-4.8.2-2\].
    #[error("shared subscription is not $share/GROUP/FILTER")]
    Share,
}

impl From<TextError> for TopicError {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Utf8 => TopicError::Utf8,
            TextError::Nul => TopicError::Nul,
            TextError::TooLong => TopicError::TooLong,
        }
    }
}

/// The topic of a message: not empty, no wildcard, no null character, at most 65,535 bytes.
///
/// It is kept as the bytes that it came in: a broker compares and copies it, and needs no text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicName<'a>(&'a [u8]);

impl<'a> TopicName<'a> {
    /// Checks a name.
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        TopicName::from_utf8(name.as_bytes())
    }

    /// Checks bytes.
    #[inline]
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self, TopicError> {
        if bytes.is_empty() {
            return Err(TopicError::Empty);
        }
        if bytes.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        if !is_plain(bytes) {
            check(bytes)?;
        }
        Ok(TopicName(bytes))
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        match core::str::from_utf8(self.0) {
            Ok(name) => name,
            // It was checked.
            Err(_) => "",
        }
    }

    /// The name's bytes, without the cost of looking at them once more.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The levels between the separators; there is always at least one, and any of them may be empty.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.as_str().split('/')
    }

    pub(crate) const fn encoded_length(self) -> usize {
        2 + self.0.len()
    }

    #[inline]
    pub(crate) fn encode(self, sink: &mut impl Sink) {
        put_counted(self.0, sink);
    }
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TopicName").field(&self.as_str()).finish()
    }
}

/// Looks at every byte of a name that has wildcards, null characters or letters beyond ASCII.
#[cold]
fn check(bytes: &[u8]) -> Result<(), TopicError> {
    core::str::from_utf8(bytes).map_err(|_| TopicError::Utf8)?;
    match bytes.iter().find(|byte| matches!(byte, 0 | b'+' | b'#')) {
        Some(0) => Err(TopicError::Nul),
        Some(_) => Err(TopicError::WildcardInName),
        None => Ok(()),
    }
}

/// Whether a name is ASCII without wildcards and null characters, as nearly all are; a word at a time.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    const WORD: usize = size_of::<usize>();
    let (words, rest) = bytes.as_chunks::<WORD>();
    let strange = words.iter().fold(0, |strange, word| strange | strange_bytes(usize::from_ne_bytes(*word)));
    let strange_at_end = match bytes.last_chunk::<WORD>() {
        // Some bytes are looked at twice.
        Some(word) => strange_bytes(usize::from_ne_bytes(*word)),
        None => rest.iter().fold(0, |strange, &byte| strange | strange_bytes(ONES * usize::from(byte))),
    };
    strange | strange_at_end == 0
}

const ONES: usize = usize::MAX / 0xFF;

/// Not 0 if a byte of a word is no ASCII, a wildcard or a null character.
#[inline]
const fn strange_bytes(word: usize) -> usize {
    // Below 0x80 nothing but 0 gets its highest bit by subtracting 1, and what is not below has it already.
    let null = word.wrapping_sub(ONES);
    let plus = (word ^ (ONES * b'+' as usize)).wrapping_sub(ONES);
    let hash = (word ^ (ONES * b'#' as usize)).wrapping_sub(ONES);
    (word | null | plus | hash) & (ONES << 7)
}

impl<'a> TryFrom<Text<'a>> for TopicName<'a> {
    type Error = TopicError;

    fn try_from(text: Text<'a>) -> Result<Self, TopicError> {
        TopicName::new(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_section_4_7_are_accepted() {
        for name in ["/", "a", "/finance", "a//b", "ACCOUNTS", "Accounts payable", "$SYS/monitor/Clients"] {
            assert_eq!(TopicName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_name_is_looked_at_wherever_a_byte_stands_in_it() {
        let mut name = [b'a'; 40];
        for length in 1..name.len() {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    name[place] = byte;
                    let expected = match byte {
                        0 => Err(TopicError::Nul),
                        b'+' | b'#' => Err(TopicError::WildcardInName),
                        0x80.. => Err(TopicError::Utf8),
                        _ => Ok(()),
                    };
                    assert_eq!(TopicName::from_utf8(&name[..length]).map(|_| ()), expected);
                    name[place] = b'a';
                }
            }
        }
        for name in ["ä", "küche/licht", "küche/licht/schön/und/hell/im/winter", "\u{10FFFF}"] {
            assert_eq!(TopicName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(TopicName::new("küche/+"), Err(TopicError::WildcardInName));
    }

    #[test]
    fn mqtt_4_7_3_1_a_topic_has_a_character() {
        assert_eq!(TopicName::new(""), Err(TopicError::Empty));
    }

    #[test]
    fn mqtt_3_3_2_2_a_name_has_no_wildcard() {
        for name in ["#", "+", "a/#", "a/+/b", "a+", "#a"] {
            assert_eq!(TopicName::new(name), Err(TopicError::WildcardInName));
        }
    }

    #[test]
    fn mqtt_4_7_3_2_a_topic_has_no_null_character() {
        assert_eq!(TopicName::new("a\0"), Err(TopicError::Nul));
    }
}
