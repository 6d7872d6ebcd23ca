//! The ESP32-C3's serial loader, as flashers meet it: first the ROM's, then the stub's that they upload.
//!
//! Sans-IO: [`Loader::receive`] takes bytes from the line, [`Loader::output`] holds those for it, and
//! [`Loader::next_event`] says when the chip leaves the loader. Nothing that comes over the line can make it panic or
//! grow without bound: packets are bounded, and while replies wait for the line no further command is taken.
//!
//! The stub's code is not executed. A download into RAM that is whole and started counts as the stub, which then
//! answers with its own protocol.
//!
//! References: "Serial Protocol" in esptool's documentation, `loader.py` of esptool 5, `command.rs` of espflash 4.

mod command;
mod ram;
mod reading;
mod registers;
mod session;
mod slip;

use core::ops::ControlFlow;

use md5::{Digest as _, Md5};

use crate::flash::{FlashChip, FlashError};
use crate::limits::{OUTPUT_BYTES, ROM_READ_BYTES, TRANSFER_BYTES};
pub use command::Mode;
use command::{Refusal, Reply, Request, op, reply_packet};
use ram::Ram;
use reading::{Progress, Reading};
use registers::Registers;
use session::{Announcement, Session, Trouble};

pub(crate) use registers::CHIP_REVISION_MINOR;

/// What a SYNC carries.
pub(crate) const SYNC_DATA: [u8; 36] = {
    let mut data = [0x55; 36];
    data[0] = 0x07;
    data[1] = 0x07;
    data[2] = 0x12;
    data[3] = 0x20;
    data
};

/// A SYNC is answered this many times.
const SYNC_REPLIES: usize = 8;

/// The chip's id in the answer to GET_SECURITY_INFO.
const CHIP_ID: u32 = 5;

/// The chip leaves the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The loader starts what is in the flash.
    Run,
    /// A reset by software: the boot pins keep the level they had, so that the chip comes back into its ROM loader.
    SoftReset,
    /// A reset by the watchdog: the boot pins are read anew, so that the chip starts what is in the flash.
    WatchdogReset,
}

/// The loader of one chip, from a reset on.
#[derive(Debug)]
pub struct Loader<F> {
    flash: F,
    mode: Mode,
    packets: slip::Decoder,
    registers: Registers,
    ram: Ram,
    session: Option<Session>,
    reading: Option<Reading>,
    attached: bool,
    /// The flash's size as the flasher has told it.
    flash_end: u32,
    output: Vec<u8>,
    event: Option<Event>,
}

impl<F: FlashChip> Loader<F> {
    /// The ROM's loader just after a reset.
    pub fn new(flash: F) -> Self {
        let capacity = flash.capacity();
        Self {
            flash,
            mode: Mode::Rom,
            packets: slip::Decoder::default(),
            registers: Registers::new(capacity),
            ram: Ram::default(),
            session: None,
            reading: None,
            attached: false,
            flash_end: capacity,
            output: Vec::new(),
            event: None,
        }
    }

    /// Who answers at present.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The flash chip.
    pub fn flash_mut(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the flash chip back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Takes bytes from the line and carries out the commands in them. How many it took: fewer than given while replies
    /// wait for the line, or after an event.
    ///
    /// # Errors
    /// [`FlashError::PowerLost`] or [`FlashError::Io`]: the board is gone.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, FlashError> {
        for (taken, &byte) in bytes.iter().enumerate() {
            if self.output.len() >= OUTPUT_BYTES || self.event.is_some() {
                return Ok(taken);
            }
            if let Some(packet) = self.packets.push(byte) {
                self.packet(&packet)?;
            }
        }
        Ok(bytes.len())
    }

    /// Bytes for the line.
    ///
    /// # Errors
    /// [`FlashError`] as for [`receive`](Self::receive): a read that is under way is continued here.
    pub fn output(&mut self) -> Result<&[u8], FlashError> {
        while self.output.len() < OUTPUT_BYTES {
            let Some(reading) = &mut self.reading else { break };
            let Some(packet) = reading.next_packet(&mut self.flash)? else { break };
            slip::encode(&packet, &mut self.output);
        }
        Ok(&self.output)
    }

    /// The line took this many bytes of the [`output`](Self::output).
    pub fn sent(&mut self, bytes: usize) {
        self.output.drain(..bytes.min(self.output.len()));
    }

    /// That the chip leaves the loader, once the replies before it have been [`sent`](Self::sent).
    pub fn next_event(&mut self) -> Option<Event> {
        if self.output.is_empty() { self.event.take() } else { None }
    }

    fn packet(&mut self, packet: &[u8]) -> Result<(), FlashError> {
        if let Some(mut reading) = self.reading.take() {
            match reading.acknowledge(packet) {
                Some(Progress::More) => {
                    self.reading = Some(reading);
                    return Ok(());
                }
                Some(Progress::Finished(sum)) => {
                    slip::encode(&sum, &mut self.output);
                    return Ok(());
                }
                // The host has given up and says something else.
                None => {}
            }
        }
        let Some(request) = Request::parse(packet) else { return Ok(()) };
        let mode = self.mode;
        let outcome = match self.command(request) {
            Ok(reply) => Ok(reply),
            Err(Trouble::Refused(refusal)) => Err(refusal),
            Err(Trouble::Flash(error)) => return Err(error),
        };
        let repetitions = if request.opcode == op::SYNC && outcome.is_ok() { SYNC_REPLIES } else { 1 };
        for _ in 0..repetitions {
            slip::encode(&reply_packet(mode, request.opcode, &outcome), &mut self.output);
        }
        if self.mode != mode {
            slip::encode(b"OHAI", &mut self.output);
        }
        Ok(())
    }

    fn command(&mut self, request: Request<'_>) -> Result<Reply, Trouble> {
        if !request.length_fits {
            return Err(Refusal::Length.into());
        }
        match request.opcode {
            op::SYNC if request.data == SYNC_DATA => Ok(Reply::done()),
            op::SYNC => Err(Refusal::Length.into()),
            op::READ_REG => {
                request.expect_length(&[4])?;
                Ok(Reply::value(self.registers.read(request.word(0)?)))
            }
            op::WRITE_REG => self.write_registers(&request),
            op::GET_SECURITY_INFO => {
                request.expect_length(&[0])?;
                Ok(Reply::data(security_info()))
            }
            op::MEM_BEGIN => {
                request.expect_length(&[16])?;
                self.ram.begin(request.word(0)?, request.word(3)?)?;
                Ok(Reply::done())
            }
            op::MEM_DATA => {
                self.ram.data(request.payload()?)?;
                Ok(Reply::done())
            }
            op::MEM_END => self.end_ram_download(&request),
            op::SPI_ATTACH => {
                request.expect_length(&[4, 8])?;
                self.attach();
                Ok(Reply::done())
            }
            op::SPI_SET_PARAMS => {
                request.expect_length(&[24])?;
                self.flash_end = request.word(1)?.min(self.flash.capacity());
                Ok(Reply::done())
            }
            // A pty has no baud rate that matters: both sides go on at once.
            op::CHANGE_BAUDRATE => {
                request.expect_length(&[8])?;
                Ok(Reply::done())
            }
            op::FLASH_BEGIN => self.begin_download(&request, false),
            op::FLASH_DEFL_BEGIN => self.begin_download(&request, true),
            op::FLASH_DATA => self.download(&request, false),
            op::FLASH_DEFL_DATA => self.download(&request, true),
            op::FLASH_END | op::FLASH_DEFL_END => self.end_download(&request),
            op::SPI_FLASH_MD5 => self.flash_sum(&request),
            opcode => match self.mode {
                Mode::Rom => self.rom_command(opcode, &request),
                Mode::Stub => self.stub_command(opcode, &request),
            },
        }
    }

    fn rom_command(&mut self, opcode: u8, request: &Request<'_>) -> Result<Reply, Trouble> {
        if opcode != op::READ_FLASH_SLOW {
            return Err(Refusal::Command.into());
        }
        request.expect_length(&[8, 16])?;
        let (offset, length) = (request.word(0)?, request.word(1)?);
        let mut data = [0; ROM_READ_BYTES];
        let part = usize::try_from(length)
            .ok()
            .and_then(|length| data.get_mut(..length))
            .ok_or(Refusal::ReadLength)?;
        self.check_flash(offset, length)?;
        self.flash.read(offset, part)?;
        Ok(Reply::data(data.to_vec()))
    }

    fn stub_command(&mut self, opcode: u8, request: &Request<'_>) -> Result<Reply, Trouble> {
        match opcode {
            op::ERASE_FLASH => {
                request.expect_length(&[0])?;
                self.flash.erase(0, self.flash.capacity())?;
                Ok(Reply::done())
            }
            op::ERASE_REGION => {
                request.expect_length(&[8])?;
                let (offset, length) = (request.word(0)?, request.word(1)?);
                self.check_flash(offset, length)?;
                self.flash.erase(offset, length)?;
                Ok(Reply::done())
            }
            op::READ_FLASH => {
                request.expect_length(&[16])?;
                let (offset, size) = (request.word(0)?, request.word(1)?);
                self.check_flash(offset, size)?;
                let (block_bytes, in_flight) = (request.word(2)?, request.word(3)?);
                self.reading = Some(Reading::begin(offset, size, block_bytes, in_flight, self.flash_end)?);
                Ok(Reply::done())
            }
            op::RUN_USER_CODE => {
                request.expect_length(&[0])?;
                self.event = Some(Event::Run);
                Ok(Reply::done())
            }
            _ => Err(Refusal::Command.into()),
        }
    }

    fn write_registers(&mut self, request: &Request<'_>) -> Result<Reply, Trouble> {
        const WRITE_BYTES: usize = 16;
        if request.data.is_empty() || !request.data.len().is_multiple_of(WRITE_BYTES) {
            return Err(Refusal::Length.into());
        }
        for first in (0..request.data.len() / 4).step_by(WRITE_BYTES / 4) {
            let (address, value, mask) =
                (request.word(first)?, request.word(first + 1)?, request.word(first + 2)?);
            if self.registers.write(address, value, mask) {
                self.event = Some(Event::WatchdogReset);
            }
        }
        Ok(Reply::done())
    }

    fn end_ram_download(&mut self, request: &Request<'_>) -> Result<Reply, Trouble> {
        request.expect_length(&[8])?;
        let entry = if request.word(0)? == 0 { Some(request.word(1)?) } else { None };
        if self.ram.end(entry) {
            self.mode = Mode::Stub;
            self.session = None;
            // The first thing the stub does.
            self.attach();
        }
        Ok(Reply::done())
    }

    fn attach(&mut self) {
        self.attached = true;
        self.registers.attach_flash();
    }

    fn begin_download(&mut self, request: &Request<'_>, compressed: bool) -> Result<Reply, Trouble> {
        // With or without a word that asks for encryption.
        request.expect_length(&[16, 20])?;
        let announcement = Announcement {
            size: request.word(0)?,
            blocks: request.word(1)?,
            block_bytes: request.word(2)?,
            offset: request.word(3)?,
            flash_end: self.flash_end,
        };
        if announcement.size > 0 && !self.attached {
            return Err(Refusal::Flash.into());
        }
        self.session = None;
        self.session = Some(Session::begin(self.mode, announcement, compressed, &mut self.flash)?);
        Ok(Reply::done())
    }

    fn download(&mut self, request: &Request<'_>, compressed: bool) -> Result<Reply, Trouble> {
        let payload = request.payload()?;
        let session = self
            .session
            .as_mut()
            .filter(|session| session.is_compressed() == compressed)
            .ok_or(Refusal::NotBegun)?;
        session.data(payload, &mut self.flash)?;
        Ok(Reply::done())
    }

    fn end_download(&mut self, request: &Request<'_>) -> Result<Reply, Trouble> {
        request.expect_length(&[4])?;
        self.session.as_ref().ok_or(Refusal::NotBegun)?.end()?;
        self.session = None;
        let stay = request.word(0)?;
        self.event = match (stay, self.mode) {
            (0, _) => Some(Event::SoftReset),
            (_, Mode::Rom) => Some(Event::Run),
            // The stub only ends its download and waits for the next command.
            (_, Mode::Stub) => None,
        };
        Ok(Reply::done())
    }

    fn flash_sum(&mut self, request: &Request<'_>) -> Result<Reply, Trouble> {
        request.expect_length(&[16])?;
        let (offset, length) = (request.word(0)?, request.word(1)?);
        self.check_flash(offset, length)?;
        let mut sum = Md5::new();
        self.read_all(offset, length, |bytes| sum.update(bytes))?;
        let sum: [u8; 16] = sum.finalize().into();
        Ok(Reply::data(match self.mode {
            Mode::Rom => sum.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
            Mode::Stub => sum.to_vec(),
        }))
    }

    fn read_all(&mut self, offset: u32, length: u32, mut take: impl FnMut(&[u8])) -> Result<(), FlashError> {
        let mut buffer = [0; TRANSFER_BYTES];
        let step = u32::try_from(TRANSFER_BYTES).unwrap_or(u32::MAX);
        let end = offset.saturating_add(length);
        let mut cursor = offset;
        while cursor < end {
            let part = usize::try_from(step.min(end - cursor)).unwrap_or(TRANSFER_BYTES);
            let Some(part) = buffer.get_mut(..part) else { break };
            self.flash.read(cursor, part)?;
            take(part);
            cursor = cursor.saturating_add(step);
        }
        Ok(())
    }

    fn check_flash(&self, offset: u32, length: u32) -> Result<(), Refusal> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.flash_end);
        if self.attached && inside { Ok(()) } else { Err(Refusal::Flash) }
    }
}

/// No security switched on, no keys, the chip's id and its revision.
fn security_info() -> Vec<u8> {
    let mut data = vec![0; 12];
    data.extend_from_slice(&CHIP_ID.to_le_bytes());
    data.extend_from_slice(&u32::from(CHIP_REVISION_MINOR).to_le_bytes());
    data
}

/// Finds a SYNC in a stream of bytes that are meant for somebody else.
///
/// A pty has no wires to hold BOOT down and tap RESET with. So while the firmware runs, a flasher's SYNC on its console
/// stands for that: the board drops into the ROM's loader.
#[derive(Debug, Default)]
pub struct SyncDetector {
    packets: slip::Decoder,
}

impl SyncDetector {
    /// Whether a SYNC ended in these bytes.
    pub fn look(&mut self, bytes: &[u8]) -> bool {
        let found = bytes.iter().try_for_each(|&byte| match self.packets.push(byte) {
            Some(packet) if is_sync(&packet) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        });
        found.is_break()
    }
}

fn is_sync(packet: &[u8]) -> bool {
    Request::parse(packet).is_some_and(|request| request.opcode == op::SYNC && request.data == SYNC_DATA)
}

/// The bytes of a SYNC on the line.
#[cfg(any(unix, test))]
pub(crate) fn sync_frame() -> Vec<u8> {
    let mut packet = vec![0, op::SYNC, 36, 0, 0, 0, 0, 0];
    packet.extend_from_slice(&SYNC_DATA);
    let mut line = Vec::new();
    slip::encode(&packet, &mut line);
    line
}

#[cfg(test)]
mod tests;
