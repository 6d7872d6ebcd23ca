//! Any control packet.

use crate::{
    Ack, AckKind, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, FixedHeader, PacketType,
    PingReq, PingResp, Publish, Sink, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

/// A control packet, checked as far as one packet alone can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is documented at its type")]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    Ack(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq(PingReq),
    PingResp(PingResp),
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet from its header and its whole body, in the version that the connection speaks.
    ///
    /// CONNECT announces its version itself.
    #[inline]
    pub fn decode(header: FixedHeader, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        Ok(match header.packet_type {
            PacketType::Publish => Packet::Publish(Publish::decode(header.flags, body, version)?),
            PacketType::Connect => Packet::Connect(Connect::decode(body)?),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(body, version)?),
            PacketType::PubAck => Packet::Ack(Ack::decode(AckKind::PubAck, body, version)?),
            PacketType::PubRec => Packet::Ack(Ack::decode(AckKind::PubRec, body, version)?),
            PacketType::PubRel => Packet::Ack(Ack::decode(AckKind::PubRel, body, version)?),
            PacketType::PubComp => Packet::Ack(Ack::decode(AckKind::PubComp, body, version)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(body, version)?),
            PacketType::SubAck => Packet::SubAck(SubAck::decode(body, version)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body, version)?),
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::decode(body, version)?),
            PacketType::PingReq => Packet::PingReq(PingReq::decode(body)?),
            PacketType::PingResp => Packet::PingResp(PingResp::decode(body)?),
            PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(body, version)?),
            PacketType::Auth if version.has_properties() => Packet::Auth(Auth::decode(body)?),
            PacketType::Auth => return Err(DecodeError::PacketType(PacketType::Auth as u8)),
        })
    }

    /// Writes the packet in the version that the connection speaks.
    ///
    /// CONNECT is written in the version that it announces; AUTH exists in MQTT 5.0 only, and is written as there.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        match self {
            Packet::Connect(connect) => connect.encode(sink),
            Packet::ConnAck(connack) => connack.encode(version, sink),
            Packet::Publish(publish) => publish.encode(version, sink),
            Packet::Ack(ack) => ack.encode(version, sink),
            Packet::Subscribe(subscribe) => subscribe.encode(version, sink),
            Packet::SubAck(suback) => suback.encode(version, sink),
            Packet::Unsubscribe(unsubscribe) => unsubscribe.encode(version, sink),
            Packet::UnsubAck(unsuback) => unsuback.encode(version, sink),
            Packet::PingReq(pingreq) => pingreq.encode(sink),
            Packet::PingResp(pingresp) => pingresp.encode(sink),
            Packet::Disconnect(disconnect) => disconnect.encode(version, sink),
            Packet::Auth(auth) => auth.encode(sink),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_auth_before_mqtt_5() {
        let header = FixedHeader { packet_type: PacketType::Auth, flags: 0, remaining_length: 0 };
        assert!(Packet::decode(header, &[], Version::V5).is_ok());
        assert_eq!(Packet::decode(header, &[], Version::V3_1_1), Err(DecodeError::PacketType(15)));
        assert_eq!(Packet::decode(header, &[], Version::V3_1), Err(DecodeError::PacketType(15)));
    }
}
