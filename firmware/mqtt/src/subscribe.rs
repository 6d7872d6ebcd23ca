//! SUBSCRIBE (section 3.8).

use crate::{DecodeError, EncodeError, FixedHeader, PacketId, PacketType, QoS, Reader, Sink, TopicFilter};

/// One filter and the quality of service asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscription<'a> {
    /// What to receive.
    pub filter: TopicFilter<'a>,
    /// At most how well.
    pub qos: QoS,
}

impl<'a> Subscription<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let filter = TopicFilter::from_utf8(reader.binary()?.as_bytes())?;
        // The upper six bits are reserved [MQTT-3-8.3-4]; with one of them set the value is beyond 2 as well.
        let qos = QoS::from_bits(reader.byte()?)?;
        Ok(Subscription { filter, qos })
    }
}

/// The entries of a SUBSCRIBE: a list, or the checked bytes of a received packet.
#[derive(Debug, Clone, Copy)]
pub struct Subscriptions<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    List(&'a [Subscription<'a>]),
    Wire(&'a [u8]),
}

impl<'a> Subscriptions<'a> {
    /// The entries of a list.
    pub const fn new(list: &'a [Subscription<'a>]) -> Self {
        Subscriptions(Source::List(list))
    }

    /// The entries, in order.
    pub fn iter(self) -> impl Iterator<Item = Subscription<'a>> {
        let (list, wire): (&[_], &[_]) = match self.0 {
            Source::List(list) => (list, &[]),
            Source::Wire(wire) => (&[], wire),
        };
        let mut reader = Reader::new(wire);
        // The bytes were checked as a whole when the packet was read: an error ends the sequence and cannot occur.
        list.iter().copied().chain(core::iter::from_fn(move || {
            if reader.is_empty() { None } else { Subscription::read(&mut reader).ok() }
        }))
    }
}

impl PartialEq for Subscriptions<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Subscriptions<'_> {}

/// A request for one or more subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Echoed in SUBACK.
    pub packet_id: PacketId,
    /// At least one; as many as fit into a packet.
    pub subscriptions: Subscriptions<'a>,
}

impl<'a> Subscribe<'a> {
    /// Reads the body and checks every entry.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        while !reader.is_empty() {
            Subscription::read(&mut reader)?;
        }
        Ok(Subscribe { packet_id, subscriptions: Subscriptions(Source::Wire(wire)) })
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let entries = self.subscriptions.iter().map(|entry| entry.filter.encoded_length() + 1);
        let body_bytes = entries.fold(2, usize::saturating_add);
        FixedHeader::new(PacketType::Subscribe, body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        for entry in self.subscriptions.iter() {
            entry.filter.encode(sink);
            sink.put(&[entry.qos.bits()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicError;

    #[test]
    fn the_example_of_figure_3_22_is_read() {
        let subscribe = Subscribe::decode(b"\0\x0A\0\x03a/b\x01\0\x03c/d\x02").unwrap();
        let mut entries = subscribe.subscriptions.iter();
        let first = entries.next().unwrap();
        assert_eq!((first.filter.as_str(), first.qos), ("a/b", QoS::AtLeastOnce));
        let second = entries.next().unwrap();
        assert_eq!((second.filter.as_str(), second.qos), ("c/d", QoS::ExactlyOnce));
        assert!(entries.next().is_none());
    }

    #[test]
    fn mqtt_3_8_3_3_a_subscribe_has_an_entry() {
        assert_eq!(Subscribe::decode(&[0, 1]), Err(DecodeError::NoEntries));
    }

    #[test]
    fn mqtt_3_8_3_4_reserved_bits_of_the_requested_qos_are_malformed() {
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\x03"), Err(DecodeError::QoS));
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\x81"), Err(DecodeError::QoS));
    }

    #[test]
    fn a_bad_filter_behind_a_good_one_spoils_the_packet() {
        let error = DecodeError::Topic(TopicError::WildcardPlace);
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\0\0\x02#a\0"), Err(error));
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\0\0\x02a"), Err(DecodeError::Truncated));
    }
}
