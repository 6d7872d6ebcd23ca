//! Retained messages (section 3.3.1.3), and the marks of those that have changed.
//!
//! An entry whose message was deleted stays, without payload, until the journal has told that too.

use hashbrown::HashTable;
use obkmq_mqtt::QoS;

use crate::hash::Hasher;
use crate::holdings::Holdings;
use crate::journal::Change;
use crate::limits::Share;
use crate::memory::{Memory, OutOfMemory, Purpose, insert_reserved};
use crate::message::{Message, Messages};
use crate::slab::{Handle, Slab, chunk};
use crate::time::Moment;

/// A retained message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retained<'a> {
    /// Its payload; never empty.
    pub payload: &'a [u8],
    /// The quality of service it was published with.
    pub qos: QoS,
    /// Encoded properties that are passed on to clients that speak MQTT 5.
    pub properties: &'a [u8],
    /// For how many seconds from now it lasts; `None` is for ever.
    ///
    /// Where nobody knows how long the power was off, a stored message lasts as much longer.
    pub expiry_seconds: Option<u32>,
}

impl<'a> Retained<'a> {
    pub(crate) fn of(message: &'a Message, now: Moment) -> Self {
        let expires_at = message.expires_at();
        Retained {
            payload: message.payload(),
            qos: message.qos(),
            properties: message.properties(),
            expiry_seconds: (expires_at != Moment::NEVER).then(|| expires_at.seconds_from(now)),
        }
    }
}

/// A topic that has a message, or had one until lately.
#[derive(Debug)]
pub(crate) struct Entry {
    message: Handle<Message>,
    /// The message is gone and only its topic counts.
    cleared: bool,
    /// The journal has not told of the last change.
    changed: bool,
    /// Whose share it belongs to: of the last one who set it.
    owner: u16,
}

/// The store. Its entries hold a reference to their messages.
#[derive(Debug)]
pub(crate) struct RetainedStore {
    slab: Slab<Entry, { chunk::<Entry>() }>,
    index: HashTable<Handle<Entry>>,
    hasher: Hasher,
    cleared: usize,
    changed: usize,
    /// Where the journal goes on.
    cursor: usize,
    /// A cleared entry of which the journal has told, to be removed before it goes on.
    told: Option<Handle<Entry>>,
    /// Topics with a message, by whose share they belong to.
    held: Holdings,
}

impl RetainedStore {
    pub(crate) const fn new(hasher: Hasher) -> Self {
        RetainedStore {
            slab: Slab::new(),
            index: HashTable::new(),
            hasher,
            cleared: 0,
            changed: 0,
            cursor: 0,
            told: None,
            held: Holdings::new(),
        }
    }

    /// Topics with a message.
    pub(crate) const fn live(&self) -> usize {
        self.slab.live() - self.cleared
    }

    /// Entries, those included that wait for the journal only.
    pub(crate) const fn entries(&self) -> usize {
        self.slab.live()
    }

    /// The entry of a topic.
    pub(crate) fn find(&self, messages: &Messages, topic: &[u8]) -> Option<Handle<Entry>> {
        let hash = self.hasher.hash(0, topic);
        let is_topic = |&entry: &Handle<Entry>| messages.get(self.slab[entry].message).topic() == topic;
        self.index.find(hash, is_topic).copied()
    }

    /// The message of an entry, unless it was deleted.
    pub(crate) fn message(&self, handle: Handle<Entry>) -> Option<Handle<Message>> {
        let entry = &self.slab[handle];
        (!entry.cleared).then_some(entry.message)
    }

    /// The message at or behind an index, if there is one within that many places, and the index to go on from: a walk
    /// that survives changes. Nothing at the end.
    pub(crate) fn next_from(&self, index: usize, places: usize) -> Option<(usize, Option<Handle<Message>>)> {
        let end = self.slab.end().min(index.saturating_add(places.max(1)));
        let mut walk = index..end;
        let found = walk.find_map(|index| Some((index + 1, self.message(self.slab.handle_at(index)?)?)));
        match found {
            Some((next, message)) => Some((next, Some(message))),
            None => (index < end).then_some((end, None)),
        }
    }

    /// Keeps a message as that of its topic, in place of the former one. The store takes a reference of its own.
    ///
    /// An equal message changes nothing. On failure the former message is still there.
    pub(crate) fn set(
        &mut self,
        memory: &mut Memory,
        messages: &mut Messages,
        message: Handle<Message>,
        limit: u32,
        share: Share,
        journal: bool,
    ) -> Result<(), OutOfMemory> {
        let topic = messages.get(message).topic();
        if let Some(handle) = self.find(messages, topic) {
            self.held.reserve(memory, share.owner())?;
            let entry = &mut self.slab[handle];
            let former = core::mem::replace(&mut entry.message, message);
            let former_owner = core::mem::replace(&mut entry.owner, share.owner());
            if core::mem::replace(&mut entry.cleared, false) {
                self.cleared -= 1;
            } else {
                self.held.remove(former_owner);
            }
            self.held.add(share.owner());
            if self.told == Some(handle) {
                self.told = None;
            }
            self.mark(handle, journal);
            messages.hold(message);
            messages.release(memory, former);
            return Ok(());
        }
        let own = || self.held.of(share.owner());
        if !share.admits(usize::try_from(limit).unwrap_or(usize::MAX), self.entries(), own) {
            return Err(OutOfMemory);
        }
        let RetainedStore { slab, index, hasher, .. } = self;
        let hasher = |&entry: &Handle<Entry>| hasher.hash(0, messages.get(slab[entry].message).topic());
        memory.reserve_entry(index, hasher, Purpose::Keeping)?;
        self.held.reserve(memory, share.owner())?;
        let entry = Entry { message, cleared: false, changed: false, owner: share.owner() };
        let handle = self.slab.insert(memory, entry, Purpose::Keeping)?;
        let RetainedStore { slab, index, hasher, .. } = self;
        let hasher = |&entry: &Handle<Entry>| hasher.hash(0, messages.get(slab[entry].message).topic());
        insert_reserved(index, hasher(&handle), handle, hasher);
        self.held.add(share.owner());
        self.mark(handle, journal);
        messages.hold(message);
        Ok(())
    }

    /// Deletes the message of a topic.
    pub(crate) fn clear(&mut self, memory: &mut Memory, messages: &mut Messages, handle: Handle<Entry>) {
        let entry = &mut self.slab[handle];
        if entry.cleared {
            return;
        }
        entry.cleared = true;
        self.cleared += 1;
        self.held.remove(entry.owner);
        // The payload goes now if there is room for a copy of the topic, and with the entry if there is not.
        let former = entry.message;
        if let Ok(bare) = messages.insert_topic_of(memory, former, Purpose::Session) {
            entry.message = bare;
            messages.release(memory, former);
        }
        self.mark(handle, true);
    }

    fn mark(&mut self, handle: Handle<Entry>, changed: bool) {
        let entry = &mut self.slab[handle];
        if changed && !entry.changed {
            entry.changed = true;
            self.changed += 1;
        }
    }

    /// Marks the changes of some topics once more.
    pub(crate) fn mark_again(&mut self, messages: &Messages, mut concerns: impl FnMut(&str) -> bool) {
        for index in 0..self.slab.end() {
            let Some(handle) = self.slab.handle_at(index) else { continue };
            let topic = core::str::from_utf8(messages.get(self.slab[handle].message).topic());
            if topic.is_ok_and(&mut concerns) {
                if self.told == Some(handle) {
                    self.told = None;
                }
                self.mark(handle, true);
            }
        }
    }

    pub(crate) const fn has_changes(&self) -> bool {
        self.changed > 0 || self.told.is_some()
    }

    /// Removes what has been told to be gone. Says whether there is anything to tell.
    pub(crate) fn prepare_change(&mut self, memory: &mut Memory, messages: &mut Messages) -> bool {
        if let Some(told) = self.told.take() {
            self.remove(memory, messages, told);
        }
        self.changed > 0
    }

    /// The next change that nobody has been told of.
    pub(crate) fn next_change<'a>(&'a mut self, messages: &'a Messages, now: Moment) -> Option<Change<'a>> {
        let end = self.slab.end();
        let order = (self.cursor..end).chain(0..self.cursor.min(end));
        let is_changed = |&handle: &Handle<Entry>| self.slab[handle].changed;
        let handle = order.filter_map(|index| self.slab.handle_at(index)).find(is_changed)?;
        self.cursor = handle.index() + 1;
        self.changed -= 1;
        let entry = &mut self.slab[handle];
        entry.changed = false;
        let message = messages.get(entry.message);
        let topic = core::str::from_utf8(message.topic()).unwrap_or_default();
        if entry.cleared {
            self.told = Some(handle);
            return Some(Change::RetainedCleared { topic });
        }
        let retained = Retained::of(message, now);
        // It is as good as gone, and its end is told when it is deleted.
        if retained.expiry_seconds == Some(0) {
            return Some(Change::RetainedCleared { topic });
        }
        Some(Change::RetainedSet { topic, retained })
    }

    /// More than the largest index in use.
    pub(crate) const fn end(&self) -> usize {
        self.slab.end()
    }

    /// The entry at an index if it has a message, and when that expires.
    pub(crate) fn expiry_of(&self, messages: &Messages, index: usize) -> Option<(Handle<Entry>, Moment)> {
        let handle = self.slab.handle_at(index)?;
        let entry = &self.slab[handle];
        (!entry.cleared).then(|| (handle, messages.get(entry.message).expires_at()))
    }

    fn remove(&mut self, memory: &mut Memory, messages: &mut Messages, handle: Handle<Entry>) {
        let message = self.slab[handle].message;
        let hash = self.hasher.hash(0, messages.get(message).topic());
        if let Ok(entry) = self.index.find_entry(hash, |&known| known == handle) {
            entry.remove();
        }
        if let Some(entry) = self.slab.remove(handle) {
            if entry.cleared {
                self.cleared -= 1;
            } else {
                self.held.remove(entry.owner);
            }
            self.changed -= usize::from(entry.changed);
        }
        messages.release(memory, message);
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.slab.trim(memory);
        self.held.trim(memory);
        memory.release_table(&mut self.index);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use obkmq_mqtt::Properties;
    use proptest::prelude::*;

    use super::*;
    use crate::message::Content;
    use crate::verifier::UserId;

    const LIMIT: u32 = 16;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// Topic and user.
        Set(u8, u16),
        Clear(u8),
        Tell,
        Trim,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..20_u8, 0..4_u16).prop_map(|(topic, user)| Step::Set(topic, user)),
            3 => (0..20_u8).prop_map(Step::Clear),
            2 => Just(Step::Tell),
            1 => Just(Step::Trim),
        ];
        proptest::collection::vec(step, 1..80)
    }

    proptest! {
        #[test]
        fn what_each_user_holds_is_what_a_walk_finds(steps in steps(), journal in any::<bool>()) {
            let mut memory = Memory::new(1 << 20);
            let mut messages = Messages::new();
            let mut store = RetainedStore::new(Hasher::new(7));
            let now = Moment::from_ticks(0);
            for step in steps {
                match step {
                    Step::Set(topic, user) => {
                        let topic = [b'a' + topic];
                        let content = Content {
                            topic: &topic,
                            payload: b"x",
                            properties: Properties::EMPTY,
                            qos: QoS::AtMostOnce,
                            retain: true,
                            expires_at: Moment::NEVER,
                        };
                        let message = messages.insert(&mut memory, &content, Purpose::Keeping).unwrap();
                        let share = Share::new(Some(UserId(user)), true);
                        let _ = store.set(&mut memory, &mut messages, message, LIMIT, share, journal);
                        messages.release(&mut memory, message);
                    }
                    Step::Clear(topic) => {
                        if let Some(handle) = store.find(&messages, &[b'a' + topic]) {
                            store.clear(&mut memory, &mut messages, handle);
                        }
                    }
                    Step::Tell => {
                        if store.prepare_change(&mut memory, &mut messages) {
                            store.next_change(&messages, now);
                        }
                    }
                    Step::Trim => store.trim(&mut memory),
                }
                for owner in 0..6 {
                    let entries = store.slab.handles().map(|handle| &store.slab[handle]);
                    let walked = entries.filter(|entry| entry.owner == owner && !entry.cleared).count();
                    prop_assert_eq!(store.held.of(owner), walked, "{}", owner);
                }
            }
        }
    }
}
