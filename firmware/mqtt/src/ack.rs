//! The packets that carry nothing but a packet identifier: PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7) and
//! UNSUBACK (section 3.11).

use crate::{DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Reader, Sink};

/// Which acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckKind {
    /// A message of QoS 1 has arrived.
    PubAck,
    /// A message of QoS 2 has arrived.
    PubRec,
    /// Its identifier may be forgotten.
    PubRel,
    /// It has been forgotten.
    PubComp,
    /// The filters are gone.
    UnsubAck,
}

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ack {
    /// Which one.
    pub kind: AckKind,
    /// Of which packet.
    pub packet_id: PacketId,
}

impl AckKind {
    const fn packet_type(self) -> PacketType {
        match self {
            AckKind::PubAck => PacketType::PubAck,
            AckKind::PubRec => PacketType::PubRec,
            AckKind::PubRel => PacketType::PubRel,
            AckKind::PubComp => PacketType::PubComp,
            AckKind::UnsubAck => PacketType::UnsubAck,
        }
    }
}

impl Ack {
    /// Reads the body.
    pub fn decode(kind: AckKind, body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        reader.finish()?;
        Ok(Ack { kind, packet_id })
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        FixedHeader::new(self.kind.packet_type(), 2)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_an_identifier_and_nothing_else() {
        assert_eq!(Ack::decode(AckKind::PubAck, &[0, 7]).unwrap().packet_id.get(), 7);
        assert_eq!(Ack::decode(AckKind::PubAck, &[0, 0]), Err(DecodeError::PacketIdZero));
        assert_eq!(Ack::decode(AckKind::PubAck, &[0]), Err(DecodeError::Truncated));
        assert_eq!(Ack::decode(AckKind::PubAck, &[0, 7, 0]), Err(DecodeError::TrailingBytes));
    }
}
