//! Reason codes (section 2.4 of MQTT 5.0), and the return codes of older CONNACKs, which map onto them.

use crate::{DecodeError, PacketType, QoS};

/// How a request was judged, or why a connection ends (table 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ReasonCode {
    /// Done as asked. In DISCONNECT: a normal end, whose will is discarded. In SUBACK: granted QoS 0.
    Success = 0x00,
    /// Subscribed, at most at QoS 1.
    GrantedQoS1 = 0x01,
    /// Subscribed, at most at QoS 2.
    GrantedQoS2 = 0x02,
    /// The client leaves, and its will is to be published.
    DisconnectWithWillMessage = 0x04,
    /// The message was accepted; nobody is subscribed to its topic.
    NoMatchingSubscribers = 0x10,
    /// There was no such subscription to end.
    NoSubscriptionExisted = 0x11,
    /// The next step of an authentication.
    ContinueAuthentication = 0x18,
    /// The client authenticates again.
    ReAuthenticate = 0x19,
    /// Refused for a reason that is not told, or that no other code stands for.
    UnspecifiedError = 0x80,
    /// What arrived cannot be read as a packet.
    MalformedPacket = 0x81,
    /// A packet that came unexpected, or with content the protocol forbids.
    ProtocolError = 0x82,
    /// Valid, but not accepted by this implementation.
    ImplementationSpecificError = 0x83,
    /// The version of the protocol is not spoken here.
    UnsupportedProtocolVersion = 0x84,
    /// The client identifier is well-formed but not allowed.
    ClientIdentifierNotValid = 0x85,
    /// User name or password are wrong.
    BadUserNameOrPassword = 0x86,
    /// The client may not do this.
    NotAuthorized = 0x87,
    /// The server cannot serve the client.
    ServerUnavailable = 0x88,
    /// The server is busy; later may be better.
    ServerBusy = 0x89,
    /// The client has been banned.
    Banned = 0x8A,
    /// The server is shutting down.
    ServerShuttingDown = 0x8B,
    /// The authentication method is not supported, or not the one in use.
    BadAuthenticationMethod = 0x8C,
    /// Nothing was heard for one and a half times the keep-alive.
    KeepAliveTimeout = 0x8D,
    /// Another connection uses the same client identifier.
    SessionTakenOver = 0x8E,
    /// The topic filter is well-formed but not accepted.
    TopicFilterInvalid = 0x8F,
    /// The topic name is well-formed but not accepted.
    TopicNameInvalid = 0x90,
    /// The packet identifier is in use already.
    PacketIdentifierInUse = 0x91,
    /// The packet identifier is not in use.
    PacketIdentifierNotFound = 0x92,
    /// More unacknowledged messages than the receiver allows.
    ReceiveMaximumExceeded = 0x93,
    /// A topic alias of 0, beyond the receiver's maximum, or never set.
    TopicAliasInvalid = 0x94,
    /// The packet is larger than the receiver allows.
    PacketTooLarge = 0x95,
    /// Messages come too fast.
    MessageRateTooHigh = 0x96,
    /// A limit of the implementation or its owner is reached.
    QuotaExceeded = 0x97,
    /// An administrator closed the connection.
    AdministrativeAction = 0x98,
    /// The payload is not what its format indicator says.
    PayloadFormatInvalid = 0x99,
    /// The server does not keep messages.
    RetainNotSupported = 0x9A,
    /// The quality of service is above the server's maximum.
    QoSNotSupported = 0x9B,
    /// Another server is to be used for now.
    UseAnotherServer = 0x9C,
    /// Another server is to be used from now on.
    ServerMoved = 0x9D,
    /// The server has no shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E,
    /// Connections come too fast.
    ConnectionRateExceeded = 0x9F,
    /// The connection has lasted as long as it may.
    MaximumConnectTime = 0xA0,
    /// The server has no subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1,
    /// The server has no subscriptions with wildcards.
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl ReasonCode {
    /// The code on the wire.
    #[inline]
    pub const fn byte(self) -> u8 {
        self as u8
    }

    /// The code of a byte, if the specification gives it a meaning.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x00 => ReasonCode::Success,
            0x01 => ReasonCode::GrantedQoS1,
            0x02 => ReasonCode::GrantedQoS2,
            0x04 => ReasonCode::DisconnectWithWillMessage,
            0x10 => ReasonCode::NoMatchingSubscribers,
            0x11 => ReasonCode::NoSubscriptionExisted,
            0x18 => ReasonCode::ContinueAuthentication,
            0x19 => ReasonCode::ReAuthenticate,
            0x80 => ReasonCode::UnspecifiedError,
            0x81 => ReasonCode::MalformedPacket,
            0x82 => ReasonCode::ProtocolError,
            0x83 => ReasonCode::ImplementationSpecificError,
            0x84 => ReasonCode::UnsupportedProtocolVersion,
            0x85 => ReasonCode::ClientIdentifierNotValid,
            0x86 => ReasonCode::BadUserNameOrPassword,
            0x87 => ReasonCode::NotAuthorized,
            0x88 => ReasonCode::ServerUnavailable,
            0x89 => ReasonCode::ServerBusy,
            0x8A => ReasonCode::Banned,
            0x8B => ReasonCode::ServerShuttingDown,
            0x8C => ReasonCode::BadAuthenticationMethod,
            0x8D => ReasonCode::KeepAliveTimeout,
            0x8E => ReasonCode::SessionTakenOver,
            0x8F => ReasonCode::TopicFilterInvalid,
            0x90 => ReasonCode::TopicNameInvalid,
            0x91 => ReasonCode::PacketIdentifierInUse,
            0x92 => ReasonCode::PacketIdentifierNotFound,
            0x93 => ReasonCode::ReceiveMaximumExceeded,
            0x94 => ReasonCode::TopicAliasInvalid,
            0x95 => ReasonCode::PacketTooLarge,
            0x96 => ReasonCode::MessageRateTooHigh,
            0x97 => ReasonCode::QuotaExceeded,
            0x98 => ReasonCode::AdministrativeAction,
            0x99 => ReasonCode::PayloadFormatInvalid,
            0x9A => ReasonCode::RetainNotSupported,
            0x9B => ReasonCode::QoSNotSupported,
            0x9C => ReasonCode::UseAnotherServer,
            0x9D => ReasonCode::ServerMoved,
            0x9E => ReasonCode::SharedSubscriptionsNotSupported,
            0x9F => ReasonCode::ConnectionRateExceeded,
            0xA0 => ReasonCode::MaximumConnectTime,
            0xA1 => ReasonCode::SubscriptionIdentifiersNotSupported,
            0xA2 => ReasonCode::WildcardSubscriptionsNotSupported,
            _ => return None,
        })
    }

    /// Whether the request failed.
    pub const fn is_error(self) -> bool {
        self.byte() >= 0x80
    }

    /// The code that grants a subscription.
    pub const fn granted(qos: QoS) -> Self {
        match qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
            QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
        }
    }

    /// The return code in a CONNACK of MQTT 3.1 or 3.1.1 (table 3.1 there) that comes nearest.
    pub const fn connect_return_code(self) -> u8 {
        match self {
            ReasonCode::Success => 0,
            ReasonCode::UnsupportedProtocolVersion => 1,
            ReasonCode::ClientIdentifierNotValid => 2,
            ReasonCode::BadUserNameOrPassword => 4,
            ReasonCode::NotAuthorized | ReasonCode::Banned | ReasonCode::BadAuthenticationMethod => 5,
            _ => 3,
        }
    }

    /// The meaning of the return code in a CONNACK of MQTT 3.1 or 3.1.1; those above 5 are reserved.
    pub const fn from_connect_return_code(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => ReasonCode::Success,
            1 => ReasonCode::UnsupportedProtocolVersion,
            2 => ReasonCode::ClientIdentifierNotValid,
            3 => ReasonCode::ServerUnavailable,
            4 => ReasonCode::BadUserNameOrPassword,
            5 => ReasonCode::NotAuthorized,
            _ => return None,
        })
    }

    /// The code of a byte that stands in this packet, which has to be one of those that table 2.6 lists for it.
    pub(crate) const fn in_packet(byte: u8, packet_type: PacketType) -> Result<Self, DecodeError> {
        match ReasonCode::from_byte(byte) {
            Some(reason) if reason.is_allowed_in(packet_type) => Ok(reason),
            _ => Err(DecodeError::ReasonCode(byte)),
        }
    }

    const fn is_allowed_in(self, packet_type: PacketType) -> bool {
        let byte = self.byte();
        match packet_type {
            PacketType::ConnAck => {
                matches!(byte, 0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F)
            }
            PacketType::PubAck | PacketType::PubRec => {
                matches!(byte, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            PacketType::PubRel | PacketType::PubComp => matches!(byte, 0x00 | 0x92),
            PacketType::SubAck => {
                matches!(byte, 0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
            }
            PacketType::UnsubAck => matches!(byte, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
            PacketType::Disconnect => matches!(
                byte,
                0x00 | 0x04 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B..=0x90 | 0x93..=0xA2
            ),
            PacketType::Auth => matches!(byte, 0x00 | 0x18 | 0x19),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = ReasonCode> {
        (0..=u8::MAX).filter_map(ReasonCode::from_byte)
    }

    #[test]
    fn every_code_of_table_2_6_has_its_byte() {
        assert_eq!(all().count(), 43);
        for byte in 0..=u8::MAX {
            assert!(ReasonCode::from_byte(byte).is_none_or(|reason| reason.byte() == byte));
        }
        assert!(all().all(|reason| reason.is_error() == (reason.byte() & 0x80 != 0)));
        assert_eq!(ReasonCode::WildcardSubscriptionsNotSupported.byte(), 0xA2);
    }

    #[test]
    fn a_granted_qos_is_its_own_code() {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            assert_eq!(ReasonCode::granted(qos).byte(), qos.bits());
        }
    }

    #[test]
    fn the_return_codes_of_table_3_1_map_back_and_forth() {
        for byte in 0..=5 {
            let reason = ReasonCode::from_connect_return_code(byte).unwrap();
            assert_eq!(reason.connect_return_code(), byte);
        }
        assert_eq!(ReasonCode::from_connect_return_code(6), None);
        assert_eq!(ReasonCode::Banned.connect_return_code(), 5);
        assert_eq!(ReasonCode::BadAuthenticationMethod.connect_return_code(), 5);
        assert_eq!(ReasonCode::QuotaExceeded.connect_return_code(), 3);
    }

    /// The numbers of codes that sections 3.2.2.2 to 3.15.2.1 list; 0x8C of DISCONNECT stands in table 2.6 alone.
    #[test]
    fn each_packet_has_the_codes_of_its_section() {
        let table = [
            (PacketType::ConnAck, 22),
            (PacketType::PubAck, 9),
            (PacketType::PubRec, 9),
            (PacketType::PubRel, 2),
            (PacketType::PubComp, 2),
            (PacketType::SubAck, 12),
            (PacketType::UnsubAck, 7),
            (PacketType::Disconnect, 30),
            (PacketType::Auth, 3),
            (PacketType::Publish, 0),
        ];
        for (packet_type, count) in table {
            assert_eq!(
                all().filter(|reason| reason.is_allowed_in(packet_type)).count(),
                count,
                "{packet_type:?}"
            );
        }
        assert_eq!(ReasonCode::in_packet(0x92, PacketType::PubAck), Err(DecodeError::ReasonCode(0x92)));
        assert_eq!(ReasonCode::in_packet(0x92, PacketType::PubRel), Ok(ReasonCode::PacketIdentifierNotFound));
        assert_eq!(ReasonCode::in_packet(0x03, PacketType::SubAck), Err(DecodeError::ReasonCode(3)));
    }
}
