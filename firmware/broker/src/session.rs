//! Sessions (section 4.1): what a client has asked for and what it has not received yet. A session may outlive its
//! link, in RAM; which of them outlive a power cut as well is told by the journal.
//!
//! A session belongs to a user *and* a client identifier: the same identifier of another user, anonymous clients taken
//! as one, is another client. So nobody who only knows what a client is called can end its link, or inherit what waits
//! for it.

use alloc::boxed::Box;

use hashbrown::HashTable;
use obkmq_mqtt::QoS;

use crate::filters::Subscriptions;
use crate::flow::Flow;
use crate::hash::Hasher;
use crate::link::Link;
use crate::memory::{Memory, OutOfMemory, Purpose, insert_reserved};
use crate::slab::{Handle, Slab, chunk};
use crate::time::Moment;
use crate::verifier::UserId;

/// Session expiry of a session that never ends by itself (section 3.1.2.11.2 of MQTT 5).
pub(crate) const NEVER_EXPIRES: u32 = u32::MAX;

/// One client's session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<[u8]>,
    /// The number of the link that speaks for the client, or since when there is none.
    presence: u32,
    /// For how many seconds the session outlives its link: 0, or any number up to [`NEVER_EXPIRES`].
    pub(crate) expiry_seconds: u32,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) subscription_count: u32,
    pub(crate) flow: Option<Handle<Flow>>,
    /// The last message that this session was found to receive, and what the search keeps meanwhile.
    pub(crate) mark: u32,
    pub(crate) next_receiver: Option<Handle<Session>>,
    user: u16,
    pub(crate) best: QoS,
    pub(crate) is: Marks,
}

impl Session {
    fn new(client_id: Box<[u8]>, user: Option<UserId>) -> Self {
        let mut is = Marks::default();
        is.set(Marks::OF_A_USER, user.is_some());
        Session {
            client_id,
            presence: Moment::default().ticks(),
            expiry_seconds: 0,
            subscriptions: None,
            subscription_count: 0,
            flow: None,
            mark: 0,
            next_receiver: None,
            user: user.map_or(0, |user| user.0),
            best: QoS::AtMostOnce,
            is,
        }
    }

    /// Whose it is; `None` is anonymous.
    #[inline]
    pub(crate) const fn user(&self) -> Option<UserId> {
        if self.is.all(Marks::OF_A_USER) { Some(UserId(self.user)) } else { None }
    }

    fn hash(&self, hasher: &Hasher) -> u64 {
        hash_of(hasher, self.user(), &self.client_id)
    }

    /// The link that speaks for the client, while there is one.
    #[inline]
    pub(crate) fn link(&self) -> Option<Handle<Link>> {
        if self.is.all(Marks::ONLINE) { Handle::from_number(self.presence) } else { None }
    }

    /// Since when there is no link.
    pub(crate) const fn left_at(&self) -> Moment {
        Moment::from_ticks(self.presence)
    }

    /// The client has come.
    pub(crate) const fn arrive(&mut self, link: Handle<Link>) {
        self.presence = link.number();
        self.is.set(Marks::ONLINE, true);
    }

    /// The client is gone.
    pub(crate) const fn leave(&mut self, now: Moment) {
        self.presence = now.ticks();
        self.is.set(Marks::ONLINE, false);
    }
}

/// Where a session is found.
fn hash_of(hasher: &Hasher, user: Option<UserId>, client_id: &[u8]) -> u64 {
    hasher.hash(user.map_or(0, |user| u32::from(user.0) + 1), client_id)
}

/// What is true of a session, in bits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks(u8);

impl Marks {
    /// It has a link.
    const ONLINE: u8 = 0x01;
    /// It belongs to a user.
    const OF_A_USER: u8 = 0x02;
    /// Its user may everything, so that no rule has to be asked.
    pub(crate) const UNRESTRICTED: u8 = 0x04;
    /// Found in a search: a matching subscription wants the retain flag as it was published.
    pub(crate) const RETAIN_AS_PUBLISHED: u8 = 0x08;
    /// Found in a search: a matching subscription has an identifier.
    pub(crate) const IDENTIFIED: u8 = 0x10;
    /// Its last change has not been told to the journal.
    pub(crate) const CHANGED: u8 = 0x20;
    /// It stands in whatever the journal's reader keeps.
    pub(crate) const TOLD: u8 = 0x40;
    /// It is over, and stays only until that has been told.
    pub(crate) const ENDED: u8 = 0x80;

    #[inline]
    pub(crate) const fn all(self, bits: u8) -> bool {
        self.0 & bits == bits
    }

    #[inline]
    pub(crate) const fn set(&mut self, bits: u8, value: bool) {
        self.0 = if value { self.0 | bits } else { self.0 & !bits };
    }

    /// Clears a bit and says whether it was set.
    pub(crate) const fn take(&mut self, bit: u8) -> bool {
        let was = self.all(bit);
        self.set(bit, false);
        was
    }
}

/// All sessions, found by user and client identifier.
#[derive(Debug)]
pub(crate) struct Sessions {
    slab: Slab<Session, { chunk::<Session>() }>,
    flows: Slab<Flow, { chunk::<Flow>() }>,
    index: HashTable<Handle<Session>>,
    hasher: Hasher,
    /// Those that are over and wait for the journal.
    ended: usize,
}

impl Sessions {
    pub(crate) const fn new(hasher: Hasher) -> Self {
        Sessions { slab: Slab::new(), flows: Slab::new(), index: HashTable::new(), hasher, ended: 0 }
    }

    /// Sessions that are not over.
    pub(crate) const fn live(&self) -> usize {
        self.slab.live() - self.ended
    }

    /// One more than the largest index in use.
    pub(crate) const fn end(&self) -> usize {
        self.slab.end()
    }

    /// The session at an index, those included that are over.
    pub(crate) fn handle_at(&self, index: usize) -> Option<Handle<Session>> {
        self.slab.handle_at(index)
    }

    /// All sessions that are not over.
    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle<Session>> {
        self.slab.handles().filter(|&session| !self.slab[session].is.all(Marks::ENDED))
    }

    fn find_any(&self, user: Option<UserId>, client_id: &[u8]) -> Option<Handle<Session>> {
        let is_same = |&session: &Handle<Session>| {
            let session = &self.slab[session];
            session.user() == user && *session.client_id == *client_id
        };
        self.index.find(hash_of(&self.hasher, user, client_id), is_same).copied()
    }

    /// The session of a user's client.
    pub(crate) fn find(&self, user: Option<UserId>, client_id: &[u8]) -> Option<Handle<Session>> {
        self.find_any(user, client_id).filter(|&session| !self.slab[session].is.all(Marks::ENDED))
    }

    /// A new session for a user's client that has none.
    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        client_id: &[u8],
        user: Option<UserId>,
    ) -> Result<Handle<Session>, OutOfMemory> {
        let mut session = Session::new(Box::default(), user);
        if let Some(ended) = self.find_any(user, client_id) {
            // What is stored of the former session is told to be over, or is replaced.
            let place = &mut self.slab[ended];
            session.client_id = core::mem::take(&mut place.client_id);
            session.is.set(Marks::CHANGED, true);
            session.is.set(Marks::TOLD, place.is.all(Marks::TOLD));
            self.ended -= usize::from(place.is.all(Marks::ENDED));
            *place = session;
            return Ok(ended);
        }
        let purpose = Purpose::Connection;
        let Sessions { slab, index, hasher, .. } = self;
        slab.reserve(memory, 1, purpose)?;
        let rehash = |slab: &Slab<Session, { chunk::<Session>() }>, session: Handle<Session>| {
            slab[session].hash(hasher)
        };
        memory.reserve_entry(index, |&session| rehash(slab, session), purpose)?;
        session.client_id = memory.copy(client_id, purpose)?;
        let hash = session.hash(hasher);
        let session = slab.insert(memory, session, purpose)?;
        insert_reserved(index, hash, session, |&session| rehash(slab, session));
        Ok(session)
    }

    /// Removes a session whose subscriptions and messages have been taken from it. What the journal has told of stays as
    /// a name until its end has been told too.
    pub(crate) fn remove(&mut self, memory: &mut Memory, handle: Handle<Session>) {
        let session = &mut self.slab[handle];
        if session.is.all(Marks::TOLD) {
            self.ended += usize::from(!session.is.all(Marks::ENDED));
            session.is.set(Marks::CHANGED | Marks::ENDED, true);
            session.leave(Moment::default());
            return;
        }
        self.forget(memory, handle);
    }

    /// Removes a session for good.
    pub(crate) fn forget(&mut self, memory: &mut Memory, handle: Handle<Session>) {
        let Some(session) = self.slab.remove(handle) else { return };
        self.ended -= usize::from(session.is.all(Marks::ENDED));
        let hash = session.hash(&self.hasher);
        if let Ok(entry) = self.index.find_entry(hash, |&known| known == handle) {
            entry.remove();
        }
        memory.release_block(session.client_id);
    }

    #[inline(always)]
    pub(crate) fn get(&self, handle: Handle<Session>) -> &Session {
        &self.slab[handle]
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, handle: Handle<Session>) -> &mut Session {
        &mut self.slab[handle]
    }

    /// What is under way, if anything is.
    #[inline]
    pub(crate) fn flow(&self, handle: Handle<Session>) -> Option<&Flow> {
        self.slab[handle].flow.and_then(|flow| self.flows.get(flow))
    }

    #[inline]
    pub(crate) fn flow_mut(&mut self, handle: Handle<Session>) -> Option<&mut Flow> {
        let flow = self.slab[handle].flow?;
        Some(&mut self.flows[flow])
    }

    /// The record of what is under way, made if need be.
    pub(crate) fn need_flow(
        &mut self,
        memory: &mut Memory,
        handle: Handle<Session>,
        purpose: Purpose,
    ) -> Result<&mut Flow, OutOfMemory> {
        let flow = match self.slab[handle].flow {
            Some(flow) => flow,
            None => {
                let flow = self.flows.insert(memory, Flow::default(), purpose)?;
                self.slab[handle].flow = Some(flow);
                flow
            }
        };
        Ok(&mut self.flows[flow])
    }

    /// Gives the record of what is under way back if there is nothing in it any more.
    pub(crate) fn settle_flow(&mut self, memory: &mut Memory, handle: Handle<Session>) {
        if let Some(flow) = self.slab[handle].flow
            && self.flows[flow].is_idle()
        {
            self.slab[handle].flow = None;
            if let Some(flow) = self.flows.remove(flow) {
                memory.release(flow.inbound);
            }
        }
    }

    /// The session whose client has been away for longest; of one user's if more than half of them are: nobody makes so
    /// many that others lose theirs.
    pub(crate) fn longest_absent(&self) -> Option<Handle<Session>> {
        let absent = || {
            let sessions = self.handles().map(|session| (session, &self.slab[session]));
            sessions.filter(|(_, entry)| entry.link().is_none())
        };
        // Whoever has more than half has votes left in the end (Boyer and Moore).
        let (mut candidate, mut votes) = (None, 0_usize);
        for (_, entry) in absent() {
            if votes == 0 {
                candidate = entry.user();
            }
            votes = if entry.user() == candidate { votes + 1 } else { votes - 1 };
        }
        let own = absent().filter(|(_, entry)| entry.user() == candidate).count();
        let is_majority = own > absent().count() / 2;
        absent()
            .filter(|(_, entry)| !is_majority || entry.user() == candidate)
            .min_by_key(|(_, entry)| entry.left_at())
            .map(|(session, _)| session)
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
        self.flows.trim(memory);
        memory.release_table(&mut self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_forty_bytes_where_a_pointer_takes_four() {
        assert_eq!(size_of::<Session>(), 32 + size_of::<Box<[u8]>>());
    }
}
