//! Bytes in, lines out, in fixed memory.

use core::fmt;

use crate::limits::LINE_LIMIT;

/// Collects bytes into lines. A line ends at `\n`, or at the `\r` that terminals send for Enter; blank lines, and with
/// them the `\n` of a `\r\n`, are not reported.
#[derive(Clone)]
pub struct LineBuffer {
    bytes: [u8; LINE_LIMIT],
    length: usize,
    /// The line has outgrown the buffer; its bytes are swallowed up to its end.
    overflow: bool,
    /// What is here was given out and goes with the next byte.
    given: bool,
}

/// A line as it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RawLine<'a> {
    /// Its bytes, without the line end; never none.
    Whole(&'a [u8]),
    /// It was longer than [`LINE_LIMIT`] and is gone.
    TooLong {
        /// Whether it began as a frame does, with `#`.
        framed: bool,
    },
}

impl LineBuffer {
    /// An empty buffer.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; LINE_LIMIT], length: 0, overflow: false, given: false }
    }

    /// Takes one byte; a line if that ended it.
    pub fn push(&mut self, byte: u8) -> Option<RawLine<'_>> {
        if self.given {
            self.clear();
        }
        if byte == b'\n' || byte == b'\r' {
            self.given = true;
            let line = self.bytes.get(..self.length).unwrap_or_default();
            return if self.overflow {
                Some(RawLine::TooLong { framed: line.starts_with(b"#") })
            } else if line.is_empty() {
                None
            } else {
                Some(RawLine::Whole(line))
            };
        }
        match self.bytes.get_mut(self.length) {
            Some(place) => {
                *place = byte;
                self.length = self.length.saturating_add(1);
            }
            None => self.overflow = true,
        }
        None
    }

    /// Forgets what was collected.
    pub fn clear(&mut self) {
        // Lines carry passwords: they do not stay in memory longer than they must.
        self.bytes = [0; LINE_LIMIT];
        self.length = 0;
        self.overflow = false;
        self.given = false;
    }
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LineBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LineBuffer({} bytes)", self.length)
    }
}

impl fmt::Debug for RawLine<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(formatter, "RawLine({} bytes)", bytes.len()),
            Self::TooLong { .. } => formatter.write_str("RawLine(too long)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[derive(Debug, PartialEq)]
    enum Seen {
        Line(Vec<u8>),
        TooLong(bool),
    }

    fn feed(bytes: &[u8]) -> Vec<Seen> {
        let mut buffer = LineBuffer::new();
        let mut seen = Vec::new();
        for byte in bytes {
            match buffer.push(*byte) {
                Some(RawLine::Whole(line)) => seen.push(Seen::Line(line.to_vec())),
                Some(RawLine::TooLong { framed }) => seen.push(Seen::TooLong(framed)),
                None => {}
            }
        }
        seen
    }

    #[test]
    fn every_line_end_ends_a_line_and_blank_lines_are_silent() {
        let lines = || vec![Seen::Line(b"a".to_vec()), Seen::Line(b"b".to_vec())];
        assert_eq!(feed(b"a\nb\n"), lines());
        assert_eq!(feed(b"a\r\nb\r\n"), lines());
        assert_eq!(feed(b"a\rb\r"), lines());
        assert_eq!(feed(b"\n\n\ra\n\nb\nunfinished"), lines());
    }

    #[test]
    fn the_limit_is_exact_and_a_longer_line_is_reported_once() {
        let mut bytes = vec![b'#'; LINE_LIMIT];
        bytes.push(b'\n');
        assert_eq!(feed(&bytes), [Seen::Line(vec![b'#'; LINE_LIMIT])]);
        let mut bytes = vec![b'#'; LINE_LIMIT + 1];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(feed(&bytes), [Seen::TooLong(true), Seen::Line(b"next".to_vec())]);
        let mut bytes = vec![b'x'; LINE_LIMIT * 5];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(feed(&bytes), [Seen::TooLong(false), Seen::Line(b"next".to_vec())]);
    }
}
