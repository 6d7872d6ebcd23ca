//! Decoding is the inverse of encoding, for every packet; and no bytes whatever make decoding panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use obkmq_mqtt::{
    Ack, AckKind, Binary, ConnAck, Connect, ConnectReturnCode, Count, Empty, Filters, FixedHeader,
    HeaderProgress, Packet, PacketId, Publish, QoS, SubAck, Subscribe, Subscription, Subscriptions, Text,
    TopicFilter, TopicName, Unsubscribe, Version, Will, Window, matches,
};
use proptest::prelude::*;

fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut count = Count::default();
    packet.encode(Version::V3_1_1, &mut count).unwrap();
    let mut bytes = vec![0; count.bytes];
    let mut window = Window::new(0, &mut bytes);
    packet.encode(Version::V3_1_1, &mut window).unwrap();
    assert_eq!(window.written(), count.bytes);
    bytes
}

fn check(packet: &Packet<'_>) {
    let bytes = encode(packet);
    let HeaderProgress::Complete { header, header_bytes } = FixedHeader::decode(&bytes).unwrap() else {
        panic!("header incomplete");
    };
    assert_eq!(header.packet_bytes(), bytes.len());
    assert_eq!(Packet::decode(header, &bytes[header_bytes..], Version::V3_1_1).as_ref(), Ok(packet));
    // Every cut body is an error or, in the middle of a payload, another packet; never a panic.
    for end in header_bytes..bytes.len() {
        let _ = Packet::decode(header, &bytes[header_bytes..end], Version::V3_1_1);
    }
    // Sent in pieces of any size, the stream is the same.
    for piece in [1, 2, 3, 7, 64] {
        let mut joined = Vec::new();
        while joined.len() < bytes.len() {
            let mut buffer = vec![0; piece];
            let mut window = Window::new(joined.len(), &mut buffer);
            packet.encode(Version::V3_1_1, &mut window).unwrap();
            let written = window.written();
            joined.extend_from_slice(&buffer[..written]);
        }
        assert_eq!(joined, bytes);
    }
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

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..most)
}

proptest! {
    #[test]
    fn connect(
        clean_session: bool,
        keep_alive_seconds: u16,
        client_id in text(),
        will in proptest::option::of((topic(), bytes(20), qos(), any::<bool>())),
        login in proptest::option::of((text(), proptest::option::of(bytes(20)))),
    ) {
        let will = will.as_ref().map(|(topic, payload, qos, retain)| Will {
            topic: TopicName::new(topic).unwrap(),
            payload: Binary::new(payload).unwrap(),
            qos: *qos,
            retain: *retain,
        });
        check(&Packet::Connect(Connect {
            version: Version::V3_1_1,
            clean_session,
            keep_alive_seconds,
            client_id: Text::new(&client_id).unwrap(),
            will,
            user_name: login.as_ref().map(|(name, _)| Text::new(name).unwrap()),
            password: login.as_ref().and_then(|(_, password)| password.as_ref()).map(|p| Binary::new(p).unwrap()),
        }));
    }

    #[test]
    fn connack(session_present: bool, code in 0usize..6) {
        let return_code = [
            ConnectReturnCode::Accepted,
            ConnectReturnCode::UnacceptableProtocolVersion,
            ConnectReturnCode::IdentifierRejected,
            ConnectReturnCode::ServerUnavailable,
            ConnectReturnCode::BadUserNameOrPassword,
            ConnectReturnCode::NotAuthorized,
        ][code];
        check(&Packet::ConnAck(ConnAck { session_present: session_present && code == 0, return_code }));
    }

    #[test]
    fn publish(dup: bool, qos in qos(), retain: bool, topic in topic(), id in packet_id(), payload in bytes(300)) {
        let has_id = qos != QoS::AtMostOnce;
        check(&Packet::Publish(Publish {
            dup: dup && has_id,
            qos,
            retain,
            topic: TopicName::new(&topic).unwrap(),
            packet_id: has_id.then_some(id),
            payload: &payload,
        }));
    }

    #[test]
    fn acknowledgements(kind in 0usize..5, packet_id in packet_id()) {
        let kind =
            [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp, AckKind::UnsubAck][kind];
        check(&Packet::Ack(Ack { kind, packet_id }));
    }

    #[test]
    fn subscribe(packet_id in packet_id(), entries in proptest::collection::vec((filter(), qos()), 1..20)) {
        let list: Vec<_> = entries
            .iter()
            .map(|(filter, qos)| Subscription { filter: TopicFilter::new(filter).unwrap(), qos: *qos })
            .collect();
        check(&Packet::Subscribe(Subscribe { packet_id, subscriptions: Subscriptions::new(&list) }));
        let filters: Vec<_> = list.iter().map(|entry| entry.filter).collect();
        check(&Packet::Unsubscribe(Unsubscribe { packet_id, filters: Filters::new(&filters) }));
    }

    #[test]
    fn suback(packet_id in packet_id(), codes in proptest::collection::vec(
        proptest::sample::select(&[0u8, 1, 2, 0x80][..]), 1..100,
    )) {
        check(&Packet::SubAck(SubAck::new(packet_id, &codes).unwrap()));
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in bytes(200)) {
        if let Ok(HeaderProgress::Complete { header, header_bytes }) = FixedHeader::decode(&bytes) {
            let body = &bytes[header_bytes..];
            let body = &body[..body.len().min(header.remaining_length as usize)];
            if let Ok(packet) = Packet::decode(header, body, Version::V3_1_1) {
                // What was understood can be said again, and means the same.
                check(&packet);
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
    for empty in [Empty::PingReq, Empty::PingResp, Empty::Disconnect] {
        check(&Packet::Empty(empty));
    }
}

#[test]
fn a_packet_longer_than_its_length_can_say_is_refused() {
    let payload = vec![0; 268_435_455];
    let topic = TopicName::new("a").unwrap();
    let mut publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        payload: &payload,
    };
    assert!(publish.encode(&mut Count::default()).is_err());
    publish.payload = &payload[3..];
    assert!(publish.encode(&mut Count::default()).is_ok());
}
