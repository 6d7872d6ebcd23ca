//! DISCONNECT (section 3.14): the last packet of a connection. Before MQTT 5.0 only clients send it, and it is empty.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketType, Properties, PropertyOwner, Reader, ReasonCode, Sink,
    Version,
};

/// The end of a connection in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Disconnect<'a> {
    /// Why; always [`ReasonCode::Success`] before MQTT 5.0.
    pub reason: ReasonCode,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// Reads the body. The reason may be left out if it is success, and the properties if there are none.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let mut disconnect = Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY };
        if version.has_properties() && !reader.is_empty() {
            disconnect.reason = ReasonCode::in_packet(reader.byte()?, PacketType::Disconnect)?;
            if !reader.is_empty() {
                disconnect.properties = reader.properties(PropertyOwner::Disconnect, version)?;
            }
        }
        reader.finish()?;
        Ok(disconnect)
    }

    /// Writes the packet, as short as it may be.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let has_properties = version.has_properties() && !self.properties.is_empty();
        let has_reason = version.has_properties() && (has_properties || self.reason != ReasonCode::Success);
        let property_bytes = if has_properties { self.properties.encoded_length(version) } else { 0 };
        let body_bytes = usize::from(has_reason).saturating_add(property_bytes);
        FixedHeader::new(PacketType::Disconnect, body_bytes)?.encode(sink);
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

    fn check(disconnect: Disconnect<'_>, version: Version, bytes: &[u8]) {
        let mut buffer = [0; 16];
        let mut window = Window::new(0, &mut buffer);
        disconnect.encode(version, &mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[..written], bytes);
        assert_eq!(Disconnect::decode(&bytes[2..], version), Ok(disconnect));
    }

    #[test]
    fn before_mqtt_5_disconnect_is_empty() {
        let plain = Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY };
        for version in [Version::V3_1, Version::V3_1_1] {
            check(plain, version, &[0xE0, 0]);
            assert_eq!(Disconnect::decode(&[0], version), Err(DecodeError::TrailingBytes));
        }
    }

    #[test]
    fn section_3_14_2_1_reason_and_properties_may_be_left_out() {
        let plain = Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY };
        let busy = Disconnect { reason: ReasonCode::ServerBusy, ..plain };
        let properties = Properties::new(&[0x11, 0, 0, 0, 9], PropertyOwner::Disconnect).unwrap();
        check(plain, Version::V5, &[0xE0, 0]);
        check(busy, Version::V5, &[0xE0, 1, 0x89]);
        check(Disconnect { properties, ..plain }, Version::V5, &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]);
        check(Disconnect { properties, ..busy }, Version::V5, &[0xE0, 7, 0x89, 5, 0x11, 0, 0, 0, 9]);
        assert_eq!(Disconnect::decode(&[0, 0], Version::V5), Ok(plain));
        assert_eq!(Disconnect::decode(&[0, 0, 0], Version::V5), Err(DecodeError::TrailingBytes));
        assert_eq!(Disconnect::decode(&[0, 5, 0x11], Version::V5), Err(DecodeError::Truncated));
    }

    #[test]
    fn mqtt_3_14_2_1_disconnect_has_reasons_of_its_own() {
        let will = Disconnect::decode(&[4], Version::V5).unwrap();
        assert_eq!(will.reason, ReasonCode::DisconnectWithWillMessage);
        for byte in [0x01, 0x10, 0x84, 0x91, 0xA3] {
            assert_eq!(Disconnect::decode(&[byte], Version::V5), Err(DecodeError::ReasonCode(byte)));
        }
    }
}
