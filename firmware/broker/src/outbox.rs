//! The outbox of a link: delivery records become bytes in the transport's own buffer, as many packets as fit, and stay
//! until the transport has taken them. A packet of which it took a part is encoded again from there.

use obkmq_mqtt::{PacketId, ReasonCode, Window};

use crate::delivery::{Delivery, Kind, flag};
use crate::encode::{Dialect, encode, encoded_bytes};
use crate::link::{Link, LinkId, Pause, State, Want};
use crate::memory::{OutOfMemory, Purpose};
use crate::message::Messages;
use crate::slab::Handle;
use crate::state::Core;
use crate::time::{Instant, Moment};

impl Core {
    pub(crate) fn fill(&mut self, id: LinkId, buffer: &mut [u8]) -> usize {
        let Some(link) = self.links.find(id) else { return 0 };
        if self.messages.some_expire() {
            self.drop_expired(link);
        }
        self.tell_time(link);
        let entry = &self.links[link];
        let dialect = self.dialect(link);
        let mut window = Window::new(to_usize(entry.offset_bytes), buffer);
        let mut cursor = entry.wire.head();
        while let Some(record) = cursor
            && !window.is_full()
        {
            let delivery = &self.deliveries[record];
            // What is in an outbox has been in a packet or can be: its length can be encoded.
            let _ = encode(delivery, &self.messages, dialect, &mut window);
            cursor = delivery.next;
        }
        window.written()
    }

    /// How a link is spoken to.
    #[inline]
    pub(crate) fn dialect(&self, link: Handle<Link>) -> Dialect {
        Dialect {
            version: self.links[link].version,
            told_at: self.links.extra(link).map_or(Moment::default(), |extra| extra.told_at),
        }
    }

    pub(crate) fn sent(&mut self, now: Instant, id: LinkId, bytes: usize) {
        self.advance(now);
        let Some(link) = self.links.find(id) else { return };
        if bytes == 0 {
            return;
        }
        let dialect = self.dialect(link);
        let mut rest = bytes;
        self.links[link].taken_at = self.now;
        while let Some(record) = self.links[link].wire.head() {
            let offset = to_usize(self.links[link].offset_bytes);
            let packet_bytes = encoded_bytes(&self.deliveries[record], &self.messages, dialect);
            let missing = packet_bytes.saturating_sub(offset);
            if rest < missing {
                self.links[link].offset_bytes += u32::try_from(rest).unwrap_or(u32::MAX);
                rest = 0;
                break;
            }
            rest -= missing;
            self.links[link].offset_bytes = 0;
            self.settle(link);
        }
        self.counters.bytes_sent += (bytes - rest) as u64;
        let entry = &mut self.links[link];
        if entry.wire.is_empty() {
            entry.writing = false;
            if entry.state == State::Leaving {
                entry.state = State::Closed;
                self.want(link, Want::Close);
                return;
            }
        }
        self.go_on(link);
        if let Some(session) = self.links[link].session
            && let Some(flow) = self.sessions.flow(session)
        {
            let (waits, is_owed) = (!flow.waiting.is_empty(), flow.replay.is_some());
            if is_owed {
                self.replay(session);
            }
            if waits || is_owed {
                self.promote(session);
            }
        }
    }

    /// Takes the time as the base of what messages in the outbox have left to live; not while one is under way, whose
    /// bytes must come out the same again.
    #[inline]
    fn tell_time(&mut self, link: Handle<Link>) {
        let now = self.now;
        if self.links[link].offset_bytes == 0
            && let Some(extra) = self.links.extra_mut(link)
        {
            extra.told_at = now;
        }
    }

    /// Takes those messages out of the outbox that were not sent in time \[MQTT-3.3.2-5 of MQTT 5\].
    fn drop_expired(&mut self, link: Handle<Link>) {
        let now = self.now;
        let is_expired = |delivery: &Delivery, messages: &Messages| {
            delivery.is_message()
                && delivery.flags & flag::DUP == 0
                && delivery.message.is_some_and(|message| messages.get(message).expires_at() <= now)
        };
        let mut cursor = self.links[link].wire.head();
        let mut previous = None;
        // The first may be under way.
        if self.links[link].offset_bytes > 0 {
            previous = cursor;
            cursor = cursor.and_then(|record| self.deliveries[record].next);
        }
        while let Some(record) = cursor {
            let delivery = &self.deliveries[record];
            cursor = delivery.next;
            if !is_expired(delivery, &self.messages) {
                previous = Some(record);
                continue;
            }
            self.counters.drops.expired += 1;
            let entry = &mut self.links[link];
            entry.wire.unlink(&mut self.deliveries, previous, record);
            let delivery = &self.deliveries[record];
            if delivery.is_reply() {
                entry.replies = entry.replies.saturating_sub(weight(delivery, &self.messages));
            } else {
                entry.wire_messages = entry.wire_messages.saturating_sub(1);
                entry.wire_bytes = entry.wire_bytes.saturating_sub(bytes_of(delivery, &self.messages));
            }
            if delivery.is_tracked()
                && let Some(flow) = entry.session.and_then(|session| self.sessions.flow_mut(session))
            {
                flow.inflight_count = flow.inflight_count.saturating_sub(1);
            }
            self.discard(record);
        }
        let entry = &mut self.links[link];
        entry.writing &= !entry.wire.is_empty();
        let session = entry.session;
        self.go_on(link);
        if let Some(session) = session {
            self.promote(session);
        }
    }

    /// Reads a link again that has few enough answers in its outbox.
    fn go_on(&mut self, link: Handle<Link>) {
        let entry = &self.links[link];
        if entry.pause == Some(Pause::Replies) && entry.replies <= self.policy.limits.max_replies / 2 {
            self.resume(link);
        }
    }

    /// The first packet of the outbox is out: what is to be answered waits for that, the rest is done.
    fn settle(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        let Some(record) = entry.wire.pop_front(&mut self.deliveries) else { return };
        let delivery = &mut self.deliveries[record];
        if delivery.is_reply() {
            entry.replies = entry.replies.saturating_sub(weight(delivery, &self.messages));
        } else {
            entry.wire_messages = entry.wire_messages.saturating_sub(1);
            entry.wire_bytes = entry.wire_bytes.saturating_sub(bytes_of(delivery, &self.messages));
        }
        if delivery.is_message() {
            self.counters.messages_sent += 1;
        }
        match entry.session {
            Some(session) if delivery.is_tracked() && self.sessions.get(session).flow.is_some() => {
                if delivery.is_message() {
                    delivery.flags |= flag::DUP;
                }
                if let Some(flow) = self.sessions.flow_mut(session) {
                    flow.inflight.push_back(&mut self.deliveries, record);
                }
            }
            _ => self.discard(record),
        }
    }

    /// Puts an answer for which a record has been reserved into the outbox, unless the client takes no packet that large
    /// \[MQTT-3.1.2-24 of MQTT 5\].
    pub(crate) fn send(&mut self, link: Handle<Link>, delivery: Delivery) {
        let message = delivery.message;
        if self.fits(link, &delivery)
            && let Ok(record) = self.deliveries.insert(&mut self.memory, delivery, Purpose::Session)
        {
            self.push(link, record);
        } else if let Some(message) = message {
            self.messages.release(&mut self.memory, message);
        }
    }

    /// Makes sure that the next [`Core::send`] succeeds.
    pub(crate) fn reserve_answer(&mut self) -> Result<(), OutOfMemory> {
        self.deliveries.reserve(&mut self.memory, 1, Purpose::Session)
    }

    pub(crate) fn answer(
        &mut self,
        link: Handle<Link>,
        kind: Kind,
        packet_id: Option<PacketId>,
        reason: ReasonCode,
    ) {
        self.send(link, Delivery::reply(kind, packet_id, reason));
    }

    /// Puts a record at the end of the outbox.
    pub(crate) fn push(&mut self, link: Handle<Link>, record: Handle<Delivery>) {
        let delivery = &self.deliveries[record];
        let entry = &mut self.links[link];
        if delivery.is_reply() {
            entry.replies = entry.replies.saturating_add(weight(delivery, &self.messages));
        } else {
            entry.wire_messages = entry.wire_messages.saturating_add(1);
            entry.wire_bytes = entry.wire_bytes.saturating_add(bytes_of(delivery, &self.messages));
        }
        let was_empty = entry.wire.is_empty();
        entry.wire.push_back(&mut self.deliveries, record);
        let tell = !core::mem::replace(&mut entry.writing, true);
        if was_empty {
            entry.taken_at = self.now;
            self.wake_for(link);
        }
        if tell {
            self.want(link, Want::Write);
        }
    }
}

fn to_usize(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// What a reply counts: the codes of a long SUBACK take more memory than other answers.
fn weight(delivery: &Delivery, messages: &Messages) -> u16 {
    let bytes = if delivery.is_message() { 0 } else { bytes_of(delivery, messages) };
    u16::try_from(bytes / 256).unwrap_or(u16::MAX).saturating_add(1)
}

/// Bytes of topic, properties and payload, which is what quotas count.
pub(crate) fn bytes_of(delivery: &Delivery, messages: &Messages) -> u32 {
    delivery.message.map_or(0, |message| messages.get(message).bytes())
}
