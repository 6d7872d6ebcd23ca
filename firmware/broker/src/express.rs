//! The express way: a lone packet for a link whose outbox is empty becomes bytes at once, in a place that is there
//! anyway, and needs no storage, no record and no second look.
//!
//! There is one place for a message and one for an answer, for all links together. What finds its place taken, or comes
//! second to a link, goes the usual way through the outbox: a packet in a place stands in front of all that its link's
//! outbox holds. It counts against the same quotas, and leaves when the transport has taken the last of it, or with its
//! link. Messages with properties are left to the outbox, which can still drop those that expire.
//!
//! A message at QoS 1 stays in its place until its receiver acknowledges it, and is the only one under way to that
//! receiver: its session has no [`Flow`](crate::flow::Flow). Before it gets one, before another message takes the place,
//! and when the link ends, the message is stored as all others are ([`Core::store_express`]). Where there is no memory for
//! that, it stays where it is, and its client is not let in again before there is: what has been acknowledged to its
//! sender is not lost.

use obkmq_mqtt::{
    Ack, AckKind, PacketId, Properties, Publish, QoS, ReasonCode, StoredPublish, Version, Window,
};

use crate::delivery::{Delivery, Kind, flag};
use crate::limits::EXPRESS_BYTES;
use crate::link::{Link, State, mark};
use crate::memory::{OutOfMemory, Purpose};
use crate::message::Content;
use crate::outbox::Size;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::statistics::Statistics;
use crate::time::Moment;

/// Bytes of an answer that says success and nothing else.
const ANSWER_BYTES: usize = 4;

/// A place for one packet.
#[derive(Debug)]
struct Place<const BYTES: usize> {
    /// In front of whose outbox the packet stands.
    link: Option<Handle<Link>>,
    length: usize,
    /// What the transport has of it.
    taken: usize,
    packet: [u8; BYTES],
}

impl<const BYTES: usize> Place<BYTES> {
    const EMPTY: Self = Place { link: None, length: 0, taken: 0, packet: [0; BYTES] };

    #[inline]
    fn unsent(&self) -> &[u8] {
        self.packet.get(self.taken..self.length).unwrap_or_default()
    }

    /// The transport has taken so many more bytes. Returns how many of them belong to what stands behind the packet,
    /// which is out then; nothing while it is not.
    #[inline]
    fn take(&mut self, bytes: usize) -> Option<usize> {
        let missing = self.length.saturating_sub(self.taken);
        if bytes < missing {
            self.taken += bytes;
            return None;
        }
        self.link = None;
        Some(bytes - missing)
    }
}

/// The places.
#[derive(Debug)]
pub(crate) struct Express {
    message: Place<EXPRESS_BYTES>,
    /// Bytes of its topic and payload.
    message_bytes: u32,
    /// It goes out at QoS 1.
    is_acknowledged: bool,
    /// Whose client has to acknowledge it, and has nothing else under way.
    awaiting: Option<Handle<Session>>,
    answer: Place<ANSWER_BYTES>,
}

/// The identifier of a message that is alone under way.
const PACKET_ID: PacketId = PacketId::FIRST;

impl Express {
    pub(crate) const fn new() -> Self {
        Express {
            message: Place::EMPTY,
            message_bytes: 0,
            is_acknowledged: false,
            awaiting: None,
            answer: Place::EMPTY,
        }
    }

    /// What is left to send of the packet in front of the outbox of a link that is [`mark::EXPRESS`].
    #[inline]
    pub(crate) fn unsent(&self, link: Handle<Link>) -> &[u8] {
        if self.message.link == Some(link) { self.message.unsent() } else { self.answer.unsent() }
    }

    /// Whether the transport has the beginning of that packet, but not its end.
    pub(crate) fn is_begun(&self, link: Handle<Link>) -> bool {
        self.message.link == Some(link) && self.message.taken > 0
            || self.answer.link == Some(link) && self.answer.taken > 0
    }

    /// The transport of a link that is [`mark::EXPRESS`] has taken something. Returns how much of it belongs to the outbox.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        link: Handle<Link>,
        entry: &mut Link,
        bytes: usize,
        counters: &mut Statistics,
    ) -> usize {
        let is_message = self.message.link == Some(link);
        let (rest, size) = if is_message {
            (self.message.take(bytes), Size::Message { bytes: self.message_bytes })
        } else {
            (self.answer.take(bytes), Size::Reply { weight: 1 })
        };
        if rest.is_some() {
            counters.messages_sent += u64::from(is_message);
            entry.marks &= !mark::EXPRESS;
            entry.discount(size);
        }
        let rest = rest.unwrap_or(0);
        counters.bytes_sent += (bytes - rest) as u64;
        rest
    }

    /// Messages that are stored nowhere else.
    pub(crate) fn awaiting(&self) -> usize {
        usize::from(self.awaiting.is_some())
    }

    /// Topic and payload of the message.
    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let packet = self.message.packet.get(..self.message.length)?;
        // A length of one or two bytes, and that of the topic.
        let start = if packet.get(1)? & 0x80 == 0 { 2 } else { 3 };
        let (topic_length, rest) = packet.get(start..)?.split_first_chunk::<2>()?;
        let topic = rest.get(..usize::from(u16::from_be_bytes(*topic_length)))?;
        let payload_bytes = usize::try_from(self.message_bytes).ok()?.checked_sub(topic.len())?;
        Some((topic, packet.get(packet.len().checked_sub(payload_bytes)?..)?))
    }
}

impl Core {
    /// Whether a packet may take the place in front of a link's outbox, as far as the link is concerned.
    #[inline]
    fn is_free(&self, link: Handle<Link>, bytes: usize) -> bool {
        let entry = &self.links[link];
        entry.state == State::Connected
            && entry.outbox_is_empty()
            && (entry.extra.is_none()
                || self.links.extra(link).is_some_and(|extra| {
                    u32::try_from(bytes).is_ok_and(|bytes| bytes <= extra.max_packet_bytes)
                }))
    }

    /// Makes the place for a message free, unless its link has not sent what stands there or memory is short.
    #[inline]
    fn vacate_express(&mut self) -> bool {
        self.express.message.link.is_none()
            && self.express.awaiting.is_none_or(|session| self.store_express(session).is_ok())
    }

    /// Sends a message that has one receiver, and is not retained, the express way. `false` if that is not possible.
    #[inline]
    pub(crate) fn express(&mut self, session: Handle<Session>, content: &Content<'_>) -> bool {
        let entry = self.sessions.get(session);
        let Content { topic, payload, .. } = *content;
        let qos = content.qos.min(entry.best);
        let Some(link) = entry.link() else { return false };
        if qos == QoS::ExactlyOnce || entry.is.all(Marks::IDENTIFIED) || !content.properties.is_empty() {
            return false;
        }
        let is_v5 = self.links[link].version == Version::V5;
        // Two bytes of length are enough for all that is short enough.
        let bytes =
            Publish::body_bytes(topic.len(), qos, is_v5.then_some(0), payload.len()).saturating_add(3);
        let limits = &self.policy.limits;
        if bytes > EXPRESS_BYTES
            || !self.is_free(link, bytes)
            || qos == QoS::AtMostOnce
                && (limits.max_queued_messages == 0 || !self.memory.permits(0, Purpose::Delivery))
            || !self.vacate_express()
        {
            return false;
        }
        let is_acknowledged = qos == QoS::AtLeastOnce;
        if is_acknowledged && self.sessions.get(session).flow.is_some() {
            return false;
        }
        let publish = StoredPublish {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_id: is_acknowledged.then_some(PACKET_ID),
            properties: is_v5.then_some([&[][..]; 3]),
            payload,
        };
        let express = &mut self.express;
        let mut window = Window::new(0, &mut express.message.packet);
        if publish.encode(&mut window).is_err() {
            return false;
        }
        express.message.length = window.written();
        express.message.taken = 0;
        express.message.link = Some(link);
        // Topic and payload are shorter than the packet.
        let message_bytes = u32::try_from(topic.len() + payload.len()).unwrap_or(u32::MAX);
        express.message_bytes = message_bytes;
        express.is_acknowledged = is_acknowledged;
        express.awaiting = is_acknowledged.then_some(session);
        self.put_in_front(link, Size::Message { bytes: message_bytes });
        true
    }

    /// Acknowledges a message the express way. `false` if that is not possible.
    #[inline]
    pub(crate) fn express_ack(&mut self, link: Handle<Link>, kind: AckKind, packet_id: PacketId) -> bool {
        if self.express.answer.link.is_some() || !self.is_free(link, ANSWER_BYTES) {
            return false;
        }
        let answer = &mut self.express.answer;
        let mut window = Window::new(0, &mut answer.packet);
        let ack = Ack { kind, packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY };
        if ack.encode(Version::V3_1_1, &mut window).is_err() {
            return false;
        }
        answer.length = window.written();
        answer.taken = 0;
        answer.link = Some(link);
        self.put_in_front(link, Size::Reply { weight: 1 });
        true
    }

    #[inline]
    fn put_in_front(&mut self, link: Handle<Link>, size: Size) {
        let entry = &mut self.links[link];
        entry.marks |= mark::EXPRESS;
        entry.count(size);
        self.tell_output(link);
    }

    /// A client has acknowledged a message. Says whether it is the one in its place, all of which it was sent.
    #[inline]
    pub(crate) fn end_express(&mut self, session: Handle<Session>, packet_id: PacketId) -> bool {
        let express = &mut self.express;
        let ends =
            express.awaiting == Some(session) && packet_id == PACKET_ID && express.message.link.is_none();
        if ends {
            express.awaiting = None;
        }
        ends
    }

    /// Stores a message that is in its place, if it awaits the answer of this session's client, among those that do. It stays
    /// in front of the outbox of a link that has not sent it.
    ///
    /// To be called before the session gets a flow.
    #[inline]
    pub(crate) fn store_express(&mut self, session: Handle<Session>) -> Result<(), OutOfMemory> {
        if self.express.awaiting == Some(session) { self.store_awaiting(session) } else { Ok(()) }
    }

    fn store_awaiting(&mut self, session: Handle<Session>) -> Result<(), OutOfMemory> {
        let purpose = Purpose::Session;
        let memory = &mut self.memory;
        // Somebody may count on one for an answer.
        self.deliveries.reserve(memory, 2, purpose)?;
        let (topic, payload) = self.express.parts().unwrap_or_default();
        let content = Content {
            topic,
            payload,
            properties: Properties::EMPTY,
            qos: QoS::AtLeastOnce,
            retain: false,
            expires_at: Moment::NEVER,
        };
        let message = self.messages.insert(memory, &content, purpose)?;
        let flow = match self.sessions.need_flow(memory, session, purpose) {
            Ok(flow) => flow,
            Err(error) => {
                self.messages.release(memory, message);
                return Err(error);
            }
        };
        let delivery = Delivery {
            message: Some(message),
            next: None,
            packet_id: Some(PACKET_ID),
            kind: Kind::PublishQoS1,
            flags: flag::DUP,
            detail: 0,
        };
        // There is room: this does not fail.
        let record = self.deliveries.insert(memory, delivery, purpose)?;
        flow.inflight.push_back(&mut self.deliveries, record);
        flow.inflight_count += 1;
        // Behind the one that is taken, all are free.
        (flow.next_id, flow.used_id) = (PACKET_ID.next(), PACKET_ID);
        self.express.awaiting = None;
        Ok(())
    }

    /// A link ends whose client may come back: what it has not acknowledged is stored. Of a message that was not begun it
    /// will not have been sent anything.
    pub(crate) fn keep_express(&mut self, link: Handle<Link>, session: Handle<Session>) {
        // Without memory it stays, until there is some.
        let _ = self.store_express(session);
        let express = &self.express;
        if express.message.link != Some(link) || !express.is_acknowledged || express.message.taken > 0 {
            return;
        }
        let mut cursor = self.sessions.flow(session).and_then(|flow| flow.inflight.head());
        while let Some(record) = cursor {
            let delivery = &mut self.deliveries[record];
            if delivery.packet_id == Some(PACKET_ID) {
                delivery.flags &= !flag::DUP;
            }
            cursor = delivery.next;
        }
    }

    /// Takes away what stands in front of the outbox of a link that ends.
    pub(crate) fn drop_express(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        if entry.marks & mark::EXPRESS == 0 {
            return;
        }
        entry.marks &= !mark::EXPRESS;
        let express = &mut self.express;
        if express.message.link == Some(link) {
            express.message.link = None;
            self.counters.drops.link_closed += u64::from(!express.is_acknowledged);
        } else {
            express.answer.link = None;
        }
    }

    /// Forgets the message that a session's client has not acknowledged: the session ends.
    pub(crate) fn forget_express(&mut self, session: Handle<Session>) {
        if self.express.awaiting == Some(session) {
            self.express.awaiting = None;
            self.counters.drops.link_closed += 1;
        }
    }
}
