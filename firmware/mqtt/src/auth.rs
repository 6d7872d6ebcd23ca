//! AUTH (section 3.15): a step of an enhanced authentication; only in MQTT 5.0.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketType, Properties, PropertyOwner, Reader, ReasonCode, Sink,
    Version,
};

/// A step of an enhanced authentication, in either direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Auth<'a> {
    /// Success, the next step, or a new authentication.
    pub reason: ReasonCode,
    /// The method among them.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// Reads the body. Reason and properties may be left out together, if it is success and there are none.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        if reader.is_empty() {
            return Ok(Auth { reason: ReasonCode::Success, properties: Properties::EMPTY });
        }
        let reason = ReasonCode::in_packet(reader.byte()?, PacketType::Auth)?;
        let properties = reader.properties(PropertyOwner::Auth, Version::V5)?;
        reader.finish()?;
        Ok(Auth { reason, properties })
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        if self.reason == ReasonCode::Success && self.properties.is_empty() {
            FixedHeader::new(PacketType::Auth, 0)?.encode(sink);
            return Ok(());
        }
        let body_bytes = self.properties.encoded_length(Version::V5).saturating_add(1);
        FixedHeader::new(PacketType::Auth, body_bytes)?.encode(sink);
        sink.put(&[self.reason.byte()]);
        self.properties.encode(Version::V5, sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    fn check(auth: Auth<'_>, bytes: &[u8]) {
        let mut buffer = [0; 16];
        let mut window = Window::new(0, &mut buffer);
        auth.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[..written], bytes);
        assert_eq!(Auth::decode(&bytes[2..]), Ok(auth));
    }

    #[test]
    fn section_3_15_2_1_success_without_properties_is_an_empty_packet() {
        let plain = Auth { reason: ReasonCode::Success, properties: Properties::EMPTY };
        check(plain, &[0xF0, 0]);
        assert_eq!(Auth::decode(&[0, 0]), Ok(plain));
        // Reason and properties are left out together or not at all.
        assert_eq!(Auth::decode(&[0]), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_step_names_its_method() {
        let properties = Properties::new(b"\x15\0\x01m\x16\0\x01d", PropertyOwner::Auth).unwrap();
        let step = Auth { reason: ReasonCode::ContinueAuthentication, properties };
        check(step, b"\xF0\x0A\x18\x08\x15\0\x01m\x16\0\x01d");
        assert_eq!(Auth::decode(b"\x18\x04\x16\0\x01d"), Err(DecodeError::AuthenticationMethodMissing));
        assert_eq!(Auth::decode(b"\x18\0\0"), Err(DecodeError::TrailingBytes));
    }

    #[test]
    fn mqtt_3_15_2_1_auth_has_three_reasons() {
        assert_eq!(Auth::decode(&[0x87, 0]), Err(DecodeError::ReasonCode(0x87)));
        for byte in [0x18, 0x19] {
            assert!(Auth::decode(&[byte, 0]).is_ok());
        }
    }
}
