//! Brings the broker's retained messages and sessions to flash and back.
//!
//! The broker keeps one mark a topic or session, however often it changes. It is asked for the next change only when a
//! write is due, so a topic that changes a hundred times between two writes costs one.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash::MultiwriteNorFlash;
use obkmq_broker::{
    Anonymous, Broker, Change, Instant, LogText, PublishError, RestoredSession, Retained, StoredSession,
    UserId,
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
    what: What,
    pub(crate) error: StorageError,
}

/// What is being stored, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Its topic.
    Message(LogText),
    /// Its topic.
    EndOfMessage(LogText),
    /// Its client.
    Session(LogText),
    /// Its client.
    EndOfSession(LogText),
    Removal,
    List,
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Message(topic) => write!(formatter, "the retained message of \"{topic}\""),
            What::EndOfMessage(topic) => write!(formatter, "the end of the retained message of \"{topic}\""),
            What::Session(client) => write!(formatter, "the session of \"{client}\""),
            What::EndOfSession(client) => write!(formatter, "the end of the session of \"{client}\""),
            What::Removal => formatter.write_str("the removal of what is not wanted any more"),
            What::List => formatter.write_str("the list of what is stored"),
        }
    }
}

/// What a restart has brought back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Damaged items.
    pub(crate) unreadable: u32,
    /// Messages and sessions for which the broker had no memory.
    pub(crate) not_kept: u32,
    /// Pages of the region were damaged: some may be missing, or not be the newest.
    pub(crate) mended: bool,
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
        let mut restored = Restored { mended: self.store.mend(flash)?, ..Restored::default() };
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
            Err(StorageError::Damaged) => {
                // It fails at the same place as before. What comes until then is published, and so written again.
                let _ = self.store.load(flash, |_, item| {
                    if let Item::Message {
                        topic,
                        retained: Retained { payload, qos, expiry_seconds: None, .. },
                    } = item
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

    /// Some users are not the ones any more that they were: what is stored of their sessions is removed before anything
    /// else is written, whether or not their names are known again.
    pub(crate) fn forget_users(&mut self) {
        self.pending = true;
        self.unwanted.is_incomplete = true;
    }

    /// Looks for what is stored and should not be, and removes it one after the other: messages that the settings do not
    /// name any more, sessions that are over. Messages that the settings name now are stored.
    pub(crate) fn sweep<F: MultiwriteNorFlash>(
        &mut self,
        broker: &mut Broker<Accounts>,
        flash: &mut F,
        settings: &Settings,
    ) -> Result<(), StorageError> {
        self.pending = true;
        broker.tell_retained_again(|topic| is_kept(settings, topic));
        let unwanted = &mut self.unwanted;
        unwanted.is_incomplete = false;
        let loaded = self.store.load(flash, |key, item| {
            let is_wanted = match item {
                Item::Message { topic, .. } => is_kept(settings, topic) && broker.retained(topic).is_some(),
                Item::Session { client_id, user: None, .. } => broker.keeps_session(client_id, None),
                Item::Session { client_id, user: Some(name), .. } => {
                    let user = broker.verifier().id(name);
                    user.is_some() && broker.keeps_session(client_id, user)
                }
            };
            if !is_wanted {
                unwanted.note(*key);
            }
        });
        unwanted.is_incomplete |= loaded.is_err();
        loaded.map(|_| ())
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
            return self.clear(flash, key, What::Removal);
        }
        if self.unwanted.is_incomplete {
            let result = self.sweep(broker, flash, settings);
            return Step::Attempted(result.map_err(|error| NotStored { what: What::List, error }));
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
                    return self.set(flash, message_key(topic), item, What::Message(LogText::new(topic)));
                }
                Change::RetainedCleared { topic } => {
                    return self.clear(flash, message_key(topic), What::EndOfMessage(LogText::new(topic)));
                }
                Change::SessionSet { client_id, session } => {
                    // In copies: the broker is asked for the name of the user next.
                    let (owner, state) = (session.user, encoded(&session));
                    let client_id = copied(client_id);
                    if let Some(step) = self.store_session(broker, flash, client_id, owner, Some(state)) {
                        return step;
                    }
                }
                Change::SessionCleared { client_id, user } => {
                    let client_id = copied(client_id);
                    if let Some(step) = self.store_session(broker, flash, client_id, user, None) {
                        return step;
                    }
                }
            }
        }
        Step::Skipped
    }

    /// Stores a session, or its end. Nothing is done for users that are gone: see [`Journal::forget_users`].
    fn store_session<F: MultiwriteNorFlash>(
        &mut self,
        broker: &Broker<Accounts>,
        flash: &mut F,
        client_id: Result<String, StorageError>,
        user: Option<UserId>,
        state: Option<Result<Vec<u8>, StorageError>>,
    ) -> Option<Step> {
        let client_id = match client_id {
            Ok(client_id) => client_id,
            Err(error) => {
                self.retry = Retry::Soon;
                let what = What::Session(LogText::new(""));
                return Some(Step::Attempted(Err(NotStored { what, error })));
            }
        };
        let user = match user {
            Some(user) => Some(broker.verifier().name(user)?),
            None => None,
        };
        let key = session_key(&client_id, user);
        let name = LogText::new(&client_id);
        let Some(state) = state else { return Some(self.clear(flash, key, What::EndOfSession(name))) };
        let item =
            state.and_then(|state| Item::Session { client_id: &client_id, user, state: &state }.encode());
        Some(self.set(flash, key, item, What::Session(name)))
    }

    fn set<F: MultiwriteNorFlash>(
        &mut self,
        flash: &mut F,
        key: Key,
        item: Result<Vec<u8>, StorageError>,
        what: What,
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

    fn clear<F: MultiwriteNorFlash>(&mut self, flash: &mut F, key: Key, what: What) -> Step {
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

/// Stored items that are to be removed. Left alone, they would come back at the next boot, or when the settings name
/// them again, with what was true long ago.
#[derive(Default)]
struct Unwanted {
    keys: Vec<Key>,
    /// There may be more of them than are noted.
    is_incomplete: bool,
}

impl Unwanted {
    fn note(&mut self, key: Key) {
        if self.keys.contains(&key) {
            return;
        }
        if self.keys.len() < UNWANTED_ITEMS_KEPT && self.keys.try_reserve(1).is_ok() {
            self.keys.push(key);
        } else {
            self.is_incomplete = true;
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

/// What is stored of a session besides its client.
fn encoded(session: &StoredSession<'_>) -> Result<Vec<u8>, StorageError> {
    let mut state = Bounded::default();
    session.encode(&mut state);
    state.finish()
}

fn copied(text: &str) -> Result<String, StorageError> {
    let mut copy = String::new();
    copy.try_reserve_exact(text.len()).map_err(|_| StorageError::Memory)?;
    copy.push_str(text);
    Ok(copy)
}

/// Whether the settings want this topic's message to survive a power cut.
fn is_kept(settings: &Settings, topic: &str) -> bool {
    TopicName::new(topic).is_ok_and(|topic| {
        settings
            .retain_persist()
            .any(|filter| TopicFilter::new(filter).is_ok_and(|filter| matches(filter, topic)))
    })
}
