//! The stub's READ_FLASH: packets of flash, acknowledged by the host, then their MD5 sum.

use md5::{Digest as _, Md5};

use crate::flash::{FlashChip, FlashError};
use crate::limits::READ_BLOCK_BYTES;
use crate::rom::command::Refusal;

/// A read that is under way.
#[derive(Debug)]
pub(crate) struct Reading {
    offset: u32,
    size: u32,
    block_bytes: u32,
    /// Packets that may be on their way at a time.
    max_in_flight: u32,
    sent: u32,
    acknowledged: u32,
    sum: Md5,
}

/// What becomes of a read after an acknowledgement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more.
    More,
    /// The host has everything; this is the sum of it.
    Finished([u8; 16]),
}

impl Reading {
    pub(crate) fn begin(
        offset: u32,
        size: u32,
        block_bytes: u32,
        max_in_flight: u32,
        flash_end: u32,
    ) -> Result<Self, Refusal> {
        let inside = offset.checked_add(size).is_some_and(|end| end <= flash_end);
        if !inside || !(1..=READ_BLOCK_BYTES).contains(&block_bytes) || max_in_flight == 0 {
            return Err(Refusal::Flash);
        }
        Ok(Self { offset, size, block_bytes, max_in_flight, sent: 0, acknowledged: 0, sum: Md5::new() })
    }

    /// The next packet, unless the host has to acknowledge some first.
    pub(crate) fn next_packet(&mut self, flash: &mut impl FlashChip) -> Result<Option<Vec<u8>>, FlashError> {
        let in_flight = self.sent.saturating_sub(self.acknowledged).div_ceil(self.block_bytes);
        let length = self.block_bytes.min(self.size.saturating_sub(self.sent));
        if in_flight >= self.max_in_flight || length == 0 {
            return Ok(None);
        }
        let mut packet = vec![0; usize::try_from(length).unwrap_or(0)];
        flash.read(self.offset.saturating_add(self.sent), &mut packet)?;
        self.sum.update(&packet);
        self.sent = self.sent.saturating_add(length);
        Ok(Some(packet))
    }

    /// Takes an acknowledgement: how many bytes the host has. `None` if the packet is none, which ends the read.
    pub(crate) fn acknowledge(&mut self, packet: &[u8]) -> Option<Progress> {
        let acknowledged = u32::from_le_bytes(packet.try_into().ok()?);
        if acknowledged < self.acknowledged || acknowledged > self.sent {
            return None;
        }
        self.acknowledged = acknowledged;
        if acknowledged == self.size {
            Some(Progress::Finished(core::mem::take(&mut self.sum).finalize().into()))
        } else {
            Some(Progress::More)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flash::MemoryFlash;

    fn flash() -> MemoryFlash {
        let mut flash = MemoryFlash::new(0x4000);
        let cells: Vec<u8> = (0..0x4000_u32).map(|index| index.to_le_bytes()[0]).collect();
        flash.program(0, &cells).unwrap();
        flash
    }

    #[test]
    fn packets_wait_for_acknowledgements() {
        let mut flash = flash();
        let mut reading = Reading::begin(0x10, 0x250, 0x100, 2, 0x4000).unwrap();
        assert_eq!(reading.next_packet(&mut flash).unwrap().unwrap(), flash.cells()[0x10..0x110]);
        assert_eq!(reading.next_packet(&mut flash).unwrap().unwrap().len(), 0x100);
        assert_eq!(reading.next_packet(&mut flash).unwrap(), None);
        assert_eq!(reading.acknowledge(&0x100_u32.to_le_bytes()), Some(Progress::More));
        assert_eq!(reading.next_packet(&mut flash).unwrap().unwrap(), flash.cells()[0x210..0x260]);
        let sum = Md5::digest(&flash.cells()[0x10..0x260]).into();
        assert_eq!(reading.acknowledge(&0x250_u32.to_le_bytes()), Some(Progress::Finished(sum)));
    }

    #[test]
    fn what_is_no_acknowledgement_ends_the_read() {
        let mut reading = Reading::begin(0, 0x200, 0x100, 1, 0x4000).unwrap();
        reading.next_packet(&mut flash()).unwrap();
        assert_eq!(reading.acknowledge(&[0; 3]), None);
        assert_eq!(reading.acknowledge(&0x101_u32.to_le_bytes()), None);
    }

    #[test]
    fn impossible_reads_are_refused() {
        for (offset, size, block, in_flight) in
            [(0x3FFF, 2, 1, 1), (u32::MAX, 1, 1, 1), (0, 1, 0, 1), (0, 1, 0x1001, 1), (0, 1, 1, 0)]
        {
            assert!(Reading::begin(offset, size, block, in_flight, 0x4000).is_err());
        }
    }
}
