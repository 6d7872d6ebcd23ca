//! PUBLISH (section 3.3): a message.

use crate::header::DUP;
use crate::properties::{put_section_length, section_bytes};
use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, Property, PropertyOwner, QoS,
    Reader, Sink, TopicName, Version, text::put_counted,
};

mod flag {
    pub(super) const RETAIN: u8 = 0x01;
    pub(super) const QOS_SHIFT: u32 = 1;
}

/// A message, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent before, and perhaps received then.
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// From a client: keep it. To a client: it was kept.
    pub retain: bool,
    /// Topic. It is left out only in MQTT 5.0, where a topic alias may stand for it; one is among the properties then.
    pub topic: Option<TopicName<'a>>,
    /// Present exactly if the QoS is above 0 \[MQTT-2.3.1-5\].
    pub packet_id: Option<PacketId>,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
    /// Payload; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads the body, given the flags of the fixed header.
    #[inline(always)]
    pub fn decode(flags: u8, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits((flags >> flag::QOS_SHIFT) & 0b11)?;
        let dup = flags & DUP != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DupWithoutId);
        }
        let mut reader = Reader::new(body);
        let topic = reader.binary()?.as_bytes();
        let is_aliased = topic.is_empty() && version.has_properties();
        let topic = if is_aliased { None } else { Some(TopicName::from_utf8(topic)?) };
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = reader.properties(PropertyOwner::Publish, version)?;
        if is_aliased && !properties.iter().any(|property| matches!(property, Property::TopicAlias(_))) {
            return Err(DecodeError::NoTopic);
        }
        let retain = flags & flag::RETAIN != 0;
        Ok(Publish { dup, qos, retain, topic, packet_id, properties, payload: reader.rest() })
    }

    /// Bytes of the body behind the fixed header. There are property bytes, perhaps none of them, in MQTT 5.0 only.
    #[inline]
    pub const fn body_bytes(
        topic_bytes: usize,
        qos: QoS,
        property_bytes: Option<usize>,
        payload_bytes: usize,
    ) -> usize {
        let packet_id_bytes = if matches!(qos, QoS::AtMostOnce) { 0 } else { 2 };
        let section_bytes = match property_bytes {
            Some(property_bytes) => section_bytes(property_bytes),
            None => 0,
        };
        (2 + packet_id_bytes + topic_bytes).saturating_add(section_bytes).saturating_add(payload_bytes)
    }

    /// Writes the packet. QoS 0 has no packet identifier; a higher one without is sent with identifier 1.
    #[inline]
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let Publish { dup, qos, retain, topic, packet_id, properties, payload } = *self;
        let topic = topic.map_or(&[][..], TopicName::as_bytes);
        let properties = version.has_properties().then_some([properties.as_bytes(), &[], &[]]);
        StoredPublish { dup, qos, retain, topic, packet_id, properties, payload }.encode(sink)
    }
}

/// A message out of a store that keeps it as bytes: sent often, checked once, when it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPublish<'a> {
    /// See [`Publish::dup`].
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// See [`Publish::retain`].
    pub retain: bool,
    /// The bytes of a [`TopicName`].
    pub topic: &'a [u8],
    /// See [`Publish::packet_id`].
    pub packet_id: Option<PacketId>,
    /// For a receiver that speaks MQTT 5.0: encoded properties, in parts that follow each other, since some belong to the
    /// delivery and some to the message.
    pub properties: Option<[&'a [u8]; 3]>,
    /// Payload.
    pub payload: &'a [u8],
}

impl StoredPublish<'_> {
    /// Writes the packet, as [`Publish::encode`] does.
    #[inline(always)]
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let mut flags = self.qos.bits() << flag::QOS_SHIFT;
        if self.retain {
            flags |= flag::RETAIN;
        }
        if self.dup && self.qos != QoS::AtMostOnce {
            flags |= DUP;
        }
        let property_bytes = self
            .properties
            .map(|parts| parts.iter().fold(0, |bytes: usize, part| bytes.saturating_add(part.len())));
        let body_bytes = Publish::body_bytes(self.topic.len(), self.qos, property_bytes, self.payload.len());
        FixedHeader::with_flags(PacketType::Publish, flags, body_bytes)?.encode(sink);
        put_counted(self.topic, sink);
        if self.qos != QoS::AtMostOnce {
            sink.put(&self.packet_id.unwrap_or(PacketId::FIRST).get().to_be_bytes());
        }
        if let (Some(parts), Some(property_bytes)) = (self.properties, property_bytes) {
            put_section_length(property_bytes, sink);
            for part in parts.into_iter().filter(|part| !part.is_empty()) {
                sink.put(part);
            }
        }
        sink.put(self.payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TopicError, Window};

    fn decode(flags: u8, body: &[u8]) -> Result<Publish<'_>, DecodeError> {
        assert_eq!(
            Publish::decode(flags, body, Version::V3_1),
            Publish::decode(flags, body, Version::V3_1_1)
        );
        Publish::decode(flags, body, Version::V3_1_1)
    }

    #[test]
    fn a_message_is_read() {
        let publish = decode(0b1011, b"\0\x03a/b\0\x0Ahello").unwrap();
        assert_eq!(publish.topic.unwrap().as_str(), "a/b");
        assert_eq!(publish.packet_id, PacketId::new(10));
        assert_eq!(publish.payload, b"hello");
        assert!(publish.dup && publish.retain);
        assert_eq!(publish.qos, QoS::AtLeastOnce);
    }

    #[test]
    fn mqtt_3_3_1_4_qos_3_is_malformed() {
        assert_eq!(decode(0b0110, b"\0\x01a\0\x01"), Err(DecodeError::QoS));
    }

    #[test]
    fn mqtt_3_3_1_2_dup_is_zero_at_qos_0() {
        assert_eq!(decode(0b1000, b"\0\x01a"), Err(DecodeError::DupWithoutId));
    }

    #[test]
    fn qos_1_without_a_packet_identifier_is_truncated() {
        assert_eq!(decode(0b0010, b"\0\x01a"), Err(DecodeError::Truncated));
        assert_eq!(decode(0b0010, b"\0\x01a\0"), Err(DecodeError::Truncated));
        assert_eq!(decode(0b0010, b"\0\x01a\0\0"), Err(DecodeError::PacketIdZero));
    }

    #[test]
    fn mqtt_3_3_2_2_a_wildcard_in_the_topic_is_malformed() {
        let error = DecodeError::Topic(TopicError::WildcardInName);
        assert_eq!(decode(0, b"\0\x03a/#"), Err(error));
        assert_eq!(decode(0, b"\0\0"), Err(DecodeError::Topic(TopicError::Empty)));
    }

    #[test]
    fn a_topic_longer_than_the_packet_is_truncated() {
        assert_eq!(decode(0, b"\0\x05a/b"), Err(DecodeError::Truncated));
        assert_eq!(decode(0, b""), Err(DecodeError::Truncated));
    }
    #[test]
    fn a_message_of_mqtt_5_is_read_with_its_properties() {
        let body = b"\0\x03a/b\0\x0A\x07\x02\0\0\0\x3C\x01\x01hello";
        let publish = Publish::decode(0b0010, body, Version::V5).unwrap();
        assert_eq!(publish.topic.unwrap().as_str(), "a/b");
        assert_eq!(publish.packet_id, PacketId::new(10));
        let expected = [Property::MessageExpiryInterval(60), Property::PayloadFormatIndicator(true)];
        assert!(publish.properties.iter().eq(expected));
        assert_eq!(publish.payload, b"hello");
        let mut buffer = [0; 64];
        let mut window = Window::new(0, &mut buffer);
        publish.encode(Version::V5, &mut window).unwrap();
        assert_eq!(window.written(), 2 + body.len());
        assert_eq!(buffer[2..2 + body.len()], *body);
        let body_bytes = Publish::body_bytes(3, QoS::AtLeastOnce, Some(7), 5);
        assert_eq!(body_bytes, body.len());
        assert_eq!(Publish::body_bytes(3, QoS::AtMostOnce, None, 5), 10);
    }

    #[test]
    fn properties_beyond_the_packet_are_truncated() {
        let decode = |body| Publish::decode(0, body, Version::V5).map(|_| ());
        assert_eq!(decode(b"\0\x01a"), Err(DecodeError::Truncated));
        assert_eq!(decode(b"\0\x01a\x02\x01"), Err(DecodeError::Truncated));
        assert_eq!(decode(b"\0\x01a\x80\0"), Err(DecodeError::VariableInteger));
        assert_eq!(decode(b"\0\x01a\0"), Ok(()));
    }

    #[test]
    fn section_3_3_2_1_a_message_has_a_topic_or_an_alias() {
        let aliased = Publish::decode(0, b"\0\0\x03\x23\0\x07x", Version::V5).unwrap();
        assert_eq!((aliased.topic, aliased.payload), (None, b"x".as_slice()));
        let both = Publish::decode(0, b"\0\x01a\x03\x23\0\x07x", Version::V5).unwrap();
        assert_eq!(both.topic.unwrap().as_str(), "a");
        assert_eq!(Publish::decode(0, b"\0\0\0", Version::V5), Err(DecodeError::NoTopic));
        assert_eq!(Publish::decode(0, b"\0\0\x02\x01\0", Version::V5), Err(DecodeError::NoTopic));
    }

    #[test]
    fn a_stored_message_is_written_with_the_parts_of_its_properties_in_a_row() {
        let stored = StoredPublish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: b"a",
            packet_id: None,
            properties: Some([b"\x02\0\0\0\x01", b"\x0B\x07\x0B\x08", b"\x01\0"]),
            payload: b"x",
        };
        let mut buffer = [0; 32];
        let mut window = Window::new(0, &mut buffer);
        stored.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[..written], b"\x30\x10\0\x01a\x0B\x02\0\0\0\x01\x0B\x07\x0B\x08\x01\0x");
        let publish = Publish::decode(0, &buffer[2..written], Version::V5).unwrap();
        assert_eq!(publish.properties.iter().count(), 4);
        let mut window = Window::new(0, &mut buffer);
        StoredPublish { properties: None, ..stored }.encode(&mut window).unwrap();
        assert_eq!(window.written(), 6);
        assert_eq!(buffer[..6], *b"\x30\x04\0\x01ax");
    }
}
