//! Words: separated by spaces, quoted with `"`.
//!
//! Inside quotes `\"`, `\\`, `\n`, `\r`, `\t` and `\xNN` (the character U+00NN) stand for what cannot stand there
//! itself; outside them a backslash is a backslash. A quote may open in the middle of a word, so that `key="a b"` is
//! one word. Control characters never occur raw.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// One word of a line.
#[derive(Clone, PartialEq, Eq)]
pub struct Word<'a> {
    text: Cow<'a, str>,
    raw: &'a str,
}

impl<'a> Word<'a> {
    /// The word without its quotes and escapes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, keeping the borrow of the line where there was nothing to undo.
    #[must_use]
    pub fn into_text(self) -> Cow<'a, str> {
        self.text
    }

    /// The word as it stands in the line.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }
}

/// Why a line cannot be split into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote is opened and not closed.
    #[error("a quote is not closed")]
    UnclosedQuote,
    /// A backslash inside quotes with something after it that means nothing.
    #[error("inside quotes a backslash stands before one of \" \\ n r t xNN")]
    BadEscape,
    /// A raw control character.
    #[error("the line holds a control character")]
    ControlCharacter,
}

/// Splits a line into words.
pub fn split(line: &str) -> Result<Vec<Word<'_>>, WordError> {
    if line.chars().any(char::is_control) {
        return Err(WordError::ControlCharacter);
    }
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(' ');
    while !rest.is_empty() {
        let (word, after) = take_word(rest)?;
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    Ok(words)
}

/// The word that `rest` begins with, and what follows it.
fn take_word(rest: &str) -> Result<(Word<'_>, &str), WordError> {
    let plain = rest.find([' ', '"']).unwrap_or(rest.len());
    if !rest.get(plain..).unwrap_or_default().starts_with('"') {
        let (raw, after) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        return Ok((Word { text: Cow::Borrowed(raw), raw }, after));
    }
    let mut text = String::new();
    let mut quoted = false;
    let mut chars = rest.char_indices();
    let mut end = rest.len();
    while let Some((at, character)) = chars.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => text.push(take_escape(&mut chars).ok_or(WordError::BadEscape)?),
            ' ' if !quoted => {
                end = at;
                break;
            }
            other => text.push(other),
        }
    }
    if quoted {
        return Err(WordError::UnclosedQuote);
    }
    let (raw, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    Ok((Word { text: Cow::Owned(text), raw }, after))
}

fn take_escape(chars: &mut core::str::CharIndices<'_>) -> Option<char> {
    let mut next = || chars.next().map(|(_, character)| character);
    match next()? {
        '"' => Some('"'),
        '\\' => Some('\\'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'x' => {
            let high = next()?.to_digit(16)?;
            let low = next()?.to_digit(16)?;
            char::from_u32(high * 16 + low)
        }
        _ => None,
    }
}

/// Appends `text` as one word that [`split`] gives back, quoted if it has to be.
pub fn write_word(line: &mut String, text: &str) {
    let special = |character: char| character == ' ' || needs_escape(character);
    // A leading star must not look like the end of a frame, nor a leading hash like the start of one.
    if text.is_empty() || text.starts_with(['*', '#']) || text.chars().any(special) {
        write_quoted(line, text);
    } else {
        line.push_str(text);
    }
}

/// Appends `text` in quotes.
pub(super) fn write_quoted(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        push_escaped(line, character);
    }
    line.push('"');
}

pub(super) fn needs_escape(character: char) -> bool {
    matches!(character, '"' | '\\') || character.is_control()
}

pub(super) fn push_escaped(line: &mut String, character: char) {
    match character {
        '"' => line.push_str("\\\""),
        '\\' => line.push_str("\\\\"),
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        // Control characters end at U+009F: two digits hold them all.
        other if other.is_control() => {
            let digit = |value: u32| char::from_digit(value & 0xf, 16).unwrap_or('0').to_ascii_uppercase();
            line.push_str("\\x");
            line.push(digit(u32::from(other) >> 4));
            line.push(digit(u32::from(other)));
        }
        other => line.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn texts(line: &str) -> Vec<String> {
        split(line).unwrap().iter().map(|word| word.text().to_string()).collect()
    }

    #[test]
    fn splits_at_spaces_and_honours_quotes() {
        assert_eq!(texts("  get   mqtt.port "), ["get", "mqtt.port"]);
        assert_eq!(texts(r#"a "b c" "" d"e f"g"#), ["a", "b c", "", "de fg"]);
        assert_eq!(texts(r#""\"\\\n\r\t\x00\x7f\xE9""#), ["\"\\\n\r\t\0\u{7f}é"]);
        assert_eq!(texts(r"back\slash c:\x"), [r"back\slash", r"c:\x"]);
        assert!(texts("   ").is_empty());
        assert_eq!(split(r#"k="v w" x"#).unwrap()[0].raw(), r#"k="v w""#);
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        assert_eq!(split("a \"b").err(), Some(WordError::UnclosedQuote));
        for bad in [r#""\q""#, r#""\x1""#, r#""\xg0""#, r#""\"#] {
            assert_eq!(split(bad).err(), Some(WordError::BadEscape), "{bad}");
        }
        for bad in ["a\tb", "\u{1b}[A", "a\0", "\u{85}"] {
            assert_eq!(split(bad).err(), Some(WordError::ControlCharacter), "{bad:?}");
        }
    }

    #[test]
    fn quotes_only_what_needs_it() {
        for (text, expected) in [
            ("plain/#,+", "plain/#,+"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("#x", "\"#x\""),
            ("*29B1", "\"*29B1\""),
            ("é\u{85}\u{1}", "\"é\\x85\\x01\""),
        ] {
            let mut line = String::new();
            write_word(&mut line, text);
            assert_eq!(line, expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_round_trips(given in prop::collection::vec(any::<String>(), 0..5)) {
            let mut line = String::new();
            for text in &given {
                write_word(&mut line, text);
                line.push(' ');
            }
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert_eq!(texts(&line), given);
        }

        #[test]
        fn any_line_is_split_or_refused(line in "[a\"\\\\nx0 \u{0}-\u{ff}]{0,40}") {
            if let Ok(words) = split(&line) {
                // Nothing is lost: the raw words are the line without the spaces between them.
                let mut rest = line.as_str();
                for word in words {
                    rest = rest.trim_start_matches(' ').strip_prefix(word.raw()).unwrap();
                }
                prop_assert!(rest.trim_start_matches(' ').is_empty());
            }
        }
    }
}
