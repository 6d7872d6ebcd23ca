//! Hardware addresses: every device has its own, and smoltcp asks for a forgotten one once a second, for all of them
//! together.

use crate::packets::{CONNACK, connect, publish, subscribe};
use crate::world::{LINKS, World};

fn subscribers(world: &mut World, keep_alive_s: u16) -> Vec<usize> {
    (0..LINKS)
        .map(|_| {
            let host = world.join(keep_alive_s, None);
            world.send(host, &subscribe(&["all"]));
            world.expect(host, &[0x90, 3, 0, 1, 1]);
            host
        })
        .collect()
}

/// How long a message to all of them takes until the last one has it.
fn fan_out_ms(world: &mut World, hosts: &[usize]) -> u64 {
    let message = publish("all", b"now");
    let start = world.now.as_micros();
    world.send(hosts[0], &message);
    for &host in hosts {
        world.expect(host, &message);
    }
    (world.now.as_micros() - start) / 1000
}

#[test]
fn a_message_to_a_full_house_waits_for_nobodys_address() {
    let mut world = World::new();
    let hosts = subscribers(&mut world, 0);
    assert!(fan_out_ms(&mut world, &hosts) < 100);
}

#[test]
fn a_message_after_hours_of_quiet_waits_for_nobodys_address() {
    let mut world = World::new();
    let hosts = subscribers(&mut world, 0);
    for _ in 0..3 {
        world.run_ms(3_600_000);
        assert!(fan_out_ms(&mut world, &hosts) < 100);
    }
}

#[test]
fn a_full_house_that_knows_the_address_of_a_board_that_has_started_again_is_back_at_once() {
    let mut world = World::new();
    let hosts = subscribers(&mut world, 60);
    world.restart();
    let start = world.now.as_micros();
    for &host in &hosts {
        world.knock(host);
    }
    for &host in &hosts {
        world.send(host, &connect(&format!("host-{host}"), 60, None));
        world.expect(host, &CONNACK);
    }
    // Those who find every place for half-open connections taken send their SYN again, after a second.
    let took_ms = (world.now.as_micros() - start) / 1000;
    assert!(took_ms < 1_500, "{took_ms} ms");
}
