//! Brings the broker's retained messages to flash and back.
//!
//! The broker keeps one mark a topic, however often it changes. It is asked for the next change only when a write is due,
//! so a topic that changes a hundred times between two writes costs one.

use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_broker::{Broker, Change, Instant};
use obkmq_config::settings::Settings;
use obkmq_mqtt::{TopicFilter, TopicName, matches};

use crate::limits::{CHANGES_PER_TURN, RETAINED_FULL_PAUSE_US, RETAINED_WRITE_INTERVAL_US};
use crate::storage::{RetainedStore, StorageError};
use crate::verifier::Accounts;

/// See the [module's documentation](self).
pub(crate) struct Journal {
    store: RetainedStore,
    /// Not before this time is flash written again.
    next_write: Instant,
    /// Something happened since the broker last said that nothing has changed.
    traffic: bool,
}

/// What a restart has brought back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Damaged items.
    pub(crate) unreadable: u32,
    /// Messages for which the broker had no memory.
    pub(crate) not_kept: u32,
}

impl Journal {
    pub(crate) fn new(range: Range<u32>) -> Self {
        Self { store: RetainedStore::new(range), next_write: Instant::from_micros(0), traffic: false }
    }

    /// Hands the stored messages that are still to be kept to the broker.
    pub(crate) fn restore<F: MultiwriteNorFlash>(
        &self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Result<Restored, StorageError> {
        let mut not_kept = 0_u32;
        let unreadable = self.store.load(flash, |topic, payload, qos| {
            if is_kept(settings, topic) && broker.restore_retained(topic, payload, qos).is_err() {
                not_kept = not_kept.saturating_add(1);
            }
        })?;
        Ok(Restored { unreadable, not_kept })
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

    /// Looks for a change that is to be kept and stores it; `None` if there was none in this turn.
    pub(crate) fn store_next<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Option<Result<(), StorageError>> {
        for _ in 0..CHANGES_PER_TURN {
            let Some(change) = broker.next_change() else {
                self.traffic = false;
                return None;
            };
            if !is_kept(settings, change.topic()) {
                continue;
            }
            return Some(match change {
                Change::RetainedSet { topic, retained } => {
                    self.store.set(flash, topic, retained.payload, retained.qos)
                }
                Change::RetainedCleared { topic } => self.store.clear(flash, topic),
            });
        }
        None
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
