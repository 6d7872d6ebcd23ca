//! PUBLISH (section 3.3): a message.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, QoS, Reader, Sink, TopicName,
    text::put_counted,
};

mod flag {
    pub(super) const RETAIN: u8 = 0x01;
    pub(super) const QOS_SHIFT: u32 = 1;
    pub(super) const DUP: u8 = 0x08;
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
    /// Topic.
    pub topic: TopicName<'a>,
    /// Present exactly if the QoS is above 0 \[MQTT-2.3.1-5\].
    pub packet_id: Option<PacketId>,
    /// Payload; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// Reads the body, given the flags of the fixed header.
    #[inline]
    pub fn decode(flags: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        let qos = QoS::from_bits((flags >> flag::QOS_SHIFT) & 0b11)?;
        let dup = flags & flag::DUP != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DupWithoutId);
        }
        let mut reader = Reader::new(body);
        let topic = TopicName::from_utf8(reader.binary()?.as_bytes())?;
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let retain = flags & flag::RETAIN != 0;
        Ok(Publish { dup, qos, retain, topic, packet_id, payload: reader.rest() })
    }

    /// Bytes of the body behind the fixed header.
    #[inline]
    pub const fn body_bytes(topic_bytes: usize, qos: QoS, payload_bytes: usize) -> usize {
        let packet_id_bytes = if matches!(qos, QoS::AtMostOnce) { 0 } else { 2 };
        (2 + packet_id_bytes + topic_bytes).saturating_add(payload_bytes)
    }

    /// Writes the packet. QoS 0 has no packet identifier; a higher one without is sent with identifier 1.
    #[inline]
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let Publish { dup, qos, retain, topic, packet_id, payload } = *self;
        StoredPublish { dup, qos, retain, topic: topic.as_str().as_bytes(), packet_id, payload }.encode(sink)
    }
}

/// A message out of a store that keeps topics as bytes: sent often, checked once, when it came in.
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
    /// Payload.
    pub payload: &'a [u8],
}

impl StoredPublish<'_> {
    /// Writes the packet, as [`Publish::encode`] does.
    #[inline]
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let mut flags = self.qos.bits() << flag::QOS_SHIFT;
        if self.retain {
            flags |= flag::RETAIN;
        }
        if self.dup && self.qos != QoS::AtMostOnce {
            flags |= flag::DUP;
        }
        let body_bytes = Publish::body_bytes(self.topic.len(), self.qos, self.payload.len());
        FixedHeader::with_flags(PacketType::Publish, flags, body_bytes)?.encode(sink);
        put_counted(self.topic, sink);
        if self.qos != QoS::AtMostOnce {
            sink.put(&self.packet_id.unwrap_or(PacketId::FIRST).get().to_be_bytes());
        }
        sink.put(self.payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicError;

    #[test]
    fn a_message_is_read() {
        let publish = Publish::decode(0b1011, b"\0\x03a/b\0\x0Ahello").unwrap();
        assert_eq!(publish.topic.as_str(), "a/b");
        assert_eq!(publish.packet_id, PacketId::new(10));
        assert_eq!(publish.payload, b"hello");
        assert!(publish.dup && publish.retain);
        assert_eq!(publish.qos, QoS::AtLeastOnce);
    }

    #[test]
    fn mqtt_3_3_1_4_qos_3_is_malformed() {
        assert_eq!(Publish::decode(0b0110, b"\0\x01a\0\x01"), Err(DecodeError::QoS));
    }

    #[test]
    fn mqtt_3_3_1_2_dup_is_zero_at_qos_0() {
        assert_eq!(Publish::decode(0b1000, b"\0\x01a"), Err(DecodeError::DupWithoutId));
    }

    #[test]
    fn qos_1_without_a_packet_identifier_is_truncated() {
        assert_eq!(Publish::decode(0b0010, b"\0\x01a"), Err(DecodeError::Truncated));
        assert_eq!(Publish::decode(0b0010, b"\0\x01a\0"), Err(DecodeError::Truncated));
        assert_eq!(Publish::decode(0b0010, b"\0\x01a\0\0"), Err(DecodeError::PacketIdZero));
    }

    #[test]
    fn mqtt_3_3_2_2_a_wildcard_in_the_topic_is_malformed() {
        let error = DecodeError::Topic(TopicError::WildcardInName);
        assert_eq!(Publish::decode(0, b"\0\x03a/#"), Err(error));
        assert_eq!(Publish::decode(0, b"\0\0"), Err(DecodeError::Topic(TopicError::Empty)));
    }

    #[test]
    fn a_topic_longer_than_the_packet_is_truncated() {
        assert_eq!(Publish::decode(0, b"\0\x05a/b"), Err(DecodeError::Truncated));
        assert_eq!(Publish::decode(0, b""), Err(DecodeError::Truncated));
    }
}
