//! What can go wrong with a connection, sorted by what its owner should do next.

use std::fmt;
use std::io;

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

/// The cause of a connection that did not come about or did not last.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The name has no address.
    UnknownHost(String),
    /// Nothing listens there.
    Refused,
    /// No answer: neither an address that routes nor a broker that replies in time.
    TimedOut,
    /// CONNACK 4 or 5.
    NotAuthorised,
    /// CONNACK 3, or the connection was closed before CONNACK: no room for another client, most likely.
    Unavailable,
    /// CONNACK with another refusal.
    Rejected(&'static str),
    /// SUBACK 0x80.
    SubscriptionRefused,
    /// What came back is not MQTT 3.1.1.
    NotMqtt(String),
    /// The peer closed or reset the connection.
    Closed,
    /// The last ping was not answered within a keep-alive interval.
    Silent,
    /// This process may not open as many connections.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix tells this error from others"))]
    TooManyOpenFiles,
    /// Anything else the system or the client library reports.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost(detail) => write!(formatter, "the host name has no address ({detail})"),
            Self::Refused => formatter.write_str("the connection was refused"),
            Self::TimedOut => formatter.write_str("no answer in time"),
            Self::NotAuthorised => formatter.write_str("user or password was refused"),
            Self::Unavailable => formatter.write_str("the broker takes no further connection"),
            Self::Rejected(reason) => write!(formatter, "the broker refused: {reason}"),
            Self::SubscriptionRefused => formatter.write_str("the subscription was refused"),
            Self::NotMqtt(detail) => write!(formatter, "the answer is not MQTT 3.1.1 ({detail})"),
            Self::Closed => formatter.write_str("the broker closed the connection"),
            Self::Silent => formatter.write_str("the broker stopped answering"),
            Self::TooManyOpenFiles => formatter.write_str("this process may not open more connections"),
            Self::Other(detail) => formatter.write_str(detail),
        }
    }
}

impl Trouble {
    /// An error before CONNACK.
    pub(crate) fn while_connecting(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    Self::NotAuthorised
                }
                ConnectReturnCode::ServiceUnavailable => Self::Unavailable,
                ConnectReturnCode::RefusedProtocolVersion => Self::Rejected("it does not speak MQTT 3.1.1"),
                ConnectReturnCode::BadClientId => Self::Rejected("it does not take this client id"),
                ConnectReturnCode::Success => Self::Rejected("it contradicts itself"),
            },
            other => match Self::of(other) {
                Self::Closed => Self::Unavailable,
                trouble => trouble,
            },
        }
    }

    /// An error on a connection that stood.
    pub(crate) fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::Io(error) => Self::of_io(error),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::TimedOut,
            ConnectionError::MqttState(StateError::Io(error)) => Self::of_io(error),
            ConnectionError::MqttState(StateError::ConnectionAborted) => Self::Closed,
            ConnectionError::MqttState(StateError::AwaitPingResp) => Self::Silent,
            ConnectionError::MqttState(StateError::Deserialization(rumqttc::mqttbytes::Error::Io(error))) => {
                Self::of_io(error)
            }
            ConnectionError::MqttState(StateError::Deserialization(error)) => {
                Self::NotMqtt(error.to_string())
            }
            ConnectionError::NotConnAck(_) => Self::NotMqtt("another packet in place of CONNACK".to_owned()),
            other => Self::Other(other.to_string()),
        }
    }

    /// An error of the connection underneath.
    pub(crate) fn of_io(error: &io::Error) -> Self {
        // EMFILE and ENFILE have no `ErrorKind` of their own.
        #[cfg(unix)]
        if matches!(error.raw_os_error(), Some(23 | 24)) {
            return Self::TooManyOpenFiles;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Self::TimedOut
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            // The codec's word for a stream that ends in the middle of a packet.
            io::ErrorKind::Other if error.raw_os_error().is_none() => Self::Closed,
            _ => Self::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connack_codes_are_told_apart() {
        let of = |code| Trouble::while_connecting(&ConnectionError::ConnectionRefused(code));
        assert!(matches!(of(ConnectReturnCode::BadUserNamePassword), Trouble::NotAuthorised));
        assert!(matches!(of(ConnectReturnCode::NotAuthorized), Trouble::NotAuthorised));
        assert!(matches!(of(ConnectReturnCode::ServiceUnavailable), Trouble::Unavailable));
        assert!(matches!(of(ConnectReturnCode::BadClientId), Trouble::Rejected(_)));
    }

    #[test]
    fn a_close_means_no_room_before_connack_and_a_loss_after_it() {
        let aborted = ConnectionError::MqttState(StateError::ConnectionAborted);
        assert!(matches!(Trouble::while_connecting(&aborted), Trouble::Unavailable));
        assert!(matches!(Trouble::of(&aborted), Trouble::Closed));
    }

    #[test]
    fn system_errors_keep_their_meaning() {
        let of = |kind: io::ErrorKind| Trouble::of(&ConnectionError::Io(kind.into()));
        assert!(matches!(of(io::ErrorKind::ConnectionRefused), Trouble::Refused));
        assert!(matches!(of(io::ErrorKind::ConnectionReset), Trouble::Closed));
        assert!(matches!(of(io::ErrorKind::TimedOut), Trouble::TimedOut));
        #[cfg(unix)]
        assert!(matches!(Trouble::of_io(&io::Error::from_raw_os_error(24)), Trouble::TooManyOpenFiles));
    }
}
