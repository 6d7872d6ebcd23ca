//! Topic names (section 4.7).

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks a name.
    pub fn new(name: &'a str) -> Result<Self, TopicError> {
        if name.is_empty() {
            return Err(TopicError::Empty);
        }
        if name.len() > usize::from(u16::MAX) {
            return Err(TopicError::TooLong);
        }
        // Without a way out of the loop the compiler compares many bytes at once.
        let is_forbidden = |byte: u8| matches!(byte, 0 | b'+' | b'#');
        if name.bytes().fold(false, |found, byte| found | is_forbidden(byte)) {
            let first = name.bytes().find(|byte| is_forbidden(*byte));
            return Err(if first == Some(0) { TopicError::Nul } else { TopicError::WildcardInName });
        }
        Ok(TopicName(name))
    }

    /// Checks bytes.
    pub fn from_utf8(bytes: &'a [u8]) -> Result<Self, TopicError> {
        TopicName::new(core::str::from_utf8(bytes).map_err(|_| TopicError::Utf8)?)
    }

    /// The name.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The levels between the separators; there is always at least one, and any of them may be empty.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.split('/')
    }

    pub(crate) const fn encoded_length(self) -> usize {
        2 + self.0.len()
    }

    #[inline]
    pub(crate) fn encode(self, sink: &mut impl Sink) {
        put_counted(self.0.as_bytes(), sink);
    }
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
