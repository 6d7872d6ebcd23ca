//! CONNACK (section 3.2): the answer to CONNECT.

use crate::{DecodeError, EncodeError, FixedHeader, PacketType, Reader, Sink};

/// How a CONNECT was judged (table 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ConnectReturnCode {
    /// Welcome.
    Accepted = 0,
    /// The version of the protocol is not supported.
    UnacceptableProtocolVersion = 1,
    /// The client identifier is well-formed but not allowed.
    IdentifierRejected = 2,
    /// The broker cannot serve the client now.
    ServerUnavailable = 3,
    /// User name or password are wrong.
    BadUserNameOrPassword = 4,
    /// The client may not connect.
    NotAuthorized = 5,
}

impl ConnectReturnCode {
    const fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        Ok(match byte {
            0 => ConnectReturnCode::Accepted,
            1 => ConnectReturnCode::UnacceptableProtocolVersion,
            2 => ConnectReturnCode::IdentifierRejected,
            3 => ConnectReturnCode::ServerUnavailable,
            4 => ConnectReturnCode::BadUserNameOrPassword,
            5 => ConnectReturnCode::NotAuthorized,
            _ => return Err(DecodeError::ReturnCode(byte)),
        })
    }
}

/// The answer to CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnAck {
    /// Whether the broker continues a stored session; never with a refusal \[MQTT-3.2.2-4\].
    pub session_present: bool,
    /// The verdict.
    pub return_code: ConnectReturnCode,
}

impl ConnAck {
    /// Reads the body.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let flags = reader.byte()?;
        let return_code = ConnectReturnCode::from_byte(reader.byte()?)?;
        reader.finish()?;
        let session_present = flags & 1 != 0;
        if flags > 1 || session_present && return_code != ConnectReturnCode::Accepted {
            return Err(DecodeError::ConnectFlags);
        }
        Ok(ConnAck { session_present, return_code })
    }

    /// Writes the packet.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        FixedHeader::new(PacketType::ConnAck, 2)?.encode(sink);
        sink.put(&[u8::from(self.session_present), self.return_code as u8]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mqtt_3_2_2_4_a_refusal_has_no_session() {
        assert_eq!(ConnAck::decode(&[1, 5]), Err(DecodeError::ConnectFlags));
        assert_eq!(ConnAck::decode(&[2, 0]), Err(DecodeError::ConnectFlags));
        assert_eq!(ConnAck::decode(&[0, 6]), Err(DecodeError::ReturnCode(6)));
        assert_eq!(ConnAck::decode(&[0]), Err(DecodeError::Truncated));
    }
}
