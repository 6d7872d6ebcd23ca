//! SUBACK (section 3.9): one reason code for each requested filter, in their order.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketId, PacketType, Properties, PropertyOwner, Reader,
    ReasonCode, Sink, Version,
};

/// The only code before MQTT 5.0 that does not grant a subscription.
const FAILURE: u8 = ReasonCode::UnspecifiedError.byte();

/// The answer to SUBSCRIBE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
    /// At least one, as [`ReasonCode::byte`] gives them. Before MQTT 5.0 every error is written as 0x80.
    pub codes: &'a [u8],
}

impl<'a> SubAck<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = reader.properties(PropertyOwner::SubAck, version)?;
        let codes = reader.rest();
        if codes.is_empty() {
            return Err(DecodeError::NoEntries);
        }
        for &code in codes {
            let reason = ReasonCode::in_packet(code, PacketType::SubAck)?;
            if !version.has_properties() && reason.is_error() && code != FAILURE {
                return Err(DecodeError::ReasonCode(code));
            }
        }
        Ok(SubAck { packet_id, properties, codes })
    }

    /// The codes, in the order of the filters.
    pub fn reasons(self) -> impl Iterator<Item = ReasonCode> {
        self.codes.iter().filter_map(|&code| ReasonCode::from_byte(code))
    }

    /// Writes the packet.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let property_bytes = self.properties.encoded_length(version);
        let body_bytes = property_bytes.saturating_add(2).saturating_add(self.codes.len());
        FixedHeader::new(PacketType::SubAck, body_bytes)?.encode(sink);
        sink.put(&self.packet_id.get().to_be_bytes());
        self.properties.encode(version, sink);
        if version.has_properties() {
            sink.put(self.codes);
        } else {
            self.codes.iter().for_each(|&code| sink.put(&[code.min(FAILURE)]));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    #[test]
    fn mqtt_3_9_3_2_other_return_codes_are_refused() {
        let decode = |body| SubAck::decode(body, Version::V3_1_1);
        assert!(decode(&[0, 1, 0, 1, 2, 0x80]).is_ok());
        assert_eq!(decode(&[0, 1, 3]), Err(DecodeError::ReasonCode(3)));
        assert_eq!(decode(&[0, 1, 0x87]), Err(DecodeError::ReasonCode(0x87)));
        assert_eq!(decode(&[0, 1]), Err(DecodeError::NoEntries));
    }

    #[test]
    fn mqtt_3_9_3_2_of_5_0_the_codes_of_table_3_8_are_read() {
        let suback = SubAck::decode(&[0, 1, 0, 2, 0x87, 0xA2], Version::V5).unwrap();
        assert!(suback.reasons().eq([
            ReasonCode::GrantedQoS2,
            ReasonCode::NotAuthorized,
            ReasonCode::WildcardSubscriptionsNotSupported,
        ]));
        assert_eq!(SubAck::decode(&[0, 1, 0, 0x11], Version::V5), Err(DecodeError::ReasonCode(0x11)));
        assert_eq!(SubAck::decode(&[0, 1, 0], Version::V5), Err(DecodeError::NoEntries));
        assert_eq!(SubAck::decode(&[0, 1], Version::V5), Err(DecodeError::Truncated));
    }

    #[test]
    fn before_mqtt_5_every_error_is_written_as_a_failure() {
        let packet_id = PacketId::FIRST;
        let suback = SubAck { packet_id, properties: Properties::EMPTY, codes: &[0, 1, 2, 0x80, 0x87, 0xA2] };
        let mut buffer = [0; 16];
        let mut window = Window::new(0, &mut buffer);
        suback.encode(Version::V3_1_1, &mut window).unwrap();
        assert_eq!(window.written(), 10);
        assert_eq!(buffer[..10], [0x90, 8, 0, 1, 0, 1, 2, 0x80, 0x80, 0x80]);
        let mut window = Window::new(0, &mut buffer);
        suback.encode(Version::V5, &mut window).unwrap();
        assert_eq!(window.written(), 11);
        assert_eq!(buffer[..11], [0x90, 9, 0, 1, 0, 0, 1, 2, 0x80, 0x87, 0xA2]);
    }
}
