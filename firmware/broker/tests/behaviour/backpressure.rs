//! Slow readers, floods and full memory: whoever causes the trouble has it.

use obkmq_broker::{DisconnectReason, Event, QoS};
use obkmq_mqtt::AckKind;

use crate::network::*;

#[test]
fn a_slow_reader_loses_whole_qos_0_messages_and_nobody_else_does() {
    let mut network = Network::with_limits(|limits| limits.max_queued_messages = 10);
    let [sender, slow, fast] = ["sender", "slow", "fast"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtMostOnce);
    network.subscribed(fast, "#", QoS::AtMostOnce);
    network.client(slow).blocked = true;
    for number in 0..50 {
        network.publish(sender, "a", &format!("message {number}"));
    }
    assert_eq!(network.read(fast).len(), 50);
    assert_eq!(network.broker.statistics().drops.slow_reader, 40);
    network.client(slow).blocked = false;
    network.run();
    let received = network.read(slow);
    assert_eq!(received.len(), 10);
    assert_eq!(received[9], "a=message 9 q0");
    assert!(network.is_between_packets(slow) && network.is_alive(slow));
}

#[test]
fn what_comes_while_the_transport_is_sending_is_not_taken_for_sent() {
    let mut network = Network::new();
    let [sender, receiver] = ["sender", "receiver"].map(|name| network.connect(name));
    network.subscribed(receiver, "#", QoS::AtMostOnce);
    network.client(receiver).blocked = true;
    let link = network.link(receiver);
    let mut buffer = [0; 100];
    // All of it is taken, or but a part.
    for missing in [0, 3] {
        network.publish(sender, "a", "1");
        let filled = network.broker.fill(link, &mut buffer);
        network.publish(sender, "b", "2");
        let taken = filled - missing;
        network.broker.sent(network.now, link, taken);
        network.client(receiver).incoming.extend_from_slice(&buffer[..taken]);
        network.client(receiver).blocked = false;
        network.run();
        assert_eq!(network.read(receiver), ["a=1 q0", "b=2 q0"]);
        network.client(receiver).blocked = true;
    }
}

#[test]
fn an_outbox_is_bounded_in_bytes() {
    let mut network = Network::with_limits(|limits| limits.max_queued_bytes = 1000);
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtMostOnce);
    network.client(slow).blocked = true;
    for _ in 0..10 {
        network.publish(sender, "a", &"x".repeat(299));
    }
    assert_eq!(network.broker.statistics().drops.slow_reader, 7);
}

#[test]
fn a_message_larger_than_the_queue_goes_through_an_empty_one() {
    let mut network = Network::with_limits(|limits| limits.max_queued_bytes = 100);
    let [sender, receiver] = ["s", "r"].map(|name| network.connect(name));
    network.subscribed(receiver, "#", QoS::AtLeastOnce);
    network.publish(sender, "a", &"x".repeat(500));
    network.send(sender, &publish_qos("a", &"y".repeat(500), QoS::AtLeastOnce, 1));
    assert_eq!(network.read(receiver).len(), 2);
}

#[test]
fn qos_1_waits_for_a_slow_reader_within_its_quota() {
    let mut network = Network::with_limits(|limits| {
        limits.inflight_window = 2;
        limits.max_queued_messages = 5;
    });
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtLeastOnce);
    for number in 1..=10 {
        network.send(sender, &publish_qos("a", &number.to_string(), QoS::AtLeastOnce, number));
    }
    assert_eq!(network.broker.statistics().drops.queue_full, 3);
    let mut received = network.read(slow);
    for number in 1..=7 {
        network.ack(slow, AckKind::PubAck, number);
        received.extend(network.read(slow));
    }
    let expected: Vec<_> = (1..=7).map(|number| format!("a={number} q1 id{number}")).collect();
    assert_eq!(received, expected);
}

#[test]
fn a_client_that_floods_and_does_not_read_is_not_read() {
    let mut network = Network::with_limits(|limits| limits.max_replies = 10);
    let client = network.connect("c");
    network.client(client).blocked = true;
    let link = network.link(client);
    let pings = [0xC0, 0].repeat(1000);
    assert_eq!(network.broker.receive(network.now, link, &pings), 20);
    assert_eq!(network.broker.receive(network.now, link, &pings), 0);
    network.client(client).blocked = false;
    network.send_bytes(client, &pings[20..]);
    assert_eq!(network.read(client).len(), 1000);
    assert!(!network.client(client).closed);
}

#[test]
fn a_paused_links_keep_alive_stands_still() {
    let mut network = Network::with_limits(|limits| limits.max_replies = 1);
    let client = network.open(LOOPBACK);
    let fields = obkmq_mqtt::Connect { keep_alive_seconds: 10, ..connect_fields("c") };
    network.send(client, &obkmq_mqtt::Packet::Connect(fields));
    network.subscribe(client, &[("a", QoS::AtMostOnce)]);
    network.client(client).blocked = true;
    network.broker.publish(network.now, "a", &[b'x'; 300], QoS::AtMostOnce, false).unwrap();
    network.send_bytes(client, &[0xC0, 0].repeat(100));
    // The transport takes a byte now and then: the link is slow but not dead, and its packets wait with the board.
    for _ in 0..20 {
        network.advance_millis(7_000);
        assert!(!network.client(client).closed);
        let link = network.link(client);
        network.broker.sent(network.now, link, 1);
        network.run();
    }
    assert!(!network.client(client).closed);
}

#[test]
fn qos_1_without_memory_pauses_its_sender_until_there_is_some() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 24_000;
        limits.max_queued_bytes = 1 << 20;
    });
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    let payload = "x".repeat(1000);
    for number in 1..=40 {
        network.send(sender, &publish_qos("a", &payload, QoS::AtLeastOnce, number));
    }
    let acknowledged = network.read(sender).len();
    assert!((10..30).contains(&acknowledged), "{acknowledged}");
    network.advance_millis(5_000);
    network.client(slow).blocked = false;
    for number in 1..=40 {
        network.ack(slow, AckKind::PubAck, number);
        network.advance_millis(100);
    }
    assert_eq!(network.read(sender).len() + acknowledged, 40);
    assert_eq!(network.read(slow).len(), 40);
    let statistics = network.broker.statistics();
    assert_eq!(statistics.drops, obkmq_broker::Drops::default());
    assert!(statistics.memory_peak_bytes <= 24_000);
}

#[test]
fn a_sender_whose_messages_find_no_memory_for_long_is_closed() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 24_000;
        limits.max_queued_bytes = 1 << 20;
        limits.stall_timeout_ms = 3_000;
    });
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    let payload = "x".repeat(1000);
    for number in 1..=40 {
        network.send(sender, &publish_qos("a", &payload, QoS::AtLeastOnce, number));
    }
    network.advance_millis(2_500);
    assert!(!network.client(sender).closed);
    network.advance_millis(1_000);
    assert!(network.client(sender).closed && !network.client(slow).closed);
    assert!(
        network
            .events
            .iter()
            .any(|event| matches!(event, Event::Disconnected { reason: DisconnectReason::OutOfMemory, .. }))
    );
}

#[test]
fn a_split_packet_that_finds_no_memory_comes_again_whole() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 24_000;
        limits.max_queued_bytes = 1 << 20;
    });
    network.pieces.0 = 100;
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    for number in 1..=30 {
        let payload = format!("{number}-{}", "x".repeat(900));
        network.send(sender, &publish_qos("a", &payload, QoS::AtLeastOnce, number));
    }
    network.client(slow).blocked = false;
    for number in 1..=30 {
        network.ack(slow, AckKind::PubAck, number);
        network.advance_millis(100);
    }
    let received = network.read(slow);
    assert_eq!(received.len(), 30);
    for (index, packet) in received.iter().enumerate() {
        assert!(packet.starts_with(&format!("a={}-x", index + 1)), "{packet:.20}");
    }
}

#[test]
fn new_connections_are_refused_first() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 40_000;
    });
    let mut clients = Vec::new();
    while let Ok(client) = network.try_open(LOOPBACK) {
        let name = format!("client-{}", clients.len());
        network.send(client, &connect(&name));
        if network.read(client) != ["CONNACK 0"] {
            break;
        }
        clients.push(client);
    }
    assert!(clients.len() > 10, "{}", clients.len());
    let used = network.broker.statistics().memory_used_bytes;
    // Three quarters are for connections; what these wrote and logged is beside that.
    assert!(used <= 32_000, "{used}");
    // The sessions that run go on.
    let first = clients[0];
    network.send(first, &publish_qos("a", "x", QoS::AtLeastOnce, 1));
    assert_eq!(network.read(first), ["PUBACK 1"]);
    for client in clients {
        assert!(network.is_alive(client));
    }
}

#[test]
fn a_pause_ends_even_where_no_answers_are_allowed_to_wait() {
    let mut network = Network::with_limits(|limits| limits.max_replies = 0);
    let client = network.connect("c");
    for _ in 0..3 {
        assert!(network.is_alive(client));
    }
}

#[test]
fn asking_for_the_store_again_and_again_without_reading_has_an_end() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut network = Network::with_limits(|limits| {
            limits.max_retained = 30;
            limits.max_queued_messages = 10;
            limits.inflight_window = 2;
        });
        let [sender, reader] = ["s", "r"].map(|name| network.connect(name));
        for number in 0..20 {
            let topic = format!("a/{number}");
            network.send(sender, &publish_qos_retained(&topic, "x", QoS::AtLeastOnce, number + 1));
        }
        network.client(reader).blocked = true;
        let before = network.broker.statistics().memory_used_bytes;
        network.subscribe(reader, &[("#", qos); 50]);
        let held = network.broker.statistics().memory_used_bytes - before;
        assert!(held < 50 * 32 + 10_000, "{held}");
        network.client(reader).blocked = false;
        network.run();
        let mut received = network.read(reader).len() - 1;
        for number in 1..=1000 {
            network.ack(reader, AckKind::PubAck, number);
            received += network.read(reader).len();
        }
        assert_eq!(received, 50 * 20);
        assert!(network.is_alive(reader));
    }
}

#[test]
fn a_replay_takes_no_room_from_live_messages() {
    let mut network = Network::with_limits(|limits| {
        limits.max_queued_messages = 2;
        limits.inflight_window = 1;
    });
    let [sender, reader] = ["s", "r"].map(|name| network.connect(name));
    for number in 1..=5 {
        let topic = format!("a/{number}");
        network.send(sender, &publish_qos_retained(&topic, "kept", QoS::AtLeastOnce, number));
    }
    network.subscribe(reader, &[("#", QoS::AtLeastOnce)]);
    for number in 6..=7 {
        network.send(sender, &publish_qos("b", "live", QoS::AtLeastOnce, number));
    }
    assert_eq!(network.broker.statistics().drops.queue_full, 0);
    let mut received = network.read(reader);
    for number in 1..=7 {
        network.ack(reader, AckKind::PubAck, number);
        received.extend(network.read(reader));
    }
    assert_eq!(received.iter().filter(|packet| packet.starts_with("b=live")).count(), 2);
}

#[test]
fn a_sender_that_found_memory_again_is_not_closed_for_want_of_it() {
    let mut network = Network::with_limits(|limits| {
        limits.event_queue = 4;
        limits.memory_bytes = 24_000;
        limits.max_packet_bytes = 24_000;
        limits.stall_timeout_ms = 3_000;
    });
    network.pieces.0 = 500;
    let [sender, slow] = ["sender", "slow"].map(|name| network.connect(name));
    network.subscribed(slow, "#", QoS::AtLeastOnce);
    network.client(slow).blocked = true;
    let payload = "x".repeat(1000);
    for number in 1..=10 {
        network.send(slow, &publish_qos("a", &payload, QoS::AtLeastOnce, number));
    }
    // The first part of a large message finds no memory until the receiver reads; the last part takes its time.
    let large = encode(&publish_qos("b", &"y".repeat(16_000), QoS::AtLeastOnce, 1));
    network.send_bytes(sender, &large[..12_000]);
    network.client(slow).blocked = false;
    for number in 1..=10 {
        network.ack(slow, AckKind::PubAck, number);
        network.advance_millis(100);
    }
    network.advance_millis(5_000);
    assert!(!network.client(sender).closed);
}
