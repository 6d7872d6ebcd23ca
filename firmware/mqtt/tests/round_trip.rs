//! Decoding is the inverse of encoding, for every packet in every version; and no bytes whatever make decoding panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::num::{NonZeroU16, NonZeroU32};

use obkmq_mqtt::{
    Ack, AckKind, Auth, Binary, ConnAck, Connect, Count, Disconnect, Filters, FixedHeader, HeaderProgress,
    Packet, PacketId, PingReq, PingResp, Properties, Property, PropertyOwner, Publish, QoS, ReasonCode,
    RetainHandling, Sink, SubAck, Subscribe, Subscription, Subscriptions, Text, TopicFilter, TopicName,
    UnsubAck, Unsubscribe, Version, Will, Window, matches,
};
use proptest::prelude::*;

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut count = Count::default();
    packet.encode(version, &mut count).unwrap();
    let mut bytes = vec![0; count.bytes];
    let mut window = Window::new(0, &mut bytes);
    packet.encode(version, &mut window).unwrap();
    assert_eq!(window.written(), count.bytes);
    bytes
}

fn check(packet: &Packet<'_>, version: Version) {
    let bytes = encode(packet, version);
    let progress = FixedHeader::decode(&bytes, version).unwrap();
    let HeaderProgress::Complete { header, header_bytes } = progress else {
        panic!("header incomplete");
    };
    assert_eq!(header.packet_bytes(), bytes.len());
    assert_eq!(Packet::decode(header, &bytes[header_bytes..], version).as_ref(), Ok(packet));
    // Wherever the stream is split, the header is the same or not complete yet.
    for end in 0..bytes.len() {
        let expected = if end < header_bytes { HeaderProgress::NeedMore } else { progress };
        assert_eq!(FixedHeader::decode(&bytes[..end], version), Ok(expected));
    }
    // Every cut body is an error or, in the middle of a payload, another packet; never a panic.
    for end in header_bytes..bytes.len() {
        let _ = Packet::decode(header, &bytes[header_bytes..end], version);
    }
    // Sent in pieces of any size, the stream is the same.
    for piece in [1, 2, 3, 7, 64] {
        let mut joined = Vec::new();
        while joined.len() < bytes.len() {
            let mut buffer = vec![0; piece];
            let mut window = Window::new(joined.len(), &mut buffer);
            packet.encode(version, &mut window).unwrap();
            let written = window.written();
            joined.extend_from_slice(&buffer[..written]);
        }
        assert_eq!(joined, bytes);
    }
}

/// What was understood can be said again, and means the same.
fn check_bytes(bytes: &[u8], version: Version) {
    if let Ok(HeaderProgress::Complete { header, header_bytes }) = FixedHeader::decode(bytes, version) {
        let body = &bytes[header_bytes..];
        let body = &body[..body.len().min(header.remaining_length as usize)];
        if let Ok(packet) = Packet::decode(header, body, version) {
            check(&packet, version);
        }
    }
}

struct Bytes(Vec<u8>);

impl Sink for Bytes {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// One encoded property of any kind.
fn property() -> impl Strategy<Value = Vec<u8>> {
    (0..27, text(), text(), topic(), any::<u32>(), any::<bool>()).prop_map(
        |(kind, first, second, topic, number, flag)| {
            let text = Text::new(&first).unwrap();
            let binary = Binary::new(second.as_bytes()).unwrap();
            let half = (number >> 16) as u16;
            let counted = NonZeroU16::new(half.max(1)).unwrap();
            let positive = NonZeroU32::new(number.max(1)).unwrap();
            let property = match kind {
                0 => Property::PayloadFormatIndicator(flag),
                1 => Property::MessageExpiryInterval(number),
                2 => Property::ContentType(text),
                3 => Property::ResponseTopic(TopicName::new(&topic).unwrap()),
                4 => Property::CorrelationData(binary),
                5 => Property::SubscriptionIdentifier(positive.min(NonZeroU32::new(268_435_455).unwrap())),
                6 => Property::SessionExpiryInterval(number),
                7 => Property::AssignedClientIdentifier(text),
                8 => Property::ServerKeepAlive(half),
                9 => Property::AuthenticationMethod(text),
                10 => Property::AuthenticationData(binary),
                11 => Property::RequestProblemInformation(flag),
                12 => Property::WillDelayInterval(number),
                13 => Property::RequestResponseInformation(flag),
                14 => Property::ResponseInformation(text),
                15 => Property::ServerReference(text),
                16 => Property::ReasonString(text),
                17 => Property::ReceiveMaximum(counted),
                18 => Property::TopicAliasMaximum(half),
                19 => Property::TopicAlias(counted),
                20 => Property::MaximumQoS(if flag { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
                21 => Property::RetainAvailable(flag),
                22 => Property::MaximumPacketSize(positive),
                23 => Property::WildcardSubscriptionAvailable(flag),
                24 => Property::SubscriptionIdentifiersAvailable(flag),
                25 => Property::SharedSubscriptionAvailable(flag),
                _ => Property::UserProperty(text, Text::new(&second).unwrap()),
            };
            let mut bytes = Bytes(Vec::new());
            property.encode(&mut bytes);
            assert_eq!(bytes.0.len(), property.encoded_length());
            bytes.0
        },
    )
}

/// Encoded properties that the owner may have.
fn properties(owner: PropertyOwner) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(property(), 0..40).prop_map(move |all| {
        let mut chosen = Vec::new();
        for property in all {
            let longer = [&chosen[..], &property].concat();
            if Properties::new(&longer, owner).is_ok() {
                chosen = longer;
            }
        }
        let mut again = Bytes(Vec::new());
        Properties::new(&chosen, owner).unwrap().iter().for_each(|property| property.encode(&mut again));
        assert_eq!(again.0, chosen);
        chosen
    })
}

/// The properties in a version: none if it has none.
fn of(bytes: &[u8], owner: PropertyOwner, version: Version) -> Properties<'_> {
    if version.has_properties() { Properties::new(bytes, owner).unwrap() } else { Properties::EMPTY }
}

fn reason(codes: &'static [u8]) -> impl Strategy<Value = ReasonCode> {
    proptest::sample::select(codes).prop_map(|code| ReasonCode::from_byte(code).unwrap())
}

fn qos() -> impl Strategy<Value = QoS> {
    proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|number| PacketId::new(number).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::char::range('\u{1}', '\u{10FFFF}'), 0..20)
        .prop_map(|characters| characters.into_iter().collect())
}

fn topic() -> impl Strategy<Value = String> {
    text().prop_filter_map("a topic", |text| TopicName::new(&text).is_ok().then_some(text))
}

fn filter() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(&["a", "b", "", "+", "#", "ä", "$x"][..]), 1..6)
        .prop_filter_map("a filter", |levels| {
            let text = levels.join("/");
            TopicFilter::new(&text).is_ok().then_some(text)
        })
}

fn any_filter() -> impl Strategy<Value = String> {
    (filter(), any::<bool>())
        .prop_map(|(filter, is_shared)| if is_shared { format!("$share/g/{filter}") } else { filter })
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn connect(
        clean_start: bool,
        keep_alive_seconds: u16,
        client_id in text(),
        will in proptest::option::of((topic(), bytes(20), qos(), any::<bool>(), properties(PropertyOwner::Will))),
        user_name in proptest::option::of(text()),
        password in proptest::option::of(bytes(20)),
        properties in properties(PropertyOwner::Connect),
    ) {
        for version in VERSIONS {
            let will = will.as_ref().map(|(topic, payload, qos, retain, properties)| Will {
                topic: TopicName::new(topic).unwrap(),
                payload: Binary::new(payload).unwrap(),
                qos: *qos,
                retain: *retain,
                properties: of(properties, PropertyOwner::Will, version),
            });
            let may_have_password = user_name.is_some() || version == Version::V5;
            check(&Packet::Connect(Connect {
                version,
                clean_start,
                keep_alive_seconds,
                client_id: Text::new(&client_id).unwrap(),
                will,
                user_name: user_name.as_ref().map(|name| Text::new(name).unwrap()),
                password: password.as_ref().filter(|_| may_have_password).map(|p| Binary::new(p).unwrap()),
                properties: of(&properties, PropertyOwner::Connect, version),
            }), version);
        }
    }

    #[test]
    fn connack(
        session_present: bool,
        old in reason(&[0, 0x84, 0x85, 0x88, 0x86, 0x87]),
        new in reason(&[0, 0x80, 0x84, 0x8A, 0x8C, 0x95, 0x97, 0x9D, 0x9F]),
        properties in properties(PropertyOwner::ConnAck),
    ) {
        for version in VERSIONS {
            let reason = if version == Version::V5 { new } else { old };
            check(&Packet::ConnAck(ConnAck {
                session_present: session_present && reason == ReasonCode::Success && version != Version::V3_1,
                reason,
                properties: of(&properties, PropertyOwner::ConnAck, version),
            }), version);
        }
    }

    #[test]
    fn publish(
        dup: bool,
        qos in qos(),
        retain: bool,
        topic in topic(),
        id in packet_id(),
        properties in properties(PropertyOwner::Publish),
        is_aliased: bool,
        payload in bytes(300),
    ) {
        let has_id = qos != QoS::AtMostOnce;
        for version in VERSIONS {
            let properties = of(&properties, PropertyOwner::Publish, version);
            let has_alias = properties.iter().any(|property| matches!(property, Property::TopicAlias(_)));
            check(&Packet::Publish(Publish {
                dup: dup && has_id,
                qos,
                retain,
                topic: (!(has_alias && is_aliased)).then(|| TopicName::new(&topic).unwrap()),
                packet_id: has_id.then_some(id),
                properties,
                payload: &payload,
            }), version);
        }
    }

    #[test]
    fn acknowledgements(
        kind in 0usize..4,
        packet_id in packet_id(),
        arrival in reason(&[0, 0x10, 0x80, 0x87, 0x97]),
        release in reason(&[0, 0x92]),
        properties in properties(PropertyOwner::PubAck),
    ) {
        let (kind, owner, reason) = [
            (AckKind::PubAck, PropertyOwner::PubAck, arrival),
            (AckKind::PubRec, PropertyOwner::PubRec, arrival),
            (AckKind::PubRel, PropertyOwner::PubRel, release),
            (AckKind::PubComp, PropertyOwner::PubComp, release),
        ][kind];
        for version in VERSIONS {
            let reason = if version == Version::V5 { reason } else { ReasonCode::Success };
            let properties = of(&properties, owner, version);
            check(&Packet::Ack(Ack { kind, packet_id, reason, properties }), version);
        }
    }

    #[test]
    fn subscribe(
        packet_id in packet_id(),
        entries in proptest::collection::vec((any_filter(), qos(), any::<bool>(), any::<bool>(), 0usize..3), 1..20),
        subscribe_properties in properties(PropertyOwner::Subscribe),
        unsubscribe_properties in properties(PropertyOwner::Unsubscribe),
    ) {
        for version in VERSIONS {
            let has_options = version == Version::V5;
            let list: Vec<_> = entries
                .iter()
                .map(|(filter, qos, no_local, retain_as_published, handling)| {
                    let filter = TopicFilter::new(filter).unwrap();
                    let handling = [RetainHandling::Always, RetainHandling::IfNew, RetainHandling::Never][*handling];
                    Subscription {
                        filter,
                        qos: *qos,
                        no_local: *no_local && has_options && filter.share().is_none(),
                        retain_as_published: *retain_as_published && has_options,
                        retain_handling: if has_options { handling } else { RetainHandling::Always },
                    }
                })
                .collect();
            let properties = of(&subscribe_properties, PropertyOwner::Subscribe, version);
            let subscriptions = Subscriptions::new(&list);
            check(&Packet::Subscribe(Subscribe { packet_id, properties, subscriptions }), version);
            let filters: Vec<_> = list.iter().map(|entry| entry.filter).collect();
            let properties = of(&unsubscribe_properties, PropertyOwner::Unsubscribe, version);
            let filters = Filters::new(&filters);
            check(&Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }), version);
        }
    }

    #[test]
    fn suback(
        packet_id in packet_id(),
        old in proptest::collection::vec(proptest::sample::select(&[0u8, 1, 2, 0x80][..]), 1..100),
        new in proptest::collection::vec(proptest::sample::select(&[0u8, 1, 2, 0x80, 0x87, 0x9E][..]), 1..100),
        gone in proptest::collection::vec(proptest::sample::select(&[0u8, 0x11, 0x87][..]), 1..100),
        properties in properties(PropertyOwner::SubAck),
    ) {
        for version in VERSIONS {
            let has_codes = version == Version::V5;
            let codes = if has_codes { &new[..] } else { &old };
            let suback = SubAck { packet_id, properties: of(&properties, PropertyOwner::SubAck, version), codes };
            check(&Packet::SubAck(suback), version);
            let codes = if has_codes { &gone[..] } else { &[] };
            let unsuback = UnsubAck { packet_id, properties: of(&properties, PropertyOwner::UnsubAck, version), codes };
            check(&Packet::UnsubAck(unsuback), version);
        }
    }

    #[test]
    fn disconnect_and_auth(
        end in reason(&[0, 4, 0x81, 0x8D, 0x8E, 0x98, 0xA2]),
        end_properties in properties(PropertyOwner::Disconnect),
        step in reason(&[0, 0x18, 0x19]),
        step_properties in properties(PropertyOwner::Auth),
    ) {
        for version in VERSIONS {
            let reason = if version == Version::V5 { end } else { ReasonCode::Success };
            let properties = of(&end_properties, PropertyOwner::Disconnect, version);
            check(&Packet::Disconnect(Disconnect { reason, properties }), version);
        }
        let properties = of(&step_properties, PropertyOwner::Auth, Version::V5);
        check(&Packet::Auth(Auth { reason: step, properties }), Version::V5);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in bytes(200)) {
        VERSIONS.into_iter().for_each(|version| check_bytes(&bytes, version));
    }

    /// Any bytes rarely are nearly right; these are.
    #[test]
    fn damaged_packets_decode_or_fail(
        topic in topic(),
        filter in any_filter(),
        message in properties(PropertyOwner::Publish),
        will in properties(PropertyOwner::Will),
        connection in properties(PropertyOwner::Connect),
        subscription in properties(PropertyOwner::Subscribe),
        version in proptest::sample::select(&VERSIONS[..]),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let topic = TopicName::new(&topic).unwrap();
        let publish = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: Some(topic),
            packet_id: Some(PacketId::FIRST),
            properties: of(&message, PropertyOwner::Publish, version),
            payload: b"payload",
        });
        let properties = of(&will, PropertyOwner::Will, version);
        let payload = Binary::new(b"off").unwrap();
        let connect = Packet::Connect(Connect {
            version,
            clean_start: false,
            keep_alive_seconds: 60,
            client_id: Text::new("id").unwrap(),
            will: Some(Will { topic, payload, qos: QoS::ExactlyOnce, retain: true, properties }),
            user_name: Some(Text::new("user").unwrap()),
            password: Some(Binary::new(b"password").unwrap()),
            properties: of(&connection, PropertyOwner::Connect, version),
        });
        let entry = Subscription {
            filter: TopicFilter::new(&filter).unwrap(),
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Always,
        };
        let entries = [entry, entry];
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: PacketId::FIRST,
            properties: of(&subscription, PropertyOwner::Subscribe, version),
            subscriptions: Subscriptions::new(&entries),
        });
        for packet in [publish, connect, subscribe] {
            let mut bytes = encode(&packet, version);
            for (index, byte) in &damage {
                *index.get_mut(&mut bytes) = *byte;
                VERSIONS.into_iter().for_each(|version| check_bytes(&bytes, version));
            }
        }
    }

    /// `matches` against the definition by cases, on levels.
    #[test]
    fn matching_agrees_with_a_recursive_definition(filter in filter(), topic in topic(), levels in filter()) {
        fn definition(filter: &[&str], topic: &[&str]) -> bool {
            match (filter, topic) {
                (["#"], _) => true,
                ([], []) => true,
                ([first, filter @ ..], [name, topic @ ..]) => {
                    (*first == "+" || first == name) && definition(filter, topic)
                }
                _ => false,
            }
        }
        let plain = levels.replace(['+', '#'], "a");
        for topic in [topic, plain] {
            let Ok(name) = TopicName::new(&topic) else { continue };
            let filter_levels: Vec<_> = filter.split('/').collect();
            let topic_levels: Vec<_> = topic.split('/').collect();
            let reserved = topic.starts_with('$') && filter.starts_with(['+', '#']);
            let expected = !reserved && definition(&filter_levels, &topic_levels);
            prop_assert_eq!(matches(TopicFilter::new(&filter).unwrap(), name), expected);
        }
    }
}

#[test]
fn packets_without_a_body() {
    for version in VERSIONS {
        check(&Packet::PingReq(PingReq), version);
        check(&Packet::PingResp(PingResp), version);
    }
}

#[test]
fn a_packet_longer_than_its_length_can_say_is_refused() {
    let payload = vec![0; 268_435_455];
    for version in VERSIONS {
        let mut publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(TopicName::new("a").unwrap()),
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &payload,
        };
        assert!(publish.encode(version, &mut Count::default()).is_err());
        let section_bytes = usize::from(version.has_properties());
        publish.payload = &payload[2 + section_bytes..];
        assert!(publish.encode(version, &mut Count::default()).is_err());
        publish.payload = &payload[3 + section_bytes..];
        assert!(publish.encode(version, &mut Count::default()).is_ok());
    }
}
