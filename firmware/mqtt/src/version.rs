//! Protocol versions as data.

use crate::DecodeError;

/// A protocol version this crate can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1.1, protocol level 4.
    V3_1_1,
}

impl Version {
    /// The version that a protocol name and level announce (sections 3.1.2.1 and 3.1.2.2).
    ///
    /// A known name with a level that is not spoken here is [`DecodeError::UnsupportedVersion`], which a server answers
    /// with return code 1; an unknown name is not MQTT at all.
    pub fn from_name_and_level(name: &[u8], level: u8) -> Result<Self, DecodeError> {
        match (name, level) {
            (b"MQTT", 4) => Ok(Version::V3_1_1),
            (b"MQTT" | b"MQIsdp", _) => Err(DecodeError::UnsupportedVersion(level)),
            _ => Err(DecodeError::ProtocolName),
        }
    }

    /// The protocol name in the variable header of CONNECT.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Version::V3_1_1 => "MQTT",
        }
    }

    /// The protocol level in the variable header of CONNECT.
    pub const fn level(self) -> u8 {
        match self {
            Version::V3_1_1 => 4,
        }
    }
}
