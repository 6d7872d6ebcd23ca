//! Settings in flash: one item for all of them, so that one append is the commit, and a marker after it.
//!
//! There are two such items. A commit replaces the older one, so that the other one is what [`SettingsStore::former`]
//! gives: the settings before the last commit.
//!
//! The storage layer answers a damaged newest copy with the copy before it. That would bring back a deleted user
//! without a word, so the number of the newest generation is written a second time after each commit. Settings older
//! than their marker are *noticed*: [`Loaded::Damaged`].

use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_config::settings::Settings;

use super::pages::{self, Found};
use super::{StorageError, complete, fetched, item_buffer, open};

/// The two items of settings.
const SLOTS: [u8; 2] = [1, 3];
const MARKER: u8 = 2;

/// What stands in the settings region.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// Never written: the first boot.
    Blank,
    /// The newest generation.
    Current(Settings),
    /// The newest generation is lost or damaged.
    Damaged {
        /// An older generation, or the defaults where none can be read.
        rest: Settings,
        /// The highest generation that is known to have existed.
        generation: u32,
    },
}

/// The flash region of settings.
pub(crate) struct SettingsStore {
    range: Range<u32>,
}

impl SettingsStore {
    pub(crate) const fn new(range: Range<u32>) -> Self {
        Self { range }
    }

    pub(crate) fn load<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<Loaded, StorageError> {
        let found = pages::mend::<u8, F>(flash, &self.range)?;
        if found == Found::Lost {
            return Ok(Loaded::Damaged { rest: Settings::default(), generation: 0 });
        }
        let mut buffer = item_buffer()?;
        let mut map = open::<u8, F>(flash, &self.range)?;
        let marker = match fetched(map.fetch_item::<u32>(&mut buffer, &MARKER)) {
            Err(StorageError::Damaged) => {
                return Ok(Loaded::Damaged { rest: Settings::default(), generation: 0 });
            }
            marker => marker?,
        };
        let slots = self.slots(flash)?;
        let settings = slots.into_iter().flatten().max_by_key(Settings::generation);
        if found == Found::Damaged {
            let rest = settings.unwrap_or_default();
            let generation = rest.generation().max(marker.unwrap_or(0)).saturating_add(1);
            // The pages are in order from now on: this is what the next boot notices.
            let mut map = open::<u8, F>(flash, &self.range)?;
            complete(map.store_item(&mut buffer, &MARKER, &generation))?;
            return Ok(Loaded::Damaged { rest, generation });
        }
        Ok(match (settings, marker) {
            (None, None) => Loaded::Blank,
            (Some(settings), marker) if settings.generation() >= marker.unwrap_or(1) => {
                Loaded::Current(settings)
            }
            (rest, marker) => {
                let rest = rest.unwrap_or_default();
                let generation = rest.generation().max(marker.unwrap_or(0));
                Loaded::Damaged { rest, generation }
            }
        })
    }

    /// The settings before those of generation `current`, if there are any.
    pub(crate) fn former<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        current: u32,
    ) -> Result<Option<Settings>, StorageError> {
        Ok(match self.slots(flash)? {
            [Some(one), Some(other)] => Some(if one.generation() < other.generation() { one } else { other })
                // What could not be read stands as the defaults, and was never committed.
                .filter(|former| (1..current).contains(&former.generation())),
            _ => None,
        })
    }

    /// What stands in both items. One that cannot be read is not what an owner has set: it stands as the defaults.
    fn slots<F: MultiwriteNorFlash>(&self, flash: &mut F) -> Result<[Option<Settings>; 2], StorageError> {
        let mut buffer = item_buffer()?;
        let mut map = open::<u8, F>(flash, &self.range)?;
        let mut slots = [None, None];
        for (slot, key) in slots.iter_mut().zip(SLOTS) {
            *slot = match fetched(map.fetch_item::<&[u8]>(&mut buffer, &key)) {
                Ok(None) => None,
                Ok(Some(item)) => Some(Settings::decode(item).unwrap_or_default()),
                Err(StorageError::Damaged) => Some(Settings::default()),
                Err(error) => return Err(error),
            };
        }
        Ok(slots)
    }

    /// Commits `settings`. After a power cut at any point the old or the new generation loads.
    ///
    /// A region that is damaged beyond repair is erased first: `settings` are all there is to keep, and the device
    /// would otherwise stay locked for ever.
    pub(crate) fn save<F: MultiwriteNorFlash>(
        &self,
        flash: &mut F,
        settings: &Settings,
    ) -> Result<(), StorageError> {
        if pages::mend::<u8, F>(flash, &self.range)? != Found::Lost {
            match self.append(flash, settings) {
                Err(StorageError::Damaged) => {}
                result => return result,
            }
        }
        complete(open::<u8, F>(flash, &self.range)?.erase_all())?;
        self.append(flash, settings)
    }

    fn append<F: MultiwriteNorFlash>(&self, flash: &mut F, settings: &Settings) -> Result<(), StorageError> {
        let item = settings.encode();
        let generation = |slot: &Option<Settings>| slot.as_ref().map_or(0, Settings::generation);
        let [one, other] = self.slots(flash)?;
        let [first, second] = SLOTS;
        // One that claims this generation or a later one was refused to whoever sent it, and flash has it nevertheless.
        let is_refused = |slot: &Option<Settings>| generation(slot) >= settings.generation();
        let older = match (is_refused(&one), is_refused(&other)) {
            (true, false) => first,
            (false, true) => second,
            _ if generation(&one) <= generation(&other) => first,
            _ => second,
        };
        let mut buffer = item_buffer()?;
        let mut map = open::<u8, F>(flash, &self.range)?;
        complete(map.store_item(&mut buffer, &older, &item.as_slice()))?;
        complete(map.store_item(&mut buffer, &MARKER, &settings.generation()))
    }
}
