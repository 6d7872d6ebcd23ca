//! Any control packet.

use crate::{
    Ack, AckKind, ConnAck, Connect, DecodeError, Empty, EncodeError, FixedHeader, PacketType, Publish, Sink,
    SubAck, Subscribe, Unsubscribe, Version,
};

/// A control packet, checked as far as one packet alone can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck),
    Publish(Publish<'a>),
    Ack(Ack),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    Empty(Empty),
}

impl<'a> Packet<'a> {
    /// Reads a packet from its header and its whole body, in the version that the connection speaks.
    ///
    /// CONNECT announces its version itself.
    #[inline]
    pub fn decode(header: FixedHeader, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let Version::V3_1_1 = version;
        Ok(match header.packet_type {
            PacketType::Publish => Packet::Publish(Publish::decode(header.flags, body)?),
            PacketType::Connect => Packet::Connect(Connect::decode(body)?),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(body)?),
            PacketType::PubAck => Packet::Ack(Ack::decode(AckKind::PubAck, body)?),
            PacketType::PubRec => Packet::Ack(Ack::decode(AckKind::PubRec, body)?),
            PacketType::PubRel => Packet::Ack(Ack::decode(AckKind::PubRel, body)?),
            PacketType::PubComp => Packet::Ack(Ack::decode(AckKind::PubComp, body)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(body)?),
            PacketType::SubAck => Packet::SubAck(SubAck::decode(body)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body)?),
            PacketType::UnsubAck => Packet::Ack(Ack::decode(AckKind::UnsubAck, body)?),
            PacketType::PingReq => Packet::Empty(Empty::PingReq.decode(body)?),
            PacketType::PingResp => Packet::Empty(Empty::PingResp.decode(body)?),
            PacketType::Disconnect => Packet::Empty(Empty::Disconnect.decode(body)?),
        })
    }

    /// Writes the packet in the version that the connection speaks.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let Version::V3_1_1 = version;
        match self {
            Packet::Connect(connect) => connect.encode(sink),
            Packet::ConnAck(connack) => connack.encode(sink),
            Packet::Publish(publish) => publish.encode(sink),
            Packet::Ack(ack) => ack.encode(sink),
            Packet::Subscribe(subscribe) => subscribe.encode(sink),
            Packet::SubAck(suback) => suback.encode(sink),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.encode(sink),
            Packet::Empty(empty) => empty.encode(sink),
        }
    }
}
