//! Requests and replies, as bytes.
//!
//! ```text
//! request:  00 · opcode · u16 length · u32 checksum · data
//! reply:    01 · opcode · u16 length · u32 value    · data · status
//! ```
//!
//! Numbers are little-endian. The status is two bytes from the stub and four from the ROM: 1 for a failure, its reason,
//! and for the ROM two zeros. Source: "Serial Protocol" in esptool's documentation.

/// Opcodes, ROM and stub.
pub(crate) mod op {
    pub(crate) const FLASH_BEGIN: u8 = 0x02;
    pub(crate) const FLASH_DATA: u8 = 0x03;
    pub(crate) const FLASH_END: u8 = 0x04;
    pub(crate) const MEM_BEGIN: u8 = 0x05;
    pub(crate) const MEM_END: u8 = 0x06;
    pub(crate) const MEM_DATA: u8 = 0x07;
    pub(crate) const SYNC: u8 = 0x08;
    pub(crate) const WRITE_REG: u8 = 0x09;
    pub(crate) const READ_REG: u8 = 0x0A;
    pub(crate) const SPI_SET_PARAMS: u8 = 0x0B;
    pub(crate) const SPI_ATTACH: u8 = 0x0D;
    pub(crate) const READ_FLASH_SLOW: u8 = 0x0E;
    pub(crate) const CHANGE_BAUDRATE: u8 = 0x0F;
    pub(crate) const FLASH_DEFL_BEGIN: u8 = 0x10;
    pub(crate) const FLASH_DEFL_DATA: u8 = 0x11;
    pub(crate) const FLASH_DEFL_END: u8 = 0x12;
    pub(crate) const SPI_FLASH_MD5: u8 = 0x13;
    pub(crate) const GET_SECURITY_INFO: u8 = 0x14;
    pub(crate) const ERASE_FLASH: u8 = 0xD0;
    pub(crate) const ERASE_REGION: u8 = 0xD1;
    pub(crate) const READ_FLASH: u8 = 0xD2;
    pub(crate) const RUN_USER_CODE: u8 = 0xD3;
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The loader in the chip's ROM.
    Rom,
    /// The flasher stub, once it has been uploaded and started.
    Stub,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The length of the data does not fit the command.
    Length,
    /// The checksum does not fit the data.
    Checksum,
    /// There is no such command.
    Command,
    /// The flash cannot do that: it is not attached, or the place is beyond its end.
    Flash,
    /// Data without a begin.
    NotBegun,
    /// Compressed data that cannot be inflated.
    Inflate,
    /// An end ahead of the announced data.
    NotEnoughData,
    /// More data than was announced.
    TooMuchData,
    /// More than a slow read can return.
    ReadLength,
}

impl Refusal {
    /// The reason byte, in the words of who answers.
    pub(crate) const fn code(self, mode: Mode) -> u8 {
        match (mode, self) {
            (Mode::Rom, Self::Length | Self::Command) => 0x05,
            (Mode::Rom, Self::Flash | Self::NotBegun | Self::NotEnoughData | Self::TooMuchData) => 0x06,
            (Mode::Rom, Self::Checksum) => 0x07,
            (Mode::Rom, Self::ReadLength) => 0x0A,
            (Mode::Rom, Self::Inflate) => 0x0B,
            (Mode::Stub, Self::Length | Self::ReadLength) => 0xC0,
            (Mode::Stub, Self::Checksum) => 0xC1,
            (Mode::Stub, Self::Flash) => 0xC4,
            (Mode::Stub, Self::NotBegun) => 0xC6,
            (Mode::Stub, Self::Inflate) => 0xC7,
            (Mode::Stub, Self::NotEnoughData) => 0xC8,
            (Mode::Stub, Self::TooMuchData) => 0xC9,
            (Mode::Stub, Self::Command) => 0xFF,
        }
    }
}

/// A request, still with the checksum it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) opcode: u8,
    pub(crate) checksum: u32,
    /// What followed the header.
    pub(crate) data: &'a [u8],
    /// Whether the header's length is that of the data.
    pub(crate) length_fits: bool,
}

impl<'a> Request<'a> {
    /// The request in a packet; `None` for what is none, e.g. a reply that was echoed.
    pub(crate) fn parse(packet: &'a [u8]) -> Option<Self> {
        let (header, data) = packet.split_first_chunk::<8>()?;
        let [direction, opcode, low, high, checksum @ ..] = *header;
        let length = usize::from(u16::from_le_bytes([low, high]));
        (direction == 0).then_some(Self {
            opcode,
            checksum: u32::from_le_bytes(checksum),
            data,
            length_fits: length == data.len(),
        })
    }

    /// The 32-bit word number `index` of the data.
    pub(crate) fn word(&self, index: usize) -> Result<u32, Refusal> {
        let at = index.saturating_mul(4);
        let bytes = self.data.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Refusal::Length)?;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Checks that the data has one of these lengths.
    pub(crate) fn expect_length(&self, lengths: &[usize]) -> Result<(), Refusal> {
        if lengths.contains(&self.data.len()) { Ok(()) } else { Err(Refusal::Length) }
    }

    /// The payload of a data command: a header of four words (length, sequence number, two zeros), then the payload,
    /// whose exclusive or with 0xEF is the checksum.
    pub(crate) fn payload(&self) -> Result<&'a [u8], Refusal> {
        let payload = self.data.get(16..).ok_or(Refusal::Length)?;
        if usize::try_from(self.word(0)?) != Ok(payload.len()) {
            return Err(Refusal::Length);
        }
        let sum = payload.iter().fold(0xEF, |sum, byte| sum ^ byte);
        if self.checksum & 0xFF != u32::from(sum) {
            return Err(Refusal::Checksum);
        }
        Ok(payload)
    }
}

/// What a command that was carried out answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Meaningful for READ_REG only.
    pub(crate) value: Option<u32>,
    pub(crate) data: Vec<u8>,
}

impl Reply {
    /// Success, nothing to say.
    pub(crate) fn done() -> Self {
        Self::default()
    }

    pub(crate) fn value(value: u32) -> Self {
        Self { value: Some(value), data: Vec::new() }
    }

    pub(crate) fn data(data: Vec<u8>) -> Self {
        Self { value: None, data }
    }
}

/// What stands in a ROM's reply where there is no value: the first bytes of a SYNC, left over in its buffer. The stub
/// leaves zero there, by which esptool knows which of the two answers.
const ROM_NO_VALUE: u32 = 0x2012_0707;

/// The packet of a reply.
pub(crate) fn reply_packet(mode: Mode, opcode: u8, outcome: &Result<Reply, Refusal>) -> Vec<u8> {
    let (value, data, status) = match outcome {
        Ok(reply) => (reply.value, reply.data.as_slice(), [0, 0]),
        Err(refusal) => (None, &[][..], [1, refusal.code(mode)]),
    };
    let (no_value, status_bytes) = match mode {
        Mode::Rom => (ROM_NO_VALUE, &[status[0], status[1], 0, 0][..]),
        Mode::Stub => (0, &status[..]),
    };
    // Replies carry at most 64 bytes of data.
    let length = u16::try_from(data.len() + status_bytes.len()).unwrap_or(u16::MAX);
    let mut packet = vec![1, opcode];
    packet.extend_from_slice(&length.to_le_bytes());
    packet.extend_from_slice(&value.unwrap_or(no_value).to_le_bytes());
    packet.extend_from_slice(data);
    packet.extend_from_slice(status_bytes);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_request() {
        let packet = [0, 0x0A, 4, 0, 0, 0, 0, 0, 0x00, 0x10, 0x00, 0x40];
        let request = Request::parse(&packet).unwrap();
        assert_eq!(request.opcode, op::READ_REG);
        assert!(request.length_fits);
        assert_eq!(request.word(0), Ok(0x4000_1000));
        assert_eq!(request.word(1), Err(Refusal::Length));
        assert!(Request::parse(&packet[..7]).is_none());
        assert!(Request::parse(&[1, 0x0A, 0, 0, 0, 0, 0, 0]).is_none());
        assert!(!Request::parse(&packet[..11]).unwrap().length_fits);
    }

    #[test]
    fn a_payload_is_checked_for_length_and_sum() {
        let packet = |length: u8, sum: u8| {
            let mut packet = vec![0, op::FLASH_DATA, 19, 0, sum, 0, 0, 0, length, 0, 0, 0];
            packet.extend_from_slice(&[0; 12]);
            packet.extend_from_slice(&[1, 2, 3]);
            packet
        };
        assert_eq!(Request::parse(&packet(3, 0xEF)).unwrap().payload(), Ok(&[1, 2, 3][..]));
        assert_eq!(Request::parse(&packet(3, 0xEE)).unwrap().payload(), Err(Refusal::Checksum));
        assert_eq!(Request::parse(&packet(4, 0xEF)).unwrap().payload(), Err(Refusal::Length));
    }

    #[test]
    fn rom_and_stub_answer_in_their_own_shapes() {
        let done = Ok(Reply::done());
        assert_eq!(reply_packet(Mode::Rom, 8, &done), [1, 8, 4, 0, 7, 7, 0x12, 0x20, 0, 0, 0, 0]);
        assert_eq!(reply_packet(Mode::Stub, 8, &done), [1, 8, 2, 0, 0, 0, 0, 0, 0, 0]);
        let refused = Err(Refusal::Checksum);
        assert_eq!(reply_packet(Mode::Rom, 3, &refused), [1, 3, 4, 0, 7, 7, 0x12, 0x20, 1, 7, 0, 0]);
        assert_eq!(reply_packet(Mode::Stub, 3, &refused), [1, 3, 2, 0, 0, 0, 0, 0, 1, 0xC1]);
        let value = Ok(Reply::value(0x1234_5678));
        assert_eq!(reply_packet(Mode::Stub, 10, &value)[4..8], [0x78, 0x56, 0x34, 0x12]);
    }
}
