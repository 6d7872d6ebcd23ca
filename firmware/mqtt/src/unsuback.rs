//! UNSUBACK (section 3.11): in MQTT 5.0 one reason code for each filter, before that none.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyOwner, Reader,
    ReasonCode, Sink, Version,
};

/// The answer to UNSUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnsubAck<'a> {
    /// That of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
    /// At least one, as [`ReasonCode::byte`] gives them; before MQTT 5.0 they are not written.
    pub codes: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        if !version.has_properties() {
            reader.finish()?;
            return Ok(UnsubAck { packet_id, properties: Properties::EMPTY, codes: &[] });
        }
        let properties = reader.properties(PropertyOwner::UnsubAck, version)?;
        let codes = reader.rest();
        if codes.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        for &code in codes {
            ReasonCode::in_packet(code, PacketType::UnsubAck)?;
        }
        Ok(UnsubAck { packet_id, properties, codes })
    }

    /// The codes, in the order of the filters.
    pub fn reasons(self) -> impl Iterator<Item = ReasonCode> {
        self.codes.iter().filter_map(|&code| ReasonCode::from_byte(code))
    }

    /// Writes the packet.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let codes = if version.has_properties() { self.codes } else { &[] };
        let property_bytes = self.properties.encoded_length(version);
        let body_bytes = property_bytes.saturating_add(2).saturating_add(codes.len());
        FixedHeader::new(PacketType::UnsubAck, body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        self.properties.encode(version, sink);
        sink.put(codes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    #[test]
    fn before_mqtt_5_an_unsuback_has_no_codes() {
        let unsuback = UnsubAck::decode(&[0, 7], Version::V3_1_1).unwrap();
        assert_eq!(unsuback.reasons().next(), None);
        assert_eq!(UnsubAck::decode(&[0, 7, 0], Version::V3_1_1), Err(DecodeError::TrailingBytes));
        let mut buffer = [0; 8];
        let mut window = Window::new(0, &mut buffer);
        UnsubAck { codes: &[0, 0x11], ..unsuback }.encode(Version::V3_1, &mut window).unwrap();
        assert_eq!(window.written(), 4);
        assert_eq!(buffer[..4], [0xB0, 2, 0, 7]);
    }

    #[test]
    fn mqtt_3_11_3_1_an_unsuback_has_a_code_for_each_filter() {
        let unsuback = UnsubAck::decode(&[0, 7, 0, 0, 0x11], Version::V5).unwrap();
        assert!(unsuback.reasons().eq([ReasonCode::Success, ReasonCode::NoSubscriptionExisted]));
        let mut buffer = [0; 8];
        let mut window = Window::new(0, &mut buffer);
        unsuback.encode(Version::V5, &mut window).unwrap();
        assert_eq!(window.written(), 7);
        assert_eq!(buffer[..7], [0xB0, 5, 0, 7, 0, 0, 0x11]);
        assert_eq!(UnsubAck::decode(&[0, 7, 0], Version::V5), Err(DecodeError::NoEntries));
        assert_eq!(UnsubAck::decode(&[0, 7, 0, 1], Version::V5), Err(DecodeError::ReasonCode(1)));
    }
}
