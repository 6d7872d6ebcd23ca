//! CONNECT and who is let in.

use obkmq_broker::{Anonymous, DisconnectReason, Event, RefusedReason, Verdict, Violation};
use obkmq_mqtt::{Connect, Packet, PacketType, QoS};

use crate::network::*;

fn guarded(anonymous: Anonymous) -> Network {
    let mut policy = policy();
    policy.anonymous = anonymous;
    let mut network = Network::with(policy);
    network.broker.verifier_mut().known = vec![("alice", b"secret", 1), ("bob", b"", 2)];
    network
}

/// The answer to a CONNECT and whether the link is closed after it.
fn answer(network: &mut Network, from: &str, packet: &Packet<'_>) -> (Vec<String>, bool) {
    let client = network.open(from);
    network.send(client, packet);
    (network.read(client), network.client(client).closed)
}

fn refused(code: u8) -> (Vec<String>, bool) {
    (vec![format!("CONNACK {code}")], true)
}

fn accepted() -> (Vec<String>, bool) {
    (vec!["CONNACK 0".to_string()], false)
}

fn last_refusal(network: &Network) -> RefusedReason {
    match network.events.last() {
        Some(Event::Refused { reason, .. }) => *reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn mqtt_3_1_0_1_the_first_packet_must_be_connect() {
    let mut network = Network::new();
    for packet in [&[0xC0, 0][..], &[0x30, 3, 0, 1, b'a'], &[0x82, 6, 0, 1, 0, 1, b'#', 0], &[0xE0, 0]] {
        let client = network.open(LOOPBACK);
        network.send_bytes(client, packet);
        assert!(network.client(client).closed);
        assert!(network.read(client).is_empty());
        assert!(matches!(last_refusal(&network), RefusedReason::Violation(Violation::UnexpectedPacket(_))));
    }
}

#[test]
fn a_first_packet_that_is_not_connect_is_not_waited_for() {
    let mut network = Network::new();
    let client = network.open(LOOPBACK);
    network.send_bytes(client, &[0x30, 0x7F]);
    assert!(network.client(client).closed);
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_closes_the_link() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.send(client, &connect("c"));
    assert!(network.client(client).closed);
    let violation = Violation::UnexpectedPacket(PacketType::Connect);
    assert!(matches!(
        network.events.last(),
        Some(Event::Disconnected { reason: DisconnectReason::Violation(found), .. }) if *found == violation
    ));
}

#[test]
fn mqtt_3_1_2_2_other_protocol_levels_are_answered_with_return_code_1() {
    let mut network = Network::new();
    for (packet, level) in [
        (&b"\x10\x0F\0\x06MQIsdp\x04\x02\0\x3C\0\x01c"[..], 4),
        (b"\x10\x0E\0\x04MQTT\x06\x02\0\x3C\0\0\x01c", 6),
    ] {
        let client = network.open(LOOPBACK);
        network.send_bytes(client, packet);
        assert_eq!(network.read(client), ["CONNACK 1"]);
        assert!(network.client(client).closed);
        assert_eq!(last_refusal(&network), RefusedReason::UnsupportedVersion(level));
    }
}

#[test]
fn mqtt_3_1_2_1_and_3_a_bad_name_or_reserved_flag_closes_without_an_answer() {
    let mut network = Network::new();
    for packet in
        [&b"\x10\x0D\0\x04HTTP\x04\x02\0\x3C\0\x01c"[..], b"\x10\x0D\0\x04MQTT\x04\x03\0\x3C\0\x01c"]
    {
        let client = network.open(LOOPBACK);
        network.send_bytes(client, packet);
        assert!(network.read(client).is_empty());
        assert!(network.client(client).closed);
    }
}

#[test]
fn mqtt_3_1_3_8_an_empty_client_id_with_a_kept_session_is_rejected() {
    let mut network = Network::new();
    let packet = Packet::Connect(Connect { clean_start: false, ..connect_fields("") });
    assert_eq!(answer(&mut network, LOOPBACK, &packet), refused(2));
    assert_eq!(last_refusal(&network), RefusedReason::ClientIdEmpty);
}

#[test]
fn mqtt_3_1_3_6_an_empty_client_id_gets_a_unique_one() {
    let mut network = Network::new();
    let one = network.connect("");
    let other = network.connect("");
    assert!(network.is_alive(one) && network.is_alive(other));
    assert_eq!(network.broker.statistics().sessions, 2);
}

#[test]
fn mqtt_3_1_3_5_client_ids_of_23_characters_are_accepted_and_longer_ones_up_to_the_limit() {
    let mut network = Network::with_limits(|limits| limits.max_client_id_bytes = 64);
    assert_eq!(answer(&mut network, LOOPBACK, &connect(&"x".repeat(23))), accepted());
    assert_eq!(answer(&mut network, LOOPBACK, &connect(&"x".repeat(64))), accepted());
    assert_eq!(answer(&mut network, LOOPBACK, &connect(&"x".repeat(65))), refused(2));
    assert_eq!(last_refusal(&network), RefusedReason::ClientIdTooLong);
}

#[test]
fn anonymous_clients_are_let_in_where_the_policy_says() {
    for (anonymous, local, remote) in [
        (Anonymous::Never, refused(5), refused(5)),
        (Anonymous::Loopback, accepted(), refused(5)),
        (Anonymous::Always, accepted(), accepted()),
    ] {
        let mut network = guarded(anonymous);
        assert_eq!(answer(&mut network, LOOPBACK, &connect("a")), local);
        assert_eq!(answer(&mut network, REMOTE, &connect("b")), remote);
        assert_eq!(answer(&mut network, "[::ffff:127.0.0.1]:1", &connect("c")), local);
    }
}

#[test]
fn credentials_are_checked_even_where_nobody_needs_them() {
    for anonymous in [Anonymous::Never, Anonymous::Loopback, Anonymous::Always] {
        let mut network = guarded(anonymous);
        assert_eq!(answer(&mut network, LOOPBACK, &login("a", "alice", "secret")), accepted());
        assert_eq!(answer(&mut network, LOOPBACK, &login("b", "alice", "wrong")), refused(4));
        assert_eq!(last_refusal(&network), RefusedReason::BadCredentials);
        assert_eq!(answer(&mut network, LOOPBACK, &login("c", "mallory", "secret")), refused(4));
        assert_eq!(answer(&mut network, LOOPBACK, &login("d", "", "")), refused(4));
        assert_eq!(answer(&mut network, LOOPBACK, &login("e", "bob", "")), accepted());
    }
}

#[test]
fn a_user_name_without_password_is_no_credential() {
    let packet = Packet::Connect(Connect { user_name: Some(text("bob")), ..connect_fields("a") });
    let mut network = guarded(Anonymous::Never);
    assert_eq!(answer(&mut network, LOOPBACK, &packet), refused(4));
    assert_eq!(last_refusal(&network), RefusedReason::PasswordMissing);
    assert_eq!(network.broker.verifier().verified, 0);
    let mut network = guarded(Anonymous::Loopback);
    assert_eq!(answer(&mut network, REMOTE, &packet), refused(4));
    assert_eq!(answer(&mut network, LOOPBACK, &packet), accepted());
    assert!(matches!(network.events.last(), Some(Event::Connected { user: None, .. })));
}

#[test]
fn refusals_name_who_was_refused() {
    let mut network = guarded(Anonymous::Never);
    answer(&mut network, REMOTE, &login("kitchen\r\n", "alice", "wrong"));
    let Some(Event::Refused { peer, client_id, user, .. }) = network.events.last() else {
        panic!("no event")
    };
    assert_eq!(peer.0.to_string(), REMOTE);
    assert_eq!(client_id.as_str(), "kitchen??");
    assert_eq!(user.unwrap().as_str(), "alice");
    assert_eq!(network.broker.statistics().refused, 1);
}

#[test]
fn packets_behind_a_connect_wait_for_the_verdict() {
    let mut network = guarded(Anonymous::Never);
    network.broker.verifier_mut().slices = 5;
    let client = network.open(REMOTE);
    let mut bytes = encode(&login("a", "alice", "secret"));
    let connect_bytes = bytes.len();
    bytes.extend_from_slice(&[0xC0, 0]);
    let link = network.link(client);
    assert_eq!(network.broker.receive(network.now, link, &bytes), connect_bytes);
    assert_eq!(network.broker.receive(network.now, link, &bytes[connect_bytes..]), 0);
    network.send_bytes(client, &bytes[connect_bytes..]);
    assert_eq!(network.read(client), ["CONNACK 0", "PINGRESP"]);
    assert_eq!(network.broker.verifier().verified, 1);
}

#[test]
fn packets_behind_a_refused_connect_are_not_answered() {
    let mut network = guarded(Anonymous::Never);
    network.broker.verifier_mut().slices = 1;
    let client = network.open(REMOTE);
    let mut bytes = encode(&login("a", "alice", "wrong"));
    bytes.extend(encode(&login("a", "alice", "secret")));
    network.send_bytes(client, &bytes);
    assert_eq!(network.read(client), ["CONNACK 4"]);
    assert!(network.client(client).closed);
    assert_eq!(network.broker.verifier().verified, 1);
}

#[test]
fn attempts_are_judged_in_their_order_and_closed_links_leave_the_queue() {
    let mut network = guarded(Anonymous::Never);
    network.broker.verifier_mut().slices = 3;
    let clients: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let client = network.open(REMOTE);
            let bytes = encode(&login(name, "alice", "secret"));
            let link = network.link(client);
            assert_eq!(network.broker.receive(network.now, link, &bytes), bytes.len());
            client
        })
        .into();
    network.cut(clients[1]);
    assert_eq!(network.read(clients[0]), ["CONNACK 0"]);
    assert_eq!(network.read(clients[2]), ["CONNACK 0"]);
    assert_eq!(network.broker.statistics().sessions, 2);
}

#[test]
fn more_attempts_than_the_queue_holds_are_told_to_come_back() {
    let mut policy = policy();
    policy.limits.verify_queue = 1;
    let mut network = Network::with(policy);
    network.broker.verifier_mut().known = vec![("alice", b"secret", 1)];
    network.broker.verifier_mut().slices = 1;
    let [first, second] = ["a", "b"].map(|name| {
        let client = network.open(REMOTE);
        let link = network.link(client);
        network.broker.receive(network.now, link, &encode(&login(name, "alice", "secret")));
        client
    });
    network.run();
    assert_eq!(network.read(first), ["CONNACK 0"]);
    assert_eq!(network.read(second), ["CONNACK 3"]);
    assert!(
        network
            .events
            .iter()
            .any(|event| matches!(event, Event::Refused { reason: RefusedReason::VerifierBusy, .. }))
    );
}

#[test]
fn an_attempt_never_shows_its_password() {
    struct Spy(String);
    impl obkmq_broker::Verifier for Spy {
        fn judge(&mut self, _: obkmq_broker::Instant, attempt: &obkmq_broker::Attempt<'_>) -> Verdict {
            self.0 = format!("{attempt:?}");
            Verdict::Refused
        }

        fn work(&mut self, _: obkmq_broker::Instant) -> obkmq_broker::Progress {
            obkmq_broker::Progress::Idle
        }
    }
    let mut broker = obkmq_broker::Broker::new(policy(), 1, Spy(String::new()));
    let now = obkmq_broker::Instant::ZERO;
    let link = broker.opened(now, obkmq_broker::Peer(REMOTE.parse().unwrap())).unwrap();
    broker.receive(now, link, &encode(&login("a", "alice", "secret")));
    broker.poll(now);
    assert!(broker.verifier().0.contains("alice") && !broker.verifier().0.contains("115"));
}

#[test]
fn mqtt_3_1_4_2_a_new_link_takes_the_client_id_over() {
    let mut network = Network::new();
    let old = network.connect("c");
    network.subscribed(old, "a", QoS::AtMostOnce);
    let new = network.connect("c");
    assert!(network.client(old).closed);
    assert!(network.is_alive(new));
    assert_eq!(network.broker.statistics().subscriptions, 0);
    assert!(
        network
            .events
            .iter()
            .any(|event| matches!(event, Event::Disconnected { reason: DisconnectReason::TakenOver, .. }))
    );
}

#[test]
fn more_links_than_allowed_are_refused_and_room_is_made_again() {
    let mut network = Network::with_limits(|limits| limits.max_links = 2);
    let first = network.connect("a");
    network.connect("b");
    assert!(network.try_open(LOOPBACK).is_err());
    network.run();
    assert_eq!(last_refusal(&network), RefusedReason::TooManyLinks);
    network.cut(first);
    network.connect("c");
}

#[test]
fn a_stale_link_id_is_never_another_link() {
    let mut network = Network::new();
    let old = network.open(LOOPBACK);
    let stale = network.link(old);
    network.cut(old);
    let new = network.connect("c");
    assert_eq!(network.link(new).slot(), stale.slot());
    assert_ne!(network.link(new), stale);
    assert_eq!(network.broker.receive(network.now, stale, &[0xFF]), 1);
    network.broker.closed(network.now, stale);
    assert_eq!(network.broker.fill(stale, &mut [0; 8]), 0);
    assert!(network.is_alive(new));
}

#[test]
fn a_revoked_user_is_out_and_the_others_stay() {
    let mut network = guarded(Anonymous::Always);
    let [alice, bob] = [("alice", "secret"), ("bob", "")].map(|(user, password)| {
        let client = network.open(REMOTE);
        network.send(client, &login(user, user, password));
        assert_eq!(network.read(client), ["CONNACK 0"]);
        client
    });
    let anonymous = network.connect("nobody");
    network.broker.revoke(network.now, obkmq_broker::UserId(1));
    network.run();
    assert!(network.client(alice).closed);
    assert!(network.is_alive(bob) && network.is_alive(anonymous));
}

#[test]
fn anonymous_clients_leave_when_the_policy_changes() {
    let mut network = guarded(Anonymous::Always);
    let remote = network.open(REMOTE);
    network.send(remote, &connect("remote"));
    let local = network.connect("local");
    let mut policy = policy();
    policy.anonymous = Anonymous::Loopback;
    network.broker.set_policy(policy);
    network.run();
    assert!(network.client(remote).closed);
    assert!(network.is_alive(local));
}

#[test]
fn mqtt_3_14_4_2_disconnect_closes_the_link() {
    let mut network = Network::new();
    let client = network.connect("c");
    network.send_bytes(client, &[0xE0, 0, 0xC0, 0]);
    assert!(network.client(client).closed);
    assert!(network.read(client).is_empty());
    assert!(matches!(
        network.events.last(),
        Some(Event::Disconnected { reason: DisconnectReason::Disconnected, .. })
    ));
    assert_eq!(network.broker.statistics().sessions, 0);
}

#[test]
fn mqtt_3_1_3_4_and_11_texts_that_are_none_close_the_link_without_an_answer() {
    let mut network = Network::new();
    for packet in [
        &b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01\xFF"[..],
        b"\x10\x10\0\x04MQTT\x04\x82\0\x3C\0\x01c\0\x01\xFF",
        b"\x10\x12\0\x04MQTT\x04\x06\0\x3C\0\x01c\0\x01\xFF\0\0",
        b"\x10\x0E\0\x04MQTT\x05\x02\0\x3C\0\0\x01\xFF",
        b"\x10\x11\0\x04MQTT\x05\x82\0\x3C\0\0\x01c\0\x01\xFF",
    ] {
        let client = network.open(LOOPBACK);
        network.send_bytes(client, packet);
        assert!(network.client(client).closed);
        assert_eq!(network.client(client).received_bytes, 0);
    }
}
