//! UNSUBSCRIBE (section 3.10).

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyOwner, Reader, Sink,
    TopicFilter, Version,
};

/// The filters of an UNSUBSCRIBE: a list, or the checked bytes of a received packet.
#[derive(Debug, Clone, Copy)]
pub struct Filters<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    List(&'a [TopicFilter<'a>]),
    Wire(&'a [u8]),
}

impl<'a> Filters<'a> {
    /// The filters of a list.
    pub const fn new(list: &'a [TopicFilter<'a>]) -> Self {
        Filters(Source::List(list))
    }

    /// The filters, in order.
    pub fn iter(self) -> impl Iterator<Item = TopicFilter<'a>> {
        let (list, wire): (&[_], &[_]) = match self.0 {
            Source::List(list) => (list, &[]),
            Source::Wire(wire) => (&[], wire),
        };
        let mut reader = Reader::new(wire);
        // Checked as a whole when the packet was read, as in SUBSCRIBE.
        list.iter().copied().chain(core::iter::from_fn(move || {
            if reader.is_empty() { None } else { reader.topic_filter().ok() }
        }))
    }
}

impl PartialEq for Filters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Filters<'_> {}

/// A request to end subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Echoed in UNSUBACK.
    pub packet_id: PacketId,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
    /// At least one.
    pub filters: Filters<'a>,
}

impl<'a> Unsubscribe<'a> {
    /// Reads the body and checks every filter.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(PropertyOwner::Unsubscribe, version)?;
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        while !reader.is_empty() {
            reader.topic_filter()?;
        }
        Ok(Unsubscribe { packet_id, properties, filters: Filters(Source::Wire(wire)) })
    }

    /// Writes the packet.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let lengths = self.filters.iter().map(TopicFilter::encoded_length);
        let property_bytes = self.properties.encoded_length(version);
        let body_bytes = lengths.fold(property_bytes.saturating_add(2), usize::saturating_add);
        FixedHeader::new(PacketType::Unsubscribe, body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        self.properties.encode(version, sink);
        self.filters.iter().for_each(|filter| filter.encode(sink));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_10_3_2_an_unsubscribe_has_a_filter() {
        assert_eq!(Unsubscribe::decode(&[0, 1], Version::V3_1_1), Err(DecodeError::NoEntries));
        let unsubscribe = Unsubscribe::decode(b"\0\x01\0\x01a\0\x01#", Version::V3_1_1).unwrap();
        assert!(unsubscribe.filters.iter().map(TopicFilter::as_str).eq(["a", "#"]));
    }
    #[test]
    fn mqtt_5_puts_properties_in_front_of_the_filters() {
        let body = b"\0\x01\x05\x26\0\0\0\0\0\x01a";
        let unsubscribe = Unsubscribe::decode(body, Version::V5).unwrap();
        assert_eq!(unsubscribe.properties.iter().count(), 1);
        assert!(unsubscribe.filters.iter().map(TopicFilter::as_str).eq(["a"]));
        assert_eq!(Unsubscribe::decode(&body[..8], Version::V5), Err(DecodeError::NoEntries));
        assert_eq!(
            Unsubscribe::decode(b"\0\x01\x02\x0B\x01\0\x01a", Version::V5),
            Err(DecodeError::Property(0x0B))
        );
    }
}
