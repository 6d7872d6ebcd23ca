//! Streams: whatever the transport splits or joins, the same packets come out; and malformed ones end their link only.

use obkmq_broker::{DisconnectReason, Event, QoS, Violation};
use obkmq_mqtt::{AckKind, Connect, DecodeError, Packet};
use proptest::prelude::*;

use crate::network::*;

/// A CONNECT of 141 bytes, as Tasmota's is: `10 8A 01 00 …`.
fn tasmota_connect() -> Vec<u8> {
    let payload = "x".repeat(36);
    let will = will("tele/tasmota_C97F26/LWT", &payload, QoS::AtLeastOnce, true);
    let fields = Connect { will, keep_alive_seconds: 30, ..connect_fields("DVES_C97F26") };
    let bytes = encode(&Packet::Connect(Connect { user_name: Some(text(&"u".repeat(50))), ..fields }));
    assert_eq!((bytes.len(), &bytes[..4]), (141, &[0x10, 0x8A, 0x01, 0x00][..]));
    bytes
}

#[test]
fn tasmotas_connect_in_two_segments() {
    for split in [2, 27, 139, 1, 140] {
        let mut network = Network::new();
        let client = network.open(LOOPBACK);
        let bytes = tasmota_connect();
        network.send_bytes(client, &bytes[..split]);
        assert!(network.read(client).is_empty());
        network.send_bytes(client, &bytes[split..]);
        assert_eq!(network.read(client), ["CONNACK 0"]);
    }
}

#[test]
fn tasmotas_27_and_139_bytes() {
    // 27 bytes that end a packet and begin the next, 139 that end that one.
    let mut network = Network::new();
    let client = network.connect("c");
    network.subscribed(client, "#", QoS::AtMostOnce);
    let mut stream = encode(&publish("stat/first", b"ON"));
    stream.extend(encode(&publish("tele/second", &[b'x'; 166 - 16 - 16])));
    assert_eq!(stream.len(), 166);
    network.send_bytes(client, &stream[..27]);
    assert_eq!(network.read(client), ["stat/first=ON q0"]);
    network.send_bytes(client, &stream[27..]);
    assert_eq!(network.read(client).len(), 1);
}

#[test]
fn tasmotas_two_messages_in_one_read() {
    let topic = "tele/tasmota_C97F26/some/INFO1/abcdefg";
    let large = encode(&Packet::Publish(obkmq_mqtt::Publish {
        retain: true,
        ..publish_fields(&topic[..0x25], &[b'j'; 634 - 2 - 0x25])
    }));
    let small = encode(&Packet::Publish(obkmq_mqtt::Publish {
        retain: true,
        ..publish_fields(&topic[..0x26], &[b'k'; 85 - 2 - 0x26])
    }));
    assert_eq!((large.len(), &large[..5]), (637, &[0x31, 0xFA, 0x04, 0x00, 0x25][..]));
    assert_eq!((small.len(), &small[..4]), (87, &[0x31, 0x55, 0x00, 0x26][..]));
    let mut network = Network::new();
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "#", QoS::AtMostOnce);
    let link = network.link(sender);
    let joined = [large, small].concat();
    assert_eq!(joined.len(), 724);
    assert_eq!(network.broker.receive(network.now, link, &joined), 724);
    network.run();
    assert_eq!(network.read(receiver).len(), 2);
}

/// What a client says in a session with everything in it.
fn script() -> Vec<u8> {
    let mut stream = tasmota_connect();
    let list =
        [("a/#", QoS::AtLeastOnce), ("b", QoS::AtMostOnce)].map(|(filter, qos)| subscription(filter, qos));
    let subscriptions = obkmq_mqtt::Subscriptions::new(&list);
    stream.extend(encode(&Packet::Subscribe(obkmq_mqtt::Subscribe {
        packet_id: id(1),
        properties: obkmq_mqtt::Properties::EMPTY,
        subscriptions,
    })));
    stream.extend(encode(&publish_retained("a/b", "retained")));
    stream.extend(encode(&publish("b", &[b'y'; 300])));
    stream.extend(encode(&publish_qos("a/c", "one", QoS::AtLeastOnce, 2)));
    stream.extend(encode(&publish_qos("a/d", "two", QoS::ExactlyOnce, 3)));
    stream.extend(encode(&Packet::Ack(obkmq_mqtt::Ack {
        kind: AckKind::PubRel,
        packet_id: id(3),
        reason: obkmq_mqtt::ReasonCode::Success,
        properties: obkmq_mqtt::Properties::EMPTY,
    })));
    stream.extend([0xC0, 0]);
    // A length with more bytes than it needs.
    stream.extend([0x30, 0x84, 0x80, 0x00, 0, 1, b'b', b'!']);
    stream
}

fn play(pieces: impl Iterator<Item = usize>, sends: (usize, usize)) -> Vec<String> {
    let mut network = Network::new();
    network.pieces = (usize::MAX, sends.0, sends.1);
    let client = network.open(LOOPBACK);
    let stream = script();
    let mut rest = &stream[..];
    for piece in pieces {
        let (front, back) = rest.split_at(piece.min(rest.len()));
        network.send_bytes(client, front);
        rest = back;
        if rest.is_empty() {
            break;
        }
    }
    network.send_bytes(client, rest);
    assert!(!network.client(client).closed);
    let mut packets = network.read(client);
    assert!(network.is_between_packets(client));
    // Answers and messages of different queues may pass each other; what each is does not change.
    packets.sort();
    packets
}

#[test]
fn byte_by_byte_in_both_directions() {
    let whole = play([usize::MAX].into_iter(), (usize::MAX >> (usize::BITS - 24), usize::MAX));
    assert_eq!(whole.len(), 11);
    assert_eq!(play(core::iter::repeat(1), (1, 1)), whole);
    assert_eq!(play(core::iter::repeat(1), (7, 3)), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_stream_gives_the_same_result(
        pieces in proptest::collection::vec(1usize..200, 0..60),
        fill in 1usize..400,
        take in 1usize..400,
    ) {
        let whole = play([usize::MAX].into_iter(), (2000, usize::MAX));
        prop_assert_eq!(play(pieces.into_iter(), (fill, take)), whole);
    }

    #[test]
    fn random_bytes_never_panic_and_end_their_link_only(
        streams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
        connected in any::<bool>(),
    ) {
        let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 4096);
        let witness = network.connect("witness");
        for (index, stream) in streams.iter().enumerate() {
            let client = if connected { network.connect(&format!("c{index}")) } else { network.open(LOOPBACK) };
            network.send_bytes(client, stream);
        }
        network.advance_millis(100_000);
        prop_assert!(network.is_alive(witness));
    }

    /// Valid packets with some bytes changed get deeper than noise does.
    #[test]
    fn damaged_packets_never_panic_and_end_their_link_only(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 4096);
        let witness = network.connect("witness");
        let mut stream = script();
        for (index, byte) in damage {
            let index = index.index(stream.len());
            stream[index] = byte;
        }
        stream.truncate(cut.index(stream.len()) + 1);
        let client = network.open(LOOPBACK);
        network.send_bytes(client, &stream);
        network.read(client);
        network.cut(client);
        prop_assert!(network.is_alive(witness));
    }
}

#[test]
fn malformed_packets_end_their_link_with_a_reason_and_no_other() {
    let packets: [(&[u8], DecodeError); 6] = [
        (&[0x00, 0], DecodeError::PacketType(0)),
        (&[0xF0, 0], DecodeError::PacketType(15)),
        (&[0x36, 3, 0, 1, b'a'], DecodeError::QoS),
        (&[0x32, 3, 0, 1, b'a'], DecodeError::Truncated),
        (&[0x82, 2, 0, 1], DecodeError::NoEntries),
        (&[0x30, 4, 0, 2, 0xC0, 0x80], DecodeError::Topic(obkmq_mqtt::TopicError::Utf8)),
    ];
    for (packet, error) in packets {
        let mut network = Network::new();
        let witness = network.connect("witness");
        let client = network.connect("c");
        network.send_bytes(client, packet);
        assert!(network.client(client).closed);
        let Some(Event::Disconnected { reason, .. }) = network.events.last() else { panic!("no event") };
        assert_eq!(*reason, DisconnectReason::Violation(Violation::Malformed(error)));
        assert!(network.is_alive(witness));
    }
}

#[test]
fn a_packet_over_the_limit_is_refused_by_its_header() {
    let mut network = Network::with_limits(|limits| limits.max_packet_bytes = 1000);
    let client = network.connect("c");
    network.subscribed(client, "a", QoS::AtMostOnce);
    network.send(client, &publish("a", &[b'x'; 994]));
    assert_eq!(network.read(client).len(), 1);
    network.send_bytes(client, &[0x30, 0xE6, 0x07]);
    assert!(network.client(client).closed);
    let Some(Event::Disconnected { reason, .. }) = network.events.last() else { panic!("no event") };
    assert_eq!(*reason, DisconnectReason::Violation(Violation::PacketTooLarge { bytes: 1001 }));
}

#[test]
fn a_huge_announced_length_costs_nothing() {
    let mut network = Network::with_limits(|limits| limits.max_packet_bytes = u32::MAX);
    let client = network.connect("c");
    let before = network.broker.statistics().memory_used_bytes;
    network.send_bytes(client, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a']);
    assert!(!network.client(client).closed);
    assert!(network.broker.statistics().memory_used_bytes - before < 1000);
    network.send_bytes(client, &[b'x'; 1000]);
    assert!(network.broker.statistics().memory_used_bytes - before < 2000);
    network.cut(client);
}

#[test]
fn the_reassembly_buffer_is_gone_when_the_packet_is_whole() {
    let mut network = Network::new();
    let client = network.connect("c");
    let before = network.broker.statistics().memory_used_bytes;
    let packet = encode(&publish("nobody", &[0; 500]));
    network.send_bytes(client, &packet[..300]);
    assert!(network.broker.statistics().memory_used_bytes >= before + 300);
    network.send_bytes(client, &packet[300..]);
    // The chunk that the note of it stood in is given back in the next turn that has something due.
    network.advance_millis(100_000);
    let after = network.broker.statistics().memory_used_bytes;
    assert!(after <= before, "{before} {after}");
}

#[test]
fn mqtt_2_2_2_2_invalid_flags_close_the_link_whatever_the_packet_is() {
    let packets: [&[u8]; 10] = [
        &[0x41, 2, 0, 1],
        &[0x52, 2, 0, 1],
        &[0x60, 2, 0, 1],
        &[0x6A, 2, 0, 1],
        &[0x71, 2, 0, 1],
        &[0x80, 6, 0, 1, 0, 1, b'a', 0],
        &[0x8A, 6, 0, 1, 0, 1, b'a', 0],
        &[0xA0, 5, 0, 1, 0, 1, b'a'],
        &[0xC8, 0],
        &[0xE1, 0],
    ];
    for packet in packets {
        let mut network = Network::new();
        let [witness, client] = ["witness", "c"].map(|name| network.connect(name));
        network.send_bytes(client, packet);
        assert!(network.client(client).closed && network.is_alive(witness), "{packet:x?}");
        assert!(network.read(client).is_empty(), "{packet:x?} was answered");
    }
}

#[test]
fn mqtt_1_5_3_2_the_null_character_in_any_text_closes_the_link() {
    let packets: [&[u8]; 4] = [
        &[0x30, 5, 0, 3, b'a', 0, b'b'],
        &[0x82, 8, 0, 1, 0, 3, b'a', 0, b'b', 0],
        &[0xA2, 7, 0, 1, 0, 3, b'a', 0, b'b'],
        &[0x30, 6, 0, 3, b'a', 0, b'b', b'x'],
    ];
    for packet in packets {
        let mut network = Network::new();
        let [witness, client] = ["witness", "c"].map(|name| network.connect(name));
        network.send_bytes(client, packet);
        assert!(network.client(client).closed && network.is_alive(witness), "{packet:x?}");
    }
}
