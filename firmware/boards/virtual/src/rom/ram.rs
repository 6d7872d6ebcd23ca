//! Downloads into RAM: how the flasher stub gets into the chip.
//!
//! Nothing is executed here, so nothing of the code is kept, only which addresses have been filled. Whatever is loaded
//! whole and started is taken for the flasher stub; code that would crash the chip is not told apart from it, except
//! that a start outside of what was loaded leads nowhere.

use core::ops::Range;

use crate::limits::RAM_SEGMENTS;
use crate::rom::command::Refusal;

/// Memory that downloads may fill: instruction RAM, data RAM, RTC RAM.
const MEMORY: [Range<u32>; 3] =
    [0x4037_C000..0x403E_0000, 0x3FC8_0000..0x3FCE_0000, 0x5000_0000..0x5000_2000];

#[derive(Debug)]
struct Segment {
    range: Range<u32>,
    received: u32,
}

impl Segment {
    fn is_whole(&self) -> bool {
        u64::from(self.received) >= u64::from(self.range.end) - u64::from(self.range.start)
    }
}

/// What has been downloaded since the last start.
#[derive(Debug, Default)]
pub(crate) struct Ram {
    segments: Vec<Segment>,
    open: bool,
}

impl Ram {
    /// A segment of `size` bytes at `address` follows.
    pub(crate) fn begin(&mut self, size: u32, address: u32) -> Result<(), Refusal> {
        let end = address.checked_add(size).ok_or(Refusal::Length)?;
        if !MEMORY.iter().any(|memory| memory.contains(&address) && end <= memory.end) {
            return Err(Refusal::Length);
        }
        self.segments.retain(|segment| segment.range.start != address);
        if self.segments.len() >= RAM_SEGMENTS {
            return Err(Refusal::TooMuchData);
        }
        self.segments.push(Segment { range: address..end, received: 0 });
        self.open = true;
        Ok(())
    }

    /// The next piece of the segment; the last one may be padded.
    pub(crate) fn data(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        let segment = self.segments.last_mut().filter(|_| self.open).ok_or(Refusal::NotBegun)?;
        if segment.is_whole() {
            return Err(Refusal::TooMuchData);
        }
        segment.received = segment.received.saturating_add(u32::try_from(payload.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Ends the download; whether there is code at `entry` that can be started.
    pub(crate) fn end(&mut self, entry: Option<u32>) -> bool {
        self.open = false;
        let Some(entry) = entry else { return false };
        let started = self.segments.iter().all(Segment::is_whole)
            && self.segments.iter().any(|segment| segment.range.contains(&entry));
        self.segments.clear();
        started
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_starts_when_all_of_it_is_there() {
        let mut ram = Ram::default();
        ram.begin(8, 0x4038_0000).unwrap();
        ram.data(&[0; 4]).unwrap();
        ram.begin(4, 0x3FC8_0000).unwrap();
        ram.data(&[0; 4]).unwrap();
        assert!(!ram.end(Some(0x4038_0000)), "half of the code is missing");

        ram.begin(8, 0x4038_0000).unwrap();
        ram.data(&[0; 8]).unwrap();
        assert!(!ram.end(None), "nothing was to be started");
        assert!(!ram.end(Some(0x4039_0000)), "there is no code");
        assert!(!ram.end(Some(0x4038_0000)), "the failed start has cleared it");
    }

    #[test]
    fn only_ram_is_filled_and_only_after_a_begin() {
        let mut ram = Ram::default();
        assert_eq!(ram.data(&[0]), Err(Refusal::NotBegun));
        assert_eq!(ram.begin(4, 0x4200_0000), Err(Refusal::Length));
        assert_eq!(ram.begin(u32::MAX, 0x4038_0000), Err(Refusal::Length));
        ram.begin(2, 0x4038_0000).unwrap();
        ram.data(&[0; 4]).unwrap();
        assert_eq!(ram.data(&[0]), Err(Refusal::TooMuchData));
        for index in 1..RAM_SEGMENTS {
            ram.begin(4, 0x4038_0000 + u32::try_from(index).unwrap() * 4).unwrap();
        }
        assert_eq!(ram.begin(4, 0x4039_0000), Err(Refusal::TooMuchData));
    }
}
