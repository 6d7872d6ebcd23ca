//! Downloads into flash, plain and compressed.
//!
//! The ROM erases everything at the beginning. The stub erases ahead of what it writes, in blocks where it can: after a
//! power cut the rest of the old contents is still there.

use flate2::{Decompress, FlushDecompress, Status};

use crate::flash::{FlashChip, FlashError};
use crate::limits::{BLOCK_BYTES, SECTOR_BYTES, TRANSFER_BYTES};
use crate::rom::command::{Mode, Refusal};

/// Why a command on the flash ends without success.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The flasher is told.
    Refused(Refusal),
    /// The board is gone.
    Flash(FlashError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FlashError> for Trouble {
    fn from(error: FlashError) -> Self {
        match error {
            FlashError::Range { .. } => Self::Refused(Refusal::Flash),
            error => Self::Flash(error),
        }
    }
}

/// Announced by FLASH_BEGIN or FLASH_DEFL_BEGIN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement {
    /// Bytes to be erased and, once inflated, written.
    pub(crate) size: u32,
    /// Packets that follow.
    pub(crate) blocks: u32,
    /// Bytes of each packet.
    pub(crate) block_bytes: u32,
    /// Where in flash.
    pub(crate) offset: u32,
    /// First byte behind the flash, as far as the loader knows.
    pub(crate) flash_end: u32,
}

/// A download that has begun.
#[derive(Debug)]
pub(crate) struct Session {
    mode: Mode,
    /// Where the next byte goes.
    cursor: u32,
    /// Bytes still to come.
    remaining: u32,
    /// What is not yet erased.
    erase_cursor: u32,
    erase_end: u32,
    inflate: Option<Box<Inflate>>,
}

#[derive(Debug)]
struct Inflate {
    stream: Decompress,
    ended: bool,
}

impl Session {
    /// Begins a download, of compressed data if so.
    pub(crate) fn begin(
        mode: Mode,
        announcement: Announcement,
        compressed: bool,
        flash: &mut impl FlashChip,
    ) -> Result<Self, Trouble> {
        let Announcement { size, blocks, block_bytes, offset, flash_end } = announcement;
        let end = offset.checked_add(size).filter(|&end| end <= flash_end).ok_or(Refusal::Flash)?;
        let erase_end = end.checked_next_multiple_of(SECTOR_BYTES).ok_or(Refusal::Flash)?;
        let erase_cursor = offset - offset % SECTOR_BYTES;
        // The ROM counts packets, the last of which is padded; the stub counts bytes.
        let remaining = match mode {
            Mode::Rom if !compressed => blocks
                .checked_mul(block_bytes)
                .filter(|&bytes| bytes <= flash_end - offset)
                .ok_or(Refusal::Flash)?,
            _ => size,
        };
        let inflate = compressed.then(|| Box::new(Inflate { stream: Decompress::new(true), ended: false }));
        let mut session = Self {
            mode,
            cursor: offset,
            remaining,
            erase_cursor,
            erase_end: erase_end.max(erase_cursor),
            inflate,
        };
        if size == 0 {
            session.erase_end = erase_cursor;
        }
        if mode == Mode::Rom {
            session.erase_up_to(session.erase_end, flash)?;
        }
        Ok(session)
    }

    /// Whether its data is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.inflate.is_some()
    }

    /// Takes one packet of data.
    pub(crate) fn data(&mut self, payload: &[u8], flash: &mut impl FlashChip) -> Result<(), Trouble> {
        if self.remaining == 0 && !payload.is_empty() && self.inflate.is_none() {
            return Err(Refusal::TooMuchData.into());
        }
        match self.inflate.take() {
            None => {
                let room = usize::try_from(self.remaining).unwrap_or(usize::MAX);
                self.write(payload.get(..room).unwrap_or(payload), flash)
            }
            Some(mut inflate) => {
                let outcome = self.inflate(&mut inflate, payload, flash);
                self.inflate = Some(inflate);
                outcome
            }
        }
    }

    /// Ends the download.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        if self.mode == Mode::Stub && self.remaining > 0 { Err(Refusal::NotEnoughData) } else { Ok(()) }
    }

    fn inflate(
        &mut self,
        inflate: &mut Inflate,
        mut payload: &[u8],
        flash: &mut impl FlashChip,
    ) -> Result<(), Trouble> {
        let mut buffer = [0; TRANSFER_BYTES];
        while !inflate.ended {
            let (before_in, before_out) = (inflate.stream.total_in(), inflate.stream.total_out());
            let status = inflate
                .stream
                .decompress(payload, &mut buffer, FlushDecompress::None)
                .map_err(|_| Refusal::Inflate)?;
            let taken = count(inflate.stream.total_in() - before_in);
            let made = count(inflate.stream.total_out() - before_out);
            payload = payload.get(taken..).unwrap_or_default();
            let inflated = buffer.get(..made).unwrap_or_default();
            if u32::try_from(made).is_ok_and(|made| made > self.remaining) {
                return Err(Refusal::TooMuchData.into());
            }
            self.write(inflated, flash)?;
            inflate.ended = status == Status::StreamEnd;
            // No output although there is room: it wants the next packet.
            if made == 0 && taken == 0 || payload.is_empty() && made < buffer.len() {
                break;
            }
        }
        match (inflate.ended, payload.is_empty()) {
            (true, true) if self.remaining > 0 => Err(Refusal::NotEnoughData.into()),
            (true, false) => Err(Refusal::TooMuchData.into()),
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8], flash: &mut impl FlashChip) -> Result<(), Trouble> {
        let length = u32::try_from(bytes.len()).map_err(|_| Refusal::TooMuchData)?;
        let end = self.cursor.checked_add(length).ok_or(Refusal::Flash)?;
        self.erase_up_to(end, flash)?;
        flash.program(self.cursor, bytes)?;
        self.cursor = end;
        self.remaining = self.remaining.saturating_sub(length);
        Ok(())
    }

    /// Erases ahead, never beyond what was announced.
    fn erase_up_to(&mut self, end: u32, flash: &mut impl FlashChip) -> Result<(), Trouble> {
        while self.erase_cursor < end.min(self.erase_end) {
            let block_fits = self.erase_cursor.is_multiple_of(BLOCK_BYTES)
                && self.erase_end - self.erase_cursor >= BLOCK_BYTES;
            let length = if block_fits { BLOCK_BYTES } else { SECTOR_BYTES };
            flash.erase(self.erase_cursor, length)?;
            self.erase_cursor = self.erase_cursor.saturating_add(length);
        }
        Ok(())
    }
}

/// Counts of one call to the inflater, which are at most the length of a packet or of the buffer.
fn count(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::MemoryFlash;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write as _;

    fn announcement(size: u32, offset: u32) -> Announcement {
        Announcement { size, blocks: size.div_ceil(0x400), block_bytes: 0x400, offset, flash_end: 0x4_0000 }
    }

    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn dirty() -> MemoryFlash {
        let mut flash = MemoryFlash::new(0x4_0000);
        flash.program(0, &vec![0; 0x4_0000]).unwrap();
        flash
    }

    fn refusal(outcome: Result<(), Trouble>) -> Refusal {
        match outcome {
            Err(Trouble::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_rom_erases_at_once_the_stub_as_it_goes() {
        let mut flash = dirty();
        Session::begin(Mode::Rom, announcement(0x1800, 0x1000), false, &mut flash).unwrap();
        assert_eq!(flash.cells()[0xFFF], 0);
        assert!(flash.cells()[0x1000..0x3000].iter().all(|&cell| cell == 0xFF));
        assert_eq!(flash.cells()[0x3000], 0);

        let mut flash = dirty();
        let mut session =
            Session::begin(Mode::Stub, announcement(0x1800, 0x1000), false, &mut flash).unwrap();
        assert_eq!(flash.cells()[0x1000], 0);
        session.data(&[0xA5; 0x400], &mut flash).unwrap();
        assert_eq!(flash.cells()[0x1000..0x1400], [0xA5; 0x400]);
        assert_eq!(flash.cells()[0x1400..0x2000], [0xFF; 0xC00]);
        assert_eq!(flash.cells()[0x2000], 0);
    }

    #[test]
    fn an_empty_download_erases_nothing() {
        for mode in [Mode::Rom, Mode::Stub] {
            let mut flash = dirty();
            let session = Session::begin(mode, announcement(0, 0x1234), false, &mut flash).unwrap();
            assert_eq!(session.end(), Ok(()));
            assert!(flash.cells().iter().all(|&cell| cell == 0));
        }
    }

    #[test]
    fn the_padding_of_the_last_packet_is_not_the_stubs_business() {
        let mut flash = dirty();
        let mut session = Session::begin(Mode::Stub, announcement(0x500, 0), false, &mut flash).unwrap();
        session.data(&[0x11; 0x400], &mut flash).unwrap();
        assert_eq!(session.end(), Err(Refusal::NotEnoughData));
        session.data(&[0x22; 0x400], &mut flash).unwrap();
        assert_eq!(flash.cells()[0x4FF..0x501], [0x22, 0xFF]);
        assert_eq!(session.end(), Ok(()));
        assert_eq!(refusal(session.data(&[0], &mut flash)), Refusal::TooMuchData);
    }

    #[test]
    fn compressed_data_may_be_cut_anywhere() {
        let bytes: Vec<u8> =
            (0..40_000_u32).flat_map(|index| (index / 7).to_le_bytes()).take(0x2_0000).collect();
        let compressed = compress(&bytes);
        for packet in [1, 100, 0x4000] {
            let mut flash = dirty();
            let size = u32::try_from(bytes.len()).unwrap();
            let mut session =
                Session::begin(Mode::Stub, announcement(size, 0x1000), true, &mut flash).unwrap();
            for payload in compressed.chunks(packet) {
                session.data(payload, &mut flash).unwrap();
            }
            assert_eq!(session.end(), Ok(()));
            assert!(flash.cells()[0x1000..].starts_with(&bytes), "packets of {packet}");
        }
    }

    #[test]
    fn compressed_data_of_the_wrong_size_is_refused() {
        let compressed = compress(&[0; 0x2000]);
        let mut flash = dirty();
        let mut short = Session::begin(Mode::Stub, announcement(0x1000, 0), true, &mut flash).unwrap();
        assert_eq!(refusal(short.data(&compressed, &mut flash)), Refusal::TooMuchData);
        let mut long = Session::begin(Mode::Stub, announcement(0x3000, 0), true, &mut flash).unwrap();
        assert_eq!(refusal(long.data(&compressed, &mut flash)), Refusal::NotEnoughData);
        let mut broken = Session::begin(Mode::Stub, announcement(0x2000, 0), true, &mut flash).unwrap();
        assert_eq!(refusal(broken.data(b"not zlib at all", &mut flash)), Refusal::Inflate);
    }

    #[test]
    fn nothing_is_written_beyond_the_flash() {
        let mut flash = dirty();
        let beyond = |size, offset, mode| {
            let mut flash = dirty();
            Session::begin(mode, announcement(size, offset), false, &mut flash).map(|_| ())
        };
        assert_eq!(refusal(beyond(0x1000, 0x3_F001, Mode::Stub)), Refusal::Flash);
        assert_eq!(refusal(beyond(u32::MAX, 1, Mode::Stub)), Refusal::Flash);
        let many = Announcement { blocks: u32::MAX, ..announcement(0x400, 0) };
        assert_eq!(refusal(Session::begin(Mode::Rom, many, false, &mut flash).map(|_| ())), Refusal::Flash);
    }
}
