//! The broker's state, and the small steps that all of its parts share. The parts themselves are `impl Core` blocks in
//! their own modules: a file a concept.

use obkmq_mqtt::QoS;

use crate::delivery::{Deliveries, Delivery};
use crate::event::{Event, Events};
use crate::hash::Hasher;
use crate::link::{Link, LinkId, State, Want};
use crate::link_queue::LinkQueue;
use crate::memory::Memory;
use crate::message::{Message, Messages};
use crate::policy::Policy;
use crate::retained::RetainedStore;
use crate::session::Sessions;
use crate::slab::{Handle, Slab};
use crate::statistics::Statistics;
use crate::time::{Instant, Moment};
use crate::tree::Tree;

/// Everything but the verifier, so that this code exists once whatever the verifier's type is.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) policy: Policy,
    pub(crate) memory: Memory,
    pub(crate) links: Slab<Link>,
    pub(crate) sessions: Sessions,
    pub(crate) tree: Tree,
    pub(crate) messages: Messages,
    pub(crate) deliveries: Deliveries,
    pub(crate) retained: RetainedStore,
    pub(crate) events: Events,
    /// The counters among them; the rest is filled in when somebody asks.
    pub(crate) counters: Statistics,
    pub(crate) hasher: Hasher,
    /// The latest time that was told.
    pub(crate) now: Moment,
    /// Nothing is due before this.
    pub(crate) deadline: Option<Moment>,
    pub(crate) wanting: LinkQueue,
    pub(crate) verifying: LinkQueue,
    /// Number of the last link, of the last assigned client identifier, of the last routed message.
    pub(crate) generation: u32,
    pub(crate) assigned_ids: u32,
    pub(crate) mark: u32,
    /// Some link or queue waits for memory.
    pub(crate) starved: bool,
    pub(crate) retried_at: Moment,
}

impl Core {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        let hasher = Hasher::new(seed);
        Core {
            memory: Memory::new(policy.limits.memory_bytes),
            policy,
            links: Slab::new(),
            sessions: Sessions::new(hasher),
            tree: Tree::new(hasher),
            messages: Messages::new(),
            deliveries: Deliveries::new(),
            retained: RetainedStore::new(hasher),
            events: Events::new(),
            counters: Statistics::default(),
            hasher,
            now: Moment::default(),
            deadline: None,
            wanting: LinkQueue::new(|link| &mut link.next_wanting),
            verifying: LinkQueue::new(|link| &mut link.next_verifying),
            generation: 0,
            assigned_ids: 0,
            mark: 0,
            starved: false,
            retried_at: Moment::default(),
        }
    }

    /// Takes note of the time, which does not run backwards.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(Moment::from_instant(now));
    }

    /// The link of an identifier, unless it is gone.
    pub(crate) fn find(&self, id: LinkId) -> Option<Handle<Link>> {
        let handle = self.links.handle_at(id.slot())?;
        (self.links[handle].generation == id.generation).then_some(handle)
    }

    pub(crate) fn id_of(&self, link: Handle<Link>) -> LinkId {
        LinkId { slot: link.number() - 1, generation: self.links[link].generation }
    }

    /// Tells the board, once, that a link needs something.
    pub(crate) fn want(&mut self, link: Handle<Link>, want: Want) {
        let entry = &mut self.links[link];
        let listed = entry.wants != 0;
        entry.wants |= want.bit();
        if !listed {
            self.wanting.push_back(&mut self.links, link);
        }
    }

    pub(crate) fn next_want(&mut self) -> Option<(LinkId, Want)> {
        let link = self.wanting.front()?;
        let entry = &mut self.links[link];
        let is_wanted = |want: &Want| entry.wants & want.bit() != 0;
        let want = [Want::Write, Want::Read, Want::Close].into_iter().find(is_wanted)?;
        entry.wants &= !want.bit();
        if entry.wants == 0 {
            self.wanting.pop_front(&mut self.links);
        }
        Some((self.id_of(link), want))
    }

    pub(crate) fn log(&mut self, event: Event) {
        self.events.push(&mut self.memory, self.policy.limits.event_queue, event);
    }

    /// The oldest event. Its storage is kept for as long as there are links.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        let event = self.events.pop();
        if self.links.live() == 0 {
            self.events.trim(&mut self.memory);
        }
        event
    }

    /// Something is due then.
    pub(crate) fn wake_by(&mut self, moment: Moment) {
        self.deadline = Some(self.deadline.map_or(moment, |deadline| deadline.min(moment)));
    }

    /// Removes a record that is in no list, and its hold on a message.
    pub(crate) fn discard(&mut self, record: Handle<Delivery>) {
        if let Some(message) = self.deliveries.remove(record).and_then(|delivery| delivery.message) {
            self.messages.release(&mut self.memory, message);
        }
    }

    /// The will of a link, which then has none.
    pub(crate) fn take_will(&mut self, link: Handle<Link>) -> Option<(Handle<Message>, QoS, bool)> {
        let entry = &mut self.links[link];
        let will = entry.will.take()?;
        Some((will, self.messages.get(will).qos(), entry.will_retain))
    }

    /// Gives back the storage of what has become empty.
    pub(crate) fn trim(&mut self) {
        self.links.trim(&mut self.memory);
        self.sessions.trim(&mut self.memory);
        self.tree.trim(&mut self.memory);
        self.retained.trim(&mut self.memory);
        self.messages.trim(&mut self.memory);
        self.deliveries.trim(&mut self.memory);
        if self.links.live() == 0 {
            self.events.trim(&mut self.memory);
        }
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = self.counters;
        statistics.links = self.links.live();
        let connected = |&link: &Handle<Link>| self.links[link].state == State::Connected;
        statistics.clients = self.links.handles().filter(connected).count();
        statistics.sessions = self.sessions.live();
        statistics.subscriptions = self.tree.live();
        statistics.retained = self.retained.live();
        statistics.messages_stored = self.messages.live();
        statistics.drops.events = self.events.lost;
        statistics.memory_used_bytes = self.memory.used();
        statistics.memory_peak_bytes = self.memory.peak();
        statistics.memory_limit_bytes = self.memory.limit();
        statistics
    }
}
