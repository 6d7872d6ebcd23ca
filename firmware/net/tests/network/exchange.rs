//! A client's whole life, and that nothing is left of it.

use obkmq_net::smoltcp::socket::tcp::State;

use crate::packets::{DISCONNECT, publish, subscribe};
use crate::world::{LINKS, World};

#[test]
fn a_client_connects_subscribes_publishes_receives_and_closes() {
    let mut world = World::new();
    let before = world.held();
    let host = world.join(60, None);
    world.send(host, &subscribe(&["home/#"]));
    world.expect(host, &[0x90, 3, 0, 1, 1]);
    let message = publish("home/light", b"on");
    world.send(host, &message);
    world.expect(host, &message);
    assert!(world.held() > before);
    world.send(host, &DISCONNECT);
    world.run_until(|world| world.state(host) == State::CloseWait);
    world.close(host);
    world.run_until(|world| world.state(host) == State::Closed);
    // Late segments are waited for, and the broker gives back what it has emptied.
    world.run_ms(6_000);
    // What the node itself had to do at its start is over by then.
    assert!(world.held() <= before, "{} of {before}", world.held());
}

#[test]
fn a_message_of_many_segments_comes_through_buffers_of_half_a_kilobyte() {
    let mut world = World::new();
    let sender = world.join(60, None);
    let receiver = world.join(60, None);
    world.send(receiver, &subscribe(&["big"]));
    world.expect(receiver, &[0x90, 3, 0, 1, 1]);
    let payload: Vec<u8> = (0..4096).map(|at| (at % 251) as u8).collect();
    let message = publish("big", &payload);
    world.send(sender, &message);
    world.expect(receiver, &message);
}

#[test]
fn every_place_can_be_taken_again_after_all_have_left() {
    let mut world = World::new();
    let hosts: Vec<usize> = (0..LINKS).map(|_| world.join(60, None)).collect();
    for _ in 0..3 {
        for &host in &hosts {
            world.close(host);
        }
        world.run_ms(6_000);
        for &host in &hosts {
            world.rejoin(host, 60, None);
        }
    }
}
