//! The outbox of a link: delivery records become bytes in the transport's own buffer, as many packets as fit, and stay
//! until the transport has taken them. A packet of which it took a part is encoded again from there.

use obkmq_mqtt::{
    Ack, AckKind, Empty, EncodeError, MAX_REMAINING_LENGTH, PacketId, Publish, QoS, Sink, StoredPublish,
    SubAck, Window, remaining_length_bytes,
};

use crate::delivery::{Delivery, Kind, flag};
use crate::link::{Link, LinkId, Pause, State, Want};
use crate::memory::{OutOfMemory, Purpose};
use crate::message::{Message, Messages};
use crate::session::Session;
use crate::slab::Handle;
use crate::state::Core;
use crate::time::Instant;

impl Core {
    pub(crate) fn fill(&self, id: LinkId, buffer: &mut [u8]) -> usize {
        let Some(link) = self.find(id) else { return 0 };
        let entry = &self.links[link];
        let mut window = Window::new(to_usize(entry.offset_bytes), buffer);
        let mut cursor = entry.wire.head();
        while let Some(record) = cursor
            && !window.is_full()
        {
            let delivery = &self.deliveries[record];
            // What is in an outbox has been in a packet or can be: its length can be encoded.
            let _ = encode(delivery, &self.messages, &mut window);
            cursor = delivery.next;
        }
        window.written()
    }

    pub(crate) fn sent(&mut self, now: Instant, id: LinkId, bytes: usize) {
        self.advance(now);
        let Some(link) = self.find(id) else { return };
        if bytes == 0 {
            return;
        }
        let mut rest = bytes;
        self.links[link].taken_at = self.now;
        while let Some(record) = self.links[link].wire.head() {
            let offset = to_usize(self.links[link].offset_bytes);
            let missing = encoded_bytes(&self.deliveries[record], &self.messages).saturating_sub(offset);
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
            if entry.state == State::Refusing {
                entry.state = State::Closed;
                self.want(link, Want::Close);
                return;
            }
        }
        let entry = &self.links[link];
        if entry.pause == Some(Pause::Replies)
            && entry.replies <= u32::from(self.policy.limits.max_replies / 2)
        {
            self.resume(link);
        }
        if let Some(session) = self.links[link].session {
            self.promote(session);
        }
    }

    /// The first packet of the outbox is out: a message of QoS 1 now waits for its acknowledgement, the rest is done.
    fn settle(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        let Some(record) = entry.wire.pop_front(&mut self.deliveries) else { return };
        let delivery = &mut self.deliveries[record];
        if delivery.is_reply() {
            entry.replies = entry.replies.saturating_sub(1);
        } else {
            entry.wire_messages = entry.wire_messages.saturating_sub(1);
            entry.wire_bytes = entry.wire_bytes.saturating_sub(bytes_of(delivery, &self.messages));
        }
        if delivery.is_message() {
            self.counters.messages_sent += 1;
        }
        match entry.session {
            Some(session) if delivery.kind == Kind::PublishQoS1 => {
                delivery.flags |= flag::DUP;
                self.sessions.get_mut(session).inflight.push_back(&mut self.deliveries, record);
            }
            _ => self.discard(record),
        }
    }

    /// Puts an answer for which a record has been reserved into the outbox.
    pub(crate) fn send(&mut self, link: Handle<Link>, delivery: Delivery) {
        let message = delivery.message;
        match self.deliveries.insert(&mut self.memory, delivery, Purpose::Session) {
            Ok(record) => self.push(link, record),
            Err(OutOfMemory) => {
                debug_assert!(false, "an answer without a reservation");
                if let Some(message) = message {
                    self.messages.release(&mut self.memory, message);
                }
            }
        }
    }

    /// Makes sure that the next [`Core::send`] succeeds.
    pub(crate) fn reserve_answer(&mut self) -> Result<(), OutOfMemory> {
        self.deliveries.reserve(&mut self.memory, 1, Purpose::Session)
    }

    pub(crate) fn answer(&mut self, link: Handle<Link>, kind: Kind, packet_id: Option<PacketId>) {
        self.send(link, Delivery::reply(kind, packet_id));
    }

    fn push(&mut self, link: Handle<Link>, record: Handle<Delivery>) {
        let delivery = &self.deliveries[record];
        let entry = &mut self.links[link];
        if delivery.is_reply() {
            entry.replies = entry.replies.saturating_add(1);
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

    /// Queues a message for a receiver, at the QoS that its subscription and the message allow.
    ///
    /// Replayed messages are exempt from the quotas, since the store holds them anyway: the whole of it may wait beside
    /// the queue. Who asks for it again and again without reading does not get more.
    pub(crate) fn deliver(
        &mut self,
        session: Handle<Session>,
        message: Handle<Message>,
        qos: QoS,
        flags: u8,
    ) {
        let exempt = flags & flag::REPLAY != 0;
        let limits = &self.policy.limits;
        let bytes = self.messages.get(message).bytes();
        let link = self.sessions.get(session).link;
        let is_full = |messages: u32, held: u32, replays: u32| {
            if exempt {
                return replays >= limits.max_retained.saturating_add(limits.max_queued_messages);
            }
            messages >= limits.max_queued_messages
                // One message fits always, however large it is.
                || messages > 0 && held.saturating_add(bytes) > limits.max_queued_bytes
        };
        let (kind, purpose) = match (qos, link) {
            (QoS::AtMostOnce, None) => return,
            (QoS::AtMostOnce, Some(link)) => {
                let entry = &self.links[link];
                if is_full(entry.wire_messages, entry.wire_bytes, entry.replies) {
                    self.counters.drops.slow_reader += 1;
                    return;
                }
                (Kind::PublishQoS0, if exempt { Purpose::Keeping } else { Purpose::Delivery })
            }
            _ => {
                let entry = self.sessions.get(session);
                let waits = !entry.waiting.is_empty() || !self.may_promote(session);
                if waits && is_full(entry.waiting_count, entry.waiting_bytes, entry.waiting_replays) {
                    self.counters.drops.queue_full += 1;
                    return;
                }
                let purpose = if link.is_none() || exempt { Purpose::Keeping } else { Purpose::Session };
                (Kind::PublishQoS1, purpose)
            }
        };
        let delivery = Delivery { message: Some(message), next: None, packet_id: None, kind, flags };
        let record = match self.deliveries.insert(&mut self.memory, delivery, purpose) {
            Ok(record) if self.memory.permits(0, purpose) => record,
            refused => {
                if let Ok(record) = refused {
                    self.deliveries.remove(record);
                }
                self.counters.drops.out_of_memory += 1;
                return;
            }
        };
        self.messages.hold(message);
        match (kind, link) {
            (Kind::PublishQoS0, Some(link)) => self.push(link, record),
            _ => {
                let entry = self.sessions.get_mut(session);
                entry.waiting.push_back(&mut self.deliveries, record);
                if exempt {
                    entry.waiting_replays = entry.waiting_replays.saturating_add(1);
                } else {
                    entry.waiting_count = entry.waiting_count.saturating_add(1);
                    entry.waiting_bytes = entry.waiting_bytes.saturating_add(bytes);
                }
                self.promote(session);
            }
        }
    }

    fn may_promote(&self, session: Handle<Session>) -> bool {
        let entry = self.sessions.get(session);
        let limits = &self.policy.limits;
        let window = limits.inflight_window.clamp(1, crate::limits::MAX_INFLIGHT_WINDOW);
        entry.link.is_some_and(|link| self.links[link].wire_bytes < limits.max_queued_bytes)
            && entry.inflight_count < window
    }

    /// Moves waiting messages into the outbox, as many as the client's window and the outbox allow.
    pub(crate) fn promote(&mut self, session: Handle<Session>) {
        while self.may_promote(session) {
            let oldest = self.oldest_under_way(session);
            let entry = self.sessions.get_mut(session);
            let Some(link) = entry.link else { return };
            if entry.waiting.is_empty() {
                return;
            }
            let Some(id) = entry.take_packet_id(oldest) else { return };
            let Some(record) = entry.waiting.pop_front(&mut self.deliveries) else { return };
            entry.inflight_count += 1;
            let delivery = &mut self.deliveries[record];
            delivery.packet_id = Some(id);
            if delivery.is_reply() {
                entry.waiting_replays = entry.waiting_replays.saturating_sub(1);
            } else {
                entry.waiting_count = entry.waiting_count.saturating_sub(1);
                entry.waiting_bytes = entry.waiting_bytes.saturating_sub(bytes_of(delivery, &self.messages));
            }
            self.push(link, record);
        }
    }

    /// The packet identifier of the oldest message of QoS 1 that has one: right after a reconnection all of them stand
    /// in the outbox again.
    fn oldest_under_way(&self, session: Handle<Session>) -> Option<PacketId> {
        let entry = self.sessions.get(session);
        if entry.inflight_count == 0 {
            return None;
        }
        let link = entry.link.map(|link| &self.links[link]);
        let mut cursor = entry.inflight.head().or_else(|| link.and_then(|link| link.wire.head()));
        while let Some(record) = cursor {
            let delivery = &self.deliveries[record];
            if delivery.kind == Kind::PublishQoS1 {
                return delivery.packet_id;
            }
            cursor = delivery.next;
        }
        None
    }

    /// Sends again what the session's former links have sent without an answer \[MQTT-4.4.0-1\], then what waits.
    pub(crate) fn redeliver(&mut self, session: Handle<Session>, link: Handle<Link>) {
        let mut unanswered = core::mem::take(&mut self.sessions.get_mut(session).inflight);
        while let Some(record) = unanswered.pop_front(&mut self.deliveries) {
            self.push(link, record);
        }
        self.promote(session);
    }

    /// A message of QoS 1 has arrived; the next one may go.
    pub(crate) fn acknowledged(&mut self, session: Handle<Session>, id: PacketId) {
        let entry = self.sessions.get_mut(session);
        // An identifier that is not under way is no harm: the answer may have crossed a reconnection.
        if let Some(record) = entry.inflight.remove(&mut self.deliveries, id) {
            entry.inflight_count = entry.inflight_count.saturating_sub(1);
            self.discard(record);
            self.promote(session);
        }
    }
}

fn to_usize(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Bytes of topic and payload, which is what quotas count.
fn bytes_of(delivery: &Delivery, messages: &Messages) -> u32 {
    delivery.message.map_or(0, |message| messages.get(message).bytes())
}

/// Bytes of the packet that a record becomes.
fn encoded_bytes(delivery: &Delivery, messages: &Messages) -> usize {
    let message = delivery.message.map(|message| messages.get(message));
    let (topic_bytes, payload_bytes) =
        message.map_or((0, 0), |message| (message.topic().len(), message.payload().len()));
    let body_bytes = match delivery.kind {
        Kind::PublishQoS0 => Publish::body_bytes(topic_bytes, QoS::AtMostOnce, payload_bytes),
        Kind::PublishQoS1 => Publish::body_bytes(topic_bytes, QoS::AtLeastOnce, payload_bytes),
        Kind::SubAck => 2 + payload_bytes,
        Kind::ConnAck | Kind::PubAck | Kind::PubRec | Kind::PubComp | Kind::UnsubAck => 2,
        Kind::PingResp => 0,
    };
    let length = u32::try_from(body_bytes).unwrap_or(MAX_REMAINING_LENGTH);
    1 + remaining_length_bytes(length) + body_bytes
}

fn encode(delivery: &Delivery, messages: &Messages, sink: &mut impl Sink) -> Result<(), EncodeError> {
    let message = delivery.message.map(|message| messages.get(message));
    let (topic, payload) = message.map_or((&[][..], &[][..]), |message| (message.topic(), message.payload()));
    let packet_id = delivery.packet_id.unwrap_or(PacketId::FIRST);
    let kind = match delivery.kind {
        Kind::PublishQoS0 | Kind::PublishQoS1 => {
            let qos = match delivery.kind {
                Kind::PublishQoS0 => QoS::AtMostOnce,
                _ => QoS::AtLeastOnce,
            };
            let dup = delivery.flags & flag::DUP != 0;
            let retain = delivery.flags & flag::RETAIN != 0;
            let packet_id = delivery.packet_id;
            return StoredPublish { dup, qos, retain, topic, packet_id, payload }.encode(sink);
        }
        Kind::ConnAck => {
            let session_present = delivery.flags & flag::SESSION_PRESENT != 0;
            sink.put(&[0x20, 2, u8::from(session_present), delivery.flags & !flag::SESSION_PRESENT]);
            return Ok(());
        }
        Kind::SubAck => {
            return SubAck::new(packet_id, payload).map_or(Ok(()), |suback| suback.encode(sink));
        }
        Kind::PingResp => return Empty::PingResp.encode(sink),
        Kind::PubAck => AckKind::PubAck,
        Kind::PubRec => AckKind::PubRec,
        Kind::PubComp => AckKind::PubComp,
        Kind::UnsubAck => AckKind::UnsubAck,
    };
    Ack { kind, packet_id }.encode(sink)
}
