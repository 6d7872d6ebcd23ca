//! Frames that never arrive.

use crate::packets::{puback, publish_qos_1, subscribe};
use crate::wire::Frame;
use crate::world::World;

/// Loses one frame of each `nth`, and not always the same one: a fixed rhythm meets that of the retransmissions.
fn one_of(nth: u32) -> Box<dyn FnMut(&Frame) -> bool> {
    let mut count = 0_u32;
    let mut random = nth;
    Box::new(move |_| {
        if count.is_multiple_of(nth) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
        }
        count += 1;
        count % nth == random % nth
    })
}

#[test]
fn with_one_frame_of_each_few_lost_every_message_arrives_once_and_in_order() {
    for nth in 6..=20 {
        let mut world = World::new();
        world.loses = one_of(nth);
        let sender = world.join(0, None);
        let receiver = world.join(0, None);
        world.send(receiver, &subscribe(&["t"]));
        world.expect(receiver, &[0x90, 3, 0, 1, 1]);
        for number in 1..=30_u16 {
            world.send(sender, &publish_qos_1("t", number, &number.to_be_bytes()));
            world.expect(sender, &[0x40, 2, 0, u8::try_from(number).unwrap()]);
            let identifier = world.identifier(receiver);
            world.expect(receiver, &publish_qos_1("t", identifier, &number.to_be_bytes()));
            world.send(receiver, &puback(identifier));
        }
    }
}

#[test]
fn with_one_frame_of_each_few_lost_a_connection_that_ends_leaves_nothing() {
    for nth in 2..=12 {
        let mut world = World::new();
        let before = world.held();
        let host = world.join(60, None);
        world.loses = one_of(nth);
        world.close(host);
        world.run_ms(10_000);
        assert!(world.held() <= before, "one of {nth} frames lost: {} of {before}", world.held());
    }
}

#[test]
fn a_client_whose_reset_is_lost_is_gone_after_three_minutes() {
    let mut world = World::new();
    let before = world.held();
    // No keep-alive of MQTT: it is TCP that has to notice.
    let host = world.join(0, None);
    world.loses = Box::new(|frame| frame.tcp().is_some_and(|segment| segment.rst()));
    world.abort(host);
    world.hosts[host].is_cut = true;
    world.run_ms(170_000);
    assert!(world.held() > before, "it may still be there");
    world.run_ms(60_000);
    assert!(world.held() <= before, "{} of {before}", world.held());
}

#[test]
fn a_client_that_is_quiet_and_there_stays_connected() {
    let mut world = World::new();
    let host = world.join(0, None);
    world.run_ms(3_600_000);
    world.send(host, &[0xC0, 0]);
    world.expect(host, &[0xD0, 0]);
}

#[test]
fn half_open_connections_are_dropped_after_three_seconds_and_nobody_else_is_shut_out_for_longer() {
    let mut world = World::new();
    let before = world.held();
    world.loses = Box::new(|frame| !frame.from_node && frame.tcp().is_some_and(|segment| !segment.syn()));
    let hosts: Vec<usize> = (0..20).map(|_| world.host()).collect();
    for &host in &hosts {
        world.knock(host);
    }
    world.run_ms(100);
    for host in hosts {
        world.hosts[host].is_cut = true;
    }
    world.loses = Box::new(|_| false);
    world.run_ms(3_000);
    assert_eq!(world.held(), before);
    world.join(60, None);
}
