//! The acknowledgements of messages: PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7).

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyOwner, Reader,
    ReasonCode, Sink, Version,
};

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
}

/// An acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ack<'a> {
    /// Which one.
    pub kind: AckKind,
    /// Of which packet.
    pub packet_id: PacketId,
    /// The verdict; always [`ReasonCode::Success`] before MQTT 5.0.
    pub reason: ReasonCode,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl AckKind {
    const fn packet_type(self) -> PacketType {
        match self {
            AckKind::PubAck => PacketType::PubAck,
            AckKind::PubRec => PacketType::PubRec,
            AckKind::PubRel => PacketType::PubRel,
            AckKind::PubComp => PacketType::PubComp,
        }
    }

    const fn property_owner(self) -> PropertyOwner {
        match self {
            AckKind::PubAck => PropertyOwner::PubAck,
            AckKind::PubRec => PropertyOwner::PubRec,
            AckKind::PubRel => PropertyOwner::PubRel,
            AckKind::PubComp => PropertyOwner::PubComp,
        }
    }
}

impl<'a> Ack<'a> {
    /// Reads the body. The reason may be left out if it is success, and the properties if there are none.
    #[inline]
    pub fn decode(kind: AckKind, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let mut ack = Ack { kind, packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY };
        if version.has_properties() && !reader.is_empty() {
            ack.reason = ReasonCode::in_packet(reader.byte()?, kind.packet_type())?;
            if !reader.is_empty() {
                ack.properties = reader.properties(kind.property_owner(), version)?;
            }
        }
        reader.finish()?;
        Ok(ack)
    }

    /// Writes the packet, as short as it may be.
    #[inline]
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let has_properties = version.has_properties() && !self.properties.is_empty();
        let has_reason = version.has_properties() && (has_properties || self.reason != ReasonCode::Success);
        let property_bytes = if has_properties { self.properties.encoded_length(version) } else { 0 };
        let body_bytes = (2 + usize::from(has_reason)).saturating_add(property_bytes);
        FixedHeader::new(self.kind.packet_type(), body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        if has_reason {
            sink.put(&[self.reason.byte()]);
        }
        if has_properties {
            self.properties.encode(version, sink);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    const KINDS: [AckKind; 4] = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp];

    fn decode(kind: AckKind, body: &[u8], version: Version) -> Result<(u16, ReasonCode, usize), DecodeError> {
        let ack = Ack::decode(kind, body, version)?;
        assert_eq!(ack.kind, kind);
        Ok((ack.packet_id.get(), ack.reason, ack.properties.as_bytes().len()))
    }

    #[test]
    fn before_mqtt_5_an_acknowledgement_is_an_identifier_and_nothing_else() {
        let versions = [Version::V3_1, Version::V3_1_1];
        for (kind, version) in KINDS.into_iter().flat_map(|kind| versions.map(|version| (kind, version))) {
            assert_eq!(decode(kind, &[0, 7], version), Ok((7, ReasonCode::Success, 0)));
            assert_eq!(decode(kind, &[0, 0], version), Err(DecodeError::PacketIdZero));
            assert_eq!(decode(kind, &[0], version), Err(DecodeError::Truncated));
            assert_eq!(decode(kind, &[0, 7, 0], version), Err(DecodeError::TrailingBytes));
        }
    }

    #[test]
    fn section_3_4_2_1_reason_and_properties_may_be_left_out() {
        for kind in KINDS {
            let version = Version::V5;
            assert_eq!(decode(kind, &[0, 7], version), Ok((7, ReasonCode::Success, 0)));
            assert_eq!(decode(kind, &[0, 7, 0], version), Ok((7, ReasonCode::Success, 0)));
            assert_eq!(decode(kind, &[0, 7, 0, 0], version), Ok((7, ReasonCode::Success, 0)));
            let reason = b"\0\x07\0\x06\x1F\0\x03why";
            assert_eq!(decode(kind, reason, version), Ok((7, ReasonCode::Success, 6)));
            assert_eq!(decode(kind, &reason[..9], version), Err(DecodeError::Truncated));
            assert_eq!(decode(kind, &[0, 7, 0, 0, 0], version), Err(DecodeError::TrailingBytes));
            assert_eq!(decode(kind, &[0, 7, 0, 2, 1, 1], version), Err(DecodeError::Property(1)));
        }
    }

    #[test]
    fn mqtt_3_4_2_1_to_3_7_2_1_each_acknowledgement_has_its_own_reasons() {
        let none = (1, ReasonCode::NoMatchingSubscribers, 0);
        let lost = (1, ReasonCode::PacketIdentifierNotFound, 0);
        for kind in [AckKind::PubAck, AckKind::PubRec] {
            assert_eq!(decode(kind, &[0, 1, 0x10], Version::V5), Ok(none));
            assert_eq!(decode(kind, &[0, 1, 0x92], Version::V5), Err(DecodeError::ReasonCode(0x92)));
        }
        for kind in [AckKind::PubRel, AckKind::PubComp] {
            assert_eq!(decode(kind, &[0, 1, 0x92], Version::V5), Ok(lost));
            assert_eq!(decode(kind, &[0, 1, 0x10], Version::V5), Err(DecodeError::ReasonCode(0x10)));
        }
    }

    #[test]
    fn an_acknowledgement_is_written_as_short_as_it_may_be() {
        let why = Properties::new(b"\x1F\0\x01w", PropertyOwner::PubRel).unwrap();
        let table: [(ReasonCode, Properties<'_>, Version, &[u8]); 6] = [
            (ReasonCode::Success, Properties::EMPTY, Version::V5, b"\x62\x02\0\x07"),
            (ReasonCode::PacketIdentifierNotFound, Properties::EMPTY, Version::V5, b"\x62\x03\0\x07\x92"),
            (ReasonCode::Success, why, Version::V5, b"\x62\x08\0\x07\0\x04\x1F\0\x01w"),
            (ReasonCode::PacketIdentifierNotFound, why, Version::V5, b"\x62\x08\0\x07\x92\x04\x1F\0\x01w"),
            (ReasonCode::PacketIdentifierNotFound, why, Version::V3_1_1, b"\x62\x02\0\x07"),
            (ReasonCode::PacketIdentifierNotFound, why, Version::V3_1, b"\x62\x02\0\x07"),
        ];
        for (reason, properties, version, bytes) in table {
            let packet_id = PacketId::new(7).unwrap();
            let ack = Ack { kind: AckKind::PubRel, packet_id, reason, properties };
            let mut buffer = [0; 16];
            let mut window = Window::new(0, &mut buffer);
            ack.encode(version, &mut window).unwrap();
            let written = window.written();
            assert_eq!(&buffer[..written], bytes);
        }
    }
}
