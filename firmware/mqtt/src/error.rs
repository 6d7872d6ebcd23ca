//! What can be wrong with a packet.

use crate::{PacketType, ReasonCode, TextError, TopicError};

/// Why bytes are not a packet. The stream they came from cannot be trusted any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Type 0 is reserved, and 15 before MQTT 5.0 (section 2.2.1).
    #[error("packet type {0} is reserved")]
    PacketType(u8),
    /// The flags of a fixed header differ from the table of section 2.2.2 \[MQTT-2.2.2-2\].
    #[error("flags {flags:#06b} are not allowed in {packet_type:?}")]
    Flags {
        /// The packet they stand in.
        packet_type: PacketType,
        /// The low four bits of the first byte.
        flags: u8,
    },
    /// A fourth byte of the remaining length that announces a fifth (section 2.2.3).
    #[error("remaining length of more than four bytes")]
    RemainingLength,
    /// A variable byte integer of more than four bytes, or of more than it needs \[MQTT-1.5.5-1\].
    #[error("variable byte integer of more bytes than allowed")]
    VariableInteger,
    /// A field reaches beyond the end of its packet.
    #[error("a field reaches beyond the packet")]
    Truncated,
    /// Bytes are left behind the last field.
    #[error("bytes behind the last field")]
    TrailingBytes,
    /// A text that is not one (section 1.5.3).
    #[error(transparent)]
    Text(#[from] TextError),
    /// A topic name or filter that is not one (section 4.7).
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The protocol name is not that of MQTT \[MQTT-3.1.2-1\].
    #[error("protocol name is not MQTT")]
    ProtocolName,
    /// MQTT, of a version that is not spoken here \[MQTT-3.1.2-2\].
    #[error("MQTT protocol level {0} is not supported")]
    UnsupportedVersion(u8),
    /// A reserved flag is set in CONNECT or CONNACK \[MQTT-3.1.2-3\], or a refusal that presents a session
    /// \[MQTT-3.2.2-4\].
    #[error("reserved connect flag is set")]
    ConnectFlags,
    /// Will QoS or will retain without a will \[MQTT-3.1.2-11, -13, -15\].
    #[error("will QoS or retain flag without a will")]
    WillFlags,
    /// A password without a user name, before MQTT 5.0 \[MQTT-3.1.2-22\].
    #[error("password without a user name")]
    PasswordWithoutUserName,
    /// QoS 3 of a message or a will \[MQTT-3.3.1-4, MQTT-3.1.2-12\].
    #[error("quality of service beyond 2")]
    QoS,
    /// QoS 3 is asked for in SUBSCRIBE (section 3.8.3.1).
    #[error("requested quality of service beyond 2")]
    RequestedQoS,
    /// Reserved bits beside a requested QoS \[MQTT-3.8.3-5 of 5.0, MQTT-3.8.3-4 of 3.1.1\].
    #[error("reserved bits of a subscription are set")]
    SubscriptionOptions,
    /// Retain Handling 3 (section 3.8.3.1).
    #[error("retain handling beyond 2")]
    RetainHandling,
    /// No Local on a shared subscription \[MQTT-3.8.3-4\].
    #[error("no local on a shared subscription")]
    NoLocalShared,
    /// DUP in a message of QoS 0 \[MQTT-3.3.1-2\].
    #[error("DUP flag in a message of QoS 0")]
    DupWithoutId,
    /// Packet identifier 0 \[MQTT-2.3.1-1\].
    #[error("packet identifier 0")]
    PacketIdZero,
    /// A message with neither a topic nor an alias of one (section 3.3.2.1).
    #[error("message without a topic or an alias")]
    NoTopic,
    /// SUBSCRIBE, UNSUBSCRIBE, SUBACK or UNSUBACK without an entry \[MQTT-3.8.3-3, MQTT-3.10.3-2\].
    #[error("packet without an entry")]
    NoEntries,
    /// A reason code, or return code, that is reserved or belongs to another packet \[MQTT-3.9.3-2\].
    #[error("reason code {0:#04x} is not allowed here")]
    ReasonCode(u8),
    /// A property that does not exist, or belongs to another packet (section 2.2.2.2).
    #[error("property {0:#04x} is not allowed here")]
    Property(u8),
    /// A property that may stand only once, twice.
    #[error("property {0:#04x} occurs twice")]
    DuplicateProperty(u8),
    /// A property with a value out of its range.
    #[error("value of property {0:#04x} is out of range")]
    PropertyValue(u8),
    /// A topic alias of 0 \[MQTT-3.3.2-8\].
    #[error("topic alias 0")]
    TopicAliasZero,
    /// Authentication data without an authentication method (section 3.1.2.11.10).
    #[error("authentication data without a method")]
    AuthenticationMethodMissing,
}

impl DecodeError {
    /// What MQTT 5.0 has the sender told: in most cases whether the bytes cannot be read (malformed packet) or say what
    /// they may not (protocol error).
    pub const fn reason(&self) -> ReasonCode {
        match self {
            DecodeError::ProtocolName | DecodeError::UnsupportedVersion(_) => {
                ReasonCode::UnsupportedProtocolVersion
            }
            DecodeError::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            DecodeError::RequestedQoS
            | DecodeError::RetainHandling
            | DecodeError::NoLocalShared
            | DecodeError::PacketIdZero
            | DecodeError::NoTopic
            | DecodeError::NoEntries
            | DecodeError::ReasonCode(_)
            | DecodeError::DuplicateProperty(_)
            | DecodeError::PropertyValue(_)
            | DecodeError::AuthenticationMethodMissing => ReasonCode::ProtocolError,
            DecodeError::PacketType(_)
            | DecodeError::Flags { .. }
            | DecodeError::RemainingLength
            | DecodeError::VariableInteger
            | DecodeError::Truncated
            | DecodeError::TrailingBytes
            | DecodeError::Text(_)
            | DecodeError::Topic(_)
            | DecodeError::ConnectFlags
            | DecodeError::WillFlags
            | DecodeError::PasswordWithoutUserName
            | DecodeError::QoS
            | DecodeError::SubscriptionOptions
            | DecodeError::DupWithoutId
            | DecodeError::Property(_) => ReasonCode::MalformedPacket,
        }
    }
}

/// Why a packet cannot be put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body is longer than the 268,435,455 bytes that a remaining length can express.
    #[error("packet of more than 268435455 bytes")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sections 2.2.2, 3.1.2, 3.3.1, 3.3.2 and 3.8.3 call these errors.
    #[test]
    fn an_error_has_the_reason_code_that_the_specification_names() {
        let table = [
            (DecodeError::QoS, ReasonCode::MalformedPacket),
            (DecodeError::ConnectFlags, ReasonCode::MalformedPacket),
            (DecodeError::SubscriptionOptions, ReasonCode::MalformedPacket),
            (DecodeError::Property(9), ReasonCode::MalformedPacket),
            (DecodeError::Text(TextError::Nul), ReasonCode::MalformedPacket),
            (DecodeError::DuplicateProperty(9), ReasonCode::ProtocolError),
            (DecodeError::PropertyValue(9), ReasonCode::ProtocolError),
            (DecodeError::RequestedQoS, ReasonCode::ProtocolError),
            (DecodeError::RetainHandling, ReasonCode::ProtocolError),
            (DecodeError::NoLocalShared, ReasonCode::ProtocolError),
            (DecodeError::NoEntries, ReasonCode::ProtocolError),
            (DecodeError::NoTopic, ReasonCode::ProtocolError),
            (DecodeError::TopicAliasZero, ReasonCode::TopicAliasInvalid),
            (DecodeError::UnsupportedVersion(6), ReasonCode::UnsupportedProtocolVersion),
        ];
        for (error, reason) in table {
            assert_eq!(error.reason(), reason, "{error}");
        }
    }
}
