//! The commands and what they do to the flash.

use flate2::Crc;
use obkmq_image::beken::BekenChip;

use super::frame::{Command, Scanner, long_reply, short_reply};
use crate::flash::{FlashChip, FlashError};
use crate::limits::{BLOCK_BYTES, SECTOR_BYTES, TRANSFER_BYTES};

/// The speed of the line after a reset.
const RESET_BAUD: u32 = 115_200;
/// Below this the boot loader of a BK7231T refuses reads, writes and erases.
const GUARDED_BYTES: u32 = 0x1_1000;
/// What an N answers for its chip id register.
const CHIP_ID_REGISTER: u32 = 0x0080_0000;
const CHIP_ID_N: u32 = 0x0007_231C;
/// The flash of common modules (TH25Q16): maker, type, size code. Its status register has two bytes.
const FLASH_ID: [u8; 3] = [0xEB, 0x60, 0x15];
/// Block protection in that status register: BP0 to BP4, and CMP.
const PROTECTION_BITS: u16 = 0x407C;
/// As modules come: BP0 to BP2 are set.
const FACTORY_STATUS: u16 = 0x001C;

/// How long the chip is busy, in microseconds.
mod busy {
    pub(super) const ERASE_SECTOR: u64 = 40_000;
    pub(super) const ERASE_BLOCK: u64 = 250_000;
    pub(super) const PROGRAM_PAGE: u64 = 600;
    /// CheckCRC reads some 400 kB/s.
    pub(super) const CRC_BYTES_PER_MS: u64 = 400;
}

/// The chip leaves the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was told to reboot.
    Reboot,
}

/// Whether the flash can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// BK7231T: the boot loader's own idea of it.
    Software {
        /// Erasing and programming have no effect.
        on: bool,
        /// The next erase takes the protection off.
        known: bool,
    },
    /// BK7231N: the status register of the flash.
    StatusRegister(u16),
}

/// The serial loader of one chip, from a reset on.
#[derive(Debug)]
pub struct Loader<F> {
    chip: BekenChip,
    flash: F,
    scanner: Scanner,
    protection: Protection,
    output: Vec<u8>,
    baud: u32,
    busy_us: u64,
    is_linked: bool,
    frames: u64,
    power_loss_at_frame: Option<u64>,
    event: Option<Event>,
}

/// A long command's status byte and payload.
type Answer = (u8, Vec<u8>);

const GOOD: u8 = 0;
const REFUSED: u8 = 1;

impl<F: FlashChip> Loader<F> {
    /// The loader just after a reset.
    pub fn new(chip: BekenChip, flash: F) -> Self {
        let protection = match chip {
            BekenChip::T => Protection::Software { on: true, known: false },
            BekenChip::N => Protection::StatusRegister(FACTORY_STATUS),
        };
        Self {
            chip,
            flash,
            scanner: Scanner::default(),
            protection,
            output: Vec::new(),
            baud: RESET_BAUD,
            busy_us: 0,
            is_linked: false,
            frames: 0,
            power_loss_at_frame: None,
            event: None,
        }
    }

    /// Lets the power go when so many commands have come, before the last of them has any effect.
    pub fn lose_power_at_frame(&mut self, frame: Option<u64>) {
        self.power_loss_at_frame = frame;
    }

    /// Commands that have come so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether a flasher has been heard; until then the loader waits for a short time only.
    pub fn is_linked(&self) -> bool {
        self.is_linked
    }

    /// The speed of the line that the chip listens and answers at.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// The flash chip.
    pub fn flash_mut(&mut self) -> &mut F {
        &mut self.flash
    }

    /// Gives the flash chip back.
    pub fn into_flash(self) -> F {
        self.flash
    }

    /// Takes bytes from the line up to the end of one command at most. How many it took: none while an answer waits for
    /// the line, or after an event.
    ///
    /// # Errors
    /// [`FlashError::PowerLost`] or [`FlashError::Io`]: the board is gone.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<usize, FlashError> {
        if !self.output.is_empty() || self.event.is_some() {
            return Ok(0);
        }
        for (index, &byte) in bytes.iter().enumerate() {
            if let Some(command) = self.scanner.push(byte) {
                self.command(&command)?;
                return Ok(index.saturating_add(1));
            }
        }
        Ok(bytes.len())
    }

    /// Bytes for the line.
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// So many bytes of the output have been taken.
    pub fn sent(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// How long the chip was busy with what it has done since the last call; its output waits for that.
    pub fn take_busy_us(&mut self) -> u64 {
        core::mem::take(&mut self.busy_us)
    }

    /// What happened to the chip.
    pub fn next_event(&mut self) -> Option<Event> {
        if self.output.is_empty() { self.event.take() } else { None }
    }

    fn command(&mut self, command: &Command) -> Result<(), FlashError> {
        self.frames = self.frames.saturating_add(1);
        if self.power_loss_at_frame.is_some_and(|frame| self.frames >= frame) {
            return Err(FlashError::PowerLost);
        }
        let reply = if command.long { self.long(command)? } else { self.short(command)? };
        self.output.extend_from_slice(&reply);
        Ok(())
    }

    fn short(&mut self, command: &Command) -> Result<Vec<u8>, FlashError> {
        let is_n = self.chip == BekenChip::N;
        Ok(match (command.code, command.payload.as_slice()) {
            (0x00, []) => {
                self.is_linked = true;
                if let Protection::Software { known, .. } = &mut self.protection {
                    *known = true;
                }
                short_reply(0x01, &[0])
            }
            // Nothing that is simulated here depends on a register.
            (0x01, [_, _, _, _, _, _, _, _]) if is_n => short_reply(0x01, &command.payload),
            (0x03, address) if is_n && address.len() == 4 => {
                let value = if number(address) == CHIP_ID_REGISTER { CHIP_ID_N } else { 0 };
                short_reply(0x03, &[address, &value.to_le_bytes()].concat())
            }
            (0x0E, [0xA5]) | (0x70, [0x53, 0x45, 0x41, 0x4E]) => {
                self.event = Some(Event::Reboot);
                Vec::new()
            }
            (0x0F, [baud @ .., delay_ms]) if baud.len() == 4 => {
                self.baud = number(baud);
                self.busy_us = self.busy_us.saturating_add(u64::from(*delay_ms).saturating_mul(1000));
                short_reply(0x0F, &command.payload)
            }
            (0x10, range) if range.len() == 8 => {
                let (start, end) = range.split_at(4);
                let crc = self.crc(number(start), number(end))?;
                short_reply(0x10, &crc.to_le_bytes())
            }
            // The common T of Tuya's has no text to answer with.
            (0x11, []) if !is_n => short_reply(0x11, &[0x07]),
            (0xAA, [0x55]) if is_n => short_reply(0xAA, &[0x55]),
            _ => Vec::new(),
        })
    }

    fn long(&mut self, command: &Command) -> Result<Vec<u8>, FlashError> {
        let is_n = self.chip == BekenChip::N;
        let payload = command.payload.as_slice();
        let (status, answer) = match command.code {
            0x06 | 0x07 => self.write(command.code, payload)?,
            0x08 if is_n => self.read_some(payload)?,
            0x09 => self.read_sector(payload)?,
            0x0A if is_n => {
                let capacity = self.flash.capacity();
                self.erase(0, capacity)?;
                (GOOD, Vec::new())
            }
            0x0B if is_n => match address(payload) {
                Some(at) => self.erase(at, SECTOR_BYTES)?,
                None => (REFUSED, Vec::new()),
            },
            0x0C if is_n => self.read_status(payload),
            0x0D if is_n => self.write_status(payload),
            0x0E if is_n => (GOOD, [&[0][..], &FLASH_ID].concat()),
            0x0F => {
                let length = match payload.first() {
                    Some(0x20) => Some(SECTOR_BYTES),
                    Some(0xD8) => Some(BLOCK_BYTES),
                    _ => None,
                };
                let (status, _) = match (length, payload.get(1..).and_then(address)) {
                    (Some(length), Some(at)) => self.erase(at, length)?,
                    _ => (REFUSED, Vec::new()),
                };
                (status, payload.to_vec())
            }
            _ => return Ok(Vec::new()),
        };
        Ok(long_reply(command.code, status, &answer))
    }

    /// Whether the boot loader of a T keeps this address to itself. It looks at the address as it came.
    fn is_guarded(&self, at: u32) -> bool {
        self.chip == BekenChip::T && at < GUARDED_BYTES
    }

    /// The address that the flash chip sees: it knows no more bits than it has bytes.
    fn wrapped(&self, at: u32) -> u32 {
        at.checked_rem(self.flash.capacity()).unwrap_or(0)
    }

    fn is_protected(&self) -> bool {
        match self.protection {
            Protection::Software { on, .. } => on,
            Protection::StatusRegister(status) => status & PROTECTION_BITS != 0,
        }
    }

    fn crc(&mut self, start: u32, end: u32) -> Result<u32, FlashError> {
        let end = if self.chip == BekenChip::N { end.saturating_add(1) } else { end };
        let length = end.saturating_sub(start).min(self.flash.capacity());
        if let Protection::Software { on, known } = &mut self.protection {
            (*on, *known) = (true, false);
        }
        self.busy_us = self.busy_us.saturating_add(u64::from(length) * 1000 / busy::CRC_BYTES_PER_MS);
        let mut crc = Crc::new();
        let mut buffer = [0; TRANSFER_BYTES];
        let mut done = 0_u32;
        while done < length {
            let at = self.wrapped(start.wrapping_add(done));
            let room = self.flash.capacity().saturating_sub(at).min(length - done);
            let piece = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            let Some(bytes) = buffer.get_mut(..piece) else { break };
            self.flash.read(at, bytes)?;
            crc.update(bytes);
            done = done.saturating_add(u32::try_from(piece).unwrap_or(u32::MAX));
        }
        // The chips leave out the last step of CRC-32.
        Ok(!crc.sum())
    }

    fn write(&mut self, code: u8, payload: &[u8]) -> Result<Answer, FlashError> {
        let (Some(at), Some(data)) = (address(payload), payload.get(4..)) else {
            return Ok((REFUSED, Vec::new()));
        };
        let mut answer = at.to_le_bytes().to_vec();
        let fits = if code == 0x07 { data.len() == 4096 } else { (1..=256).contains(&data.len()) };
        if code == 0x06 {
            // One byte: 256 cannot be told from 0.
            answer.extend(data.len().to_le_bytes().first());
        }
        if !fits || self.is_guarded(at) {
            return Ok((REFUSED, answer));
        }
        let pages = data.len().div_ceil(256) as u64;
        self.busy_us = self.busy_us.saturating_add(pages.saturating_mul(busy::PROGRAM_PAGE));
        if !self.is_protected() {
            let at = self.wrapped(at);
            let room = usize::try_from(self.flash.capacity() - at).unwrap_or(usize::MAX);
            let (first, rest) = data.split_at(data.len().min(room));
            self.flash.program(at, first)?;
            self.flash.program(0, rest)?;
        }
        Ok((GOOD, answer))
    }

    fn read_sector(&mut self, payload: &[u8]) -> Result<Answer, FlashError> {
        let Some(at) = address(payload) else { return Ok((REFUSED, Vec::new())) };
        self.read(at, 4096)
    }

    fn read_some(&mut self, payload: &[u8]) -> Result<Answer, FlashError> {
        let (Some(at), Some([low, high])) = (address(payload), payload.get(4..)) else {
            return Ok((REFUSED, Vec::new()));
        };
        self.read(at, u16::from_le_bytes([*low, *high]).min(4096))
    }

    fn read(&mut self, at: u32, length: u16) -> Result<Answer, FlashError> {
        let mut answer = at.to_le_bytes().to_vec();
        if self.is_guarded(at) {
            return Ok((REFUSED, answer));
        }
        let at = self.wrapped(at);
        let room = (self.flash.capacity() - at).min(length.into());
        let mut data = vec![0; usize::try_from(room).unwrap_or(0)];
        self.flash.read(at, &mut data)?;
        let mut rest = vec![0; usize::from(length).saturating_sub(data.len())];
        self.flash.read(0, &mut rest)?;
        answer.append(&mut data);
        answer.append(&mut rest);
        Ok((GOOD, answer))
    }

    fn erase(&mut self, at: u32, length: u32) -> Result<Answer, FlashError> {
        if self.is_guarded(at) {
            return Ok((REFUSED, Vec::new()));
        }
        let busy = if length > SECTOR_BYTES { busy::ERASE_BLOCK } else { busy::ERASE_SECTOR };
        self.busy_us = self.busy_us.saturating_add(busy);
        if let Protection::Software { on, known } = &mut self.protection
            && *known
        {
            (*on, *known) = (false, false);
        }
        if !self.is_protected() {
            // The flash erases whichever sector or block the address lies in.
            let at = self.wrapped(at);
            self.flash.erase(at - at.checked_rem(length).unwrap_or(0), length)?;
        }
        Ok((GOOD, Vec::new()))
    }

    fn read_status(&mut self, payload: &[u8]) -> Answer {
        let Protection::StatusRegister(status) = self.protection else { return (REFUSED, Vec::new()) };
        let [low, high] = status.to_le_bytes();
        match payload {
            [0x05] => (GOOD, vec![0x05, low]),
            [0x35] => (GOOD, vec![0x35, high]),
            _ => (REFUSED, payload.to_vec()),
        }
    }

    fn write_status(&mut self, payload: &[u8]) -> Answer {
        let Protection::StatusRegister(status) = &mut self.protection else { return (REFUSED, Vec::new()) };
        match *payload {
            [0x01, low] => *status = u16::from_le_bytes([low, 0]),
            [0x01, low, high] => *status = u16::from_le_bytes([low, high]),
            [0x31, high] => *status = u16::from_le_bytes([status.to_le_bytes()[0], high]),
            _ => return (REFUSED, payload.to_vec()),
        }
        (GOOD, payload.to_vec())
    }
}

/// The address at the start of a payload.
fn address(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// Up to four little-endian bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

#[cfg(test)]
mod tests;
