//! From a message to its receivers (section 3.3.5).
//!
//! Two passes over the matching subscriptions: the first marks each session once, with the highest QoS among its
//! filters, and threads the sessions into a list; the second delivers along the list. Between the two everything that
//! is needed has been counted and reserved, so that a message goes out as a whole or not at all.

use core::num::NonZeroU32;

use obkmq_mqtt::{Count, Property, QoS};

use crate::delivering::Shipment;
use crate::delivery::{detail, flag};
use crate::event::{Event, LogText};
use crate::filters::{Filters, Subscription, Suitability, Visitor};
use crate::identifiers::Identifiers;
use crate::limits::{Limits, Share};
use crate::link::{Links, State};
use crate::memory::{Memory, OutOfMemory, Purpose, Reserved};
use crate::message::{Content, Message};
use crate::reader::Origin;
use crate::retained::Entry;
use crate::rights::{Access, Rights};
use crate::session::{Marks, Session, Sessions};
use crate::slab::Handle;
use crate::state::Core;

/// Who waits when there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody: the message is dropped and counted.
    None,
    /// The sender keeps the message, if its QoS is above 0, and brings it again.
    Sender,
}

/// The sessions that a message concerns, threaded through [`Session::next_receiver`].
#[derive(Debug, Clone, Copy, Default)]
struct Receivers {
    first: Option<Handle<Session>>,
    count: usize,
}

impl Core {
    /// Stores a message as far as it is needed, keeps it if it is to be retained, and queues it for its receivers.
    /// Returns the number of these.
    ///
    /// An error means that nothing has changed.
    pub(crate) fn route(
        &mut self,
        content: &Content<'_>,
        publisher: Option<Handle<Session>>,
        patience: Patience,
    ) -> Result<usize, OutOfMemory> {
        let Content { topic, payload, qos, retain, .. } = *content;
        let receivers = self.receivers(topic, qos, publisher);
        let readers = self.readers.interested(topic);
        if !retain && receivers.count < 2 && readers.is_nobody() {
            let Some(only) = receivers.first else {
                self.identifiers.clear(&mut self.memory);
                return Ok(0);
            };
            if self.express(only, content) {
                self.identifiers.clear(&mut self.memory);
                return Ok(1);
            }
        }
        let keep = retain && !payload.is_empty();
        let former = if retain { self.retained.find(&self.messages, topic) } else { None };
        let same = former
            .and_then(|former| self.retained.message(former))
            .filter(|&former| keep && self.messages.get(former).is(content));
        let purpose = match qos {
            _ if receivers.count == 0 && readers.is_nobody() => Purpose::Keeping,
            QoS::AtMostOnce => Purpose::Delivery,
            _ => Purpose::Session,
        };
        let mut stored = None;
        if let Some(same) = same {
            // The retained message is this one: no second copy.
            self.messages.hold(same);
            stored = Some(same);
        } else if receivers.count > 0 || keep || !readers.is_nobody() {
            stored = self.messages.insert(&mut self.memory, content, purpose).ok();
        }
        if receivers.count > 0 {
            // Two more than the receivers: for the answer to the sender, and for a message that leaves its place.
            let records = receivers.count.saturating_add(2);
            let reserved = stored.is_some()
                && !self.identifiers.is_incomplete()
                && self.deliveries.reserve(&mut self.memory, records, purpose).is_ok();
            if !reserved {
                if let Some(stored) = stored.take() {
                    self.messages.release(&mut self.memory, stored);
                }
                if patience == Patience::Sender && qos != QoS::AtMostOnce {
                    self.identifiers.clear(&mut self.memory);
                    return Err(OutOfMemory);
                }
                self.counters.drops.out_of_memory += receivers.count as u64;
            }
        }
        // What is kept already stays, even if nobody could be sent it.
        if retain && same.is_none() && !self.retain(former, stored, keep, publisher) {
            self.not_kept(LogText::from_bytes(topic));
        }
        self.queue_for_readers(readers, stored, self.origin(publisher));
        if let Some(stored) = stored {
            self.deliver_to(&receivers, stored, qos, retain);
            self.messages.release(&mut self.memory, stored);
        }
        self.identifiers.clear(&mut self.memory);
        Ok(receivers.count + readers.count())
    }

    /// Routes a message that is in memory already, and goes out as far as there is room for it: a will.
    pub(crate) fn route_stored(&mut self, message: Handle<Message>, publisher: Option<Handle<Session>>) {
        self.messages.start_expiry(message, self.now);
        let (qos, retain) = (self.messages.get(message).qos(), self.messages.get(message).retain());
        let surroundings = Surroundings {
            links: &self.links,
            rights: &self.rights,
            limits: &self.policy.limits,
            topic: self.messages.get(message).topic(),
            qos,
            publisher,
        };
        let notes = (&mut self.identifiers, &mut self.memory);
        let (receivers, nobody) =
            receivers(&mut self.mark, &mut self.filters, &mut self.sessions, notes, surroundings);
        self.counters.drops.queue_full += nobody;
        if retain {
            let former = self.retained.find(&self.messages, self.messages.get(message).topic());
            let keep = !self.messages.get(message).payload().is_empty();
            if !self.retain(former, Some(message), keep, publisher) {
                self.not_kept(LogText::from_bytes(self.messages.get(message).topic()));
            }
        }
        let readers = self.readers.interested(self.messages.get(message).topic());
        self.queue_for_readers(readers, Some(message), self.origin(publisher));
        self.deliver_to(&receivers, message, qos, retain);
        self.identifiers.clear(&mut self.memory);
    }

    fn origin(&self, publisher: Option<Handle<Session>>) -> Origin {
        match publisher {
            Some(session) => Origin::Client(self.sessions.get(session).user()),
            None => Origin::Board { depth: self.readers.depth },
        }
    }

    fn deliver_to(&mut self, receivers: &Receivers, message: Handle<Message>, qos: QoS, retain: bool) {
        let mut cursor = receivers.first;
        while let Some(session) = cursor {
            let entry = self.sessions.get(session);
            cursor = entry.next_receiver;
            // The retain flag is for those who subscribe later [MQTT-3.3.1-9], unless a subscription wants it as it was
            // [MQTT-3.3.1-13 of MQTT 5].
            let flags = if retain && entry.is.all(Marks::RETAIN_AS_PUBLISHED) { flag::RETAIN } else { 0 };
            let mut shipment = Shipment { message, qos: qos.min(entry.best), flags, detail: 0 };
            if entry.is.all(Marks::IDENTIFIED) {
                match self.identifiers_for(session) {
                    Ok(detail) => shipment.detail = detail,
                    Err(OutOfMemory) => {
                        self.counters.drops.out_of_memory += 1;
                        continue;
                    }
                }
            }
            self.deliver(session, shipment);
        }
    }

    /// All identifiers of a session's subscriptions that match the message \[MQTT-3.3.4-4 of MQTT 5\], as
    /// [`crate::delivery::Delivery::detail`] has them.
    fn identifiers_for(&mut self, session: Handle<Session>) -> Result<u32, OutOfMemory> {
        if self.identifiers.is_incomplete() {
            return Err(OutOfMemory);
        }
        let mut found = self.identifiers.of(session);
        let first = found.next().map_or(0, NonZeroU32::get);
        if found.next().is_none() {
            return Ok(first);
        }
        let properties = self.identifiers.of(session).map(Property::SubscriptionIdentifier);
        let mut count = Count::default();
        properties.clone().for_each(|property| property.encode(&mut count));
        let block = self.memory.write_block(count.bytes, Purpose::Session, |block| {
            properties.for_each(|property| property.encode(&mut Reserved(block)));
        })?;
        let list = self.messages.insert_block(&mut self.memory, block, Purpose::Session)?;
        Ok(detail::LIST | list.number())
    }

    /// Keeps a message in place of its topic's former one, or deletes that. What does not fit is not kept, nor is what
    /// it would have replaced. Says whether what was to be kept is.
    fn retain(
        &mut self,
        former: Option<Handle<Entry>>,
        message: Option<Handle<Message>>,
        keep: bool,
        publisher: Option<Handle<Session>>,
    ) -> bool {
        let limit = self.policy.limits.max_retained;
        let share = publisher
            .map_or(Share::LOCAL, |publisher| Share::new(self.sessions.get(publisher).user(), self.others));
        let kept = keep
            && message.is_some_and(|message| {
                self.is_retained(former, message)
                    || self.memory.permits(0, Purpose::Keeping)
                        && self
                            .retained
                            .set(&mut self.memory, &mut self.messages, message, limit, share, true)
                            .is_ok()
            });
        if kept && let Some(message) = message {
            self.expire_by(self.messages.get(message).expires_at());
        }
        if !kept && let Some(former) = former {
            self.retained.clear(&mut self.memory, &mut self.messages, former);
        }
        kept || !keep
    }

    /// Whether a message is what its topic has already: then nothing changes, and the journal stays silent.
    fn is_retained(&self, former: Option<Handle<Entry>>, message: Handle<Message>) -> bool {
        former.and_then(|former| self.retained.message(former)).is_some_and(|former| {
            let (former, message) = (self.messages.get(former), self.messages.get(message));
            core::ptr::eq(former, message) || former.says_the_same(message)
        })
    }

    fn not_kept(&mut self, topic: LogText) {
        self.counters.drops.retained_not_kept += 1;
        self.log(Event::RetainedNotKept { topic });
    }

    #[inline]
    fn receivers(&mut self, topic: &[u8], qos: QoS, publisher: Option<Handle<Session>>) -> Receivers {
        let links = &self.links;
        let limits = &self.policy.limits;
        let surroundings = Surroundings { links, rights: &self.rights, limits, topic, qos, publisher };
        let notes = (&mut self.identifiers, &mut self.memory);
        let (receivers, nobody) =
            receivers(&mut self.mark, &mut self.filters, &mut self.sessions, notes, surroundings);
        self.counters.drops.queue_full += nobody;
        receivers
    }
}

/// What decides who receives a message.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    links: &'a Links,
    rights: &'a Rights,
    limits: &'a Limits,
    topic: &'a [u8],
    qos: QoS,
    publisher: Option<Handle<Session>>,
}

struct Search<'a> {
    around: Surroundings<'a>,
    sessions: &'a mut Sessions,
    identifiers: &'a mut Identifiers,
    memory: &'a mut Memory,
    mark: u32,
    found: Receivers,
    /// Groups none of whose members can take the message.
    nobody: u64,
}

impl Surroundings<'_> {
    /// Whether a session's user may receive the message.
    #[inline]
    fn may(&self, entry: &Session) -> bool {
        entry.is.all(Marks::UNRESTRICTED)
            || self.rights.may(entry.user(), &entry.client_id, Access::Read, self.topic)
    }

    /// Whether the message comes to nothing at this QoS: for those without a link one at QoS 0 is not stored.
    #[inline]
    fn is_lost(&self, entry: &Session, qos: QoS) -> bool {
        self.qos.min(qos) == QoS::AtMostOnce && entry.link().is_none()
    }
}

impl Visitor for Search<'_> {
    #[inline]
    fn visit(&mut self, subscription: &Subscription) {
        let session = subscription.session();
        let options = subscription.options();
        let Search { around, sessions, mark, found, .. } = self;
        // [MQTT-3.8.3-3 of MQTT 5]
        let is_echo = options.no_local && around.publisher == Some(session);
        let entry = sessions.get_mut(session);
        if is_echo || around.is_lost(entry, QoS::ExactlyOnce) || !around.may(entry) {
            return;
        }
        let is_known = entry.mark == *mark;
        // A subscription at QoS 0 of a client that is away counts as soon as another one makes the message wait.
        let is_listed = is_known && !around.is_lost(entry, entry.best);
        let lists = !is_listed && !around.is_lost(entry, options.qos);
        if !is_known {
            entry.mark = *mark;
            entry.best = QoS::AtMostOnce;
            entry.is.set(Marks::RETAIN_AS_PUBLISHED | Marks::IDENTIFIED, false);
        }
        entry.best = entry.best.max(options.qos);
        if options.retain_as_published {
            entry.is.set(Marks::RETAIN_AS_PUBLISHED, true);
        }
        if let Some(identifier) = options.identifier {
            entry.is.set(Marks::IDENTIFIED, true);
            self.identifiers.note(self.memory, session, identifier);
        }
        if lists {
            entry.next_receiver = found.first.replace(session);
            found.count += 1;
        }
    }

    fn suits(&self, subscription: &Subscription) -> Suitability {
        let session = subscription.session();
        let around = &self.around;
        let entry = self.sessions.get(session);
        if around.is_lost(entry, subscription.qos()) || !around.may(entry) {
            return Suitability::Never;
        }
        let limits = around.limits;
        let has_room = entry.link().is_some_and(|link| {
            let link = &around.links[link];
            link.state == State::Connected
                && link.wire_messages < limits.max_queued_messages
                && link.wire_bytes < limits.max_queued_bytes
        });
        if around.qos.min(subscription.qos()) == QoS::AtMostOnce {
            return if has_room { Suitability::Now } else { Suitability::Never };
        }
        let flow = self.sessions.flow(session);
        match flow {
            _ if has_room && flow.is_none_or(|flow| flow.waiting.is_empty()) => Suitability::Now,
            Some(flow)
                if flow.waiting_count >= u32::from(limits.max_queued_messages)
                    || flow.waiting_bytes >= limits.max_queued_bytes =>
            {
                Suitability::Never
            }
            _ if entry.link().is_some() => Suitability::Later,
            _ => Suitability::Away,
        }
    }

    fn nobody(&mut self) {
        self.nobody += 1;
    }
}

/// The sessions with a matching subscription, and how many groups have no member that could take the message.
fn receivers(
    mark: &mut u32,
    filters: &mut Filters,
    sessions: &mut Sessions,
    (identifiers, memory): (&mut Identifiers, &mut Memory),
    around: Surroundings<'_>,
) -> (Receivers, u64) {
    *mark = mark.checked_add(1).unwrap_or_else(|| {
        sessions.forget_marks();
        1
    });
    let found = Receivers::default();
    let mut search = Search { around, sessions, identifiers, memory, mark: *mark, found, nobody: 0 };
    filters.matching(around.topic, &mut search);
    let found = (search.found, search.nobody);
    identifiers.sort();
    found
}
