//! The broker's state, and the small steps that all of its parts share. The parts themselves are `impl Core` blocks in
//! their own modules: a file a concept.

use crate::delivery::{Deliveries, Delivery};
use crate::event::{Event, Events};
use crate::express::Express;
use crate::filters::Filters;
use crate::flow::Replay;
use crate::hash::Hasher;
use crate::identifiers::Identifiers;
use crate::link::{Link, LinkId, Links, Want};
use crate::link_queue::LinkQueue;
use crate::memory::Memory;
use crate::message::Messages;
use crate::outbox::Filled;
use crate::policy::Policy;
use crate::reader::Readers;
use crate::retained::RetainedStore;
use crate::rights::Rights;
use crate::session::Sessions;
use crate::slab::{Handle, Slab, chunk};
use crate::statistics::Statistics;
use crate::time::{Instant, Moment};

/// Everything but the verifier, so that this code exists once whatever the verifier's type is.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) policy: Policy,
    pub(crate) rights: Rights,
    pub(crate) memory: Memory,
    pub(crate) links: Links,
    pub(crate) sessions: Sessions,
    pub(crate) filters: Filters,
    pub(crate) identifiers: Identifiers,
    pub(crate) messages: Messages,
    pub(crate) deliveries: Deliveries,
    pub(crate) replays: Slab<Replay, { chunk::<Replay>() }>,
    pub(crate) retained: RetainedStore,
    pub(crate) readers: Readers,
    pub(crate) events: Events,
    /// The counters among them; the rest is filled in when somebody asks.
    pub(crate) counters: Statistics,
    pub(crate) hasher: Hasher,
    /// The latest time that was told.
    pub(crate) now: Moment,
    /// Nothing is due before this.
    pub(crate) deadline: Option<Moment>,
    pub(crate) wanting: LinkQueue,
    /// Packets in front of the outboxes of their links.
    pub(crate) express: Express,
    /// What was given to be sent and has not been reported.
    pub(crate) filled: Option<Filled>,
    /// Links that wait for a verdict, and the one of them that has not been judged at all.
    pub(crate) verifying: usize,
    pub(crate) fresh_attempt: Option<Handle<Link>>,
    /// Clients that are there.
    pub(crate) online: usize,
    /// Number of the last assigned client identifier, of the last routed message.
    pub(crate) assigned_ids: u32,
    pub(crate) mark: u32,
    /// Some link or queue waits for memory.
    pub(crate) starved: bool,
    pub(crate) retried_at: Moment,
    /// Some session is owed retained messages and could take more of them.
    pub(crate) replaying: bool,
    /// When the broker's figures are told next.
    pub(crate) figures_at: Moment,
    /// When retained messages that expire are looked for next.
    pub(crate) expiry_at: Moment,
    pub(crate) journal: crate::journal::Cursor,
    /// There are several users, each of whom has a share of what is limited.
    pub(crate) others: bool,
}

impl Core {
    pub(crate) fn new(policy: Policy, seed: u64) -> Self {
        let hasher = Hasher::new(seed);
        Core {
            memory: Memory::new(policy.limits.memory_bytes),
            policy,
            rights: Rights::new(),
            links: Links::new(),
            sessions: Sessions::new(hasher),
            filters: Filters::new(hasher),
            identifiers: Identifiers::new(),
            messages: Messages::new(),
            deliveries: Deliveries::new(),
            replays: Slab::new(),
            retained: RetainedStore::new(hasher),
            readers: Readers::new(),
            events: Events::new(),
            counters: Statistics::default(),
            hasher,
            now: Moment::default(),
            deadline: None,
            wanting: LinkQueue::default(),
            express: Express::new(),
            filled: None,
            verifying: 0,
            fresh_attempt: None,
            online: 0,
            assigned_ids: 0,
            mark: 0,
            starved: false,
            retried_at: Moment::default(),
            replaying: false,
            figures_at: Moment::default(),
            expiry_at: Moment::NEVER,
            journal: crate::journal::Cursor::default(),
            others: false,
        }
    }

    /// Takes note of the time, which does not run backwards.
    #[inline]
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(Moment::from_instant(now));
    }

    /// Tells the board, once, that a link needs something.
    #[inline]
    pub(crate) fn want(&mut self, link: Handle<Link>, want: Want) {
        let entry = &mut self.links[link];
        let listed = entry.wants != 0;
        entry.wants |= want.bit();
        if !listed {
            self.wanting.push_back(&mut self.links, link);
        }
    }

    #[inline]
    pub(crate) fn next_want(&mut self) -> Option<(LinkId, Want)> {
        Some(self.take_want(self.wanting.front()?))
    }

    fn take_want(&mut self, link: Handle<Link>) -> (LinkId, Want) {
        let entry = &mut self.links[link];
        let is_wanted = |want: Want| entry.wants & want.bit() != 0;
        let want = if is_wanted(Want::Write) {
            Want::Write
        } else if is_wanted(Want::Read) {
            Want::Read
        } else {
            Want::Close
        };
        entry.wants &= !want.bit();
        let id = entry.id(link);
        if entry.wants == 0 {
            self.wanting.pop_front(&mut self.links);
        }
        (id, want)
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

    /// Removes a record that is in no list, and its hold on messages.
    pub(crate) fn discard(&mut self, record: Handle<Delivery>) {
        if let Some(delivery) = self.deliveries.remove(record) {
            for message in [delivery.identifier_list(), delivery.message].into_iter().flatten() {
                self.messages.release(&mut self.memory, message);
            }
        }
    }

    /// Takes from a record what it holds of its message.
    pub(crate) fn release_contents(&mut self, record: Handle<Delivery>) {
        let delivery = &mut self.deliveries[record];
        let list = delivery.identifier_list();
        delivery.detail = 0;
        for message in [list, delivery.message.take()].into_iter().flatten() {
            self.messages.release(&mut self.memory, message);
        }
    }

    /// Gives back the storage of what has become empty.
    pub(crate) fn trim(&mut self) {
        self.links.trim(&mut self.memory);
        self.sessions.trim(&mut self.memory);
        self.filters.trim(&mut self.memory);
        self.replays.trim(&mut self.memory);
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
        statistics.clients = self.online;
        statistics.sessions = self.sessions.live();
        statistics.subscriptions = self.filters.live();
        statistics.retained = self.retained.live();
        statistics.messages_stored = self.messages.live() + self.express.awaiting();
        statistics.drops.events = self.events.lost;
        statistics.uptime_seconds = self.now.seconds_from(Moment::default());
        statistics.memory_used_bytes = self.memory.used();
        statistics.memory_peak_bytes = self.memory.peak();
        statistics.memory_limit_bytes = self.memory.limit();
        statistics
    }
}
