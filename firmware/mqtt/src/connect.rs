//! CONNECT (section 3.1): the first packet of a client.

use crate::{
    Binary, DecodeError, EncodeError, FixedHeader, PacketType, QoS, Reader, Sink, Text, TopicName, Version,
};

mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_SESSION: u8 = 0x02;
    pub(super) const WILL: u8 = 0x04;
    pub(super) const WILL_QOS_SHIFT: u32 = 3;
    pub(super) const WILL_QOS: u8 = 0x18;
    pub(super) const WILL_RETAIN: u8 = 0x20;
    pub(super) const PASSWORD: u8 = 0x40;
    pub(super) const USER_NAME: u8 = 0x80;
}

/// A client's wish to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The protocol the client speaks.
    pub version: Version,
    /// Whether the session starts empty and ends with the connection.
    pub clean_session: bool,
    /// Longest silence of the client in seconds; 0 switches the check off.
    pub keep_alive_seconds: u16,
    /// The client identifier; may be empty.
    pub client_id: Text<'a>,
    /// What is published if the client goes without DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User name.
    pub user_name: Option<Text<'a>>,
    /// Password; only together with a user name.
    pub password: Option<Binary<'a>>,
}

/// The message a client leaves for the case of its sudden end (section 3.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Topic.
    pub topic: TopicName<'a>,
    /// Payload.
    pub payload: Binary<'a>,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the message is kept as the topic's retained message.
    pub retain: bool,
}

impl<'a> Connect<'a> {
    /// Reads the body of a CONNECT.
    ///
    /// The version is known before anything behind it is looked at, since that may be laid out differently.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let name = reader.binary()?;
        let level = reader.byte()?;
        let version = Version::from_name_and_level(name.as_bytes(), level)?;
        let flags = reader.byte()?;
        if flags & flag::RESERVED != 0 {
            return Err(DecodeError::ConnectFlags);
        }
        let has_will = flags & flag::WILL != 0;
        let will_qos = QoS::from_bits((flags & flag::WILL_QOS) >> flag::WILL_QOS_SHIFT)?;
        let will_retain = flags & flag::WILL_RETAIN != 0;
        if !has_will && (will_qos != QoS::AtMostOnce || will_retain) {
            return Err(DecodeError::WillFlags);
        }
        let has_user_name = flags & flag::USER_NAME != 0;
        let has_password = flags & flag::PASSWORD != 0;
        if has_password && !has_user_name {
            return Err(DecodeError::PasswordWithoutUserName);
        }
        let keep_alive_seconds = reader.integer()?;
        let client_id = reader.text()?;
        let will = if has_will {
            let topic = TopicName::from_utf8(reader.binary()?.as_bytes())?;
            Some(Will { topic, payload: reader.binary()?, qos: will_qos, retain: will_retain })
        } else {
            None
        };
        let user_name = if has_user_name { Some(reader.text()?) } else { None };
        let password = if has_password { Some(reader.binary()?) } else { None };
        reader.finish()?;
        Ok(Connect {
            version,
            clean_session: flags & flag::CLEAN_SESSION != 0,
            keep_alive_seconds,
            client_id,
            will,
            user_name,
            password,
        })
    }

    /// Writes the packet. A password without a user name is left out, since the protocol has no place for it.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let password = self.password.filter(|_| self.user_name.is_some());
        let mut flags = 0;
        let mut body_bytes =
            2 + self.version.protocol_name().len() + 1 + 1 + 2 + self.client_id.encoded_length();
        if self.clean_session {
            flags |= flag::CLEAN_SESSION;
        }
        if let Some(will) = self.will {
            flags |= flag::WILL | (will.qos.bits() << flag::WILL_QOS_SHIFT);
            if will.retain {
                flags |= flag::WILL_RETAIN;
            }
            body_bytes += will.topic.encoded_length() + will.payload.encoded_length();
        }
        if let Some(user_name) = self.user_name {
            flags |= flag::USER_NAME;
            body_bytes += user_name.encoded_length();
        }
        if let Some(password) = password {
            flags |= flag::PASSWORD;
            body_bytes += password.encoded_length();
        }
        FixedHeader::new(PacketType::Connect, body_bytes)?.encode(sink);
        crate::text::put_counted(self.version.protocol_name().as_bytes(), sink);
        sink.put(&[self.version.level(), flags]);
        sink.put(&self.keep_alive_seconds.to_be_bytes());
        self.client_id.encode(sink);
        if let Some(will) = self.will {
            will.topic.encode(sink);
            will.payload.encode(sink);
        }
        if let Some(user_name) = self.user_name {
            user_name.encode(sink);
        }
        if let Some(password) = password {
            password.encode(sink);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TopicError, Window};

    /// Flags, keep-alive 60 and the rest of a 3.1.1 CONNECT.
    fn decode(flags: u8, rest: &[u8]) -> Result<(), DecodeError> {
        let mut body = [0; 64];
        body[..7].copy_from_slice(b"\0\x04MQTT\x04");
        body[7] = flags;
        body[8..10].copy_from_slice(&[0, 60]);
        body[10..10 + rest.len()].copy_from_slice(rest);
        Connect::decode(&body[..10 + rest.len()]).map(|_| ())
    }

    #[test]
    fn the_example_of_figure_3_6_is_read() {
        let body = b"\0\x04MQTT\x04\xCE\0\x0A\0\x02id\0\x01w\0\x03off\0\x01u\0\x01p";
        let connect = Connect::decode(body).unwrap();
        assert!(connect.clean_session);
        assert_eq!(connect.keep_alive_seconds, 10);
        assert_eq!(connect.client_id.as_str(), "id");
        let will = connect.will.unwrap();
        assert_eq!((will.topic.as_str(), will.payload.as_bytes()), ("w", b"off".as_slice()));
        assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, false));
        assert_eq!(connect.user_name.unwrap().as_str(), "u");
        assert_eq!(connect.password.unwrap().as_bytes(), b"p");
        let mut buffer = [0; 64];
        let mut window = Window::new(0, &mut buffer);
        connect.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[2..written], body);
    }

    #[test]
    fn mqtt_3_1_2_1_another_protocol_is_not_mqtt() {
        assert_eq!(Connect::decode(b"\0\x04HTTP\x04\x02\0\0\0\0"), Err(DecodeError::ProtocolName));
        assert_eq!(Connect::decode(b"\0\x04mqtt\x04\x02\0\0\0\0"), Err(DecodeError::ProtocolName));
    }

    #[test]
    fn mqtt_3_1_2_2_another_level_is_named_before_the_rest_is_read() {
        assert_eq!(Connect::decode(b"\0\x06MQIsdp\x03\xFF"), Err(DecodeError::UnsupportedVersion(3)));
        assert_eq!(Connect::decode(b"\0\x04MQTT\x05"), Err(DecodeError::UnsupportedVersion(5)));
    }

    #[test]
    fn a_protocol_name_longer_than_the_packet_is_truncated() {
        assert_eq!(Connect::decode(b"\xFF\xFFMQTT\x04\x02\0\0\0\0"), Err(DecodeError::Truncated));
    }

    #[test]
    fn will_fields_beyond_the_packet_are_truncated() {
        assert_eq!(decode(0x06, b"\0\0\0\x10w"), Err(DecodeError::Truncated));
        assert_eq!(decode(0x06, b"\0\0\0\x01w\xFF\xFF"), Err(DecodeError::Truncated));
    }

    #[test]
    fn mqtt_3_1_2_3_the_reserved_flag_is_zero() {
        assert_eq!(decode(0x03, b"\0\0"), Err(DecodeError::ConnectFlags));
    }

    #[test]
    fn mqtt_3_1_2_11_to_15_will_flags_need_a_will() {
        assert_eq!(decode(0x0A, b"\0\0"), Err(DecodeError::WillFlags));
        assert_eq!(decode(0x22, b"\0\0"), Err(DecodeError::WillFlags));
        assert_eq!(decode(0x1E, b"\0\0\0\x01w\0\0"), Err(DecodeError::QoS));
    }

    #[test]
    fn a_will_topic_is_a_topic_name() {
        let wildcard = DecodeError::Topic(TopicError::WildcardInName);
        assert_eq!(decode(0x06, b"\0\0\0\x01#\0\0"), Err(wildcard));
        assert_eq!(decode(0x06, b"\0\0\0\0\0\0"), Err(DecodeError::Topic(TopicError::Empty)));
    }

    #[test]
    fn mqtt_3_1_2_22_a_password_needs_a_user_name() {
        assert_eq!(decode(0x42, b"\0\0\0\x01p"), Err(DecodeError::PasswordWithoutUserName));
    }

    #[test]
    fn mqtt_3_1_2_18_to_21_fields_and_flags_agree() {
        assert_eq!(decode(0x02, b"\0\0\0\x01u"), Err(DecodeError::TrailingBytes));
        assert_eq!(decode(0x82, b"\0\0"), Err(DecodeError::Truncated));
        assert_eq!(decode(0xC2, b"\0\0\0\x01u"), Err(DecodeError::Truncated));
        assert_eq!(decode(0xC2, b"\0\0\0\x01u\0\x01p"), Ok(()));
    }
}
