//! What can be wrong with a packet.

use crate::{PacketType, TextError, TopicError};

/// Why bytes are not a packet. The stream they came from cannot be trusted any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Types 0 and 15 are reserved (section 2.2.1).
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
    /// The reserved connect flag is set \[MQTT-3.1.2-3\].
    #[error("reserved connect flag is set")]
    ConnectFlags,
    /// Will QoS or will retain without a will \[MQTT-3.1.2-11, -13, -15\].
    #[error("will QoS or retain flag without a will")]
    WillFlags,
    /// A password without a user name \[MQTT-3.1.2-22\].
    #[error("password without a user name")]
    PasswordWithoutUserName,
    /// QoS 3, or reserved bits of a requested QoS \[MQTT-3.3.1-4, MQTT-3.8.3-4\].
    #[error("quality of service beyond 2")]
    QoS,
    /// DUP in a message of QoS 0 \[MQTT-3.3.1-2\].
    #[error("DUP flag in a message of QoS 0")]
    DupWithoutId,
    /// Packet identifier 0 \[MQTT-2.3.1-1\].
    #[error("packet identifier 0")]
    PacketIdZero,
    /// SUBSCRIBE, UNSUBSCRIBE or SUBACK without an entry \[MQTT-3.8.3-3, MQTT-3.10.3-2\].
    #[error("packet without an entry")]
    NoEntries,
    /// A return code that is reserved \[MQTT-3.9.3-2\].
    #[error("return code {0:#04x} is reserved")]
    ReturnCode(u8),
}

/// Why a packet cannot be put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The body is longer than the 268,435,455 bytes that a remaining length can express.
    #[error("packet of more than 268435455 bytes")]
    TooLong,
}
