//! CONNECT (section 3.1): the first packet of a client.

use crate::{
    Binary, DecodeError, EncodeError, FixedHeader, PacketType, Properties, PropertyOwner, QoS, Reader, Sink,
    Text, TopicName, Version,
};

mod flag {
    pub(super) const RESERVED: u8 = 0x01;
    pub(super) const CLEAN_START: u8 = 0x02;
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
    /// Whether the session starts empty. Before MQTT 5.0 the flag is called clean session, and the session ends with the
    /// connection as well.
    pub clean_start: bool,
    /// Longest silence of the client in seconds; 0 switches the check off.
    pub keep_alive_seconds: u16,
    /// The client identifier; may be empty.
    pub client_id: Text<'a>,
    /// What is published if the client goes without DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User name.
    pub user_name: Option<Text<'a>>,
    /// Password; before MQTT 5.0 only together with a user name.
    pub password: Option<Binary<'a>>,
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
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
    /// None before MQTT 5.0.
    pub properties: Properties<'a>,
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
        // MQTT 3.1 gives no meaning to flags that do not apply, and forbids none.
        let is_strict = version != Version::V3_1;
        if flags & flag::RESERVED != 0 && is_strict {
            return Err(DecodeError::ConnectFlags);
        }
        let has_will = flags & flag::WILL != 0;
        let will_qos = QoS::from_bits((flags & flag::WILL_QOS) >> flag::WILL_QOS_SHIFT)?;
        let will_retain = flags & flag::WILL_RETAIN != 0;
        if !has_will && (will_qos != QoS::AtMostOnce || will_retain) && is_strict {
            return Err(DecodeError::WillFlags);
        }
        let has_user_name = flags & flag::USER_NAME != 0;
        let has_password = flags & flag::PASSWORD != 0;
        if has_password && !has_user_name && !version.has_properties() {
            return Err(DecodeError::PasswordWithoutUserName);
        }
        let keep_alive_seconds = reader.integer()?;
        let properties = reader.properties(PropertyOwner::Connect, version)?;
        let client_id = reader.text()?;
        let will = if has_will {
            let properties = reader.properties(PropertyOwner::Will, version)?;
            let topic = reader.topic_name()?;
            Some(Will { topic, payload: reader.binary()?, qos: will_qos, retain: will_retain, properties })
        } else {
            None
        };
        // In MQTT 3.1 the remaining length takes precedence over these two flags: what it has no room for is missing.
        let may_lack_login = version == Version::V3_1;
        let lacks = |reader: &Reader<'_>| may_lack_login && reader.is_empty();
        let user_name = if has_user_name && !lacks(&reader) { Some(reader.text()?) } else { None };
        let password = if has_password && !lacks(&reader) { Some(reader.binary()?) } else { None };
        reader.finish()?;
        Ok(Connect {
            version,
            clean_start: flags & flag::CLEAN_START != 0,
            keep_alive_seconds,
            client_id,
            will,
            user_name,
            password,
            properties,
        })
    }

    /// Writes the packet. A password without a user name is left out where the protocol has no place for it.
    pub fn encode(&self, sink: &mut impl Sink) -> Result<(), EncodeError> {
        let version = self.version;
        let password = self.password.filter(|_| self.user_name.is_some() || version.has_properties());
        let mut flags = 0;
        let mut body_bytes = 2 + version.protocol_name().len() + 1 + 1 + 2 + self.client_id.encoded_length();
        body_bytes = body_bytes.saturating_add(self.properties.encoded_length(version));
        if self.clean_start {
            flags |= flag::CLEAN_START;
        }
        if let Some(will) = self.will {
            flags |= flag::WILL | (will.qos.bits() << flag::WILL_QOS_SHIFT);
            if will.retain {
                flags |= flag::WILL_RETAIN;
            }
            let property_bytes = will.properties.encoded_length(version);
            body_bytes = body_bytes.saturating_add(property_bytes);
            body_bytes =
                body_bytes.saturating_add(will.topic.encoded_length() + will.payload.encoded_length());
        }
        if let Some(user_name) = self.user_name {
            flags |= flag::USER_NAME;
            body_bytes = body_bytes.saturating_add(user_name.encoded_length());
        }
        if let Some(password) = password {
            flags |= flag::PASSWORD;
            body_bytes = body_bytes.saturating_add(password.encoded_length());
        }
        FixedHeader::new(PacketType::Connect, body_bytes)?.encode(sink);
        crate::text::put_counted(version.protocol_name().as_bytes(), sink);
        sink.put(&[version.level(), flags]);
        sink.put(&self.keep_alive_seconds.to_be_bytes());
        self.properties.encode(version, sink);
        self.client_id.encode(sink);
        if let Some(will) = self.will {
            will.properties.encode(version, sink);
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
    use crate::{Property, TopicError, Window};

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
        assert!(connect.clean_start);
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
        assert_eq!(Connect::decode(b"\0\x06MQIsdp\x04\xFF"), Err(DecodeError::UnsupportedVersion(4)));
        assert_eq!(Connect::decode(b"\0\x04MQTT\x06"), Err(DecodeError::UnsupportedVersion(6)));
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
    #[test]
    fn mqtt_3_1_has_a_name_of_its_own() {
        let body = b"\0\x06MQIsdp\x03\xC2\0\x0A\0\x02id\0\x01u\0\x01p";
        let connect = Connect::decode(body).unwrap();
        assert_eq!((connect.version, connect.client_id.as_str()), (Version::V3_1, "id"));
        assert_eq!(connect.user_name.unwrap().as_str(), "u");
        let mut buffer = [0; 64];
        let mut window = Window::new(0, &mut buffer);
        connect.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[2..written], body);
    }

    #[test]
    fn in_mqtt_3_1_the_remaining_length_takes_precedence_over_the_login_flags() {
        let body = b"\0\x06MQIsdp\x03\xC2\0\x0A\0\x02id\0\x01u\0\x01p";
        let no_login = Connect::decode(&body[..16]).unwrap();
        assert_eq!((no_login.user_name, no_login.password), (None, None));
        let no_password = Connect::decode(&body[..19]).unwrap();
        assert_eq!((no_password.user_name.unwrap().as_str(), no_password.password), ("u", None));
        // A part of one is none.
        assert_eq!(Connect::decode(&body[..17]), Err(DecodeError::Truncated));
        assert_eq!(Connect::decode(&body[..21]), Err(DecodeError::Truncated));
        let no_name = Connect::decode(b"\0\x06MQIsdp\x03\x42\0\x0A\0\0\0\x01p");
        assert_eq!(no_name, Err(DecodeError::PasswordWithoutUserName));
    }

    #[test]
    fn in_mqtt_3_1_flags_that_do_not_apply_are_ignored() {
        let connect = Connect::decode(b"\0\x06MQIsdp\x03\x2B\0\x0A\0\x02id").unwrap();
        assert!(connect.clean_start && connect.will.is_none());
        let error = Connect::decode(b"\0\x06MQIsdp\x03\x1A\0\x0A\0\x02id");
        assert_eq!(error, Err(DecodeError::QoS));
    }

    /// Session expiry 10, receive maximum 20; will delay 5, content type `t`.
    const MQTT_5: &[u8] = b"\0\x04MQTT\x05\xCE\0\x0A\x08\x11\0\0\0\x0A\x21\0\x14\0\x02id\
        \x09\x18\0\0\0\x05\x03\0\x01t\0\x01w\0\x03off\0\x01u\0\x01p";

    #[test]
    fn mqtt_5_adds_properties_of_the_connection_and_of_the_will() {
        let connect = Connect::decode(MQTT_5).unwrap();
        assert_eq!((connect.version, connect.client_id.as_str()), (Version::V5, "id"));
        let twenty = core::num::NonZeroU16::new(20).unwrap();
        let expected = [Property::SessionExpiryInterval(10), Property::ReceiveMaximum(twenty)];
        assert!(connect.properties.iter().eq(expected));
        let will = connect.will.unwrap();
        assert_eq!((will.topic.as_str(), will.payload.as_bytes()), ("w", b"off".as_slice()));
        let expected = [Property::WillDelayInterval(5), Property::ContentType(Text::new("t").unwrap())];
        assert!(will.properties.iter().eq(expected));
        assert_eq!(connect.password.unwrap().as_bytes(), b"p");
        let mut buffer = [0; 64];
        let mut window = Window::new(0, &mut buffer);
        connect.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[2..written], MQTT_5);
    }

    #[test]
    fn a_connect_that_ends_early_is_truncated() {
        for end in 0..MQTT_5.len() {
            assert_eq!(Connect::decode(&MQTT_5[..end]), Err(DecodeError::Truncated), "{end}");
        }
    }

    #[test]
    fn in_mqtt_5_a_password_needs_no_user_name() {
        let body = b"\0\x04MQTT\x05\x42\0\0\0\0\0\0\x01p";
        let connect = Connect::decode(body).unwrap();
        assert_eq!((connect.user_name, connect.password.unwrap().as_bytes()), (None, b"p".as_slice()));
        let mut buffer = [0; 32];
        let mut window = Window::new(0, &mut buffer);
        connect.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[2..written], body);
        let mut window = Window::new(0, &mut buffer);
        Connect { version: Version::V3_1_1, ..connect }.encode(&mut window).unwrap();
        let written = window.written();
        assert_eq!(&buffer[2..written], b"\0\x04MQTT\x04\x02\0\0\0\0");
    }

    #[test]
    fn mqtt_5_is_strict_about_flags() {
        for (flags, error) in
            [(0x03, DecodeError::ConnectFlags), (0x0A, DecodeError::WillFlags), (0x1E, DecodeError::QoS)]
        {
            let mut body = *b"\0\x04MQTT\x05\0\0\0\0\0\0";
            body[7] = flags;
            assert_eq!(Connect::decode(&body), Err(error));
        }
    }
}
