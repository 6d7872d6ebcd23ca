//! The property section of a packet of MQTT 5.0 (section 2.2.2).

use crate::variable::{MAX_VARIABLE_INTEGER, variable_integer, variable_integer_bytes};
use crate::{DecodeError, Property, Reader, Sink, Version};

/// Whose properties they are: a packet's or a will's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum PropertyOwner {
    Connect,
    Will,
    ConnAck,
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    SubAck,
    Unsubscribe,
    UnsubAck,
    Disconnect,
    Auth,
}

impl PropertyOwner {
    /// Whether table 2-4 gives the property to this owner.
    const fn may_have(self, property: &Property<'_>) -> bool {
        use PropertyOwner::{Auth, ConnAck, Connect, Disconnect, Publish, Subscribe, Unsubscribe, Will};
        match property {
            Property::PayloadFormatIndicator(_)
            | Property::MessageExpiryInterval(_)
            | Property::ContentType(_)
            | Property::ResponseTopic(_)
            | Property::CorrelationData(_) => matches!(self, Publish | Will),
            Property::SubscriptionIdentifier(_) => matches!(self, Publish | Subscribe),
            Property::SessionExpiryInterval(_) => matches!(self, Connect | ConnAck | Disconnect),
            Property::AuthenticationMethod(_) | Property::AuthenticationData(_) => {
                matches!(self, Connect | ConnAck | Auth)
            }
            Property::RequestProblemInformation(_) | Property::RequestResponseInformation(_) => {
                matches!(self, Connect)
            }
            Property::WillDelayInterval(_) => matches!(self, Will),
            Property::ServerReference(_) => matches!(self, ConnAck | Disconnect),
            Property::ReasonString(_) => !matches!(self, Connect | Will | Publish | Subscribe | Unsubscribe),
            Property::ReceiveMaximum(_) | Property::TopicAliasMaximum(_) | Property::MaximumPacketSize(_) => {
                matches!(self, Connect | ConnAck)
            }
            Property::TopicAlias(_) => matches!(self, Publish),
            Property::UserProperty(..) => true,
            Property::AssignedClientIdentifier(_)
            | Property::ServerKeepAlive(_)
            | Property::ResponseInformation(_)
            | Property::MaximumQoS(_)
            | Property::RetainAvailable(_)
            | Property::WildcardSubscriptionAvailable(_)
            | Property::SubscriptionIdentifiersAvailable(_)
            | Property::SharedSubscriptionAvailable(_) => matches!(self, ConnAck),
        }
    }
}

/// Bits of properties, by identifier.
const AUTHENTICATION_METHOD: u64 = 1 << 0x15;
const AUTHENTICATION_DATA: u64 = 1 << 0x16;

/// The properties of one packet or will, as they stand on the wire behind their length; each of them checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// No properties; those of every packet before MQTT 5.0.
    pub const EMPTY: Properties<'static> = Properties(&[]);

    /// Checks encoded properties: each is known, belongs to the owner, has a value in its range, and stands once unless it
    /// may repeat.
    pub fn new(bytes: &'a [u8], owner: PropertyOwner) -> Result<Self, DecodeError> {
        // By identifier, of which the highest is 0x2A.
        let mut seen: u64 = 0;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let property = Property::read(&mut reader)?;
            let id = property.id();
            if !owner.may_have(&property) {
                return Err(DecodeError::Property(id));
            }
            let bit = 1 << id;
            if seen & bit != 0 && !property.may_repeat(owner) {
                return Err(DecodeError::DuplicateProperty(id));
            }
            seen |= bit;
        }
        if seen & (AUTHENTICATION_METHOD | AUTHENTICATION_DATA) == AUTHENTICATION_DATA {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        Ok(Properties(bytes))
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The encoded properties, without their length.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The properties, in order.
    pub fn iter(self) -> impl Iterator<Item = Property<'a>> + Clone {
        let mut reader = Reader::new(self.0);
        // Checked as a whole when they were read: an error ends the sequence and cannot occur.
        core::iter::from_fn(move || if reader.is_empty() { None } else { Property::read(&mut reader).ok() })
    }

    /// Length and properties on the wire, in bytes; nothing before MQTT 5.0.
    pub(crate) const fn encoded_length(self, version: Version) -> usize {
        if version.has_properties() { section_bytes(self.0.len()) } else { 0 }
    }

    /// Writes length and properties.
    pub(crate) fn encode(self, version: Version, sink: &mut impl Sink) {
        if version.has_properties() {
            put_section_length(self.0.len(), sink);
            sink.put(self.0);
        }
    }
}

/// Bytes of a property section with the length in front of it.
#[inline]
pub(crate) const fn section_bytes(property_bytes: usize) -> usize {
    // What is too long here makes the packet too long, which is found by its remaining length.
    let length = if property_bytes > MAX_VARIABLE_INTEGER as usize {
        MAX_VARIABLE_INTEGER
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "just compared")]
        {
            property_bytes as u32
        }
    };
    property_bytes.saturating_add(variable_integer_bytes(length))
}

/// Writes the length in front of a property section.
#[inline]
pub(crate) fn put_section_length(property_bytes: usize, sink: &mut impl Sink) {
    let length = u32::try_from(property_bytes).unwrap_or(MAX_VARIABLE_INTEGER);
    let (bytes, used) = variable_integer(length);
    sink.put(bytes.get(..used).unwrap_or(&bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;

    const OWNERS: [PropertyOwner; 14] = [
        PropertyOwner::Connect,
        PropertyOwner::Will,
        PropertyOwner::ConnAck,
        PropertyOwner::Publish,
        PropertyOwner::PubAck,
        PropertyOwner::PubRec,
        PropertyOwner::PubRel,
        PropertyOwner::PubComp,
        PropertyOwner::Subscribe,
        PropertyOwner::SubAck,
        PropertyOwner::Unsubscribe,
        PropertyOwner::UnsubAck,
        PropertyOwner::Disconnect,
        PropertyOwner::Auth,
    ];

    /// Table 2-4, a letter for each owner in the order above.
    const TABLE: [(&[u8], &str); 27] = [
        (b"\x01\x01", ".W.P.........."),
        (b"\x02\0\0\0\x01", ".W.P.........."),
        (b"\x03\0\0", ".W.P.........."),
        (b"\x08\0\x01a", ".W.P.........."),
        (b"\x09\0\0", ".W.P.........."),
        (b"\x0B\x01", "...P....S....."),
        (b"\x11\0\0\0\x01", "C.A.........D."),
        (b"\x12\0\0", "..A..........."),
        (b"\x13\0\0", "..A..........."),
        (b"\x15\0\0", "C.A..........U"),
        (b"\x16\0\0", "C.A..........U"),
        (b"\x17\0", "C............."),
        (b"\x18\0\0\0\0", ".W............"),
        (b"\x19\0", "C............."),
        (b"\x1A\0\0", "..A..........."),
        (b"\x1C\0\0", "..A.........D."),
        (b"\x1F\0\0", "..A.arlc.s.uDU"),
        (b"\x21\0\x01", "C.A..........."),
        (b"\x22\0\x01", "C.A..........."),
        (b"\x23\0\x01", "...P.........."),
        (b"\x24\x01", "..A..........."),
        (b"\x25\0", "..A..........."),
        (b"\x26\0\0\0\0", "CWAParlcSsUuDU"),
        (b"\x27\0\0\0\x01", "C.A..........."),
        (b"\x28\0", "..A..........."),
        (b"\x29\0", "..A..........."),
        (b"\x2A\0", "..A..........."),
    ];

    #[test]
    fn each_owner_has_the_properties_of_table_2_4() {
        for (bytes, row) in TABLE {
            for (owner, letter) in OWNERS.into_iter().zip(row.bytes()) {
                let expected = match (letter, bytes[0]) {
                    (b'.', id) => Err(DecodeError::Property(id)),
                    // Data without its method.
                    (_, 0x16) => Err(DecodeError::AuthenticationMethodMissing),
                    _ => Ok(Properties(bytes)),
                };
                assert_eq!(Properties::new(bytes, owner), expected, "{bytes:?} {owner:?}");
            }
        }
    }

    #[test]
    fn a_property_stands_once_unless_it_may_repeat() {
        for (bytes, row) in TABLE {
            let (twice, length) = twice(bytes);
            for (owner, _) in OWNERS.into_iter().zip(row.bytes()).filter(|(_, letter)| *letter != b'.') {
                let may_repeat = match bytes[0] {
                    0x26 => true,
                    0x0B => owner == PropertyOwner::Publish,
                    _ => false,
                };
                let result =
                    Properties::new(&twice[..length], owner).map(|properties| properties.iter().count());
                let expected = if may_repeat { Ok(2) } else { Err(DecodeError::DuplicateProperty(bytes[0])) };
                assert_eq!(result, expected, "{bytes:?} {owner:?}");
            }
        }
    }

    /// The bytes, repeated, and how many they are now.
    fn twice(bytes: &[u8]) -> ([u8; 16], usize) {
        let mut buffer = [0; 16];
        buffer[..bytes.len()].copy_from_slice(bytes);
        buffer[bytes.len()..2 * bytes.len()].copy_from_slice(bytes);
        (buffer, 2 * bytes.len())
    }

    #[test]
    fn properties_are_given_out_in_order_and_end_with_their_section() {
        let properties =
            Properties::new(b"\x26\0\x01a\0\x01b\x01\0\x26\0\x01a\0\0", PropertyOwner::Publish).unwrap();
        assert!(properties.iter().map(Property::id).eq([0x26, 0x01, 0x26]));
        let iterator = properties.iter();
        assert!(iterator.clone().eq(iterator));
        assert_eq!(
            Properties::new(b"\x01\0\x26\0\x01a", PropertyOwner::Publish),
            Err(DecodeError::Truncated)
        );
        assert_eq!(Properties::EMPTY.iter().next(), None);
        assert!(Properties::EMPTY.is_empty() && !properties.is_empty());
    }

    #[test]
    fn authentication_data_needs_a_method() {
        let owner = PropertyOwner::Connect;
        assert!(Properties::new(b"\x16\0\0\x15\0\x01m", owner).is_ok());
        assert!(Properties::new(b"\x15\0\x01m", owner).is_ok());
    }

    #[test]
    fn the_length_of_a_section_stands_in_front_of_it() {
        assert_eq!(section_bytes(0), 1);
        assert_eq!(section_bytes(127), 128);
        assert_eq!(section_bytes(128), 130);
        let properties = Properties::new(b"\x23\0\x07", PropertyOwner::Publish).unwrap();
        let mut buffer = [0; 8];
        let mut window = Window::new(0, &mut buffer);
        properties.encode(Version::V3_1_1, &mut window);
        assert_eq!(window.written(), 0);
        properties.encode(Version::V5, &mut window);
        assert_eq!(window.written(), properties.encoded_length(Version::V5));
        assert_eq!(buffer[..4], *b"\x03\x23\0\x07");
        assert_eq!(properties.encoded_length(Version::V3_1), 0);
    }
}
