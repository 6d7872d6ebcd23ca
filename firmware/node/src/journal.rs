//! Brings the broker's retained messages and sessions to flash and back.
//!
//! The broker keeps one mark a topic or session, however often it changes. It is asked for the next change only when a
//! write is due, so a topic that changes a hundred times between two writes costs one.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_broker::{
    Anonymous, Broker, Change, Instant, PublishError, RestoredSession, Retained, StoredSession, UserId,
};
use obkmq_config::settings::Settings;
use obkmq_mqtt::{TopicFilter, TopicName, matches};

use crate::limits::{
    CHANGES_PER_TURN, JOURNAL_FAILED_PAUSE_US, JOURNAL_WRITE_INTERVAL_US, UNWANTED_ITEMS_KEPT,
};
use crate::storage::{Bounded, Item, KeptStore, Key, StorageError, message_key, session_key};
use crate::verifier::Accounts;

/// See the [module's documentation](self).
pub(crate) struct Journal {
    store: KeptStore,
    /// Not before this time is flash written again.
    next_write: Instant,
    /// Something may have happened since the broker last said that nothing has changed.
    pending: bool,
    unwanted: Unwanted,
    /// Stored sessions that wait until it is known who there is.
    sessions: Vec<Key>,
    retry: Retry,
}

/// Whether there is something that could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retry {
    Nothing,
    /// There was no room, and each try would cost erasures: not before something was removed.
    WhenThereIsRoom,
    /// As soon as flash may be written again.
    Soon,
}

/// What one step of writing has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing to write.
    Idle,
    /// Nothing was written in this turn, but there may be something in the next.
    Skipped,
    /// Flash was written, or could not be.
    Attempted(Result<(), NotStored>),
}

/// Something could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} could not be stored: {error}")]
pub(crate) struct NotStored {
    what: &'static str,
    pub(crate) error: StorageError,
}

/// What a restart has brought back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Damaged items.
    pub(crate) unreadable: u32,
    /// Messages and sessions for which the broker had no memory.
    pub(crate) not_kept: u32,
    /// The region could not be read to its end and was erased. The messages that were read are written again.
    pub(crate) erased: bool,
}

impl Journal {
    pub(crate) fn new(range: Range<u32>) -> Self {
        Self {
            store: KeptStore::new(range),
            next_write: Instant::from_micros(0),
            pending: false,
            unwanted: Unwanted::default(),
            sessions: Vec::new(),
            retry: Retry::Nothing,
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
        let mut restored = Restored::default();
        let Self { unwanted, sessions, .. } = self;
        let loaded = self.store.load(flash, |key, item| match item {
            Item::Message { topic, .. } if !is_kept(settings, topic) => unwanted.note(*key),
            Item::Message { topic, retained } => {
                if broker.restore_retained(topic, &retained).is_err() {
                    restored.not_kept = restored.not_kept.saturating_add(1);
                }
            }
            // Older versions come first, and only the newest one counts: it is fetched by its key.
            Item::Session { .. } => {
                if !sessions.contains(key) && sessions.try_reserve(1).is_ok() {
                    sessions.push(*key);
                }
            }
        });
        self.pending = true;
        match loaded {
            Ok(unreadable) => Ok(Restored { unreadable, ..restored }),
            // No write would succeed either: without this the region would be lost for ever.
            Err(StorageError::Damaged | StorageError::TooBig) => {
                // It fails at the same place as before. What comes until then is published, and so written again.
                let _ = self.store.load(flash, |_, item| {
                    if let Item::Message { topic, retained: Retained { payload, qos, .. } } = item
                        && is_kept(settings, topic)
                    {
                        let _ = broker.publish(now, topic, payload, qos, true);
                    }
                });
                self.unwanted = Unwanted::default();
                self.sessions.clear();
                self.store.erase(flash)?;
                Ok(Restored { erased: true, ..restored })
            }
            Err(error) => Err(error),
        }
    }

    /// Hands the stored sessions to the broker, which has to know by now who there is and who may do what. Those of
    /// users that are gone, and of anonymous clients where there must not be any more, are forgotten.
    pub(crate) fn restore_sessions<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        restored: &mut Restored,
    ) -> Result<(), StorageError> {
        let sessions = core::mem::take(&mut self.sessions);
        if sessions.is_empty() {
            return Ok(());
        }
        let mut buffer = KeptStore::buffer()?;
        for key in sessions {
            let Some(Item::Session { client_id, user, state }) = self.store.read(flash, &key, &mut buffer)?
            else {
                restored.unreadable = restored.unreadable.saturating_add(1);
                continue;
            };
            let user = match user {
                Some(name) => broker.verifier().id(name).map(Some),
                None => (broker.policy().anonymous != Anonymous::Never).then_some(None),
            };
            let Some(user) = user else {
                self.unwanted.note(key);
                continue;
            };
            match broker.restore_session(&RestoredSession { client_id, user, state }) {
                Ok(()) => {}
                Err(PublishError::OutOfMemory(_)) => restored.not_kept = restored.not_kept.saturating_add(1),
                Err(_) => {
                    restored.unreadable = restored.unreadable.saturating_add(1);
                    self.unwanted.note(key);
                }
            }
        }
        Ok(())
    }

    /// Follows settings that name other messages: those that they name now are stored, and those that they do not name
    /// any more are removed one after the other.
    pub(crate) fn sweep<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Result<(), StorageError> {
        self.pending = true;
        broker.tell_retained_again(|topic| is_kept(settings, topic));
        let unwanted = &mut self.unwanted;
        unwanted.is_cut_short = false;
        self.store.load(flash, |key, item| {
            if let Item::Message { topic, .. } = item
                && !(is_kept(settings, topic) && broker.retained(topic).is_some())
            {
                unwanted.note(*key);
            }
        })?;
        Ok(())
    }

    /// The broker has something to tell.
    pub(crate) fn note_changes(&mut self) {
        self.pending = true;
    }

    /// When there may be something to write.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.pending.then_some(self.next_write)
    }

    /// Flash was written, or could not be.
    pub(crate) fn attempted(&mut self, now: Instant, result: Result<(), NotStored>) {
        let pause_us = match result {
            Ok(()) | Err(NotStored { error: StorageError::TooBig, .. }) => JOURNAL_WRITE_INTERVAL_US,
            Err(_) => JOURNAL_FAILED_PAUSE_US,
        };
        self.next_write = Instant::from_micros(now.as_micros().saturating_add(pause_us));
    }

    /// Looks for a change that is to be kept and stores it.
    ///
    /// Where there is no room for something, what stood in its place is forgotten too: after a power cut none is better
    /// than one that was true once.
    pub(crate) fn store_next<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Step {
        if self.retry == Retry::Soon {
            self.retry = Retry::Nothing;
            broker.tell_retained_again(|topic| is_kept(settings, topic));
            broker.tell_sessions_again();
        }
        if let Some(key) = self.unwanted.take() {
            return self.clear(flash, key, "the removal of what is not wanted any more");
        }
        if self.unwanted.is_cut_short {
            let result = self.sweep(broker, flash, settings);
            return Step::Attempted(
                result.map_err(|error| NotStored { what: "the list of messages", error }),
            );
        }
        for _ in 0..CHANGES_PER_TURN {
            let Some(change) = broker.next_change() else {
                self.pending = false;
                return Step::Idle;
            };
            match change {
                Change::RetainedSet { topic, .. } | Change::RetainedCleared { topic }
                    if !is_kept(settings, topic) => {}
                Change::RetainedSet { topic, retained } => {
                    let item = Item::Message { topic, retained }.encode();
                    return self.set(flash, message_key(topic), item, "a retained message");
                }
                Change::RetainedCleared { topic } => {
                    return self.clear(flash, message_key(topic), "the end of a retained message");
                }
                Change::SessionSet { client_id, session } => {
                    let key = session_key(client_id);
                    return match copy_session(client_id, &session) {
                        Ok((client_id, state)) => {
                            let owner = session.user;
                            self.set_session(broker, flash, key, &client_id, owner, &state)
                        }
                        Err(error) => self.set(flash, key, Err(error), SESSION),
                    };
                }
                Change::SessionCleared { client_id } => {
                    return self.clear(flash, session_key(client_id), "the end of a session");
                }
            }
        }
        Step::Skipped
    }

    fn set_session<F: MultiwriteNorFlash>(
        &mut self,
        broker: &Broker<Accounts>,
        flash: &mut F,
        key: Key,
        client_id: &str,
        user: Option<UserId>,
        state: &[u8],
    ) -> Step {
        let user = match user.map(|user| broker.verifier().name(user)) {
            None => None,
            Some(Some(name)) => Some(name),
            // Whoever gets the name next is somebody else.
            Some(None) => return self.clear(flash, key, "the end of a session"),
        };
        self.set(flash, key, Item::Session { client_id, user, state }.encode(), SESSION)
    }

    fn set<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
        item: Result<Vec<u8>, StorageError>,
        what: &'static str,
    ) -> Step {
        self.unwanted.forget(&key);
        let result = item.and_then(|item| self.store.set(flash, &key, &item));
        let Err(error) = result else { return Step::Attempted(Ok(())) };
        match error {
            // Another try would come to the same.
            StorageError::TooBig => {}
            StorageError::Full => self.retry = Retry::WhenThereIsRoom,
            _ => self.retry = Retry::Soon,
        }
        if matches!(error, StorageError::TooBig | StorageError::Full)
            && let Err(error) = self.store.clear(flash, &key)
        {
            self.unwanted.note(key);
            return Step::Attempted(Err(NotStored { what, error }));
        }
        Step::Attempted(Err(NotStored { what, error }))
    }

    fn clear<F: MultiwriteNorFlash>(&mut self, flash: &mut F, key: Key, what: &'static str) -> Step {
        match self.store.clear(flash, &key) {
            Ok(()) => {
                if self.retry == Retry::WhenThereIsRoom {
                    self.retry = Retry::Soon;
                }
                Step::Attempted(Ok(()))
            }
            Err(error) => {
                self.unwanted.note(key);
                Step::Attempted(Err(NotStored { what, error }))
            }
        }
    }
}

const SESSION: &str = "a session";

/// Stored items that are to be removed. Left alone, they would come back at the next boot, or when the settings name
/// them again, with what was true long ago.
#[derive(Default)]
struct Unwanted {
    keys: Vec<Key>,
    /// There were more of them than were noted.
    is_cut_short: bool,
}

impl Unwanted {
    fn note(&mut self, key: Key) {
        if self.keys.contains(&key) {
            return;
        }
        if self.keys.len() < UNWANTED_ITEMS_KEPT && self.keys.try_reserve(1).is_ok() {
            self.keys.push(key);
        } else {
            self.is_cut_short = true;
        }
    }

    fn forget(&mut self, key: &Key) {
        self.keys.retain(|known| known != key);
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.keys.pop();
        if self.keys.is_empty() {
            self.keys = Vec::new();
        }
        key
    }
}

/// What is stored of a session, in copies: the broker is asked for the name of its user next.
fn copy_session(client_id: &str, session: &StoredSession<'_>) -> Result<(String, Vec<u8>), StorageError> {
    let mut state = Bounded::default();
    session.encode(&mut state);
    let mut copy = String::new();
    copy.try_reserve_exact(client_id.len()).map_err(|_| StorageError::Memory)?;
    copy.push_str(client_id);
    Ok((copy, state.finish()?))
}

/// Whether the settings want this topic's message to survive a power cut.
fn is_kept(settings: &Settings, topic: &str) -> bool {
    TopicName::new(topic).is_ok_and(|topic| {
        settings
            .retain_persist()
            .any(|filter| TopicFilter::new(filter).is_ok_and(|filter| matches(filter, topic)))
    })
}
