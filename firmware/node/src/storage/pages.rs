//! The marks of a region's pages, and their repair at boot, before `sequential-storage` looks at them.
//!
//! The pages of a region are a ring: closed ones, then the one that is written to (the *head*), then free ones. A word of
//! zeros at its beginning says that a page is in use, one at its end that it is closed. The library believes these marks:
//! it writes into a page that looks free without looking for what else stands there, it does not see what lies before a
//! page that looks free, and it erases a head that no free page follows, because a power cut in the middle of a migration
//! leaves that. Nor does it see what stands behind erased words in a page, before it has written there itself. So where
//! marks or free space are damaged, what is stored later would vanish, or what was deleted come back.
//!
//! [`mend`] makes a ring of what it finds, in which all is seen that can be read. What power cuts leave is finished, or
//! left to the library. The layout of a page is the library's own; a test compares both.

use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::{MultiwriteNorFlash, NorFlashError as _};
use sequential_storage::map::Key as MapKey;

use super::masked::{Masked, Seen};
use super::{StorageError, complete, fetched, item_buffer, open, size, word_bytes};

/// Zeros in a mark from which on it counts.
const MARK_BITS: u32 = 4;
/// The largest word of flash that is met on a board; the header of an item is whole words then.
const LARGEST_WORD_BYTES: usize = 8;
/// CRC-32 of the contents, their length, CRC-16 of the length.
const HEADER_BYTES: u32 = 8;
/// Bytes looked at or written at a time.
const PIECE_BYTES: usize = 128;

/// What was found, and is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A ring that shows the newest of all that it ever held, damaged items excepted.
    Whole,
    /// A ring now. It may show what is not the newest.
    Damaged,
    /// Nothing that could be made a ring; it is left as it is.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Free,
    Head,
    Closed,
    /// Erased at its beginning and closed at its end.
    HalfErased,
}

/// Makes a ring of the pages in `range`, whose items have keys of type `K`.
pub(crate) fn mend<K: MapKey, F: MultiwriteNorFlash>(
    flash: &mut F,
    range: &Range<u32>,
) -> Result<Found, StorageError> {
    // What cannot be a region is refused here.
    open::<K, F>(flash, range)?;
    if F::WRITE_SIZE.max(F::READ_SIZE) > LARGEST_WORD_BYTES {
        return Err(StorageError::Region);
    }
    let mut pages = Pages { flash, range: range.clone(), marks: Vec::new() };
    pages.read_marks()?;
    if pages.number_of(Mark::Free) == pages.marks.len() {
        pages.find_head()?;
    }
    if pages.number_of(Mark::Free) > 0 {
        pages.free_blank_pages()?;
    }
    let found = match pages.free_run()? {
        Some(run) => pages.mend_ring(run)?,
        None => Found::Whole,
    };
    if pages.number_of(Mark::Free) == 0 && !pages.mend_migration::<K>()? {
        return Ok(Found::Lost);
    }
    for page in 0..pages.marks.len() {
        if pages.mark(page) != Mark::Free {
            pages.fill_gaps(page)?;
        }
    }
    Ok(found)
}

/// Free pages in a row.
#[derive(Clone, Copy)]
struct Run {
    first: usize,
    length: usize,
}

struct Pages<'a, F> {
    flash: &'a mut F,
    range: Range<u32>,
    marks: Vec<Mark>,
}

impl<F: MultiwriteNorFlash> Pages<'_, F> {
    const PAGE_BYTES: u32 = size(F::ERASE_SIZE);
    const WORD_BYTES: u32 = word_bytes::<F>();

    /// Every page looks free. One that is written to has lost its mark.
    fn find_head(&mut self) -> Result<(), StorageError> {
        for page in 0..self.marks.len() {
            if self.has_items(page)? {
                return self.complete_marks(page, Mark::Head);
            }
        }
        Ok(())
    }

    /// Outside of a migration: where there is a head that has been written to, a page in which nothing stands but one mark
    /// is a free one.
    fn free_blank_pages(&mut self) -> Result<(), StorageError> {
        let mut is_written = false;
        for page in 0..self.marks.len() {
            is_written |= self.mark(page) == Mark::Head && !self.is_blank(self.items(page))?;
        }
        for page in 0..self.marks.len() {
            let has_a_mark = matches!(self.mark(page), Mark::Head | Mark::HalfErased);
            if is_written && has_a_mark && self.is_blank(self.items(page))? {
                self.erase(page)?;
            }
        }
        Ok(())
    }

    /// The free pages behind the head. Where damage leaves several rows of them: those behind a head, one that has been
    /// written to above all, else the most.
    fn free_run(&mut self) -> Result<Option<Run>, StorageError> {
        let count = self.marks.len();
        let all_free = self.number_of(Mark::Free) == count;
        let mut best = None;
        for first in 0..count {
            let before = self.before(first);
            if self.mark(first) != Mark::Free || (!all_free && self.mark(before) == Mark::Free) {
                continue;
            }
            let is_free = |page: &usize| self.mark(*page) == Mark::Free;
            let length = (0..count).map(|n| (first + n) % count).take_while(is_free).count();
            let is_head = self.mark(before) == Mark::Head;
            let worth = (is_head, is_head && !self.is_blank(self.items(before))?, length);
            if best.is_none_or(|(best, _)| worth > best) {
                best = Some((worth, Run { first, length }));
            }
        }
        Ok(best.map(|(_, run)| run))
    }

    /// Everything but the free pages and the head before them is made a closed page, and what is free is blank.
    fn mend_ring(&mut self, mut run: Run) -> Result<Found, StorageError> {
        let count = self.marks.len();
        let mut found = Found::Whole;
        let head = self.before(run.first);
        for page in (run.length..count).map(|n| (run.first + n) % count) {
            let mark = self.mark(page);
            if mark == Mark::Closed || (mark == Mark::Head && page == head) {
                continue;
            }
            if mark == Mark::Free {
                // Which of the rows was the real one is not known, or a whole page is lost.
                found = Found::Damaged;
            }
            self.complete_marks(page, Mark::Closed)?;
        }
        if run.length < count && self.mark(head) == Mark::Closed && !self.is_blank(self.page(run.first))? {
            // It was being opened, or was the head and has lost its mark.
            self.complete_marks(run.first, Mark::Head)?;
            run = Run { first: self.after(run.first), length: run.length - 1 };
        }
        // The end of a migration erases the page behind the head, and power may go in the middle of that.
        let is_migration = run.length == 1;
        for page in (0..run.length).map(|n| (run.first + n) % count) {
            if self.is_blank(self.page(page))? {
                continue;
            }
            if !is_migration && self.has_items(page)? {
                found = Found::Damaged;
            }
            self.erase(page)?;
        }
        Ok(found)
    }

    /// No page is free, as in the middle of a migration, which moves what lies behind the head into it. Whether there is
    /// a ring now, or what the library makes one of: it erases the head and begins again.
    ///
    /// A migration that was as good as done is ended instead. If power went while its source was being erased, whatever
    /// the marks there say, the head is all there is.
    fn mend_migration<K: MapKey>(&mut self) -> Result<bool, StorageError> {
        let (heads, half_erased) = (self.number_of(Mark::Head), self.number_of(Mark::HalfErased));
        let pages = 0..self.marks.len();
        if (heads, half_erased) == (0, 1) {
            // The head itself was being erased, to begin again.
            if let Some(page) = self.marks.iter().position(|mark| *mark == Mark::HalfErased) {
                self.erase(page)?;
            }
            return Ok(true);
        }
        for page in pages.clone() {
            let is_source = self.mark(self.before(page)) == Mark::Head
                && match (heads, half_erased) {
                    (1, 0) => true,
                    (1, 1) => self.mark(page) == Mark::HalfErased,
                    (2, 0) => self.mark(page) == Mark::Head,
                    _ => false,
                };
            if is_source && self.is_superseded::<K>(page)? {
                self.erase(page)?;
                return Ok(true);
            }
        }
        for page in pages {
            if self.mark(page) == Mark::HalfErased {
                self.complete_marks(page, Mark::Closed)?;
            }
        }
        Ok(heads == 1)
    }

    /// Whether each item of a page has a newer version, or a copy, in another one.
    fn is_superseded<K: MapKey>(&mut self, page: usize) -> Result<bool, StorageError> {
        let place = self.page(page);
        let (mut buffer, mut scratch) = (item_buffer()?, item_buffer()?);
        let mut keys: Vec<K> = Vec::new();
        let mut alone = Masked { flash: &mut *self.flash, seen: Seen::Only(place.clone()) };
        let mut map = open::<K, _>(&mut alone, &self.range)?;
        let mut items = complete(map.fetch_all_items(&mut scratch))?;
        while let Some((key, _)) = fetched::<Option<(K, &[u8])>, _>(items.next(&mut buffer))? {
            if !keys.contains(&key) {
                keys.try_reserve(1).map_err(|_| StorageError::Memory)?;
                keys.push(key);
            }
        }
        let mut others = Masked { flash: &mut *self.flash, seen: Seen::Without(place) };
        let mut map = open::<K, _>(&mut others, &self.range)?;
        for key in keys {
            if fetched(map.fetch_item::<&[u8]>(&mut buffer, &key))?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes erased words in front of others unreadable instead of an end, so that what stands behind them is seen: the
    /// header of an item is lost there, or the end of the page is not blank.
    fn fill_gaps(&mut self, page: usize) -> Result<(), StorageError> {
        let Range { start: mut at, end } = self.items(page);
        while at + HEADER_BYTES <= end {
            if !self.is_blank(at..at + HEADER_BYTES)? {
                at += self.item_bytes(at, end)?.unwrap_or(Self::WORD_BYTES);
                continue;
            }
            if self.is_blank(at..end)? {
                break;
            }
            while self.is_blank(at..at + Self::WORD_BYTES)? {
                self.write_zeros(at)?;
                at += Self::WORD_BYTES;
            }
        }
        Ok(())
    }

    /// The length of the item whose header stands at `at`, in whole words with its header; `None` if none does.
    fn item_bytes(&mut self, at: u32, end: u32) -> Result<Option<u32>, StorageError> {
        let mut header = [0; HEADER_BYTES as usize];
        self.read(at, &mut header)?;
        let [.., low, high, check_low, check_high] = header;
        if u16::from_le_bytes([check_low, check_high]) != length_check([low, high]) {
            return Ok(None);
        }
        let contents = u32::from(u16::from_le_bytes([low, high])).next_multiple_of(Self::WORD_BYTES);
        let bytes = HEADER_BYTES + contents;
        Ok((bytes <= end - at).then_some(bytes))
    }

    /// Whether anything in a page looks like an item.
    fn has_items(&mut self, page: usize) -> Result<bool, StorageError> {
        let Range { start, end } = self.items(page);
        let mut at = start;
        while at + HEADER_BYTES <= end {
            if self.item_bytes(at, end)?.is_some() {
                return Ok(true);
            }
            at += Self::WORD_BYTES;
        }
        Ok(false)
    }

    fn mark(&self, page: usize) -> Mark {
        self.marks.get(page).copied().unwrap_or(Mark::Free)
    }

    fn number_of(&self, mark: Mark) -> usize {
        self.marks.iter().filter(|other| **other == mark).count()
    }

    fn after(&self, page: usize) -> usize {
        if page + 1 < self.marks.len() { page + 1 } else { 0 }
    }

    fn before(&self, page: usize) -> usize {
        page.checked_sub(1).unwrap_or(self.marks.len().saturating_sub(1))
    }

    /// Where a page lies in flash.
    fn page(&self, page: usize) -> Range<u32> {
        let start = self.range.start + u32::try_from(page).unwrap_or(0) * Self::PAGE_BYTES;
        start..start + Self::PAGE_BYTES
    }

    /// Where its items lie.
    fn items(&self, page: usize) -> Range<u32> {
        let Range { start, end } = self.page(page);
        start + Self::WORD_BYTES..end - Self::WORD_BYTES
    }

    fn read_marks(&mut self) -> Result<(), StorageError> {
        let count = (self.range.end - self.range.start) / Self::PAGE_BYTES;
        self.marks.try_reserve_exact(count as usize).map_err(|_| StorageError::Memory)?;
        for page in 0..count as usize {
            let Range { start, end } = self.page(page);
            let mark = match (self.is_marked(start)?, self.is_marked(end - size(F::READ_SIZE))?) {
                (false, false) => Mark::Free,
                (true, false) => Mark::Head,
                (true, true) => Mark::Closed,
                (false, true) => Mark::HalfErased,
            };
            self.marks.push(mark);
        }
        Ok(())
    }

    fn is_marked(&mut self, at: u32) -> Result<bool, StorageError> {
        let mut mark = [0xFF; LARGEST_WORD_BYTES];
        let mark = mark.get_mut(..F::READ_SIZE).ok_or(StorageError::Region)?;
        self.read(at, mark)?;
        Ok(mark.iter().map(|byte| byte.count_zeros()).sum::<u32>() >= MARK_BITS)
    }

    fn set(&mut self, page: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(page) {
            *place = mark;
        }
    }

    /// Writes what a page lacks to be the head, or closed.
    fn complete_marks(&mut self, page: usize, mark: Mark) -> Result<(), StorageError> {
        let Range { start, end } = self.page(page);
        if matches!(self.mark(page), Mark::Free | Mark::HalfErased) {
            self.write_zeros(start)?;
        }
        if mark == Mark::Closed && matches!(self.mark(page), Mark::Free | Mark::Head) {
            self.write_zeros(end - Self::WORD_BYTES)?;
        }
        self.set(page, mark);
        Ok(())
    }

    fn erase(&mut self, page: usize) -> Result<(), StorageError> {
        let Range { start, end } = self.page(page);
        self.flash.erase(start, end).map_err(|error| StorageError::Flash(error.kind()))?;
        self.set(page, Mark::Free);
        Ok(())
    }

    /// Writes a word of zeros.
    fn write_zeros(&mut self, at: u32) -> Result<(), StorageError> {
        let word = [0; LARGEST_WORD_BYTES];
        let word = word.get(..Self::WORD_BYTES as usize).ok_or(StorageError::Region)?;
        self.flash.write(at, word).map_err(|error| StorageError::Flash(error.kind()))
    }

    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), StorageError> {
        self.flash.read(at, bytes).map_err(|error| StorageError::Flash(error.kind()))
    }

    fn is_blank(&mut self, place: Range<u32>) -> Result<bool, StorageError> {
        let mut piece = [0; PIECE_BYTES];
        for at in place.clone().step_by(PIECE_BYTES) {
            let length = PIECE_BYTES.min((place.end - at) as usize);
            let piece = piece.get_mut(..length).ok_or(StorageError::Region)?;
            self.read(at, piece)?;
            if piece.iter().any(|byte| *byte != 0xFF) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The library's CRC-16 of an item's length; never 0xFFFF.
fn length_check(length: [u8; 2]) -> u16 {
    let mut crc = 0xFFFF_u16;
    for byte in length {
        crc ^= u16::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x1A2E } else { crc >> 1 };
        }
    }
    (!crc).min(0xFFFE)
}
