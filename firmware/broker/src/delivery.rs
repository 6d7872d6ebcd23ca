//! Delivery records: what still has to go to one client, twelve bytes each, in lists through one common slab.
//!
//! A record is in exactly one list: the outbox of a link, the messages a client has not acknowledged, or those that
//! wait for room in its window. It moves from one to the next without being copied or allocated again.

use obkmq_mqtt::PacketId;

use crate::message::Message;
use crate::slab::{Handle, Slab};

/// What a record becomes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ConnAck,
    PublishQoS0,
    PublishQoS1,
    PubAck,
    PubRec,
    PubComp,
    SubAck,
    UnsubAck,
    PingResp,
}

/// Bits of [`Delivery::flags`].
pub(crate) mod flag {
    /// The retain flag of an outgoing message.
    pub(crate) const RETAIN: u8 = 0x01;
    /// The message has been sent before.
    pub(crate) const DUP: u8 = 0x02;
    /// A retained message that answers a subscription; counts as a reply and not against the quotas.
    pub(crate) const REPLAY: u8 = 0x04;
    /// In a CONNACK: session present. The return code stands in the low bits.
    pub(crate) const SESSION_PRESENT: u8 = 0x80;
}

/// One packet to be sent.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The message, or the return codes of a SUBACK.
    pub(crate) message: Option<Handle<Message>>,
    pub(crate) next: Option<Handle<Delivery>>,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
}

impl Delivery {
    pub(crate) const fn reply(kind: Kind, packet_id: Option<PacketId>) -> Self {
        Delivery { message: None, next: None, packet_id, kind, flags: 0 }
    }

    /// Whether the record counts against [`crate::Limits::max_replies`].
    pub(crate) const fn is_reply(&self) -> bool {
        !self.is_message() || self.flags & flag::REPLAY != 0
    }

    pub(crate) const fn is_message(&self) -> bool {
        matches!(self.kind, Kind::PublishQoS0 | Kind::PublishQoS1)
    }
}

pub(crate) type Deliveries = Slab<Delivery>;

/// A queue of records.
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

    pub(crate) fn push_back(&mut self, deliveries: &mut Deliveries, record: Handle<Delivery>) {
        deliveries[record].next = None;
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

    /// Takes out the first record with this packet identifier, which is near the front when acknowledgements come in
    /// order.
    pub(crate) fn remove(&mut self, deliveries: &mut Deliveries, id: PacketId) -> Option<Handle<Delivery>> {
        let mut previous = None;
        let mut cursor = self.head;
        while let Some(record) = cursor {
            let next = deliveries[record].next;
            if deliveries[record].packet_id == Some(id) {
                match previous {
                    Some(previous) => deliveries[previous].next = next,
                    None => self.head = next,
                }
                if next.is_none() {
                    self.tail = previous;
                }
                deliveries[record].next = None;
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
    fn a_record_takes_twelve_bytes() {
        assert_eq!(size_of::<Delivery>(), 12);
        let mut memory = Memory::new(10_000);
        let mut deliveries = Deliveries::new();
        deliveries.reserve(&mut memory, 100, Purpose::Session).unwrap();
        assert_eq!(memory.used(), 1200 + crate::limits::BLOCK_OVERHEAD_BYTES);
    }

    #[test]
    fn records_leave_a_list_at_either_end_and_in_the_middle() {
        let mut memory = Memory::new(10_000);
        let mut deliveries = Deliveries::new();
        let ids = [1, 2, 3, 4].map(|id| PacketId::new(id).unwrap());
        for removed in ids {
            let mut list = List::default();
            for id in ids {
                let record = Delivery::reply(Kind::PubAck, Some(id));
                let record = deliveries.insert(&mut memory, record, Purpose::Session).unwrap();
                list.push_back(&mut deliveries, record);
            }
            assert!(list.remove(&mut deliveries, removed).is_some());
            assert!(list.remove(&mut deliveries, removed).is_none());
            let record = Delivery::reply(Kind::PubAck, PacketId::new(5));
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
