//! Commands as they come over the line, and replies as they go.
//!
//! There is no checksum and no time-out: a command of which a byte was lost takes the next byte of whatever follows. That
//! is what makes a bad line dangerous on these chips.

/// Bytes that begin every command.
const PREAMBLE: [u8; 3] = [0x01, 0xE0, 0xFC];
/// Behind the preamble: a command with a length of two bytes.
const LONG: [u8; 2] = [0xFF, 0xF4];
/// The longest command: number, address, one sector.
const LONGEST: usize = 1 + 4 + 4096;

/// A whole command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// Short and long commands share their numbers.
    pub(super) long: bool,
    pub(super) code: u8,
    pub(super) payload: Vec<u8>,
}

/// Finds commands in what comes over the line.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    bytes: Vec<u8>,
}

impl Scanner {
    /// Takes one byte; gives the command that it completes.
    pub(super) fn push(&mut self, byte: u8) -> Option<Command> {
        self.bytes.push(byte);
        loop {
            let (head, length, long) = match self.look() {
                Look::Wait => return None,
                Look::Garbage => {
                    self.bytes.remove(0);
                    continue;
                }
                Look::Command { head, length, long } => (head, length, long),
            };
            if self.bytes.len() < head + length {
                return None;
            }
            let payload = self.bytes.get(head + 1..head + length).unwrap_or_default().to_vec();
            let code = self.bytes.get(head).copied().unwrap_or_default();
            self.bytes.drain(..head + length);
            return Some(Command { long, code, payload });
        }
    }

    fn look(&self) -> Look {
        let bytes = self.bytes.as_slice();
        let known = bytes.len().min(PREAMBLE.len());
        if bytes.get(..known) != PREAMBLE.get(..known) {
            return Look::Garbage;
        }
        match bytes.get(PREAMBLE.len()..).unwrap_or_default() {
            [] | [0xFF] => Look::Wait,
            [first, second, rest @ ..] if [*first, *second] == LONG => match rest {
                [low, high, ..] => {
                    let length = usize::from(u16::from_le_bytes([*low, *high]));
                    Self::bounded(7, length, true)
                }
                _ => Look::Wait,
            },
            [length, ..] => Self::bounded(4, usize::from(*length), false),
        }
    }

    fn bounded(head: usize, length: usize, long: bool) -> Look {
        if (1..=LONGEST).contains(&length) { Look::Command { head, length, long } } else { Look::Garbage }
    }
}

enum Look {
    /// More has to come.
    Wait,
    /// The first byte begins no command.
    Garbage,
    /// A command whose number stands at `head`; `length` bytes from there on belong to it.
    Command { head: usize, length: usize, long: bool },
}

/// A reply to a short command.
pub(super) fn short_reply(code: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len().saturating_add(4)).unwrap_or(u8::MAX);
    let mut reply = vec![0x04, 0x0E, length, 0x01, 0xE0, 0xFC, code];
    reply.extend_from_slice(payload);
    reply
}

/// A reply to a long command; zero is a good status.
pub(super) fn long_reply(code: u8, status: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len().saturating_add(2)).unwrap_or(u16::MAX);
    let mut reply = vec![0x04, 0x0E, 0xFF, 0x01, 0xE0, 0xFC, 0xF4];
    reply.extend_from_slice(&length.to_le_bytes());
    reply.extend_from_slice(&[code, status]);
    reply.extend_from_slice(payload);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(bytes: &[u8]) -> Vec<(bool, u8, Vec<u8>)> {
        let mut scanner = Scanner::default();
        bytes
            .iter()
            .filter_map(|&byte| scanner.push(byte))
            .map(|command| (command.long, command.code, command.payload))
            .collect()
    }

    #[test]
    fn commands_are_found_between_garbage() {
        let line = [
            &b"reboot\r\n"[..],
            &[0x01, 0xE0, 0xFC, 0x01, 0x00],
            &[0x01, 0x01, 0xE0, 0xFC, 0x02, 0x0E, 0xA5],
            &[0x01, 0xE0, 0xFC, 0xFF, 0xF4, 0x06, 0x00, 0x0F, 0x20, 0x00, 0x10, 0x01, 0x00],
        ]
        .concat();
        assert_eq!(
            scan(&line),
            [
                (false, 0x00, vec![]),
                (false, 0x0E, vec![0xA5]),
                (true, 0x0F, vec![0x20, 0x00, 0x10, 0x01, 0x00])
            ]
        );
    }

    #[test]
    fn a_command_that_lost_a_byte_takes_the_next_one() {
        let line = [0x01, 0xE0, 0xFC, 0x02, 0x01, 0xE0, 0xFC, 0x01, 0x00];
        assert_eq!(scan(&line), [(false, 0x01, vec![0xE0])]);
    }

    #[test]
    fn impossible_lengths_are_skipped() {
        let line = [
            &[0x01, 0xE0, 0xFC, 0x00][..],
            &[0x01, 0xE0, 0xFC, 0xFF, 0xF4, 0xFF, 0xFF],
            &[0x01, 0xE0, 0xFC, 0xFF, 0xF4, 0x00, 0x00],
            &[0x01, 0xE0, 0xFC, 0x01, 0x00],
        ]
        .concat();
        assert_eq!(scan(&line), [(false, 0, vec![])]);
    }

    #[test]
    fn replies_are_those_of_the_tools_log() {
        assert_eq!(short_reply(0x01, &[0]), [0x04, 0x0E, 0x05, 0x01, 0xE0, 0xFC, 0x01, 0x00]);
        assert_eq!(
            long_reply(0x0F, 0, &[0x20, 0x00, 0xC0, 0x03, 0x00]),
            [4, 0x0E, 0xFF, 1, 0xE0, 0xFC, 0xF4, 7, 0, 0x0F, 0, 0x20, 0, 0xC0, 3, 0]
        );
    }
}
