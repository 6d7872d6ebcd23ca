//! Who comes when the house is full, or when there is no memory.

use obkmq_net::smoltcp::socket::tcp::State;

use crate::heap::{self, Failing};
use crate::packets::{CONNACK, connect, publish, subscribe};
use crate::world::{LINKS, World};

#[test]
fn one_too_many_is_refused_the_others_go_on_and_a_place_that_is_free_again_is_given() {
    let mut world = World::new();
    let hosts: Vec<usize> = (0..LINKS).map(|_| world.join(60, None)).collect();
    for _ in 0..20 {
        let late = world.host();
        world.knock(late);
        world.send(late, &connect("late", 60, None));
        world.run_until(|world| matches!(world.state(late), State::CloseWait | State::Closed));
        assert!(world.received(late).is_empty());
        world.close(late);
    }
    for &host in &hosts {
        world.send(host, &[0xC0, 0]);
        world.expect(host, &[0xD0, 0]);
    }
    world.close(hosts[3]);
    world.run_ms(10);
    world.join(60, None);
}

#[test]
fn without_memory_newcomers_are_refused_and_connections_go_on() {
    let mut world = World::new();
    let host = world.join(60, None);
    world.send(host, &subscribe(&["t"]));
    world.expect(host, &[0x90, 3, 0, 1, 1]);
    // The one socket that listens already may still be had.
    heap::fail(Failing::Some(1, u64::MAX - 1));
    let late: Vec<usize> = (0..3).map(|_| world.host()).collect();
    for &late in &late {
        world.knock(late);
        world.run_ms(10);
    }
    assert!(late[1..].iter().all(|&late| world.state(late) == State::Closed), "refused by TCP");
    world.send(host, &[0xC0, 0]);
    world.expect(host, &[0xD0, 0]);
    heap::fail(Failing::None);
    let message = publish("t", b"again");
    world.send(host, &message);
    world.expect(host, &message);
    let late = world.host();
    world.knock(late);
    world.send(late, &connect("late", 60, None));
    world.expect(late, &CONNACK);
}

#[test]
fn a_reader_that_takes_nothing_holds_nobody_up_and_is_closed_in_the_end() {
    let mut world = World::new();
    let [sender, reader, idler] = [0; 3].map(|_| world.join(0, None));
    for host in [reader, idler] {
        world.send(host, &subscribe(&["t"]));
        world.expect(host, &[0x90, 3, 0, 1, 1]);
    }
    world.stop_reading(idler);
    let message = publish("t", &[b'x'; 200]);
    for _ in 0..500 {
        world.send(sender, &message);
        world.expect(reader, &message);
        assert!(world.held() < 60 * 1024, "{} bytes are held", world.held());
    }
    world.run_ms(200_000);
    world.send(sender, &message);
    world.expect(reader, &message);
    // What reached its socket is 8 kB; then its window closed for good.
    assert_ne!(world.state(idler), State::Established);
}
