//! UNSUBSCRIBE (section 3.10).

use crate::{DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Reader, Sink, TopicFilter};

/// The filters of an UNSUBSCRIBE: a list, or the checked bytes of a received packet.
#[derive(Debug, Clone, Copy)]
pub struct Filters<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    List(&'a [TopicFilter<'a>]),
    Wire(&'a [u8]),
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<TopicFilter<'a>, DecodeError> {
    Ok(TopicFilter::from_utf8(reader.binary()?.as_bytes())?)
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
        list.iter()
            .copied()
            .chain(core::iter::from_fn(move || if reader.is_empty() { None } else { read(&mut reader).ok() }))
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
    /// At least one.
    pub filters: Filters<'a>,
}

impl<'a> Unsubscribe<'a> {
    /// Reads the body and checks every filter.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        while !reader.is_empty() {
            read(&mut reader)?;
        }
        Ok(Unsubscribe { packet_id, filters: Filters(Source::Wire(wire)) })
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let lengths = self.filters.iter().map(TopicFilter::encoded_length);
        FixedHeader::new(PacketType::Unsubscribe, lengths.fold(2, usize::saturating_add))?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        self.filters.iter().for_each(|filter| filter.encode(sink));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_10_3_2_an_unsubscribe_has_a_filter() {
        assert_eq!(Unsubscribe::decode(&[0, 1]), Err(DecodeError::NoEntries));
        let unsubscribe = Unsubscribe::decode(b"\0\x01\0\x01a\0\x01#").unwrap();
        assert!(unsubscribe.filters.iter().map(TopicFilter::as_str).eq(["a", "#"]));
    }
}
