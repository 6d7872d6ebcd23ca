//! Retained messages that survive a restart, and those that do not.

use super::*;
use crate::limits::RETAINED_WRITE_INTERVAL_US;

const INTERVAL_MS: u64 = RETAINED_WRITE_INTERVAL_US / 1000;

fn open_house() -> World {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.anonymous always");
    world
}

fn publisher(world: &mut World) -> LinkId {
    let link = world.open();
    world.receive(link, &connect_packet("p", None));
    assert_eq!(world.sent(link), [0x20, 2, 0, 0]);
    link
}

/// Everything retained, as a new subscriber to `#` gets it.
fn retained(world: &mut World) -> Vec<u8> {
    let link = world.open();
    world.receive(link, &connect_packet("s", None));
    world.sent(link);
    world.receive(link, &[0x82, 6, 0, 1, 0, 1, b'#', 0]);
    let answer = world.sent(link);
    assert_eq!(answer[..5], [0x90, 3, 0, 1, 0]);
    answer[5..].to_vec()
}

#[test]
fn discovery_survives_and_states_do_not() {
    let mut world = open_house();
    let link = publisher(&mut world);
    let kept = publish_retained("homeassistant/light/x/config", "{}");
    world.receive(link, &kept);
    world.receive(link, &publish_retained("stat/x/POWER", "ON"));
    world.wait_ms(INTERVAL_MS);
    let mut world = world.restart();
    assert_eq!(retained(&mut world), kept);
}

#[test]
fn the_last_of_many_changes_is_what_is_stored() {
    let mut world = open_house();
    let link = publisher(&mut world);
    for number in 0..50 {
        world.receive(link, &publish_retained("homeassistant/x", &format!("{number}")));
    }
    world.wait_ms(INTERVAL_MS);
    let mut world = world.restart();
    assert_eq!(retained(&mut world), publish_retained("homeassistant/x", "49"));
}

#[test]
fn an_empty_payload_removes_it_for_good() {
    let mut world = open_house();
    let link = publisher(&mut world);
    world.receive(link, &publish_retained("homeassistant/x", "on"));
    world.wait_ms(INTERVAL_MS);
    world.receive(link, &publish_retained("homeassistant/x", ""));
    world.wait_ms(INTERVAL_MS);
    let mut world = world.restart();
    assert_eq!(retained(&mut world), []);
}

#[test]
fn one_write_a_while_and_the_rest_at_the_end() {
    let mut world = open_house();
    let link = publisher(&mut world);
    world.receive(link, &publish_retained("homeassistant/a", "1"));
    let after_one = world.node.board.flash.cells.clone();
    world.receive(link, &publish_retained("homeassistant/b", "2"));
    assert!(world.node.board.flash.cells == after_one, "not before its time");
    world.node.flush();
    let mut world = world.restart();
    let all = retained(&mut world);
    assert!(
        all.windows(15).any(|window| window == b"homeassistant/a")
            && all.windows(15).any(|window| window == b"homeassistant/b")
    );
}

#[test]
fn what_the_settings_do_not_name_any_more_stays_away() {
    let mut world = open_house();
    let link = publisher(&mut world);
    world.receive(link, &publish_retained("homeassistant/x", "on"));
    world.wait_ms(INTERVAL_MS);
    world.typed("set retain.persist other/#");
    let mut world = world.restart();
    assert_eq!(retained(&mut world), []);
}

#[test]
fn a_full_region_is_said_once_in_a_while_and_nothing_else_is_harmed() {
    let mut world = open_house();
    let link = publisher(&mut world);
    for number in 0..200 {
        world.receive(link, &publish_retained(&format!("homeassistant/{number:0100}"), "x"));
        world.wait_ms(INTERVAL_MS);
    }
    let log = world.console_text();
    assert_eq!(
        log.matches("a retained message could not be stored: the flash region is full").count(),
        1,
        "{log}"
    );
    assert!(world.typed("set mqtt.port 1884").contains("ok gen=2"));
    let mut world = world.restart();
    assert!(retained(&mut world).len() > 50 * 100);
}
