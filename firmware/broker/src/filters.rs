//! Subscriptions (section 4.7): which sessions a topic concerns.
//!
//! A filter is stored whole, once, in one hash table. The hash of one with wildcards is put together from those of its
//! levels, with a constant in the place of each `+` and of a final `#`; so the hash that a filter of a certain *shape* has if it matches a topic
//! can be computed from the topic. A shape is where the `+` stand, how many levels there are, and whether `#` ends it.
//! Matching a topic is one look-up for the filter without wildcards, and one for each shape in use: a handful in a
//! house, however many subscriptions there are. What clients could do to have many shapes is bounded; see
//! [`Shapes`].
//!
//! The subscriptions of a filter are a circle, of which the filter knows the last: a group that shares the filter
//! (section 4.8.2 of MQTT 5) is served in turn by moving that on. A group's filter is stored with its prefix
//! `$share/group/`, under the hash of what stands behind it.
//!
//! A circle runs one way, so that a subscription takes no more room than it must. One that ends is therefore only marked
//! as gone, and each such end moves the place of the last one [`STEPS_FOR_EACH_END`] places on, taking out what is gone
//! there. So an end costs the same however many subscribe to the filter, less than an eighth of a circle is ever gone,
//! and the last one that goes takes all that is left along: what went before it was met once more within fewer ends than
//! a sixteenth of the circle. A group's circle is searched instead, since its place says whose turn it is.

use alloc::boxed::Box;
use core::num::NonZeroU32;

use hashbrown::HashTable;
use obkmq_mqtt::{QoS, TopicFilter};

use crate::hash::Hasher;
use crate::levels::{Levels, Shape, Shapes};
use crate::limits::{Limits, MAX_GROUPS_OF_FILTER, STEPS_FOR_EACH_END, Share};
use crate::memory::{Memory, OutOfMemory, Purpose, insert_reserved};
use crate::session::Session;
use crate::slab::{Handle, Slab, chunk};

mod group;

/// What a client may say about a subscription (section 3.8.3.1 of MQTT 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) identifier: Option<NonZeroU32>,
}

impl Options {
    const NO_LOCAL: u32 = 0x04;
    const RETAIN_AS_PUBLISHED: u32 = 0x08;
    const IDENTIFIER_SHIFT: u32 = 4;
    /// In place of the QoS: the subscription has ended.
    const GONE: u32 = 0x03;

    /// An identifier has 28 bits.
    fn pack(self) -> u32 {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        u32::from(self.qos.bits())
            | flag(self.no_local, Self::NO_LOCAL)
            | flag(self.retain_as_published, Self::RETAIN_AS_PUBLISHED)
            | self.identifier.map_or(0, NonZeroU32::get) << Self::IDENTIFIER_SHIFT
    }
}

/// That a session wants what a filter matches.
#[derive(Debug)]
pub(crate) struct Subscription {
    head: Handle<Head>,
    session: Handle<Session>,
    next_in_head: Handle<Subscription>,
    next_in_session: Option<Handle<Subscription>>,
    previous_in_session: Option<Handle<Subscription>>,
    packed: u32,
}

impl Subscription {
    #[inline]
    pub(crate) const fn session(&self) -> Handle<Session> {
        self.session
    }

    #[inline]
    const fn is_gone(&self) -> bool {
        self.packed == Options::GONE
    }

    #[inline]
    pub(crate) const fn qos(&self) -> QoS {
        match self.packed & 0x03 {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        }
    }

    #[inline]
    pub(crate) const fn options(&self) -> Options {
        Options {
            qos: self.qos(),
            no_local: self.packed & Options::NO_LOCAL != 0,
            retain_as_published: self.packed & Options::RETAIN_AS_PUBLISHED != 0,
            identifier: NonZeroU32::new(self.packed >> Options::IDENTIFIER_SHIFT),
        }
    }
}

/// A filter that somebody has subscribed to.
#[derive(Debug)]
struct Head {
    text: Box<[u8]>,
    /// The last of the circle of subscriptions.
    last: Handle<Subscription>,
}

const SHARE_PREFIX: &[u8] = b"$share/";

impl Head {
    fn is_shared(&self) -> bool {
        self.text.starts_with(SHARE_PREFIX)
    }

    /// The filter without the name of the group.
    fn inner(&self) -> &[u8] {
        inner(&self.text)
    }
}

fn inner(text: &[u8]) -> &[u8] {
    let Some(rest) = text.strip_prefix(SHARE_PREFIX) else { return text };
    let group_bytes = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    rest.get(group_bytes + 1..).unwrap_or_default()
}

/// What a SUBSCRIBE has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscribed {
    New,
    /// In the place of one with the same filter and other options.
    Changed,
    /// As it was.
    Same,
}

/// Why there is no subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    OutOfMemory,
    /// The session has as many as it may.
    TooMany,
    /// The filter has wildcards in more levels, or of more shapes, than can be looked up.
    TooComplex,
}

impl From<OutOfMemory> for Refused {
    fn from(_: OutOfMemory) -> Self {
        Refused::OutOfMemory
    }
}

/// Whether a member of a group is to get the group's next message, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Suitability {
    /// It can take it at once.
    Now,
    /// It is there, and has to take others first.
    Later,
    /// It will take it when it is back.
    Away,
    Never,
}

/// Who wants to know which subscriptions match.
pub(crate) trait Visitor {
    /// A subscription that matches, or the member of a group whose turn it is.
    fn visit(&mut self, subscription: &Subscription);
    /// Asks about a member of a group.
    fn suits(&self, subscription: &Subscription) -> Suitability;
    /// A group has no member that suits.
    fn nobody(&mut self);
}

/// The first of a session's subscriptions.
pub(crate) type Subscriptions = Option<Handle<Subscription>>;

/// All subscriptions.
#[derive(Debug)]
pub(crate) struct Filters {
    heads: Slab<Head, { chunk::<Head>() }>,
    index: HashTable<Handle<Head>>,
    subscriptions: Slab<Subscription, { chunk::<Subscription>() }>,
    /// Those that have ended and are still in their filters' circles.
    gone: usize,
    /// For messages of groups many of whose members are stuck; see [`group`].
    spare_steps: u32,
    #[cfg(test)]
    steps: u64,
    shapes: Shapes,
    levels: Levels,
}

impl Filters {
    pub(crate) fn new(hasher: Hasher) -> Self {
        Filters {
            heads: Slab::new(),
            index: HashTable::new(),
            subscriptions: Slab::new(),
            gone: 0,
            spare_steps: 0,
            #[cfg(test)]
            steps: 0,
            shapes: Shapes::new(),
            levels: Levels::new(hasher),
        }
    }

    /// Subscriptions of all sessions.
    pub(crate) const fn live(&self) -> usize {
        self.subscriptions.live() - self.gone
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.heads.trim(memory);
        self.subscriptions.trim(memory);
        self.shapes.trim(memory);
        let Filters { heads, index, levels, .. } = self;
        memory.shrink_table(index, |&head| hash_of(levels, &heads[head]));
    }

    /// Adds a subscription, if the session may have another one, or replaces the one with the same filter
    /// \[MQTT-3.8.4-3\]. On an error nothing is left behind.
    #[expect(clippy::too_many_arguments, reason = "a session's parts stand with the caller")]
    pub(crate) fn subscribe(
        &mut self,
        memory: &mut Memory,
        filter: TopicFilter<'_>,
        session: Handle<Session>,
        list: &mut Subscriptions,
        options: Options,
        may_add: bool,
        limits: &Limits,
        share: Share,
    ) -> Result<(Handle<Subscription>, Subscribed), Refused> {
        let text = filter.as_str().as_bytes();
        let (hash, shape) = self.levels.of_filter(inner(text)).ok_or(Refused::TooComplex)?;
        let head = self.find_head(hash, text);
        if let Some(existing) = head.and_then(|head| self.find_in(head, session, *list)) {
            let former = core::mem::replace(&mut self.subscriptions[existing].packed, options.pack());
            let is_same = former == options.pack();
            return Ok((existing, if is_same { Subscribed::Same } else { Subscribed::Changed }));
        }
        if !may_add {
            return Err(Refused::TooMany);
        }
        let purpose = Purpose::Connection;
        self.subscriptions.reserve(memory, 1, purpose)?;
        let handle = self.subscriptions.vacancy().ok_or(Refused::OutOfMemory)?;
        let (head, next_in_head) = match head {
            Some(head) => {
                let last = core::mem::replace(&mut self.heads[head].last, handle);
                (head, core::mem::replace(&mut self.subscriptions[last].next_in_head, handle))
            }
            None => (self.insert_head(memory, text, (hash, shape), handle, limits, share)?, handle),
        };
        let subscription = Subscription {
            head,
            session,
            next_in_head,
            next_in_session: *list,
            previous_in_session: None,
            packed: options.pack(),
        };
        // There is room: this does not fail.
        self.subscriptions.insert(memory, subscription, purpose)?;
        if let Some(next) = list.replace(handle) {
            self.subscriptions[next].previous_in_session = Some(handle);
        }
        Ok((handle, Subscribed::New))
    }

    /// Makes a filter whose only subscription will be `only`.
    fn insert_head(
        &mut self,
        memory: &mut Memory,
        text: &[u8],
        (hash, shape): (u32, Option<Shape>),
        only: Handle<Subscription>,
        limits: &Limits,
        share: Share,
    ) -> Result<Handle<Head>, Refused> {
        let Filters { heads, index, shapes, levels, .. } = self;
        if shape.is_some_and(|shape| !shapes.admits(shape, share, limits)) {
            return Err(Refused::TooComplex);
        }
        // They share one hash: each is met whenever one of them is looked for.
        if text.starts_with(SHARE_PREFIX) && index.iter_hash(spread(hash)).count() > MAX_GROUPS_OF_FILTER {
            return Err(Refused::TooComplex);
        }
        let purpose = Purpose::Connection;
        heads.reserve(memory, 1, purpose)?;
        memory.reserve_entry(index, |&head| hash_of(levels, &heads[head]), purpose)?;
        shapes.reserve(memory)?;
        let text = memory.copy(text, purpose)?;
        let head = heads.insert(memory, Head { text, last: only }, purpose)?;
        insert_reserved(index, spread(hash), head, |&head| hash_of(levels, &heads[head]));
        if let Some(shape) = shape {
            shapes.add(shape, share);
        }
        Ok(head)
    }

    /// Removes a subscription. Says whether there was one.
    pub(crate) fn unsubscribe(
        &mut self,
        memory: &mut Memory,
        filter: TopicFilter<'_>,
        session: Handle<Session>,
        list: &mut Subscriptions,
    ) -> bool {
        let text = filter.as_str().as_bytes();
        let found = self
            .levels
            .of_filter(inner(text))
            .and_then(|(hash, _)| self.find_head(hash, text))
            .and_then(|head| self.find_in(head, session, *list));
        let Some(subscription) = found else { return false };
        let Subscription { next_in_session: next, previous_in_session: previous, .. } =
            self.subscriptions[subscription];
        if let Some(next) = next {
            self.subscriptions[next].previous_in_session = previous;
        }
        match previous {
            Some(previous) => self.subscriptions[previous].next_in_session = next,
            None => *list = next,
        }
        self.remove_from_head(memory, subscription);
        true
    }

    /// Removes all subscriptions of a session.
    pub(crate) fn unsubscribe_all(&mut self, memory: &mut Memory, list: &mut Subscriptions) {
        while let Some(subscription) = *list {
            *list = self.subscriptions[subscription].next_in_session;
            self.remove_from_head(memory, subscription);
        }
    }

    /// The filter of a subscription.
    pub(crate) fn text(&self, subscription: Handle<Subscription>) -> &str {
        let head = &self.heads[self.subscriptions[subscription].head];
        core::str::from_utf8(&head.text).unwrap_or_default()
    }

    /// Whether a subscription is there and belongs to a session.
    pub(crate) fn is_of(&self, subscription: Handle<Subscription>, session: Handle<Session>) -> bool {
        self.subscriptions.get(subscription).is_some_and(|known| known.session == session && !known.is_gone())
    }

    pub(crate) fn options(&self, subscription: Handle<Subscription>) -> Options {
        self.subscriptions[subscription].options()
    }

    /// The subscriptions of a session.
    pub(crate) fn of_session(&self, list: Subscriptions) -> impl Iterator<Item = (&str, Options)> {
        let next = |&subscription: &Handle<Subscription>| self.subscriptions[subscription].next_in_session;
        core::iter::successors(list, next)
            .map(|subscription| (self.text(subscription), self.options(subscription)))
    }

    /// Shows every subscription that matches the topic; a session with overlapping filters comes up several times.
    pub(crate) fn matching(&mut self, topic: &[u8], visitor: &mut impl Visitor) {
        if self.heads.live() == 0 {
            return;
        }
        let Filters { heads, index, subscriptions, shapes, levels, .. } = self;
        let mut show = |head: &mut Head, subscriptions: &mut Slab<_, _>| {
            if !head.is_shared() {
                return show_all(head.last, subscriptions, visitor);
            }
            let steps = group::show_next(head, subscriptions, &mut self.gone, &mut self.spare_steps, visitor);
            #[cfg(test)]
            {
                self.steps += u64::from(steps);
            }
            let _ = steps;
        };
        // The table may bring up filters with another hash: the text decides, and so that none is shown under two hashes,
        // the shape.
        for &head in index.iter_hash(spread(levels.of_text(topic))) {
            let head = &mut heads[head];
            if head.inner() == topic {
                show(head, subscriptions);
            }
        }
        if shapes.is_empty() {
            return;
        }
        let split = levels.of_topic(topic);
        for shape in shapes.iter().filter(|shape| shape.applies(&split)) {
            for &head in index.iter_hash(spread(levels.of_shape(&split, shape))) {
                let head = &mut heads[head];
                if shape.covers(head.inner(), topic) {
                    show(head, subscriptions);
                }
            }
        }
    }

    fn find_head(&self, hash: u32, text: &[u8]) -> Option<Handle<Head>> {
        self.index.find(spread(hash), |&head| *self.heads[head].text == *text).copied()
    }

    /// Looks through the filter's subscriptions and the session's at the same time, so that the shorter of the two lists
    /// decides what it costs.
    fn find_in(
        &self,
        head: Handle<Head>,
        session: Handle<Session>,
        list: Subscriptions,
    ) -> Option<Handle<Subscription>> {
        let last = self.heads[head].last;
        let mut in_head = self.subscriptions[last].next_in_head;
        let mut in_session = list;
        while let Some(other) = in_session {
            let met = &self.subscriptions[in_head];
            if met.session == session && !met.is_gone() {
                return Some(in_head);
            }
            if self.subscriptions[other].head == head {
                return in_session;
            }
            if in_head == last {
                return None;
            }
            in_head = self.subscriptions[in_head].next_in_head;
            in_session = self.subscriptions[other].next_in_session;
        }
        None
    }

    /// Takes a subscription out of its filter's circle, and the filter with the last one.
    fn remove_from_head(&mut self, memory: &mut Memory, handle: Handle<Subscription>) {
        let head = self.subscriptions[handle].head;
        self.subscriptions[handle].packed = Options::GONE;
        self.gone += 1;
        let mut last = self.heads[head].last;
        // The one before the next in turn, should the circle be so small that it is gone round whole.
        let mut turn = last;
        let mut is_round = false;
        for _ in 0..STEPS_FOR_EACH_END {
            let next = self.subscriptions[last].next_in_head;
            let Subscription { next_in_head, .. } = self.subscriptions[next];
            if !self.subscriptions[next].is_gone() {
                last = next;
                is_round = last == turn;
            } else if next == last {
                self.subscriptions.remove(next);
                self.gone -= 1;
                self.remove_head(memory, head);
                return;
            } else {
                if turn == next {
                    turn = last;
                    is_round = true;
                }
                self.subscriptions[last].next_in_head = next_in_head;
                self.subscriptions.remove(next);
                self.gone -= 1;
            }
            #[cfg(test)]
            {
                self.steps += 1;
            }
            if is_round || self.gone == 0 {
                break;
            }
        }
        self.heads[head].last = if is_round || self.gone == 0 { turn } else { last };
    }

    fn remove_head(&mut self, memory: &mut Memory, handle: Handle<Head>) {
        let Some(head) = self.heads.remove(handle) else { return };
        if let Some((hash, shape)) = self.levels.of_filter(head.inner()) {
            if let Ok(entry) = self.index.find_entry(spread(hash), |&known| known == handle) {
                entry.remove();
            }
            if let Some(shape) = shape {
                self.shapes.remove(shape);
            }
        }
        memory.release_block(head.text);
    }
}

/// Shows the subscriptions of a filter.
#[inline]
fn show_all(
    last: Handle<Subscription>,
    subscriptions: &Slab<Subscription, { chunk::<Subscription>() }>,
    visitor: &mut impl Visitor,
) {
    let mut cursor = last;
    loop {
        let subscription = &subscriptions[cursor];
        if !subscription.is_gone() {
            visitor.visit(subscription);
        }
        cursor = subscription.next_in_head;
        if cursor == last {
            return;
        }
    }
}

fn hash_of(levels: &Levels, head: &Head) -> u64 {
    spread(levels.of_filter(head.inner()).map_or(0, |(hash, _)| hash))
}

/// A table takes its bucket from the low end and its tag from the high end of whatever width the target has.
const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
