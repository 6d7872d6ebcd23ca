//! A device's bytes as text that a terminal can be shown.
//!
//! Control characters are replaced: what a chip prints (or what noise looks like) must not move the cursor or
//! change the terminal's state. Characters and lines may be split over reads anywhere.

/// A line longer than this is handed out in pieces.
const LINE_LIMIT_BYTES: usize = 4096;

/// Turns byte pieces into text and into lines.
#[derive(Debug, Default)]
pub(crate) struct LineText {
    /// The beginning of a character whose rest has not come yet; at most three bytes.
    partial: Vec<u8>,
    /// Text after the last line that was taken.
    open: String,
}

impl LineText {
    /// Adds bytes and returns their text.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.partial.extend_from_slice(bytes);
        let complete = self.partial.len().saturating_sub(incomplete_tail(&self.partial));
        let ready: Vec<u8> = self.partial.drain(..complete).collect();
        let text = printable(&ready);
        self.open.push_str(&text);
        if !self.open.contains('\n') && self.open.len() > LINE_LIMIT_BYTES {
            self.open.push('\n');
        }
        text
    }

    /// The next complete line, without its end.
    pub(crate) fn take_line(&mut self) -> Option<String> {
        let end = self.open.find('\n')?;
        let rest = self.open.split_off(end.saturating_add(1));
        let mut line = std::mem::replace(&mut self.open, rest);
        line.pop();
        Some(line)
    }

    /// Whether the last text did not end with a newline.
    pub(crate) fn is_open(&self) -> bool {
        !self.open.is_empty() && !self.open.ends_with('\n')
    }
}

/// Text without control characters but newline and tab; carriage returns vanish.
pub(crate) fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|c| *c != '\r')
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// How many bytes at the end begin a character that may still be completed.
fn incomplete_tail(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(error) => {
            // Past every invalid sequence only an incomplete one can be left; `error_len` is then `None`.
            let mut rest = bytes;
            let mut error = error;
            loop {
                let skip = error.valid_up_to().saturating_add(error.error_len().unwrap_or(0));
                rest = rest.get(skip..).unwrap_or_default();
                if error.error_len().is_none() {
                    return rest.len();
                }
                match std::str::from_utf8(rest) {
                    Ok(_) => return 0,
                    Err(next) => error = next,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_split_anywhere() {
        let text = "Grüße 日本 \u{1F600}\n";
        for split in 0..text.len() {
            let mut line = LineText::default();
            let (first, second) = text.as_bytes().split_at(split);
            assert_eq!(line.push(first) + &line.push(second), text, "split at {split}");
            assert_eq!(line.take_line().as_deref(), Some(text.trim_end_matches('\n')));
            assert!(!line.is_open());
        }
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\r\n\x07"), "a\u{FFFD}[2Jb\n\u{FFFD}");
    }

    #[test]
    fn noise_is_shown_and_not_kept_back() {
        let mut line = LineText::default();
        assert_eq!(line.push(&[0xFF, 0xFE, b'a']), "\u{FFFD}\u{FFFD}a");
        assert!(line.partial.is_empty());
    }

    #[test]
    fn a_line_without_end_is_handed_out_in_pieces() {
        let mut line = LineText::default();
        line.push(&vec![b'x'; LINE_LIMIT_BYTES + 1]);
        assert_eq!(line.take_line().map(|line| line.len()), Some(LINE_LIMIT_BYTES + 1));
    }
}
