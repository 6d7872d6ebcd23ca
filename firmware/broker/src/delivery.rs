//! Delivery records: what still has to go to one client, sixteen bytes each, in lists through one common slab.
//!
//! A record is in exactly one list: the outbox of a link, the messages a client has not acknowledged, or those that
//! wait for room in its window. It moves from one to the next without being copied or allocated again; a message of
//! QoS 2 that was received becomes its own PUBREL.

use obkmq_mqtt::{PacketId, QoS, ReasonCode};

use crate::message::Message;
use crate::slab::{Handle, Slab, chunk};

/// What a record becomes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConnAck,
    PublishQoS0,
    PublishQoS1,
    PublishQoS2,
    PubAck,
    PubRec,
    /// The second half of a message of QoS 2; it is under way like the first until PUBCOMP.
    PubRel,
    PubComp,
    SubAck,
    UnsubAck,
    PingResp,
    Disconnect,
}

impl Kind {
    /// What a message becomes at this QoS.
    pub(crate) const fn of(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => Kind::PublishQoS0,
            QoS::AtLeastOnce => Kind::PublishQoS1,
            QoS::ExactlyOnce => Kind::PublishQoS2,
        }
    }
}

/// Bits of [`Delivery::flags`] of a message. Those of an answer are its reason code.
pub(crate) mod flag {
    /// The retain flag of an outgoing message.
    pub(crate) const RETAIN: u8 = 0x01;
    /// The message has been sent before.
    pub(crate) const DUP: u8 = 0x02;
    /// A retained message that answers a subscription; counts as a reply and not against the quotas.
    pub(crate) const REPLAY: u8 = 0x04;
}

/// Bits of [`Delivery::detail`] that say what it is; see there.
pub(crate) mod detail {
    /// In a CONNACK: session present.
    pub(crate) const SESSION_PRESENT: u32 = 1;
    /// In a PUBREL: no message of the session stands behind it, and nobody waits for its answer.
    pub(crate) const UNTRACKED: u32 = 1;
    /// The rest is the number of a message whose payload is encoded subscription identifiers.
    pub(crate) const LIST: u32 = 0x8000_0000;
}

/// One packet to be sent.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The message; of an answer, the codes of a SUBACK or UNSUBACK, the properties of a CONNACK or DISCONNECT.
    pub(crate) message: Option<Handle<Message>>,
    pub(crate) next: Option<Handle<Delivery>>,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    /// Of a message: a subscription identifier, or with [`detail::LIST`] several; 0 if there is none.
    pub(crate) detail: u32,
}

impl Delivery {
    pub(crate) const fn reply(kind: Kind, packet_id: Option<PacketId>, reason: ReasonCode) -> Self {
        Delivery { message: None, next: None, packet_id, kind, flags: reason.byte(), detail: 0 }
    }

    /// The message that lists the subscription identifiers, if they are several.
    pub(crate) fn identifier_list(&self) -> Option<Handle<Message>> {
        if self.is_message() && self.detail & detail::LIST != 0 {
            Handle::from_number(self.detail & !detail::LIST)
        } else {
            None
        }
    }

    /// Whether the record waits for an answer once it has been sent.
    pub(crate) const fn is_tracked(&self) -> bool {
        match self.kind {
            Kind::PublishQoS1 | Kind::PublishQoS2 => true,
            Kind::PubRel => self.detail != detail::UNTRACKED,
            _ => false,
        }
    }

    /// Whether the record counts against [`crate::Limits::max_replies`].
    pub(crate) const fn is_reply(&self) -> bool {
        !self.is_message() || self.flags & flag::REPLAY != 0
    }

    pub(crate) const fn is_message(&self) -> bool {
        matches!(self.kind, Kind::PublishQoS0 | Kind::PublishQoS1 | Kind::PublishQoS2)
    }
}

pub(crate) type Deliveries = Slab<Delivery, { chunk::<Delivery>() }>;

/// A queue of records. A record that is in none has no successor.
#[derive(Debug, Default)]
pub(crate) struct List {
    head: Option<Handle<Delivery>>,
    tail: Option<Handle<Delivery>>,
}

impl List {
    pub(crate) const fn head(&self) -> Option<Handle<Delivery>> {
        self.head
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    #[inline]
    pub(crate) fn push_back(&mut self, deliveries: &mut Deliveries, record: Handle<Delivery>) {
        debug_assert!(deliveries[record].next.is_none(), "a record in two lists");
        match self.tail {
            Some(tail) => deliveries[tail].next = Some(record),
            None => self.head = Some(record),
        }
        self.tail = Some(record);
    }

    pub(crate) fn pop_front(&mut self, deliveries: &mut Deliveries) -> Option<Handle<Delivery>> {
        let record = self.head?;
        self.head = deliveries[record].next.take();
        if self.head.is_none() {
            self.tail = None;
        }
        Some(record)
    }

    /// Removes the first record.
    #[inline]
    pub(crate) fn remove_front(&mut self, deliveries: &mut Deliveries) -> Option<Delivery> {
        let delivery = deliveries.remove(self.head?)?;
        self.head = delivery.next;
        if self.head.is_none() {
            self.tail = None;
        }
        Some(delivery)
    }

    /// Moves all records of another list behind those of this one.
    pub(crate) fn append(&mut self, deliveries: &mut Deliveries, other: List) {
        match self.tail {
            Some(tail) => deliveries[tail].next = other.head,
            None => self.head = other.head,
        }
        self.tail = other.tail.or(self.tail);
    }

    /// Takes out a record whose predecessor is known.
    pub(crate) fn unlink(
        &mut self,
        deliveries: &mut Deliveries,
        previous: Option<Handle<Delivery>>,
        record: Handle<Delivery>,
    ) {
        let next = deliveries[record].next.take();
        match previous {
            Some(previous) => deliveries[previous].next = next,
            None => self.head = next,
        }
        if next.is_none() {
            self.tail = previous;
        }
    }

    /// Takes out the first record with this packet identifier and of this kind, which is near the front when
    /// acknowledgements come in order.
    pub(crate) fn remove(
        &mut self,
        deliveries: &mut Deliveries,
        id: PacketId,
        kind: Kind,
    ) -> Option<Handle<Delivery>> {
        let mut previous = None;
        let mut cursor = self.head;
        while let Some(record) = cursor {
            let next = deliveries[record].next;
            if deliveries[record].packet_id == Some(id) && deliveries[record].kind == kind {
                self.unlink(deliveries, previous, record);
                return Some(record);
            }
            previous = cursor;
            cursor = next;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Memory, Purpose};

    #[test]
    fn a_record_takes_sixteen_bytes() {
        assert_eq!(size_of::<Delivery>(), 16);
        let mut memory = Memory::new(10_000);
        let mut deliveries = Deliveries::new();
        deliveries.reserve(&mut memory, 100, Purpose::Session).unwrap();
        // The tag of a slab's entry hides in a value that no kind has.
        assert!((1600..2500).contains(&memory.used()), "{}", memory.used());
    }

    #[test]
    fn records_leave_a_list_at_either_end_and_in_the_middle() {
        let mut memory = Memory::new(10_000);
        let mut deliveries = Deliveries::new();
        let ids = [1, 2, 3, 4].map(|id| PacketId::new(id).unwrap());
        for removed in ids {
            let mut list = List::default();
            for id in ids {
                let record = Delivery::reply(Kind::PubAck, Some(id), ReasonCode::Success);
                let record = deliveries.insert(&mut memory, record, Purpose::Session).unwrap();
                list.push_back(&mut deliveries, record);
            }
            assert!(list.remove(&mut deliveries, removed, Kind::PubAck).is_some());
            assert!(list.remove(&mut deliveries, removed, Kind::PubAck).is_none());
            let record = Delivery::reply(Kind::PubAck, PacketId::new(5), ReasonCode::Success);
            let record = deliveries.insert(&mut memory, record, Purpose::Session).unwrap();
            list.push_back(&mut deliveries, record);
            let mut seen = 0;
            let mut last = 0;
            while let Some(record) = list.pop_front(&mut deliveries) {
                let id = deliveries[record].packet_id.unwrap();
                assert!(id != removed && id.get() > last);
                last = id.get();
                seen += 1;
            }
            assert_eq!((seen, last), (4, 5));
        }
    }
}
