//! CONNACK (section 3.2): the answer to CONNECT.

use crate::{
    DecodeError, EncodeError, FixedHeader, PacketType, Properties, PropertyOwner, Reader, ReasonCode, Sink,
    Version,
};

/// The answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnAck<'a> {
    /// Whether the broker continues a stored session; never with a refusal \[MQTT-3.2.2-4\], nor in MQTT 3.1.
    pub session_present: bool,
    /// The verdict. Before MQTT 5.0 it is told by the return code that comes nearest.
    pub reason: ReasonCode,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// Reads the body.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let flags = reader.byte()?;
        let byte = reader.byte()?;
        let reason = if version.has_properties() {
            ReasonCode::in_packet(byte, PacketType::ConnAck)?
        } else {
            ReasonCode::from_connect_return_code(byte).ok_or(DecodeError::ReasonCode(byte))?
        };
        let properties = reader.properties(PropertyOwner::ConnAck, version)?;
        reader.finish()?;
        if version == Version::V3_1 {
            // The first byte has no meaning there.
            return Ok(ConnAck { session_present: false, reason, properties });
        }
        let session_present = flags & 1 != 0;
        if flags > 1 || session_present && reason != ReasonCode::Success {
            return Err(DecodeError::ConnectFlags);
        }
        Ok(ConnAck { session_present, reason, properties })
    }

    /// Writes the packet.
    pub fn encode(&self, version: Version, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let body_bytes = self.properties.encoded_length(version).saturating_add(2);
        FixedHeader::new(PacketType::ConnAck, body_bytes)?.encode(sink);
        let session_present = self.session_present && version != Version::V3_1;
        let byte =
            if version.has_properties() { self.reason.byte() } else { self.reason.connect_return_code() };
        sink.put(&[u8::from(session_present), byte]);
        self.properties.encode(version, sink);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    fn encode<'a>(connack: &ConnAck<'_>, version: Version, buffer: &'a mut [u8; 16]) -> &'a [u8] {
        let mut window = Window::new(0, buffer);
        connack.encode(version, &mut window).unwrap();
        let written = window.written();
        &buffer[..written]
    }

    #[test]
    fn mqtt_3_2_2_4_a_refusal_has_no_session() {
        let decode = |body| ConnAck::decode(body, Version::V3_1_1);
        assert_eq!(decode(&[1, 5]), Err(DecodeError::ConnectFlags));
        assert_eq!(decode(&[2, 0]), Err(DecodeError::ConnectFlags));
        assert_eq!(decode(&[0, 6]), Err(DecodeError::ReasonCode(6)));
        assert_eq!(decode(&[0]), Err(DecodeError::Truncated));
        assert_eq!(decode(&[0, 0, 0]), Err(DecodeError::TrailingBytes));
        assert_eq!(ConnAck::decode(&[1, 0x87, 0], Version::V5), Err(DecodeError::ConnectFlags));
    }

    #[test]
    fn before_mqtt_5_a_refusal_is_the_return_code_that_comes_nearest() {
        let refusal = ConnAck {
            session_present: false,
            reason: ReasonCode::QuotaExceeded,
            properties: Properties::EMPTY,
        };
        let mut buffer = [0; 16];
        assert_eq!(encode(&refusal, Version::V3_1_1, &mut buffer), [0x20, 2, 0, 3]);
        assert_eq!(encode(&refusal, Version::V5, &mut buffer), [0x20, 3, 0, 0x97, 0]);
        let read = ConnAck::decode(&[0, 3], Version::V3_1_1).unwrap();
        assert_eq!(read.reason, ReasonCode::ServerUnavailable);
    }

    #[test]
    fn mqtt_3_1_has_no_session_present_flag() {
        let welcome =
            ConnAck { session_present: true, reason: ReasonCode::Success, properties: Properties::EMPTY };
        let mut buffer = [0; 16];
        assert_eq!(encode(&welcome, Version::V3_1_1, &mut buffer), [0x20, 2, 1, 0]);
        assert_eq!(encode(&welcome, Version::V3_1, &mut buffer), [0x20, 2, 0, 0]);
        assert!(!ConnAck::decode(&[0xFF, 0], Version::V3_1).unwrap().session_present);
    }

    #[test]
    fn mqtt_5_adds_properties() {
        let properties = Properties::new(b"\x21\0\x14\x12\0\x02id", PropertyOwner::ConnAck).unwrap();
        let connack = ConnAck { session_present: true, reason: ReasonCode::Success, properties };
        let mut buffer = [0; 16];
        let bytes = encode(&connack, Version::V5, &mut buffer);
        assert_eq!(bytes, b"\x20\x0B\x01\0\x08\x21\0\x14\x12\0\x02id");
        assert_eq!(ConnAck::decode(&bytes[2..], Version::V5), Ok(connack));
        assert_eq!(ConnAck::decode(&[0, 0], Version::V5), Err(DecodeError::Truncated));
        assert_eq!(ConnAck::decode(&[0, 0x92, 0], Version::V5), Err(DecodeError::ReasonCode(0x92)));
    }
}
