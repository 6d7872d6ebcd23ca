//! A crowd that leaves at once, in each of the ways there are.

use crate::packets::{DISCONNECT, subscribe};
use crate::world::{LINKS, World};

/// As many as there are places for, each with two subscriptions and a will.
fn crowd(world: &mut World, keep_alive_s: u16) -> Vec<usize> {
    (0..LINKS)
        .map(|number| {
            let will = format!("home/{number}/status");
            let host = world.join(keep_alive_s, Some(&will));
            world.send(host, &subscribe(&[&format!("home/{number}/#"), "all/+/command"]));
            world.expect(host, &[0x90, 4, 0, 1, 1, 1]);
            host
        })
        .collect()
}

/// All that a full house took is given back, to within one part in a hundred of a chip's heap.
#[track_caller]
fn assert_given_back(world: &World, before: usize, after_ms: &str) {
    let left = world.held().saturating_sub(before);
    assert!(left * 100 <= 100 * 1024, "{left} bytes are still held {after_ms}; at the start {before}");
}

#[test]
fn all_cut_off_at_once_give_everything_back_within_200_seconds() {
    for keep_alive_s in [0, 60] {
        let mut world = World::new();
        let before = world.held();
        for host in crowd(&mut world, keep_alive_s) {
            world.hosts[host].is_cut = true;
        }
        assert!(world.held() > before + LINKS * 1024);
        world.run_ms(200_000);
        assert_given_back(&world, before, "after 200 s");
    }
}

#[test]
fn all_that_reset_at_once_give_everything_back_within_seconds() {
    let mut world = World::new();
    let before = world.held();
    for host in crowd(&mut world, 60) {
        world.abort(host);
    }
    world.run_ms(1_500);
    assert_given_back(&world, before, "after 1.5 s");
}

#[test]
fn all_that_say_goodbye_at_once_give_everything_back_within_seconds() {
    let mut world = World::new();
    let before = world.held();
    let hosts = crowd(&mut world, 60);
    for &host in &hosts {
        world.send(host, &DISCONNECT);
    }
    for &host in &hosts {
        world.close(host);
    }
    world.run_ms(8_000);
    assert_given_back(&world, before, "after 8 s");
}

#[test]
fn all_that_say_goodbye_and_never_end_their_side_give_everything_back_within_seconds() {
    let mut world = World::new();
    let before = world.held();
    for host in crowd(&mut world, 60) {
        world.send(host, &DISCONNECT);
        world.hosts[host].is_cut = true;
    }
    world.run_ms(8_000);
    // Half of the goodbyes may have been cut off with their senders.
    world.run_ms(190_000);
    assert_given_back(&world, before, "in the end");
}
