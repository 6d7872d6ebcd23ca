//! Sessions (section 4.1): what a client has asked for and what it has not received yet. A session that is not clean
//! outlives its link, in RAM.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;
use obkmq_mqtt::{PacketId, QoS};

use crate::delivery::List;
use crate::hash::Hasher;
use crate::link::Link;
use crate::memory::{Memory, OutOfMemory, Purpose, insert_reserved, push_reserved};
use crate::slab::{Handle, Slab};
use crate::time::Moment;
use crate::tree::Subscriptions;
use crate::verifier::UserId;

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<[u8]>,
    /// The link that speaks for the client, while there is one.
    pub(crate) link: Option<Handle<Link>>,
    /// Since when there is none.
    pub(crate) left_at: Moment,
    pub(crate) user: Option<UserId>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) subscription_count: u32,
    /// Sent at QoS 1 and not acknowledged, oldest first. Those assigned an identifier and not sent yet are in the
    /// link's outbox, and come here when they are.
    pub(crate) inflight: List,
    /// Those in `inflight` and those of QoS 1 in the outbox together.
    pub(crate) inflight_count: u16,
    /// QoS 1, waiting for room in the window.
    pub(crate) waiting: List,
    pub(crate) waiting_count: u32,
    pub(crate) waiting_bytes: u32,
    /// Replayed messages among them, which the two above leave out.
    pub(crate) waiting_replays: u32,
    /// Messages of QoS 2 from this client that it has not released; each was routed once.
    pub(crate) inbound: Vec<PacketId>,
    next_packet_id: PacketId,
    pub(crate) clean: bool,
    /// The last message that this session was found to receive, and what the search keeps meanwhile.
    pub(crate) mark: u32,
    pub(crate) next_receiver: Option<Handle<Session>>,
    pub(crate) best: QoS,
}

impl Session {
    /// The identifier for the next message of QoS 1, unless it is still that of the oldest one under way. The others
    /// lie between the two.
    pub(crate) fn take_packet_id(&mut self, oldest: Option<PacketId>) -> Option<PacketId> {
        let id = self.next_packet_id;
        if oldest == Some(id) {
            return None;
        }
        self.next_packet_id = id.next();
        Some(id)
    }

    /// Whether a message of QoS 2 has been received and not been released.
    pub(crate) fn has_inbound(&self, id: PacketId) -> bool {
        self.inbound.contains(&id)
    }

    /// Notes a message of QoS 2 for which [`Memory::reserve`] has made room.
    pub(crate) fn add_inbound(&mut self, id: PacketId) {
        push_reserved(&mut self.inbound, id);
    }

    /// Forgets a message of QoS 2, and gives the list back with the last one.
    pub(crate) fn remove_inbound(&mut self, memory: &mut Memory, id: PacketId) {
        if let Some(index) = self.inbound.iter().position(|&known| known == id) {
            self.inbound.swap_remove(index);
        }
        if self.inbound.is_empty() {
            memory.release(core::mem::take(&mut self.inbound));
        }
    }
}

/// All sessions, found by client identifier.
#[derive(Debug)]
pub(crate) struct Sessions {
    slab: Slab<Session>,
    index: HashTable<Handle<Session>>,
    hasher: Hasher,
}

impl Sessions {
    pub(crate) const fn new(hasher: Hasher) -> Self {
        Sessions { slab: Slab::new(), index: HashTable::new(), hasher }
    }

    pub(crate) const fn live(&self) -> usize {
        self.slab.live()
    }

    pub(crate) fn find(&self, client_id: &[u8]) -> Option<Handle<Session>> {
        let hash = self.hasher.hash(0, client_id);
        self.index.find(hash, |&session| *self.slab[session].client_id == *client_id).copied()
    }

    /// A new session for a client that has none.
    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        client_id: &[u8],
        clean: bool,
        user: Option<UserId>,
    ) -> Result<Handle<Session>, OutOfMemory> {
        let purpose = Purpose::Connection;
        let Sessions { slab, index, hasher } = self;
        slab.reserve(memory, 1, purpose)?;
        memory.reserve_entry(index, |&session| hasher.hash(0, &slab[session].client_id), purpose)?;
        let client_id = memory.join([client_id, b""], purpose)?;
        let hash = hasher.hash(0, &client_id);
        let session = Session {
            client_id,
            link: None,
            left_at: Moment::default(),
            user,
            subscriptions: None,
            subscription_count: 0,
            inflight: List::default(),
            inflight_count: 0,
            waiting: List::default(),
            waiting_count: 0,
            waiting_bytes: 0,
            waiting_replays: 0,
            inbound: Vec::new(),
            next_packet_id: PacketId::FIRST,
            clean,
            mark: 0,
            next_receiver: None,
            best: QoS::AtMostOnce,
        };
        let session = slab.insert(memory, session, purpose)?;
        insert_reserved(index, hash, session, |&session| hasher.hash(0, &slab[session].client_id));
        Ok(session)
    }

    /// Removes a session whose subscriptions and messages have been taken from it.
    pub(crate) fn remove(&mut self, memory: &mut Memory, handle: Handle<Session>) {
        let Some(session) = self.slab.remove(handle) else { return };
        let hash = self.hasher.hash(0, &session.client_id);
        if let Ok(entry) = self.index.find_entry(hash, |&known| known == handle) {
            entry.remove();
        }
        memory.release_block(session.client_id);
        memory.release(session.inbound);
    }

    pub(crate) fn get(&self, handle: Handle<Session>) -> &Session {
        &self.slab[handle]
    }

    pub(crate) fn get_mut(&mut self, handle: Handle<Session>) -> &mut Session {
        &mut self.slab[handle]
    }

    /// The session whose client has been away for longest.
    pub(crate) fn longest_absent(&self) -> Option<Handle<Session>> {
        let is_absent = |&session: &Handle<Session>| self.slab[session].link.is_none();
        self.slab.handles().filter(is_absent).min_by_key(|&session| self.slab[session].left_at)
    }

    /// Makes every [`Session::mark`] older than the first.
    pub(crate) fn forget_marks(&mut self) {
        for index in 0..self.slab.end() {
            if let Some(session) = self.slab.handle_at(index) {
                self.slab[session].mark = 0;
            }
        }
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.slab.trim(memory);
        memory.release_table(&mut self.index);
    }
}
