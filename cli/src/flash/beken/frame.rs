//! Commands as bytes, and replies out of whatever comes over the line.
//!
//! Short commands are `01 E0 FC`, a length, a number; the flash group is long: `01 E0 FC FF F4`, two bytes of length, a
//! number. Replies begin with `04 0E`. Both groups share their numbers. **No frame has a checksum**: what a reply repeats
//! of its command is compared, and only [`Command::CheckCrc`] protects data.
//!
//! This file stands alone, so that the fuzz target can take it as it is.

/// Bytes of one sector, and of the data of the commands that move one.
pub(super) const SECTOR_BYTES: usize = 4096;

/// The longest reply: number, status, address, one sector.
const LONGEST_REPLY: usize = 2 + 4 + SECTOR_BYTES;

/// What a loader can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// Are you there?
    LinkCheck,
    /// The value of a register. N only.
    ReadRegister(u32),
    /// Start what is in flash. Never answered.
    Reboot,
    /// Another speed, at which it answers.
    SetBaud { baud: u32, delay_ms: u8 },
    /// CRC-32 of a range. `end` is meant as the chip means it: N counts it in, T does not.
    CheckCrc { start: u32, end: u32 },
    /// 4,096 bytes into an erased sector.
    WriteSector { address: u32, data: &'a [u8; SECTOR_BYTES] },
    /// 4,096 bytes.
    ReadSector(u32),
    /// Erases 4 kB.
    EraseSector(u32),
    /// Erases the 64 kB that the address lies in.
    EraseBlock(u32),
    /// A byte of the flash's status register: opcode 0x05 the low one, 0x35 the high one. N only.
    ReadStatus(u8),
    /// The status register of a flash that has one byte of it. N only.
    WriteStatus8(u8),
    /// The status register of a flash that has two bytes of it. N only.
    WriteStatus16(u16),
    /// The flash's maker, type and size. N only.
    FlashId,
}

impl Command<'_> {
    /// The command for the line.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut add = |bytes: &[u8]| payload.extend_from_slice(bytes);
        match self {
            Self::LinkCheck => {}
            Self::ReadRegister(address) | Self::ReadSector(address) => add(&address.to_le_bytes()),
            Self::Reboot => add(&[0xA5]),
            Self::SetBaud { baud, delay_ms } => {
                add(&baud.to_le_bytes());
                add(&[*delay_ms]);
            }
            Self::CheckCrc { start, end } => {
                add(&start.to_le_bytes());
                add(&end.to_le_bytes());
            }
            Self::WriteSector { address, data } => {
                add(&address.to_le_bytes());
                add(*data);
            }
            Self::EraseSector(address) => {
                add(&[0x20]);
                add(&address.to_le_bytes());
            }
            Self::EraseBlock(address) => {
                add(&[0xD8]);
                add(&address.to_le_bytes());
            }
            Self::ReadStatus(opcode) => add(&[*opcode]),
            Self::WriteStatus8(value) => add(&[0x01, *value]),
            Self::WriteStatus16(value) => {
                add(&[0x01]);
                add(&value.to_le_bytes());
            }
            Self::FlashId => add(&[0x9F, 0, 0, 0]),
        }
        // 4,101 at most.
        let [low, high] = u16::try_from(payload.len().saturating_add(1)).unwrap_or(u16::MAX).to_le_bytes();
        let mut frame = vec![0x01, 0xE0, 0xFC];
        if self.is_long() {
            frame.extend_from_slice(&[0xFF, 0xF4, low, high]);
        } else {
            frame.push(low);
        }
        frame.push(self.code());
        frame.extend_from_slice(&payload);
        frame
    }

    fn is_long(&self) -> bool {
        !matches!(
            self,
            Self::LinkCheck
                | Self::ReadRegister(_)
                | Self::Reboot
                | Self::SetBaud { .. }
                | Self::CheckCrc { .. }
        )
    }

    fn code(&self) -> u8 {
        match self {
            Self::LinkCheck => 0x00,
            Self::ReadRegister(_) => 0x03,
            Self::Reboot | Self::FlashId => 0x0E,
            Self::SetBaud { .. } | Self::EraseSector(_) | Self::EraseBlock(_) => 0x0F,
            Self::CheckCrc { .. } => 0x10,
            Self::WriteSector { .. } => 0x07,
            Self::ReadSector(_) => 0x09,
            Self::ReadStatus(_) => 0x0C,
            Self::WriteStatus8(_) | Self::WriteStatus16(_) => 0x0D,
        }
    }

    /// What a reply says to this command; `None` if it belongs to another one.
    pub(super) fn answer(&self, reply: &Reply) -> Option<Answer> {
        // The only reply with a number of its own.
        let code = if *self == Self::LinkCheck { 0x01 } else { self.code() };
        if reply.is_long != self.is_long() || reply.code != code {
            return None;
        }
        if reply.status != 0 {
            return Some(Answer::Refused(reply.status));
        }
        let payload = reply.payload.as_slice();
        let behind = |echo: &[u8]| payload.strip_prefix(echo);
        let nothing = |rest: &[u8]| rest.is_empty().then_some(Answer::Done);
        match self {
            Self::LinkCheck => nothing(behind(&[0])?),
            Self::ReadRegister(address) => number(behind(&address.to_le_bytes())?),
            Self::SetBaud { baud, delay_ms } => {
                nothing(behind(&baud.to_le_bytes())?.strip_prefix(&[*delay_ms])?)
            }
            Self::CheckCrc { .. } => number(payload),
            Self::WriteSector { address, .. } => nothing(behind(&address.to_le_bytes())?),
            Self::ReadSector(address) => {
                let data = behind(&address.to_le_bytes())?;
                (data.len() == SECTOR_BYTES).then(|| Answer::Sector(data.to_vec()))
            }
            Self::EraseSector(address) => nothing(behind(&[0x20])?.strip_prefix(&address.to_le_bytes())?),
            Self::EraseBlock(address) => nothing(behind(&[0xD8])?.strip_prefix(&address.to_le_bytes())?),
            Self::ReadStatus(opcode) => match behind(&[*opcode])? {
                [value] => Some(Answer::Number((*value).into())),
                _ => None,
            },
            Self::WriteStatus8(value) => nothing(behind(&[0x01, *value])?),
            Self::WriteStatus16(value) => nothing(behind(&[0x01])?.strip_prefix(&value.to_le_bytes())?),
            Self::FlashId => match payload {
                [_, maker, kind, size] => Some(Answer::FlashId([*maker, *kind, *size])),
                _ => None,
            },
            Self::Reboot => None,
        }
    }
}

fn number(payload: &[u8]) -> Option<Answer> {
    Some(Answer::Number(u32::from_le_bytes(payload.try_into().ok()?)))
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done.
    Done,
    /// It is not, with this status.
    Refused(u8),
    /// A register, a sum, a byte of the status register.
    Number(u32),
    /// [`SECTOR_BYTES`] of flash.
    Sector(Vec<u8>),
    /// Maker, type, size code.
    FlashId([u8; 3]),
}

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    is_long: bool,
    code: u8,
    /// Short replies have none; 0 then.
    status: u8,
    payload: Vec<u8>,
}

/// Finds replies in what comes over the line; holds one of them at most.
#[derive(Debug, Default)]
pub(super) struct Parser {
    bytes: Vec<u8>,
}

impl Parser {
    /// Takes bytes from the line.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Forgets what is there.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The next whole reply. What is none is thrown away; what may become one stays.
    pub(super) fn next_reply(&mut self) -> Option<Reply> {
        let mut at = 0;
        let reply = loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            match look(rest) {
                Look::Wait => break None,
                Look::Garbage => at = at.saturating_add(1),
                Look::Reply { is_long, head, end } => {
                    let status_bytes = usize::from(is_long);
                    let payload = rest.get(head.saturating_add(1 + status_bytes)..end).unwrap_or_default();
                    let byte = |at: usize| rest.get(at).copied().unwrap_or_default();
                    let status = if is_long { byte(head.saturating_add(1)) } else { 0 };
                    let reply = Reply { is_long, code: byte(head), status, payload: payload.to_vec() };
                    at = at.saturating_add(end);
                    break Some(reply);
                }
            }
        };
        self.bytes.drain(..at.min(self.bytes.len()));
        reply
    }
}

enum Look {
    Wait,
    Garbage,
    /// A reply whose number stands at `head` and that ends before `end`.
    Reply {
        is_long: bool,
        head: usize,
        end: usize,
    },
}

fn look(bytes: &[u8]) -> Look {
    const SHORT: [Option<u8>; 6] = [Some(0x04), Some(0x0E), None, Some(0x01), Some(0xE0), Some(0xFC)];
    const LONG: [Option<u8>; 7] =
        [Some(0x04), Some(0x0E), Some(0xFF), Some(0x01), Some(0xE0), Some(0xFC), Some(0xF4)];
    let is_long = bytes.get(2) == Some(&0xFF);
    let pattern: &[Option<u8>] = if is_long { &LONG } else { &SHORT };
    let fits = |(byte, wanted): (&u8, &Option<u8>)| wanted.is_none_or(|wanted| wanted == *byte);
    if !bytes.iter().zip(pattern).all(fits) {
        return Look::Garbage;
    }
    let (head, least, length) = if is_long {
        match (bytes.get(7), bytes.get(8)) {
            (Some(low), Some(high)) => (9, 2, usize::from(u16::from_le_bytes([*low, *high]))),
            _ => return Look::Wait,
        }
    } else {
        match bytes.get(2) {
            // The three bytes of the preamble are counted.
            Some(length) => (6, 1, usize::from(*length).wrapping_sub(3)),
            None => return Look::Wait,
        }
    };
    if !(least..=LONGEST_REPLY).contains(&length) {
        return Look::Garbage;
    }
    let end = head + length;
    if bytes.len() < end { Look::Wait } else { Look::Reply { is_long, head, end } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(&hex[index * 2..index * 2 + 2], 16).unwrap())
            .collect()
    }

    /// As the vendor's and the community's tools send them.
    #[test]
    fn commands_are_those_of_the_tools() {
        let data = [0x5A; SECTOR_BYTES];
        for (command, wanted) in [
            (Command::LinkCheck, "01e0fc0100"),
            (Command::ReadRegister(0x80_0000), "01e0fc050300008000"),
            (Command::Reboot, "01e0fc020ea5"),
            (Command::SetBaud { baud: 921_600, delay_ms: 20 }, "01e0fc060f00100e0014"),
            (Command::CheckCrc { start: 0, end: 0x100 }, "01e0fc09100000000000010000"),
            (Command::ReadSector(0x1_1000), "01e0fcfff405000900100100"),
            (Command::EraseSector(0x1_1000), "01e0fcfff406000f2000100100"),
            (Command::EraseBlock(0x2_0000), "01e0fcfff406000fd800000200"),
            (Command::ReadStatus(0x05), "01e0fcfff402000c05"),
            (Command::WriteStatus8(0), "01e0fcfff403000d0100"),
            (Command::WriteStatus16(0x4000), "01e0fcfff404000d010040"),
            (Command::FlashId, "01e0fcfff405000e9f000000"),
        ] {
            assert_eq!(hex(&command.encode()), wanted, "{command:?}");
        }
        let frame = Command::WriteSector { address: 0x1_1000, data: &data }.encode();
        assert_eq!((hex(&frame[..12]).as_str(), frame.len()), ("01e0fcfff405100700100100", 4108));
    }

    fn answer(command: Command<'_>, line: &str) -> Option<Answer> {
        let mut parser = Parser::default();
        parser.push(&bytes(line));
        command.answer(&parser.next_reply()?)
    }

    #[test]
    fn replies_are_read_and_compared_with_their_command() {
        assert_eq!(answer(Command::LinkCheck, "040e0501e0fc0100"), Some(Answer::Done));
        let erase = "040eff01e0fcf407000f002000c00300";
        assert_eq!(answer(Command::EraseSector(0x3_C000), erase), Some(Answer::Done));
        assert_eq!(answer(Command::EraseSector(0x3_D000), erase), None, "another sector's");
        assert_eq!(answer(Command::EraseBlock(0x3_C000), erase), None, "another size's");
        let refused = "040eff01e0fcf407000f012000c00300";
        assert_eq!(answer(Command::EraseSector(0x3_C000), refused), Some(Answer::Refused(1)));
        assert_eq!(
            answer(Command::CheckCrc { start: 0, end: 1 }, "040e0801e0fc1078563412"),
            Some(Answer::Number(0x1234_5678))
        );
        assert_eq!(
            answer(Command::FlashId, "040eff01e0fcf406000e0000eb6015"),
            Some(Answer::FlashId([0xEB, 0x60, 0x15]))
        );
        // The short command of the same number.
        assert_eq!(answer(Command::FlashId, "040e0501e0fc0e00"), None);
    }

    #[test]
    fn replies_are_found_between_garbage_and_in_pieces() {
        let mut parser = Parser::default();
        let good = bytes("040e0501e0fc0100");
        let line =
            [b"V:BK7231S_1.0.5\r\n\x04\x04\x0E\x03\x01\xE0\xFC", &good[..], &[0x04, 0x0E, 0xFF, 0x02], &good]
                .concat();
        let mut found = 0;
        for byte in line {
            parser.push(&[byte]);
            while let Some(reply) = parser.next_reply() {
                assert_eq!(Command::LinkCheck.answer(&reply), Some(Answer::Done));
                found += 1;
            }
        }
        assert_eq!(found, 2);
        assert!(parser.bytes.is_empty());
    }

    #[test]
    fn what_announces_more_than_any_reply_has_does_not_make_it_wait() {
        let mut parser = Parser::default();
        parser.push(&bytes("040eff01e0fcf4ffff0f00"));
        parser.push(&bytes("040e0501e0fc0100"));
        assert!(parser.next_reply().is_some());
    }

    proptest::proptest! {
        #[test]
        fn the_parser_holds_little_and_never_panics(
            line in proptest::collection::vec(proptest::sample::select(
                vec![0x04, 0x0E, 0xFF, 0x01, 0xE0, 0xFC, 0xF4, 0x07, 0x00, 0x0F, 0x20],
            ), 0..400),
        ) {
            let mut parser = Parser::default();
            for piece in line.chunks(7) {
                parser.push(piece);
                while let Some(reply) = parser.next_reply() {
                    let _ = Command::EraseSector(0).answer(&reply);
                }
                proptest::prop_assert!(parser.bytes.len() <= LONGEST_REPLY + 9);
            }
        }
    }
}
