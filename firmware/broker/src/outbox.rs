//! The outbox of a link: delivery records become bytes in the transport's own buffer, as many packets as fit, and stay
//! until the transport has taken them. A packet of which it took a part is encoded again from there.

use obkmq_mqtt::{PacketId, ReasonCode, Sink as _, Window};

use crate::delivery::{Delivery, Kind, flag};
use crate::encode::{Dialect, encode, encoded_bytes};
use crate::link::{Link, LinkId, Pause, State, Want, mark};
use crate::memory::{OutOfMemory, Purpose};
use crate::message::Messages;
use crate::slab::Handle;
use crate::state::Core;
use crate::time::{Instant, Moment};

/// What the last [`Core::fill`] gave, if it was whole packets: when all of it is sent, they need not be measured again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    link: LinkId,
    bytes: usize,
    packets: usize,
}

/// What a packet counts while it is in an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Size {
    /// Against the quotas.
    Message { bytes: u32 },
    /// Against [`crate::Limits::max_replies`].
    Reply { weight: u16 },
}

impl Size {
    fn of(delivery: &Delivery, messages: &Messages) -> Self {
        Size::with(delivery, bytes_of(delivery, messages))
    }

    /// The same, where the bytes of the record's message are known.
    #[inline]
    pub(crate) fn with(delivery: &Delivery, bytes: u32) -> Self {
        if !delivery.is_reply() {
            return Size::Message { bytes };
        }
        // The codes of a long SUBACK take more memory than other answers.
        let bytes = if delivery.is_message() { 0 } else { bytes };
        Size::Reply { weight: u16::try_from(bytes / 256).unwrap_or(u16::MAX).saturating_add(1) }
    }
}

impl Link {
    /// A packet has come into the outbox.
    #[inline]
    pub(crate) fn count(&mut self, size: Size) {
        match size {
            Size::Message { bytes } => {
                self.wire_messages = self.wire_messages.saturating_add(1);
                self.wire_bytes = self.wire_bytes.saturating_add(bytes);
            }
            Size::Reply { weight } => self.replies = self.replies.saturating_add(weight),
        }
    }

    /// A packet has left it.
    #[inline]
    pub(crate) fn discount(&mut self, size: Size) {
        match size {
            Size::Message { bytes } => {
                self.wire_messages = self.wire_messages.saturating_sub(1);
                self.wire_bytes = self.wire_bytes.saturating_sub(bytes);
            }
            Size::Reply { weight } => self.replies = self.replies.saturating_sub(weight),
        }
    }
}

impl Core {
    pub(crate) fn fill(&mut self, id: LinkId, buffer: &mut [u8]) -> usize {
        let Some(link) = self.links.find(id) else { return 0 };
        if self.messages.some_expire() {
            self.drop_expired(link);
        }
        let entry = &self.links[link];
        if entry.marks & mark::EXPRESS != 0 && entry.wire.is_empty() {
            return self.fill_express(link, buffer);
        }
        let mut dialect = Dialect { version: entry.version, told_at: Moment::default() };
        if let Some(extra) = entry.extra {
            dialect.told_at = self.links.tell_time(extra, self.now, entry.offset_bytes);
        }
        let entry = &self.links[link];
        let mut window = Window::new(to_usize(entry.offset_bytes), buffer);
        if entry.marks & mark::EXPRESS != 0 {
            // Nothing behind it has been begun.
            window.put(self.express.unsent(link));
        }
        let mut cursor = entry.wire.head();
        let mut packets = 0;
        while let Some(record) = cursor
            && !window.is_full()
        {
            let delivery = &self.deliveries[record];
            // What is in an outbox has been in a packet or can be: its length can be encoded.
            let _ = encode(delivery, &self.messages, dialect, &mut window);
            cursor = delivery.next;
            packets += 1;
        }
        let bytes = window.written();
        // The last packet of a full window may go on behind it.
        self.filled = (!window.is_full()).then_some(Filled { link: id, bytes, packets });
        bytes
    }

    /// The same, where there is nothing but the packet in front of the outbox.
    #[inline]
    fn fill_express(&mut self, link: Handle<Link>, buffer: &mut [u8]) -> usize {
        let unsent = self.express.unsent(link);
        let bytes = unsent.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..bytes), unsent.get(..bytes)) {
            to.copy_from_slice(from);
        }
        self.filled = None;
        bytes
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
        let filled = self.filled.take().filter(|filled| filled.link == id && filled.bytes == bytes);
        let entry = &mut self.links[link];
        entry.taken_at = self.now;
        let mut rest = bytes;
        if entry.marks & mark::EXPRESS != 0 {
            rest = self.express.sent(link, entry, bytes, &mut self.counters);
        }
        if rest > 0 {
            match filled {
                Some(filled) => {
                    self.links[link].offset_bytes = 0;
                    for _ in 0..filled.packets {
                        self.settle(link);
                    }
                    self.counters.bytes_sent += rest as u64;
                }
                None => self.sent_some(link, rest),
            }
        }
        let entry = &mut self.links[link];
        if entry.outbox_is_empty() {
            entry.writing = false;
            if entry.state == State::Leaving {
                entry.state = State::Closed;
                self.want(link, Want::Close);
                return;
            }
        }
        let session = entry.session;
        if entry.pause.is_some() {
            self.go_on(link);
        }
        if let Some(session) = session
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

    /// The transport has taken so much, which may end within a packet.
    fn sent_some(&mut self, link: Handle<Link>, bytes: usize) {
        let dialect = self.dialect(link);
        let mut rest = bytes;
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
            entry.discount(Size::of(delivery, &self.messages));
            if delivery.is_tracked()
                && let Some(flow) = entry.session.and_then(|session| self.sessions.flow_mut(session))
            {
                flow.inflight_count = flow.inflight_count.saturating_sub(1);
            }
            self.discard(record);
        }
        let entry = &mut self.links[link];
        entry.writing &= !entry.outbox_is_empty();
        let session = entry.session;
        self.go_on(link);
        if let Some(session) = session {
            self.promote(session);
        }
    }

    /// Reads a link again that has few enough answers in its outbox.
    #[inline]
    fn go_on(&mut self, link: Handle<Link>) {
        let entry = &self.links[link];
        if entry.pause == Some(Pause::Replies) && entry.replies <= self.policy.limits.max_replies / 2 {
            self.resume(link);
        }
    }

    /// The first packet of the outbox is out: what is to be answered waits for that, the rest is done.
    #[inline]
    fn settle(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        let Some(record) = entry.wire.head() else { return };
        let delivery = &mut self.deliveries[record];
        if delivery.is_message() {
            self.counters.messages_sent += 1;
        }
        if delivery.is_tracked()
            && let Some(flow) = entry.session.and_then(|session| self.sessions.flow_mut(session))
        {
            entry.discount(Size::of(delivery, &self.messages));
            if delivery.is_message() {
                delivery.flags |= flag::DUP;
            }
            entry.wire.pop_front(&mut self.deliveries);
            flow.inflight.push_back(&mut self.deliveries, record);
        } else if let Some(delivery) = entry.wire.remove_front(&mut self.deliveries) {
            let release = |message| self.messages.release(&mut self.memory, message);
            entry.discount(Size::with(&delivery, delivery.message.map_or(0, release)));
            if let Some(list) = delivery.identifier_list() {
                self.messages.release(&mut self.memory, list);
            }
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
        let size = Size::of(&self.deliveries[record], &self.messages);
        self.enqueue(link, record, size);
    }

    /// The same, where it is known what the record counts.
    #[inline]
    pub(crate) fn enqueue(&mut self, link: Handle<Link>, record: Handle<Delivery>, size: Size) {
        let entry = &mut self.links[link];
        entry.count(size);
        let was_empty = entry.outbox_is_empty();
        entry.wire.push_back(&mut self.deliveries, record);
        if was_empty {
            self.tell_output(link);
        } else if !entry.writing {
            entry.writing = true;
            self.want(link, Want::Write);
        }
    }

    /// An outbox is not empty any more.
    #[inline]
    pub(crate) fn tell_output(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        entry.taken_at = self.now;
        let tell = !core::mem::replace(&mut entry.writing, true);
        if entry.state == State::Connected {
            let stuck_at = entry.stuck_at(&self.policy.limits);
            self.wake_by(stuck_at);
        } else {
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

/// Bytes of topic, properties and payload, which is what quotas count.
pub(crate) fn bytes_of(delivery: &Delivery, messages: &Messages) -> u32 {
    delivery.message.map_or(0, |message| messages.get(message).bytes())
}
