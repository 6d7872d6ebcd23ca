//! Brings the broker's retained messages to flash and back.
//!
//! The broker keeps one mark a topic, however often it changes. It is asked for the next change only when a write is due,
//! so a topic that changes a hundred times between two writes costs one.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_broker::{Broker, Change, Instant};
use obkmq_config::settings::Settings;
use obkmq_mqtt::{TopicFilter, TopicName, matches};

use crate::limits::{
    CHANGES_PER_TURN, RETAINED_FULL_PAUSE_US, RETAINED_UNWANTED_KEPT, RETAINED_WRITE_INTERVAL_US,
};
use crate::storage::{RetainedStore, StorageError};
use crate::verifier::Accounts;

/// See the [module's documentation](self).
pub(crate) struct Journal {
    store: RetainedStore,
    /// Not before this time is flash written again.
    next_write: Instant,
    /// Something happened since the broker last said that nothing has changed.
    traffic: bool,
    /// Stored topics that the settings do not name any more. Left alone, they would come back with what was true long
    /// ago when the settings name them again.
    unwanted: Vec<String>,
}

/// What one step of writing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing to write.
    Idle,
    /// Nothing was written in this turn, but there may be something in the next.
    Skipped,
    /// Flash was written, or could not be.
    Attempted(Result<(), StorageError>),
}

/// What a restart has brought back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Damaged items.
    pub(crate) unreadable: u32,
    /// Messages for which the broker had no memory.
    pub(crate) not_kept: u32,
    /// The region could not be read to its end and was erased. What was read is written again.
    pub(crate) erased: bool,
}

impl Journal {
    pub(crate) fn new(range: Range<u32>) -> Self {
        Self {
            store: RetainedStore::new(range),
            next_write: Instant::from_micros(0),
            traffic: false,
            unwanted: Vec::new(),
        }
    }

    /// Hands the stored messages that are still to be kept to the broker.
    pub(crate) fn restore<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
        now: Instant,
    ) -> Result<Restored, StorageError> {
        let mut not_kept = 0_u32;
        let unwanted = &mut self.unwanted;
        let loaded = self.store.load(flash, |topic, payload, qos| {
            if !is_kept(settings, topic) {
                note_unwanted(unwanted, topic);
            } else if broker.restore_retained(topic, payload, qos).is_err() {
                not_kept = not_kept.saturating_add(1);
            }
        });
        self.traffic = true;
        match loaded {
            Ok(unreadable) => Ok(Restored { unreadable, not_kept, erased: false }),
            // No write would succeed either: without this the region would be lost for ever.
            Err(StorageError::Damaged | StorageError::TooBig) => {
                // It fails at the same place as before. What comes until then is published, and so written again.
                let _ = self.store.load(flash, |topic, payload, qos| {
                    if is_kept(settings, topic) {
                        let _ = broker.publish(now, topic, payload, qos, true);
                    }
                });
                self.unwanted.clear();
                self.store.erase(flash)?;
                Ok(Restored { unreadable: 0, not_kept, erased: true })
            }
            Err(error) => Err(error),
        }
    }

    /// Looks for stored messages that the settings do not name any more; they are removed one after the other.
    pub(crate) fn sweep<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        settings: &Settings,
    ) -> Result<(), StorageError> {
        self.traffic = true;
        let unwanted = &mut self.unwanted;
        self.store.load(flash, |topic, _, _| {
            if !is_kept(settings, topic) {
                note_unwanted(unwanted, topic);
            }
        })?;
        Ok(())
    }

    /// A retained message may have changed.
    pub(crate) fn note_traffic(&mut self) {
        self.traffic = true;
    }

    /// When there may be something to write.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.traffic.then_some(self.next_write)
    }

    /// Flash was written, or could not be.
    pub(crate) fn attempted(&mut self, now: Instant, result: Result<(), StorageError>) {
        let pause_us = match result {
            Err(StorageError::Full) => RETAINED_FULL_PAUSE_US,
            _ => RETAINED_WRITE_INTERVAL_US,
        };
        self.next_write = Instant::from_micros(now.as_micros().saturating_add(pause_us));
    }

    /// Looks for a change that is to be kept and stores it.
    ///
    /// Where there is no room for a message, the one before it is forgotten too: after a power cut none is better than
    /// one that was true once.
    pub(crate) fn store_next<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Step {
        if let Some(topic) = self.unwanted.pop() {
            if is_kept(settings, &topic) {
                return Step::Skipped;
            }
            return Step::Attempted(self.store.clear(flash, &topic));
        }
        for _ in 0..CHANGES_PER_TURN {
            let Some(change) = broker.next_change() else {
                self.traffic = false;
                return Step::Idle;
            };
            if !is_kept(settings, change.topic()) {
                continue;
            }
            return Step::Attempted(match change {
                Change::RetainedSet { topic, retained } => {
                    let result = self.store.set(flash, topic, retained.payload, retained.qos);
                    if matches!(result, Err(StorageError::TooBig | StorageError::Full)) {
                        self.store.clear(flash, topic).and(result)
                    } else {
                        result
                    }
                }
                Change::RetainedCleared { topic } => self.store.clear(flash, topic),
            });
        }
        Step::Skipped
    }
}

/// Notes a stored topic for removal. One that finds no room is noted at the next boot.
fn note_unwanted(unwanted: &mut Vec<String>, topic: &str) {
    let is_known = unwanted.iter().any(|known| known == topic);
    if !is_known && unwanted.len() < RETAINED_UNWANTED_KEPT && unwanted.try_reserve(1).is_ok() {
        unwanted.push(topic.into());
    }
}

/// Whether the settings want this topic's message to survive a power cut.
fn is_kept(settings: &Settings, topic: &str) -> bool {
    TopicName::new(topic).is_ok_and(|topic| {
        settings
            .retain_persist()
            .any(|filter| TopicFilter::new(filter).is_ok_and(|filter| matches(filter, topic)))
    })
}
