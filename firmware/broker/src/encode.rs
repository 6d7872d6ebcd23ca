//! From delivery records to packets, in the version that the receiver speaks.

use obkmq_mqtt::{
    Ack, AckKind, ConnAck, Count, Disconnect, EncodeError, PacketId, PingResp, Properties, Property,
    PropertyOwner, Publish, QoS, ReasonCode, Sink, StoredPublish, SubAck, UnsubAck, Version, Window,
    remaining_length_bytes,
};

use crate::delivery::{Delivery, Kind, detail, flag};
use crate::message::{Message, Messages};
use crate::time::Moment;

/// How a receiver is spoken to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) version: Version,
    /// The base of the remaining time of messages that expire.
    pub(crate) told_at: Moment,
}

/// Room for a message expiry interval and one subscription identifier.
const OWN_PROPERTY_BYTES: usize = 5 + 5;

/// Bytes of the packet that a record becomes.
#[inline]
pub(crate) fn encoded_bytes(delivery: &Delivery, messages: &Messages, dialect: Dialect) -> usize {
    if delivery.is_message()
        && dialect.version != Version::V5
        && let Some(message) = delivery.message
    {
        let message = messages.get(message);
        let qos = qos_of(delivery.kind);
        let body_bytes = Publish::body_bytes(message.topic().len(), qos, None, message.payload().len());
        // What is stored was in a packet or can be in one.
        return 1 + remaining_length_bytes(u32::try_from(body_bytes).unwrap_or(u32::MAX)) + body_bytes;
    }
    let mut count = Count::default();
    let _ = encode(delivery, messages, dialect, &mut count);
    count.bytes
}

/// Writes the packet that a record becomes.
#[inline]
pub(crate) fn encode(
    delivery: &Delivery,
    messages: &Messages,
    dialect: Dialect,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    match delivery.message {
        Some(message) if delivery.is_message() => {
            encode_message(delivery, messages.get(message), messages, dialect, sink)
        }
        message => {
            let bytes = message.map_or(&[][..], |message| messages.get(message).payload());
            encode_answer(delivery, bytes, dialect.version, sink)
        }
    }
}

#[inline(always)]
fn encode_message(
    delivery: &Delivery,
    message: &Message,
    messages: &Messages,
    dialect: Dialect,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    let publish = StoredPublish {
        dup: delivery.flags & flag::DUP != 0,
        qos: qos_of(delivery.kind),
        retain: delivery.flags & flag::RETAIN != 0,
        topic: message.topic(),
        packet_id: delivery.packet_id,
        properties: None,
        payload: message.payload(),
    };
    if dialect.version != Version::V5 {
        return publish.encode(sink);
    }
    let mut buffer = [0; OWN_PROPERTY_BYTES];
    let mut own = Window::new(0, &mut buffer);
    if message.expires_at() != Moment::NEVER {
        let seconds = message.expires_at().seconds_from(dialect.told_at);
        Property::MessageExpiryInterval(seconds).encode(&mut own);
    }
    let list = delivery.identifier_list().map_or(&[][..], |list| messages.get(list).payload());
    if delivery.detail & detail::LIST == 0
        && let Some(identifier) = core::num::NonZeroU32::new(delivery.detail)
    {
        Property::SubscriptionIdentifier(identifier).encode(&mut own);
    }
    let own_bytes = own.written();
    let own = buffer.get(..own_bytes).unwrap_or_default();
    StoredPublish { properties: Some([own, list, message.properties()]), ..publish }.encode(sink)
}

fn encode_answer(
    delivery: &Delivery,
    bytes: &[u8],
    version: Version,
    sink: &mut impl Sink,
) -> Result<(), EncodeError> {
    let packet_id = delivery.packet_id.unwrap_or(PacketId::FIRST);
    let reason = ReasonCode::from_byte(delivery.flags).unwrap_or(ReasonCode::UnspecifiedError);
    let properties = |owner| Properties::new(bytes, owner).unwrap_or(Properties::EMPTY);
    let kind = match delivery.kind {
        Kind::ConnAck => {
            let session_present = delivery.detail & detail::SESSION_PRESENT != 0;
            let properties = properties(PropertyOwner::ConnAck);
            return ConnAck { session_present, reason, properties }.encode(version, sink);
        }
        Kind::SubAck => {
            return SubAck { packet_id, properties: Properties::EMPTY, codes: bytes }.encode(version, sink);
        }
        Kind::UnsubAck => {
            return UnsubAck { packet_id, properties: Properties::EMPTY, codes: bytes }.encode(version, sink);
        }
        Kind::Disconnect => {
            let properties = properties(PropertyOwner::Disconnect);
            return Disconnect { reason, properties }.encode(version, sink);
        }
        Kind::PingResp => return PingResp.encode(sink),
        Kind::PubAck => AckKind::PubAck,
        Kind::PubRec => AckKind::PubRec,
        Kind::PubRel => AckKind::PubRel,
        Kind::PubComp => AckKind::PubComp,
        // A message without a message; there is none.
        Kind::PublishQoS0 | Kind::PublishQoS1 | Kind::PublishQoS2 => return Ok(()),
    };
    Ack { kind, packet_id, reason, properties: Properties::EMPTY }.encode(version, sink)
}

const fn qos_of(kind: Kind) -> QoS {
    match kind {
        Kind::PublishQoS1 => QoS::AtLeastOnce,
        Kind::PublishQoS2 => QoS::ExactlyOnce,
        _ => QoS::AtMostOnce,
    }
}
