//! One property of a packet of MQTT 5.0 (section 2.2.2.2, table 2-4).

use core::num::{NonZeroU16, NonZeroU32};

use crate::text::put_counted;
use crate::variable::{variable_integer, variable_integer_bytes};
use crate::{Binary, DecodeError, PropertyOwner, QoS, Reader, Sink, Text, TopicName};

/// A property with its value, named as in table 2-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property<'a> {
    /// Whether the payload is UTF-8 text.
    PayloadFormatIndicator(bool),
    /// Seconds after which the message is worth nothing.
    MessageExpiryInterval(u32),
    /// What the payload is, in words of the application.
    ContentType(Text<'a>),
    /// Where an answer is expected.
    ResponseTopic(TopicName<'a>),
    /// By what the one who asked knows an answer.
    CorrelationData(Binary<'a>),
    /// The number of a subscription, at most 268,435,455; a larger one is written as that.
    SubscriptionIdentifier(NonZeroU32),
    /// Seconds for which a session outlives its connection; 0xFFFFFFFF is forever.
    SessionExpiryInterval(u32),
    /// The identifier of a client that brought none.
    AssignedClientIdentifier(Text<'a>),
    /// The keep-alive in seconds that the client has to use instead of its own.
    ServerKeepAlive(u16),
    /// The name of an enhanced authentication.
    AuthenticationMethod(Text<'a>),
    /// A step of it.
    AuthenticationData(Binary<'a>),
    /// Whether reason strings and user properties may stand in any answer.
    RequestProblemInformation(bool),
    /// Seconds from the end of a connection to its will.
    WillDelayInterval(u32),
    /// Whether CONNACK should carry response information.
    RequestResponseInformation(bool),
    /// From what a client may build response topics.
    ResponseInformation(Text<'a>),
    /// Another server to use.
    ServerReference(Text<'a>),
    /// What happened, for people.
    ReasonString(Text<'a>),
    /// How many messages above QoS 0 the sender takes unacknowledged.
    ReceiveMaximum(NonZeroU16),
    /// The highest topic alias that the sender accepts.
    TopicAliasMaximum(u16),
    /// A number that stands for a topic.
    TopicAlias(NonZeroU16),
    /// QoS 0 or 1, the highest the server supports; one that supports 2 leaves it out.
    MaximumQoS(QoS),
    /// Whether the server keeps messages.
    RetainAvailable(bool),
    /// A name and a value of the application; may stand repeatedly.
    UserProperty(Text<'a>, Text<'a>),
    /// The longest packet in bytes that the sender takes.
    MaximumPacketSize(NonZeroU32),
    /// Whether the server has subscriptions with wildcards.
    WildcardSubscriptionAvailable(bool),
    /// Whether the server has subscription identifiers.
    SubscriptionIdentifiersAvailable(bool),
    /// Whether the server has shared subscriptions.
    SharedSubscriptionAvailable(bool),
}

/// The forms of values on the wire.
enum Value<'a> {
    Byte(u8),
    Two(u16),
    Four(u32),
    Variable(u32),
    Counted(&'a [u8]),
    Pair(Text<'a>, Text<'a>),
}

impl<'a> Property<'a> {
    /// Reads the next property.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // A variable byte integer whose values all stand in one byte so far.
        let id = reader.byte()?;
        let out_of_range = DecodeError::PropertyValue(id);
        Ok(match id {
            0x01 => Property::PayloadFormatIndicator(flag(reader, id)?),
            0x02 => Property::MessageExpiryInterval(reader.long_integer()?),
            0x03 => Property::ContentType(reader.text()?),
            0x08 => Property::ResponseTopic(reader.topic_name()?),
            0x09 => Property::CorrelationData(reader.binary()?),
            0x0B => Property::SubscriptionIdentifier(
                NonZeroU32::new(reader.variable_integer()?).ok_or(out_of_range)?,
            ),
            0x11 => Property::SessionExpiryInterval(reader.long_integer()?),
            0x12 => Property::AssignedClientIdentifier(reader.text()?),
            0x13 => Property::ServerKeepAlive(reader.integer()?),
            0x15 => Property::AuthenticationMethod(reader.text()?),
            0x16 => Property::AuthenticationData(reader.binary()?),
            0x17 => Property::RequestProblemInformation(flag(reader, id)?),
            0x18 => Property::WillDelayInterval(reader.long_integer()?),
            0x19 => Property::RequestResponseInformation(flag(reader, id)?),
            0x1A => Property::ResponseInformation(reader.text()?),
            0x1C => Property::ServerReference(reader.text()?),
            0x1F => Property::ReasonString(reader.text()?),
            0x21 => Property::ReceiveMaximum(NonZeroU16::new(reader.integer()?).ok_or(out_of_range)?),
            0x22 => Property::TopicAliasMaximum(reader.integer()?),
            0x23 => {
                Property::TopicAlias(NonZeroU16::new(reader.integer()?).ok_or(DecodeError::TopicAliasZero)?)
            }
            0x24 => Property::MaximumQoS(if flag(reader, id)? { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
            0x25 => Property::RetainAvailable(flag(reader, id)?),
            0x26 => Property::UserProperty(reader.text()?, reader.text()?),
            0x27 => Property::MaximumPacketSize(NonZeroU32::new(reader.long_integer()?).ok_or(out_of_range)?),
            0x28 => Property::WildcardSubscriptionAvailable(flag(reader, id)?),
            0x29 => Property::SubscriptionIdentifiersAvailable(flag(reader, id)?),
            0x2A => Property::SharedSubscriptionAvailable(flag(reader, id)?),
            _ => return Err(DecodeError::Property(id)),
        })
    }

    fn parts(self) -> (u8, Value<'a>) {
        match self {
            Property::PayloadFormatIndicator(value) => (0x01, Value::Byte(u8::from(value))),
            Property::MessageExpiryInterval(value) => (0x02, Value::Four(value)),
            Property::ContentType(value) => (0x03, Value::Counted(value.as_str().as_bytes())),
            Property::ResponseTopic(value) => (0x08, Value::Counted(value.as_bytes())),
            Property::CorrelationData(value) => (0x09, Value::Counted(value.as_bytes())),
            Property::SubscriptionIdentifier(value) => (0x0B, Value::Variable(value.get())),
            Property::SessionExpiryInterval(value) => (0x11, Value::Four(value)),
            Property::AssignedClientIdentifier(value) => (0x12, Value::Counted(value.as_str().as_bytes())),
            Property::ServerKeepAlive(value) => (0x13, Value::Two(value)),
            Property::AuthenticationMethod(value) => (0x15, Value::Counted(value.as_str().as_bytes())),
            Property::AuthenticationData(value) => (0x16, Value::Counted(value.as_bytes())),
            Property::RequestProblemInformation(value) => (0x17, Value::Byte(u8::from(value))),
            Property::WillDelayInterval(value) => (0x18, Value::Four(value)),
            Property::RequestResponseInformation(value) => (0x19, Value::Byte(u8::from(value))),
            Property::ResponseInformation(value) => (0x1A, Value::Counted(value.as_str().as_bytes())),
            Property::ServerReference(value) => (0x1C, Value::Counted(value.as_str().as_bytes())),
            Property::ReasonString(value) => (0x1F, Value::Counted(value.as_str().as_bytes())),
            Property::ReceiveMaximum(value) => (0x21, Value::Two(value.get())),
            Property::TopicAliasMaximum(value) => (0x22, Value::Two(value)),
            Property::TopicAlias(value) => (0x23, Value::Two(value.get())),
            Property::MaximumQoS(QoS::AtMostOnce) => (0x24, Value::Byte(0)),
            Property::MaximumQoS(_) => (0x24, Value::Byte(1)),
            Property::RetainAvailable(value) => (0x25, Value::Byte(u8::from(value))),
            Property::UserProperty(name, value) => (0x26, Value::Pair(name, value)),
            Property::MaximumPacketSize(value) => (0x27, Value::Four(value.get())),
            Property::WildcardSubscriptionAvailable(value) => (0x28, Value::Byte(u8::from(value))),
            Property::SubscriptionIdentifiersAvailable(value) => (0x29, Value::Byte(u8::from(value))),
            Property::SharedSubscriptionAvailable(value) => (0x2A, Value::Byte(u8::from(value))),
        }
    }

    /// The identifier on the wire.
    pub fn id(self) -> u8 {
        self.parts().0
    }

    /// Whether a server passes this property of a message or a will on to the receivers, unaltered
    /// \[MQTT-3.3.2-4, -15 to -18, -20\].
    pub const fn is_forwarded(&self) -> bool {
        matches!(
            self,
            Property::PayloadFormatIndicator(_)
                | Property::ContentType(_)
                | Property::ResponseTopic(_)
                | Property::CorrelationData(_)
                | Property::UserProperty(..)
        )
    }

    /// Whether a packet may have the property twice: a name may repeat, and a message that matched several subscriptions
    /// carries the identifiers of all.
    pub(crate) const fn may_repeat(&self, owner: PropertyOwner) -> bool {
        match self {
            Property::UserProperty(..) => true,
            Property::SubscriptionIdentifier(_) => matches!(owner, PropertyOwner::Publish),
            _ => false,
        }
    }

    /// Identifier and value on the wire, in bytes.
    pub fn encoded_length(&self) -> usize {
        1 + match self.parts().1 {
            Value::Byte(_) => 1,
            Value::Two(_) => 2,
            Value::Four(_) => 4,
            Value::Variable(value) => variable_integer_bytes(value),
            Value::Counted(bytes) => 2 + bytes.len(),
            Value::Pair(name, value) => name.encoded_length() + value.encoded_length(),
        }
    }

    /// Writes identifier and value.
    pub fn encode(&self, sink: &mut impl Sink) {
        let (id, value) = self.parts();
        sink.put(&[id]);
        match value {
            Value::Byte(value) => sink.put(&[value]),
            Value::Two(value) => sink.put(&value.to_be_bytes()),
            Value::Four(value) => sink.put(&value.to_be_bytes()),
            Value::Variable(value) => {
                let (bytes, used) = variable_integer(value);
                sink.put(bytes.get(..used).unwrap_or(&bytes));
            }
            Value::Counted(bytes) => put_counted(bytes, sink),
            Value::Pair(name, value) => {
                name.encode(sink);
                value.encode(sink);
            }
        }
    }
}

/// A byte that is 0 or 1.
fn flag(reader: &mut Reader<'_>, id: u8) -> Result<bool, DecodeError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::PropertyValue(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TextError, TopicError, Window};

    fn check(property: Property<'_>, bytes: &[u8]) {
        let mut buffer = [0; 32];
        let mut window = Window::new(0, &mut buffer);
        property.encode(&mut window);
        let written = window.written();
        assert_eq!(&buffer[..written], bytes, "{property:?}");
        assert_eq!(property.encoded_length(), written);
        let mut reader = Reader::new(bytes);
        assert_eq!(Property::read(&mut reader), Ok(property));
        assert!(reader.is_empty());
        for end in 0..bytes.len() {
            assert_eq!(Property::read(&mut Reader::new(&bytes[..end])), Err(DecodeError::Truncated));
        }
    }

    #[test]
    fn every_property_of_table_2_4_is_read_and_written() {
        let text = Text::new("ab").unwrap();
        let binary = Binary::new(b"\0\xFF").unwrap();
        let topic = TopicName::new("ab").unwrap();
        let three = NonZeroU16::new(3).unwrap();
        let number = NonZeroU32::new(0x0102_0304).unwrap();
        check(Property::PayloadFormatIndicator(true), b"\x01\x01");
        check(Property::MessageExpiryInterval(0x0102_0304), b"\x02\x01\x02\x03\x04");
        check(Property::ContentType(text), b"\x03\0\x02ab");
        check(Property::ResponseTopic(topic), b"\x08\0\x02ab");
        check(Property::CorrelationData(binary), b"\x09\0\x02\0\xFF");
        check(Property::SubscriptionIdentifier(number), b"\x0B\x84\x86\x88\x08");
        check(Property::SubscriptionIdentifier(NonZeroU32::MIN), b"\x0B\x01");
        check(Property::SessionExpiryInterval(u32::MAX), b"\x11\xFF\xFF\xFF\xFF");
        check(Property::AssignedClientIdentifier(text), b"\x12\0\x02ab");
        check(Property::ServerKeepAlive(0x0102), b"\x13\x01\x02");
        check(Property::AuthenticationMethod(text), b"\x15\0\x02ab");
        check(Property::AuthenticationData(binary), b"\x16\0\x02\0\xFF");
        check(Property::RequestProblemInformation(false), b"\x17\0");
        check(Property::WillDelayInterval(0), b"\x18\0\0\0\0");
        check(Property::RequestResponseInformation(true), b"\x19\x01");
        check(Property::ResponseInformation(text), b"\x1A\0\x02ab");
        check(Property::ServerReference(text), b"\x1C\0\x02ab");
        check(Property::ReasonString(text), b"\x1F\0\x02ab");
        check(Property::ReceiveMaximum(three), b"\x21\0\x03");
        check(Property::TopicAliasMaximum(0), b"\x22\0\0");
        check(Property::TopicAlias(three), b"\x23\0\x03");
        check(Property::MaximumQoS(QoS::AtMostOnce), b"\x24\0");
        check(Property::MaximumQoS(QoS::AtLeastOnce), b"\x24\x01");
        check(Property::RetainAvailable(false), b"\x25\0");
        check(Property::UserProperty(text, Text::default()), b"\x26\0\x02ab\0\0");
        check(Property::MaximumPacketSize(number), b"\x27\x01\x02\x03\x04");
        check(Property::WildcardSubscriptionAvailable(true), b"\x28\x01");
        check(Property::SubscriptionIdentifiersAvailable(true), b"\x29\x01");
        check(Property::SharedSubscriptionAvailable(true), b"\x2A\x01");
    }

    #[test]
    fn values_out_of_their_range_are_protocol_errors() {
        let table: [&[u8]; 15] = [
            b"\x01\x02",
            b"\x0B\0",
            b"\x17\x02",
            b"\x19\x02",
            b"\x21\0\0",
            b"\x24\x02",
            b"\x25\x02",
            b"\x27\0\0\0\0",
            b"\x28\x02",
            b"\x29\xFF",
            b"\x2A\x02",
            b"\x01\xFF",
            b"\x17\x80",
            b"\x24\xFF",
            b"\x25\x80",
        ];
        for bytes in table {
            let error = Property::read(&mut Reader::new(bytes)).unwrap_err();
            assert_eq!(error, DecodeError::PropertyValue(bytes[0]));
        }
    }

    #[test]
    fn mqtt_3_3_2_8_a_topic_alias_is_not_zero() {
        assert_eq!(Property::read(&mut Reader::new(b"\x23\0\0")), Err(DecodeError::TopicAliasZero));
    }

    #[test]
    fn mqtt_3_3_2_14_a_response_topic_has_no_wildcard() {
        let read = |bytes| Property::read(&mut Reader::new(bytes));
        assert_eq!(read(b"\x08\0\x01#"), Err(DecodeError::Topic(TopicError::WildcardInName)));
        assert_eq!(read(b"\x08\0\0"), Err(DecodeError::Topic(TopicError::Empty)));
    }

    #[test]
    fn mqtt_1_5_4_texts_are_utf_8_without_the_null_character() {
        let read = |bytes| Property::read(&mut Reader::new(bytes));
        assert_eq!(read(b"\x1F\0\x01\xFF"), Err(DecodeError::Text(TextError::Utf8)));
        assert_eq!(read(b"\x26\0\x01a\0\x01\0"), Err(DecodeError::Text(TextError::Nul)));
    }

    #[test]
    fn a_subscription_identifier_is_written_as_the_largest_at_most() {
        let mut buffer = [0; 8];
        let mut window = Window::new(0, &mut buffer);
        Property::SubscriptionIdentifier(NonZeroU32::MAX).encode(&mut window);
        assert_eq!(window.written(), 5);
        assert_eq!(buffer[..5], *b"\x0B\xFF\xFF\xFF\x7F");
    }

    #[test]
    fn unknown_identifiers_are_malformed() {
        for id in [0x00, 0x04, 0x0A, 0x2B, 0x7F, 0x80, 0xFF] {
            assert_eq!(Property::read(&mut Reader::new(&[id, 0, 0, 0, 0])), Err(DecodeError::Property(id)));
        }
    }
}
