//! Sessions that survive a power cut, and those that must not.

use super::flash::{Tear, every_cut};
use super::*;
use crate::limits::{JOURNAL_FAILED_PAUSE_US, JOURNAL_WRITE_INTERVAL_US};

const INTERVAL_MS: u64 = JOURNAL_WRITE_INTERVAL_US / 1000;
const FAILED_PAUSE_MS: u64 = JOURNAL_FAILED_PAUSE_US / 1000;
const SUBSCRIBED: [u8; 5] = [0x90, 3, 0, 1, 1];

fn open_house() -> World {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.anonymous always");
    world
}

/// Connects with a session that is to be kept; whether there was one.
fn come_back(world: &mut World, id: &str, credentials: Option<(&str, &str)>) -> (LinkId, bool) {
    let mut connect = connect_packet(id, credentials);
    // Without the clean session flag.
    connect[9] &= !0x02;
    let link = world.open();
    world.receive(link, &connect);
    match world.sent(link)[..] {
        [0x20, 2, present, 0] => (link, present == 1),
        ref answer => panic!("{answer:?}"),
    }
}

fn subscribe(world: &mut World, link: LinkId, filter: &str) {
    let mut body = vec![0, 1];
    text(&mut body, filter);
    body.push(1);
    world.receive(link, &packet(0x82, &body));
    assert_eq!(world.sent(link), SUBSCRIBED);
}

fn publish(topic: &str) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    packet(0x30, &body)
}

/// Lets everything be stored that waits for it.
fn wait(world: &mut World) {
    for _ in 0..4 {
        world.wait_ms(INTERVAL_MS);
    }
}

#[test]
fn a_session_and_what_it_subscribed_to_survive() {
    let mut world = open_house();
    let (link, present) = come_back(&mut world, "alarm", None);
    assert!(!present);
    subscribe(&mut world, link, "door/+");
    subscribe(&mut world, link, "window/#");
    wait(&mut world);
    let mut world = world.restart();
    let (link, present) = come_back(&mut world, "alarm", None);
    assert!(present);
    let (other, _) = come_back(&mut world, "other", None);
    for topic in ["door/front", "window", "roof"] {
        world.receive(other, &publish(topic));
    }
    assert_eq!(world.sent(link), [publish("door/front"), publish("window")].concat());
}

#[test]
fn the_session_of_a_user_is_found_by_name_and_gone_with_the_user() {
    let mut world = open_house();
    for user in ["ann", "bob", "cy"] {
        world.typed(&format!("user set {user} {user}"));
        let (link, _) = come_back(&mut world, &format!("device-{user}"), Some((user, user)));
        subscribe(&mut world, link, "x");
    }
    wait(&mut world);
    // The numbers of users are given anew at each boot.
    world.typed("user del ann");
    wait(&mut world);
    world.typed("user set ann ann");
    wait(&mut world);
    let mut world = world.restart();
    assert_eq!(world.node.broker.statistics().sessions, 2);
    assert!(come_back(&mut world, "device-bob", Some(("bob", "bob"))).1);
    assert!(!come_back(&mut world, "device-cy", Some(("bob", "bob"))).1, "of somebody else");
    assert!(!come_back(&mut world, "device-ann", Some(("ann", "ann"))).1);
}

#[test]
fn one_identifier_of_two_users_is_two_sessions_in_flash() {
    let mut world = open_house();
    for (user, filter) in [(None, "nobody"), (Some(("ann", "ann")), "ann"), (Some(("bob", "bob")), "bob")] {
        if let Some((name, password)) = user {
            world.typed(&format!("user set {name} {password}"));
        }
        let (link, _) = come_back(&mut world, "device", user);
        subscribe(&mut world, link, filter);
    }
    wait(&mut world);
    // A new password is a new user as far as sessions are concerned, and ends hers only.
    world.typed("user set ann other");
    wait(&mut world);
    let mut world = world.restart();
    assert_eq!(world.node.broker.statistics().sessions, 2);
    assert!(!come_back(&mut world, "device", Some(("ann", "other"))).1);
    let (nobody, present) = come_back(&mut world, "device", None);
    let (bob, also) = come_back(&mut world, "device", Some(("bob", "bob")));
    assert!(present && also);
    let (other, _) = come_back(&mut world, "other", None);
    for topic in ["nobody", "ann", "bob"] {
        world.receive(other, &publish(topic));
    }
    assert_eq!(world.sent(nobody), publish("nobody"));
    assert_eq!(world.sent(bob), publish("bob"));
}

#[test]
fn sessions_of_a_user_who_went_are_removed_however_many_they_are() {
    let mut world = open_house();
    world.typed("user set ann ann");
    let count = crate::limits::UNWANTED_ITEMS_KEPT + 5;
    for number in 0..count {
        let (link, _) = come_back(&mut world, &format!("device-{number}"), Some(("ann", "ann")));
        world.node.closed(world.now, link);
    }
    for _ in 0..count + 5 {
        world.wait_ms(INTERVAL_MS);
    }
    world.typed("user del ann");
    world.typed("user set ann ann");
    for _ in 0..count + 10 {
        world.wait_ms(INTERVAL_MS);
    }
    assert_eq!(world.restart().node.broker.statistics().sessions, 0);
}

#[test]
fn a_session_whose_user_went_while_the_power_was_going_is_forgotten() {
    let mut world = open_house();
    world.typed("user set ann ann");
    let (link, _) = come_back(&mut world, "device", Some(("ann", "ann")));
    subscribe(&mut world, link, "x");
    wait(&mut world);
    // Flash was written just now, so that the session has to wait.
    world.receive(link, &publish_retained("homeassistant/x", "on"));
    world.typed("user del ann");
    let mut world = world.restart();
    assert_eq!(world.node.broker.statistics().sessions, 0);
    wait(&mut world);
    world.typed("user set ann ann");
    let mut world = world.restart();
    assert!(!come_back(&mut world, "device", Some(("ann", "ann"))).1);
}

#[test]
fn anonymous_sessions_are_forgotten_where_nobody_may_be_anonymous() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "device", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    world.typed("set mqtt.anonymous never");
    let mut world = world.restart();
    assert_eq!(world.node.broker.statistics().sessions, 0);
    wait(&mut world);
    world.typed("set mqtt.anonymous always");
    assert!(!come_back(&mut world.restart(), "device", None).1);
}

#[test]
fn a_session_that_is_over_does_not_come_back() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "device", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    world.connect_cleanly("device");
    wait(&mut world);
    assert!(!come_back(&mut world.restart(), "device", None).1);
}

#[test]
fn an_unchanged_session_is_not_written_again() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "device", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    let written = world.node.board.flash.cells.clone();
    world.node.closed(world.now, link);
    for _ in 0..2 {
        let (link, _) = come_back(&mut world, "device", None);
        subscribe(&mut world, link, "x");
        wait(&mut world);
        assert!(world.node.board.flash.cells == written);
        world = world.restart();
    }
}

#[test]
fn a_session_that_flash_did_not_take_or_let_go_is_tried_again() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "old", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    world.node.board.flash.cut_after(0, Tear::Nothing);
    let (link, _) = come_back(&mut world, "new", None);
    subscribe(&mut world, link, "x");
    world.wait_ms(INTERVAL_MS);
    world.connect_cleanly("old");
    world.wait_ms(FAILED_PAUSE_MS);
    let log = world.console_text();
    assert!(
        log.contains("error: the session of \"new\" could not be stored: the flash driver failed"),
        "{log}"
    );
    world.node.board.flash.cut = None;
    world.wait_ms(FAILED_PAUSE_MS);
    wait(&mut world);
    let mut world = world.restart();
    assert!(come_back(&mut world, "new", None).1);
    assert!(!come_back(&mut world, "old", None).1);
}

#[test]
fn a_session_too_large_for_flash_does_not_leave_an_older_one_behind() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "device", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    for number in 0..50 {
        subscribe(&mut world, link, &format!("{number:0100}"));
    }
    wait(&mut world);
    let log = world.console_text();
    assert!(
        log.contains("error: the session of \"device\" could not be stored: the item is larger"),
        "{log}"
    );
    assert!(!come_back(&mut world.restart(), "device", None).1);
}

#[test]
fn no_more_sessions_are_stored_than_the_board_has_places_for() {
    let limits = Limits { max_stored_sessions: 3, ..Limits::default() };
    let mut world = World::boot_with(open_house().power_off(), limits);
    for id in ["a", "b", "c", "d", "e"] {
        come_back(&mut world, id, None);
    }
    wait(&mut world);
    assert_eq!(world.restart().node.broker.statistics().sessions, 3);
}

#[test]
fn a_power_cut_at_any_flash_operation_leaves_the_old_session_or_the_new_one() {
    let mut base = open_house();
    let (link, _) = come_back(&mut base, "device", None);
    // Large enough that the sweep meets page changes and erasures too.
    for number in 0..15 {
        subscribe(&mut base, link, &format!("{number:0100}"));
    }
    base.receive(link, &publish_retained("homeassistant/x", "on"));
    wait(&mut base);
    let mut flash = base.power_off();
    let mut cuts = 0;
    for round in 0..40 {
        let (before, after) = if round % 2 == 0 { (15, 16) } else { (16, 15) };
        for (operations, tear) in every_cut() {
            let mut world = World::boot(flash.clone());
            let (link, present) = come_back(&mut world, "device", None);
            assert!(present);
            world.node.board.flash.cut_after(operations, tear);
            if round % 2 == 0 {
                subscribe(&mut world, link, "window");
            } else {
                let mut body = vec![0, 1];
                text(&mut body, "window");
                world.receive(link, &packet(0xA2, &body));
            }
            world.wait_ms(INTERVAL_MS);
            let done = !world.console_text().contains("could not be stored");
            let mut world = world.restart();
            assert!(!world.node.locked);
            let log = world.console_text();
            assert!(!log.contains("damaged"), "cut {operations} ({tear:?}) of round {round}: {log}");
            assert_eq!(world.node.broker.statistics().retained, 1);
            let count = world.node.broker.statistics().subscriptions;
            assert!(come_back(&mut world, "device", None).1, "cut {operations} of round {round}");
            assert!(count == before || count == after, "{count}, not {before} or {after}");
            if done {
                assert_eq!(count, after, "stored and lost");
                flash = world.power_off();
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > 400, "{cuts}");
    println!("sessions: {cuts} power cuts");
}

#[test]
fn damaged_sessions_are_said_and_harm_nothing_else() {
    let mut world = open_house();
    let (link, _) = come_back(&mut world, "device", None);
    subscribe(&mut world, link, "x");
    wait(&mut world);
    // A state that the broker does not know, in an item that is sound.
    let item = crate::storage::Item::Session { client_id: "strange", user: None, state: b"?" };
    let regions = SETTINGS_BYTES..FLASH_BYTES;
    let store = crate::storage::KeptStore::new(regions);
    let key = crate::storage::session_key("strange", None);
    store.set(&mut world.node.board.flash, &key, &item.encode().unwrap()).unwrap();
    let mut world = world.restart();
    let log = world.console_text();
    assert!(log.contains("error: 1 stored retained messages or sessions cannot be read"), "{log}");
    assert!(come_back(&mut world, "device", None).1);
    wait(&mut world);
    let mut world = world.restart();
    assert!(!world.console_text().contains("cannot be read"), "removed");
    assert!(come_back(&mut world, "device", None).1);
}
