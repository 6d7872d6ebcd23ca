//! SUBSCRIBE (section 3.8).

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyOwner, QoS, Reader,
    Sink, TopicFilter, Version,
};

/// The byte behind a filter. Before MQTT 5.0 it is the requested QoS and nothing else.
mod option {
    pub(super) const QOS: u8 = 0x03;
    pub(super) const NO_LOCAL: u8 = 0x04;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 0x08;
    pub(super) const RETAIN_HANDLING_SHIFT: u32 = 4;
    pub(super) const RETAIN_HANDLING: u8 = 0x30;
    pub(super) const RESERVED: u8 = 0xC0;
}

/// Whether a subscription begins with the retained messages that match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum RetainHandling {
    /// It does; as always before MQTT 5.0.
    #[default]
    Always = 0,
    /// It does unless it replaces one.
    IfNew = 1,
    /// It does not.
    Never = 2,
}

/// One filter and how its messages are to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscription<'a> {
    /// What to receive.
    pub filter: TopicFilter<'a>,
    /// At most how well.
    pub qos: QoS,
    /// Whether to leave out what the client itself publishes; false before MQTT 5.0.
    pub no_local: bool,
    /// Whether messages keep the retain flag they were published with; false before MQTT 5.0.
    pub retain_as_published: bool,
    /// See there.
    pub retain_handling: RetainHandling,
}

impl<'a> Subscription<'a> {
    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let filter = reader.topic_filter()?;
        let options = reader.byte()?;
        let reserved = if version.has_properties() { option::RESERVED } else { !option::QOS };
        if options & reserved != 0 {
            return Err(DecodeError::SubscriptionOptions);
        }
        let qos = QoS::from_bits(options & option::QOS).map_err(|_| DecodeError::RequestedQoS)?;
        let no_local = options & option::NO_LOCAL != 0;
        if no_local && filter.share().is_some() {
            return Err(DecodeError::NoLocalShared);
        }
        let retain_as_published = options & option::RETAIN_AS_PUBLISHED != 0;
        let retain_handling = match (options & option::RETAIN_HANDLING) >> option::RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::Always,
            1 => RetainHandling::IfNew,
            2 => RetainHandling::Never,
            _ => return Err(DecodeError::RetainHandling),
        };
        Ok(Subscription { filter, qos, no_local, retain_as_published, retain_handling })
    }

    fn options(&self, version: Version) -> u8 {
        let mut options = self.qos.bits();
        if version.has_properties() {
            if self.no_local {
                options |= option::NO_LOCAL;
            }
            if self.retain_as_published {
                options |= option::RETAIN_AS_PUBLISHED;
            }
            options |= (self.retain_handling as u8) << option::RETAIN_HANDLING_SHIFT;
        }
        options
    }
}

/// The entries of a SUBSCRIBE: a list, or the checked bytes of a received packet.
#[derive(Debug, Clone, Copy)]
pub struct Subscriptions<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    List(&'a [Subscription<'a>]),
    Wire(&'a [u8], Version),
}

impl<'a> Subscriptions<'a> {
    /// The entries of a list.
    pub const fn new(list: &'a [Subscription<'a>]) -> Self {
        Subscriptions(Source::List(list))
    }

    /// The entries, in order.
    pub fn iter(self) -> impl Iterator<Item = Subscription<'a>> {
        let (list, wire, version): (&[_], &[_], _) = match self.0 {
            Source::List(list) => (list, &[], Version::V5),
            Source::Wire(wire, version) => (&[], wire, version),
        };
        let mut reader = Reader::new(wire);
        // The bytes were checked as a whole when the packet was read: an error ends the sequence and cannot occur.
        list.iter().copied().chain(core::iter::from_fn(move || {
            if reader.is_empty() { None } else { Subscription::read(&mut reader, version).ok() }
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
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
    /// At least one; as many as fit into a packet.
    pub subscriptions: Subscriptions<'a>,
}

impl<'a> Subscribe<'a> {
    /// Reads the body and checks every entry.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(PropertyOwner::Subscribe, version)?;
        let wire = reader.rest();
        if wire.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        while !reader.is_empty() {
            Subscription::read(&mut reader, version)?;
        }
        Ok(Subscribe { packet_id, properties, subscriptions: Subscriptions(Source::Wire(wire, version)) })
    }

    /// Writes the packet.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let entries = self.subscriptions.iter().map(|entry| entry.filter.encoded_length() + 1);
        let property_bytes = self.properties.encoded_length(version);
        let body_bytes = entries.fold(property_bytes.saturating_add(2), usize::saturating_add);
        FixedHeader::new(PacketType::Subscribe, body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        self.properties.encode(version, sink);
        for entry in self.subscriptions.iter() {
            entry.filter.encode(sink);
            sink.put(&[entry.options(version)]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Property, TopicError, Window};

    #[test]
    fn the_example_of_figure_3_22_is_read() {
        let subscribe = Subscribe::decode(b"\0\x0A\0\x03a/b\x01\0\x03c/d\x02", Version::V3_1_1).unwrap();
        let mut entries = subscribe.subscriptions.iter();
        let first = entries.next().unwrap();
        assert_eq!((first.filter.as_str(), first.qos), ("a/b", QoS::AtLeastOnce));
        let second = entries.next().unwrap();
        assert_eq!((second.filter.as_str(), second.qos), ("c/d", QoS::ExactlyOnce));
        assert!(entries.next().is_none());
    }

    #[test]
    fn mqtt_3_8_3_3_a_subscribe_has_an_entry() {
        assert_eq!(Subscribe::decode(&[0, 1], Version::V3_1_1), Err(DecodeError::NoEntries));
    }

    #[test]
    fn mqtt_3_8_3_4_reserved_bits_of_the_requested_qos_are_malformed() {
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\x03", Version::V3_1_1), Err(DecodeError::RequestedQoS));
        assert_eq!(
            Subscribe::decode(b"\0\x01\0\x01a\x81", Version::V3_1_1),
            Err(DecodeError::SubscriptionOptions)
        );
    }

    #[test]
    fn a_bad_filter_behind_a_good_one_spoils_the_packet() {
        let error = DecodeError::Topic(TopicError::WildcardPlace);
        assert_eq!(Subscribe::decode(b"\0\x01\0\x01a\0\0\x02#a\0", Version::V3_1_1), Err(error));
        assert_eq!(
            Subscribe::decode(b"\0\x01\0\x01a\0\0\x02a", Version::V3_1_1),
            Err(DecodeError::Truncated)
        );
    }
    /// The options of the only entry, for a filter that is not shared.
    fn options(byte: u8, version: Version) -> Result<Subscription<'static>, DecodeError> {
        let filter = TopicFilter::new("a").unwrap();
        let mut body = *b"\0\x01\0\0\x01a\0";
        body[6] = byte;
        let body = if version.has_properties() { &body[..] } else { &[0, 1, 0, 1, b'a', byte][..] };
        let subscribe = Subscribe::decode(body, version)?;
        let entry = subscribe.subscriptions.iter().next().unwrap();
        assert_eq!(entry.options(version), byte);
        Ok(Subscription { filter, ..entry })
    }

    #[test]
    fn section_3_8_3_1_the_options_of_mqtt_5_are_read() {
        let plain = options(0, Version::V5).unwrap();
        assert_eq!((plain.qos, plain.no_local, plain.retain_as_published), (QoS::AtMostOnce, false, false));
        assert_eq!(plain.retain_handling, RetainHandling::Always);
        let full = options(0x2E, Version::V5).unwrap();
        assert_eq!((full.qos, full.no_local, full.retain_as_published), (QoS::ExactlyOnce, true, true));
        assert_eq!(full.retain_handling, RetainHandling::Never);
        assert_eq!(options(0x10, Version::V5).unwrap().retain_handling, RetainHandling::IfNew);
        assert_eq!(options(0x30, Version::V5), Err(DecodeError::RetainHandling));
        assert_eq!(options(0x03, Version::V5), Err(DecodeError::RequestedQoS));
    }

    #[test]
    fn mqtt_3_8_3_5_reserved_bits_of_the_options_are_malformed() {
        for byte in [0x40, 0x80, 0xC3] {
            assert_eq!(options(byte, Version::V5), Err(DecodeError::SubscriptionOptions));
        }
        for byte in [0x04, 0x08, 0x10, 0x20, 0x40, 0x80] {
            assert_eq!(options(byte, Version::V3_1_1), Err(DecodeError::SubscriptionOptions));
            assert_eq!(options(byte, Version::V3_1), Err(DecodeError::SubscriptionOptions));
        }
    }

    #[test]
    fn mqtt_3_8_3_4_of_5_0_a_shared_subscription_cannot_be_without_local_messages() {
        let decode = |body| Subscribe::decode(body, Version::V5).map(|_| ());
        assert_eq!(decode(b"\0\x01\0\0\x0A$share/g/a\x04"), Err(DecodeError::NoLocalShared));
        assert_eq!(decode(b"\0\x01\0\0\x0A$share/g/a\x02"), Ok(()));
    }

    #[test]
    fn a_subscription_identifier_stands_in_front_of_the_filters() {
        let body = b"\0\x01\x02\x0B\x07\0\x01a\x01";
        let subscribe = Subscribe::decode(body, Version::V5).unwrap();
        let seven = core::num::NonZeroU32::new(7).unwrap();
        assert!(subscribe.properties.iter().eq([Property::SubscriptionIdentifier(seven)]));
        let mut buffer = [0; 16];
        let mut window = Window::new(0, &mut buffer);
        subscribe.encode(Version::V5, &mut window).unwrap();
        assert_eq!(window.written(), 2 + body.len());
        assert_eq!(&buffer[2..2 + body.len()], body);
        let twice = b"\0\x01\x04\x0B\x07\x0B\x07\0\x01a\x01";
        assert_eq!(Subscribe::decode(twice, Version::V5), Err(DecodeError::DuplicateProperty(0x0B)));
    }
}
