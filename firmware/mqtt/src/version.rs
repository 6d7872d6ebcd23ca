//! Protocol versions as data.

use crate::DecodeError;

/// A protocol version this crate can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// MQTT 3.1, protocol level 3.
    V3_1,
    /// MQTT 3.1.1, protocol level 4.
    V3_1_1,
    /// MQTT 5.0, protocol level 5.
    V5,
}

impl Version {
    /// The version that a protocol name and level announce (sections 3.1.2.1 and 3.1.2.2).
    ///
    /// A known name with a level that is not spoken here is [`DecodeError::UnsupportedVersion`], which a server answers
    /// with return code 1; an unknown name is not MQTT at all.
    pub fn from_name_and_level(name: &[u8], level: u8) -> Result<Self, DecodeError> {
        match (name, level) {
            (b"MQIsdp", 3) => Ok(Version::V3_1),
            (b"MQTT", 4) => Ok(Version::V3_1_1),
            (b"MQTT", 5) => Ok(Version::V5),
            (b"MQTT" | b"MQIsdp", _) => Err(DecodeError::UnsupportedVersion(level)),
            _ => Err(DecodeError::ProtocolName),
        }
    }

    /// The protocol name in the variable header of CONNECT.
    pub const fn protocol_name(self) -> &'static str {
        match self {
            Version::V3_1 => "MQIsdp",
            Version::V3_1_1 | Version::V5 => "MQTT",
        }
    }

    /// The protocol level in the variable header of CONNECT.
    pub const fn level(self) -> u8 {
        match self {
            Version::V3_1 => 3,
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        }
    }

    /// Whether packets have properties, and answers reason codes.
    #[inline]
    pub const fn has_properties(self) -> bool {
        matches!(self, Version::V5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_known_by_its_name_and_level() {
        for version in [Version::V3_1, Version::V3_1_1, Version::V5] {
            let name = version.protocol_name().as_bytes();
            assert_eq!(Version::from_name_and_level(name, version.level()), Ok(version));
        }
        assert!(Version::V5.has_properties());
        assert!(!Version::V3_1.has_properties() && !Version::V3_1_1.has_properties());
    }

    #[test]
    fn a_name_with_the_level_of_another_is_unsupported() {
        for (name, level) in
            [(b"MQIsdp".as_slice(), 4), (b"MQIsdp", 5), (b"MQTT", 3), (b"MQTT", 6), (b"MQTT", 0x84)]
        {
            let error = DecodeError::UnsupportedVersion(level);
            assert_eq!(Version::from_name_and_level(name, level), Err(error));
        }
        assert_eq!(Version::from_name_and_level(b"MQIsdP", 3), Err(DecodeError::ProtocolName));
    }
}
