//! Frames: `#SEQ words… *CRC4`, with CRC-16/IBM-3740 over everything before the space in front of the star.

use alloc::format;
use alloc::string::String;

use crc::{CRC_16_IBM_3740, Crc, NoTable};

use super::buffer::RawLine;
use super::error::ErrorCode;
use crate::limits::LINE_LIMIT;

/// Without a table: 512 bytes of flash are worth more to a device than the speed of 512 bytes of text.
const CRC: Crc<u16, NoTable> = Crc::<u16, NoTable>::new(&CRC_16_IBM_3740);

/// Bytes of ` *XXXX`.
const TRAILER_BYTES: usize = 6;

/// A framed line that was read whole and undamaged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Sequence number; 0 only in a device's answer to a line it could not read.
    pub seq: u32,
    /// The words between number and checksum.
    pub body: &'a str,
}

/// Why a line that starts with `#` is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not end in a space, a star and four upper-case hexadecimal digits.
    #[error("the line does not end in a checksum")]
    NoChecksum,
    /// The checksum is that of another line.
    #[error("the checksum is wrong")]
    WrongChecksum,
    /// The sequence number is not a plain decimal number of 32 bits.
    #[error("the sequence number cannot be read")]
    BadSequence,
}

/// A line that would be longer than [`LINE_LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line would take {bytes} bytes and {LINE_LIMIT} is the most")]
pub struct TooLong {
    /// Bytes it would take.
    pub bytes: usize,
}

/// Frames a body; the line ends in `\n`.
pub fn frame(seq: u32, body: &str) -> Result<String, TooLong> {
    let mut line = format!("#{seq} {body}");
    let checksum = CRC.checksum(line.as_bytes());
    line.push_str(&format!(" *{checksum:04X}"));
    if line.len() > LINE_LIMIT {
        return Err(TooLong { bytes: line.len() });
    }
    line.push('\n');
    Ok(line)
}

/// Reads a framed line, without its line end.
pub fn parse_frame(line: &str) -> Result<Frame<'_>, FrameError> {
    let (content, checksum) = split_trailer(line).ok_or(FrameError::NoChecksum)?;
    if CRC.checksum(content.as_bytes()) != checksum {
        return Err(FrameError::WrongChecksum);
    }
    let content = content.strip_prefix('#').ok_or(FrameError::BadSequence)?;
    let (number, body) = content.split_once(' ').unwrap_or((content, ""));
    let plain =
        number.bytes().all(|byte| byte.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    match number.parse() {
        Ok(seq) if plain => Ok(Frame { seq, body }),
        _ => Err(FrameError::BadSequence),
    }
}

/// Splits ` *XXXX` off the end of a line.
fn split_trailer(line: &str) -> Option<(&str, u16)> {
    let (content, trailer) = line.split_at_checked(line.len().checked_sub(TRAILER_BYTES)?)?;
    let digits = trailer.strip_prefix(" *")?;
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok().map(|checksum| (content, checksum))
}

/// What a device makes of an incoming line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Someone typed; the answer is plain words.
    Typed(&'a str),
    /// A program asked; the answer is framed with the same number.
    Request(Frame<'a>),
    /// Nobody can say what it was.
    Unreadable {
        /// Whether it was meant as a frame: then the answer is framed with number 0, else plain.
        framed: bool,
        /// What was wrong, for programs.
        code: ErrorCode,
        /// What was wrong, for people.
        message: &'static str,
    },
}

/// Sorts an incoming line on the device.
///
/// A line that ends as a frame does but does not start as one is refused, not taken as typed: it is what is left of a
/// frame that lost its beginning, and must not be executed without its check.
#[must_use]
pub fn read_line(raw: RawLine<'_>) -> Incoming<'_> {
    let bytes = match raw {
        RawLine::Whole(bytes) => bytes,
        RawLine::TooLong { framed } => {
            let message = "the line is too long";
            return Incoming::Unreadable { framed, code: ErrorCode::TooLong, message };
        }
    };
    let framed = bytes.starts_with(b"#");
    let unreadable = |code, message| Incoming::Unreadable { framed, code, message };
    let Ok(line) = core::str::from_utf8(bytes) else {
        return unreadable(ErrorCode::Syntax, "the line is not UTF-8 text");
    };
    if !framed {
        return match split_trailer(line) {
            Some(_) => unreadable(ErrorCode::Crc, "the line has lost its beginning"),
            None => Incoming::Typed(line),
        };
    }
    match parse_frame(line) {
        Ok(Frame { seq: 0, .. }) | Err(FrameError::BadSequence) => {
            unreadable(ErrorCode::Syntax, "the sequence number is not 1..=4294967295")
        }
        Err(FrameError::NoChecksum) => unreadable(ErrorCode::Crc, "the line does not end in a checksum"),
        Err(FrameError::WrongChecksum) => unreadable(ErrorCode::Crc, "the checksum is wrong"),
        Ok(frame) => Incoming::Request(frame),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksum_is_the_named_one() {
        assert_eq!(CRC.checksum(b"123456789"), 0x29b1);
    }

    #[test]
    fn a_frame_is_pinned() {
        assert_eq!(frame(12, "set mqtt.port 1884").unwrap(), "#12 set mqtt.port 1884 *BC69\n");
        let read = parse_frame("#12 set mqtt.port 1884 *BC69").unwrap();
        assert_eq!((read.seq, read.body), (12, "set mqtt.port 1884"));
    }

    #[test]
    fn any_single_flipped_bit_is_noticed() {
        let line = frame(7, "user set bob \"correct horse\"").unwrap();
        let line = line.trim_end().as_bytes();
        for bit in 0..line.len() * 8 {
            let mut damaged = line.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match read_line(RawLine::Whole(&damaged)) {
                Incoming::Unreadable { .. } => {}
                Incoming::Request(_) => panic!("bit {bit} was not noticed"),
                // Only a damaged trailer can make it look typed, and then the `#` is there no more.
                Incoming::Typed(_) => panic!("bit {bit} made it typed"),
            }
        }
    }

    #[test]
    fn what_is_left_of_a_frame_is_never_typed() {
        let line = frame(7, "reboot").unwrap();
        let line = line.trim_end().as_bytes();
        for start in 1..line.len() - TRAILER_BYTES {
            assert!(
                matches!(
                    read_line(RawLine::Whole(&line[start..])),
                    Incoming::Unreadable { framed: false, code: ErrorCode::Crc, .. }
                ),
                "from byte {start}"
            );
        }
    }

    #[test]
    fn sequence_numbers_are_plain_decimals() {
        for bad in ["#00 x", "#01 x", "#+1 x", "# x", "#4294967296 x", "#1x y", "#-1 x"] {
            let line = format!("{bad} *{:04X}", CRC.checksum(bad.as_bytes()));
            assert_eq!(parse_frame(&line).err(), Some(FrameError::BadSequence), "{bad}");
        }
        for good in ["#0 x", "#1 x", "#4294967295 x", "#5"] {
            let line = format!("{good} *{:04X}", CRC.checksum(good.as_bytes()));
            assert!(parse_frame(&line).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let overhead = "#1  *XXXX".len();
        assert_eq!(frame(1, &"x".repeat(LINE_LIMIT - overhead)).unwrap().len(), LINE_LIMIT + 1);
        assert_eq!(frame(1, &"x".repeat(LINE_LIMIT - overhead + 1)), Err(TooLong { bytes: LINE_LIMIT + 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_sorted(bytes in prop::collection::vec(any::<u8>(), 1..80), hash: bool) {
            let mut bytes = bytes;
            if hash {
                bytes[0] = b'#';
            }
            let _ = read_line(RawLine::Whole(&bytes));
        }

        #[test]
        fn any_body_round_trips(seq in 1_u32.., body in "[^\\pC]{0,100}") {
            let line = frame(seq, &body).unwrap();
            let read = parse_frame(line.trim_end_matches('\n')).unwrap();
            prop_assert_eq!((read.seq, read.body), (seq, body.as_str()));
        }
    }
}
