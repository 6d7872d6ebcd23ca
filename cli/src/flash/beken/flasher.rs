//! Reading and writing: sectors that differ are erased, written, and compared by the chip's own CRC-32.
//!
//! A group is what lies in one block of 64 kB. All of a group is erased, then written, then compared: on a BK7231T
//! each comparison protects the flash again, and only erasing takes that off.

use std::ops::Range;
use std::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc};
use obkmq_image::beken::BekenChip;

use super::explain::{self, Phase};
use super::frame::{Answer, Command, SECTOR_BYTES};
use super::guard::{BLOCK, Danger, Guard, SECTOR, Sector};
use super::link::{Entry, Link, LinkError};
use super::parts::{self, FlashPart, Found};
use super::wire::Wire;
use crate::context::Context;
use crate::failure::Failure;
use crate::flash::{Part, Written};
use crate::serial::open::CONSOLE_BAUD;

/// How often a group is written without a single sector more being right.
const WRITE_TRIES: u32 = 3;
/// How often a sector is read before the line is given up.
const READ_TRIES: u32 = 20;
/// How often a question is asked that the chip can answer any number of times.
const ASK_TRIES: u32 = 3;
/// How often the protection of a BK7231N's flash is taken off until it is seen to be.
const UNPROTECT_TRIES: u32 = 10;
/// Sizes that a BK7231T's flash may have, the smallest first.
const SIZES: [u32; 6] = [1 << 19, 1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24];

pub(super) fn crc32(bytes: &[u8]) -> u32 {
    const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
    CRC.checksum(bytes)
}

/// How the chip is reached and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) entry: Entry,
    pub(super) baud: u32,
    pub(super) patience: Duration,
    /// What its owner says it is.
    pub(super) said: Option<BekenChip>,
    pub(super) risk_bootloader: bool,
}

/// A chip in its loader.
#[derive(Debug)]
pub(super) struct Flasher<W> {
    link: Link<W>,
    path: String,
    chip: BekenChip,
    told_by: String,
    flash_bytes: u32,
    guard: Guard,
    /// The flash memory of a BK7231N; a BK7231T does not tell.
    part: Option<FlashPart>,
}

/// A sector and what it is to hold.
struct Wanted {
    sector: Sector,
    data: Box<[u8; SECTOR_BYTES]>,
}

impl Wanted {
    fn range(&self) -> Range<u32> {
        self.sector.address()..self.sector.address().saturating_add(SECTOR)
    }

    fn is_blank(&self) -> bool {
        self.data.iter().all(|&byte| byte == 0xFF)
    }
}

impl<W: Wire> Flasher<W> {
    /// Finds the chip, says what it is, and raises the speed.
    pub(super) fn connect(wire: W, path: &str, manner: Manner, context: &Context) -> Result<Self, Failure> {
        let mut link = Link::new(wire);
        let fail = |error: LinkError| explain::link(error, path, Phase::Connecting);
        link.connect(manner.entry, manner.baud, manner.patience, &mut || {
            context.note(explain::NO_ANSWER_YET)
        })
        .map_err(fail)?;
        if let Err(error) = link.use_baud(manner.baud) {
            if let LinkError::Gone(_) = error {
                return Err(fail(error));
            }
            context.note(format_args!(
                "{} baud does not work here; going on at {}",
                manner.baud,
                link.baud()
            ));
            // Where even that failed, this says so.
            link.recover().map_err(fail)?;
        }
        let path = path.to_owned();
        // What the chip is decides how to ask it; until then as a T, which harms nobody.
        let guard = Guard::new(BekenChip::T, 0, false);
        let mut flasher = Self {
            link,
            path,
            chip: BekenChip::T,
            told_by: String::new(),
            flash_bytes: 0,
            guard,
            part: None,
        };
        flasher.identify(manner.said, context)?;
        flasher.find_flash()?;
        flasher.guard = Guard::new(flasher.chip, flasher.flash_bytes, manner.risk_bootloader);
        Ok(flasher)
    }

    pub(super) const fn chip(&self) -> BekenChip {
        self.chip
    }

    pub(super) const fn flash_bytes(&self) -> u32 {
        self.flash_bytes
    }

    /// What the chip was identified by.
    pub(super) fn told_by(&self) -> &str {
        &self.told_by
    }

    /// Maker, type and size code of a BK7231N's flash.
    pub(super) fn flash_id(&self) -> Option<String> {
        self.part
            .map(|FlashPart { id: [maker, kind, size], .. }| format!("{maker:02X} {kind:02X} {size:02X}"))
    }

    pub(super) fn kept(&self) -> Vec<(&'static str, Range<u32>)> {
        self.guard.kept()
    }

    /// Starts what is in flash and gives the line back.
    pub(super) fn reboot(mut self) -> (W, Result<(), Failure>) {
        let result = self.link.reboot().map_err(|error| explain::link(error, &self.path, Phase::Reading));
        (self.link.into_wire(), result)
    }

    fn identify(&mut self, said: Option<BekenChip>, context: &Context) -> Result<(), Failure> {
        let crc = self.crc(&(0..256))?;
        let found = match parts::identify(crc, None) {
            Found::Unknown { .. } => parts::identify(crc, self.register(parts::CHIP_ID_REGISTER)?),
            found => found,
        };
        match (found, said) {
            (Found::Chip(chip, _), Some(said)) if chip != said => {
                return Err(explain::other_chip(&self.path, chip.family(), said));
            }
            (Found::Chip(chip, by), _) => {
                context.detail(format_args!("{}: {} by its {by}", self.path, chip.family()));
                (self.chip, self.told_by) = (chip, by);
            }
            (Found::Unknown { crc }, Some(BekenChip::T)) => {
                context.warn(format_args!(
                    "the boot loader (CRC 0x{crc:08X}) is not known; taken for a BK7231T because --board says so"
                ));
                (self.chip, self.told_by) = (BekenChip::T, "--board".to_owned());
            }
            (Found::Other(name), _) => return Err(explain::unsupported(&self.path, &name)),
            (Found::Unknown { crc }, _) => return Err(explain::unknown_chip(&self.path, crc)),
        }
        Ok(())
    }

    /// `None` if the chip does not know the command.
    fn register(&mut self, address: u32) -> Result<Option<u32>, Failure> {
        match self.ask(Command::ReadRegister(address)) {
            Ok(Answer::Number(value)) => Ok(Some(value)),
            Ok(_) | Err(LinkError::Silent | LinkError::Refused(_)) => Ok(None),
            Err(error) => Err(self.explain(error, Phase::Connecting)),
        }
    }

    fn find_flash(&mut self) -> Result<(), Failure> {
        if self.chip == BekenChip::N {
            let Answer::FlashId(id) = self.insist(Command::FlashId, Phase::Connecting)? else {
                return Err(self.explain(LinkError::Silent, Phase::Connecting));
            };
            let part = FlashPart::known(id).ok_or_else(|| explain::unknown_flash(&self.path, id))?;
            self.part = Some(part);
            self.flash_bytes = part.bytes;
        } else {
            // Behind the end of the flash its beginning comes again, and on this chip that is never blank.
            let first = self.crc(&(0..SECTOR))?;
            for size in SIZES {
                if self.crc(&(size..size.saturating_add(SECTOR)))? == first {
                    self.flash_bytes = size;
                    break;
                }
            }
        }
        if self.flash_bytes < obkmq_image::beken::map::FLASH_BYTES {
            return Err(explain::odd_flash(&self.path, self.flash_bytes));
        }
        Ok(())
    }

    /// Takes the protection off a BK7231N's flash; that of a BK7231T goes with each erase.
    fn unprotect(&mut self) -> Result<(), Failure> {
        let Some(part) = self.part else { return Ok(()) };
        for _ in 0..UNPROTECT_TRIES {
            let status = self.status(part)?;
            let mask = if part.has_two_status_bytes { parts::PROTECTION } else { parts::PROTECTION & 0xFF };
            if status & mask == 0 {
                return Ok(());
            }
            let open = status & !mask;
            let command = if part.has_two_status_bytes {
                Command::WriteStatus16(open)
            } else {
                Command::WriteStatus8(open.to_le_bytes()[0])
            };
            self.insist(command, Phase::Writing)?;
            self.link.rest(Duration::from_millis(10));
        }
        Err(explain::protected(&self.path))
    }

    fn status(&mut self, part: FlashPart) -> Result<u16, Failure> {
        let mut status = self.status_byte(0x05)?;
        if part.has_two_status_bytes {
            status |= self.status_byte(0x35)? << 8;
        }
        Ok(status)
    }

    fn status_byte(&mut self, opcode: u8) -> Result<u16, Failure> {
        match self.insist(Command::ReadStatus(opcode), Phase::Writing)? {
            Answer::Number(value) => Ok(u16::try_from(value).unwrap_or(u16::MAX)),
            _ => Err(self.explain(LinkError::Silent, Phase::Writing)),
        }
    }

    /// The CRC-32 of a range. A BK7231T has to be linked again after it, or nothing could be erased.
    fn crc(&mut self, range: &Range<u32>) -> Result<u32, Failure> {
        let end = match self.chip {
            BekenChip::T => range.end,
            BekenChip::N => range.end.saturating_sub(1),
        };
        let command = Command::CheckCrc { start: range.start, end };
        let Answer::Number(crc) = self.insist(command, Phase::Reading)? else {
            return Err(self.explain(LinkError::Silent, Phase::Reading));
        };
        if self.chip == BekenChip::T {
            self.insist(Command::LinkCheck, Phase::Reading)?;
        }
        // The chip leaves out the last step.
        Ok(!crc)
    }

    pub(super) fn holds(&mut self, range: &Range<u32>, bytes: &[u8]) -> Result<bool, Failure> {
        Ok(self.crc(range)? == crc32(bytes))
    }

    /// Reads a range, and compares it with the chip's own sum.
    pub(super) fn read(&mut self, range: &Range<u32>) -> Result<Vec<u8>, Failure> {
        let first = range.start / SECTOR * SECTOR;
        let end = range.end.next_multiple_of(SECTOR).min(self.flash_bytes);
        let length = range.end.saturating_sub(range.start) as usize;
        // Most of a flash is blank, and a sum tells that sooner than the bytes.
        let blank = vec![0xFF; end.saturating_sub(first) as usize];
        if blank.len() > SECTOR_BYTES && self.holds(&(first..end), &blank)? {
            return Ok(vec![0xFF; length]);
        }
        let mut bytes = Vec::new();
        for address in (first..end).step_by(SECTOR_BYTES) {
            bytes.extend_from_slice(&self.read_sector(address)?);
        }
        if !bytes.is_empty() && !self.holds(&(first..end), &bytes)? {
            for (address, data) in (first..end).step_by(SECTOR_BYTES).zip(bytes.chunks_mut(SECTOR_BYTES)) {
                self.read_until_right(address, data)?;
            }
        }
        let skip = range.start.saturating_sub(first) as usize;
        let piece = bytes.get(skip..skip.saturating_add(length));
        piece.map(<[u8]>::to_vec).ok_or_else(|| explain::danger(Danger::Outside, range.start))
    }

    fn read_until_right(&mut self, address: u32, data: &mut [u8]) -> Result<(), Failure> {
        for _ in 0..READ_TRIES {
            if self.holds(&(address..address.saturating_add(SECTOR)), data)? {
                return Ok(());
            }
            data.copy_from_slice(&self.read_sector(address)?);
        }
        Err(explain::unreadable(&self.path))
    }

    fn read_sector(&mut self, address: u32) -> Result<Vec<u8>, Failure> {
        // The boot loader of a BK7231T hides itself, but not from an address that wraps around.
        let hidden = self.chip == BekenChip::T && address < obkmq_image::beken::map::BOOTLOADER_END;
        let on_wire = if hidden { address.saturating_add(self.flash_bytes) } else { address };
        let mut tries = 1;
        loop {
            match self.ask(Command::ReadSector(on_wire)) {
                Ok(Answer::Sector(data)) => return Ok(data),
                Err(error @ (LinkError::Gone(_) | LinkError::Refused(_))) => {
                    return Err(self.explain(error, Phase::Reading));
                }
                _ if tries >= READ_TRIES => return Err(self.explain(LinkError::Silent, Phase::Reading)),
                _ => tries += 1,
            }
        }
    }

    /// Writes what differs and compares all of it.
    pub(super) fn write(
        &mut self,
        parts: &[Part],
        progress: &mut dyn FnMut(u64),
        context: &Context,
    ) -> Result<Written, Failure> {
        // Everything is looked at before anything is touched.
        for part in parts {
            self.check(part)?;
        }
        self.unprotect()?;
        let mut total = Written::default();
        let mut done_bytes = 0_u64;
        for part in parts {
            let mut offset = part.offset;
            let mut rest = part.data.as_slice();
            while !rest.is_empty() {
                // Up to the end of the block.
                let room = (BLOCK - offset % BLOCK) as usize;
                let (piece, behind) = rest.split_at(room.min(rest.len()));
                let written_bytes =
                    self.write_group(offset, piece, &mut |bytes| progress(done_bytes + bytes), context)?;
                let bytes = piece.len() as u64;
                let written_bytes = written_bytes.min(bytes);
                total.written_bytes += written_bytes;
                total.skipped_bytes += bytes - written_bytes;
                done_bytes += bytes;
                progress(done_bytes);
                offset = offset.saturating_add(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                rest = behind;
            }
        }
        Ok(total)
    }

    fn check(&self, part: &Part) -> Result<(), Failure> {
        let length = u32::try_from(part.data.len()).unwrap_or(u32::MAX);
        let end = part.offset.checked_add(length).filter(|end| *end <= self.flash_bytes);
        let end = end.ok_or_else(|| explain::danger(Danger::Outside, part.offset))?;
        for address in (part.offset / SECTOR * SECTOR..end).step_by(SECTOR_BYTES) {
            self.guard.sector(address).map_err(|danger| explain::danger(danger, address))?;
        }
        Ok(())
    }

    /// Writes what lies in one block; how many bytes had to be written.
    fn write_group(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(u64),
        context: &Context,
    ) -> Result<u64, Failure> {
        let group = self.wanted(offset, bytes)?;
        let all: Vec<&Wanted> = group.iter().collect();
        let mut needed = self.differing(&all)?;
        let written_bytes = needed.len() as u64 * u64::from(SECTOR);
        let mut tries = 0;
        while !needed.is_empty() {
            if tries >= WRITE_TRIES {
                return Err(explain::unwritable(
                    &self.path,
                    needed.first().map_or(offset, |w| w.range().start),
                ));
            }
            tries += 1;
            if tries > 1 && self.link.baud() > CONSOLE_BAUD {
                context.note(format_args!("what was written differs; going on at {CONSOLE_BAUD} baud"));
                self.link.use_baud(CONSOLE_BAUD).map_err(|error| self.explain(error, Phase::Writing))?;
            }
            self.erase(&needed, needed.len() == (BLOCK / SECTOR) as usize)?;
            for (index, wanted) in needed.iter().enumerate() {
                if !wanted.is_blank() {
                    let (address, data) = (wanted.sector.on_wire(), &*wanted.data);
                    self.try_to(Command::WriteSector { address, data })?;
                }
                progress((index as u64 + 1) * u64::from(SECTOR));
            }
            let differing = self.differing(&needed)?;
            if differing.len() < needed.len() {
                // It got further: a bad line, not a dead one.
                tries = 1;
            }
            needed = differing;
        }
        Ok(written_bytes)
    }

    /// Whole sectors; what is not to be written of the first and the last one stays as it is.
    fn wanted(&mut self, offset: u32, bytes: &[u8]) -> Result<Vec<Wanted>, Failure> {
        let mut wanted = Vec::new();
        let mut address = offset / SECTOR * SECTOR;
        let mut skip = (offset % SECTOR) as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((SECTOR_BYTES - skip).min(rest.len()));
            let mut data = Box::new([0xFF; SECTOR_BYTES]);
            if piece.len() < SECTOR_BYTES {
                let range = address..address.saturating_add(SECTOR);
                let held = self.read(&range)?;
                data.iter_mut().zip(held).for_each(|(byte, held)| *byte = held);
            }
            data.iter_mut().skip(skip).zip(piece).for_each(|(byte, new)| *byte = *new);
            let sector = self.guard.sector(address).map_err(|danger| explain::danger(danger, address))?;
            wanted.push(Wanted { sector, data });
            address = address.saturating_add(SECTOR);
            skip = 0;
            rest = behind;
        }
        Ok(wanted)
    }

    /// Which sectors do not hold what they should. They follow each other, if they are many.
    fn differing<'w>(&mut self, sectors: &[&'w Wanted]) -> Result<Vec<&'w Wanted>, Failure> {
        let (Some(first), Some(last)) = (sectors.first(), sectors.last()) else { return Ok(Vec::new()) };
        let range = first.range().start..last.range().end;
        if range.len() == sectors.len() * SECTOR_BYTES {
            let bytes: Vec<u8> = sectors.iter().flat_map(|wanted| wanted.data.iter().copied()).collect();
            if self.holds(&range, &bytes)? {
                return Ok(Vec::new());
            }
        }
        let mut differing = Vec::new();
        for wanted in sectors {
            if !self.holds(&wanted.range(), wanted.data.as_slice())? {
                differing.push(*wanted);
            }
        }
        Ok(differing)
    }

    fn erase(&mut self, sectors: &[&Wanted], whole_block: bool) -> Result<(), Failure> {
        let block = sectors.first().filter(|_| whole_block).map(|wanted| wanted.range().start);
        if let Some(Ok(block)) = block.map(|address| self.guard.block(address)) {
            return self.try_to(Command::EraseBlock(block.on_wire()));
        }
        for wanted in sectors {
            self.try_to(Command::EraseSector(wanted.sector.on_wire()))?;
        }
        Ok(())
    }

    /// Does something whose success is looked at later.
    fn try_to(&mut self, command: Command<'_>) -> Result<(), Failure> {
        match self.ask(command) {
            Ok(_) | Err(LinkError::Silent | LinkError::Refused(_)) => Ok(()),
            Err(error) => Err(self.explain(error, Phase::Writing)),
        }
    }

    /// Asks until there is an answer.
    fn insist(&mut self, command: Command<'_>, phase: Phase) -> Result<Answer, Failure> {
        let mut tries = 1;
        loop {
            match self.ask(command) {
                Ok(answer) => return Ok(answer),
                Err(LinkError::Silent) if tries < ASK_TRIES => tries += 1,
                Err(error) => return Err(self.explain(error, phase)),
            }
        }
    }

    /// Asks once. After a silence the line is in order again, or it is said to be gone.
    fn ask(&mut self, command: Command<'_>) -> Result<Answer, LinkError> {
        match self.link.exchange(command) {
            Err(LinkError::Silent) => match self.link.recover() {
                Ok(()) => Err(LinkError::Silent),
                Err(LinkError::Gone(error)) => Err(LinkError::Gone(error)),
                Err(_) => Err(LinkError::Gone(std::io::ErrorKind::TimedOut.into())),
            },
            result => result,
        }
    }

    fn explain(&self, error: LinkError, phase: Phase) -> Failure {
        explain::link(error, &self.path, phase)
    }
}

#[cfg(test)]
mod tests;
