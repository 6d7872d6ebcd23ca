//! Retained messages that survive a restart, and those that do not.

use super::flash::{Tear, every_cut};
use super::*;
use crate::limits::{JOURNAL_FAILED_PAUSE_US, JOURNAL_WRITE_INTERVAL_US, UNWANTED_ITEMS_KEPT};

const INTERVAL_MS: u64 = JOURNAL_WRITE_INTERVAL_US / 1000;
const FAILED_PAUSE_MS: u64 = JOURNAL_FAILED_PAUSE_US / 1000;

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
fn what_was_retained_before_the_settings_named_it_is_stored_then() {
    let mut world = open_house();
    let link = publisher(&mut world);
    let kept = publish_retained("other/x", "on");
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    world.typed("set retain.persist other/#");
    world.wait_ms(INTERVAL_MS);
    assert_eq!(retained(&mut world.restart()), kept);
}

#[test]
fn what_found_no_room_is_stored_when_there_is_some() {
    let mut world = open_house();
    let link = publisher(&mut world);
    // Each fills most of a page, and one page always stays free.
    let topics: Vec<_> = (0..5).map(|number| format!("homeassistant/{number}")).collect();
    for topic in &topics {
        world.receive(link, &publish_large(topic, 3000));
        world.wait_ms(INTERVAL_MS);
    }
    let log = world.console_text();
    assert!(log.contains("could not be stored: the flash region is full"), "{log}");
    world.receive(link, &publish_retained(&topics[0], ""));
    world.wait_ms(FAILED_PAUSE_MS);
    // The others are looked at too.
    for _ in &topics {
        world.wait_ms(INTERVAL_MS);
    }
    let mut world = world.restart();
    let kept = retained(&mut world);
    assert!(kept.windows(topics[4].len()).any(|window| window == topics[4].as_bytes()));
}

#[test]
fn what_flash_did_not_take_is_stored_when_it_does_again() {
    let mut world = open_house();
    let link = publisher(&mut world);
    let old = publish_retained("homeassistant/old", "on");
    world.receive(link, &old);
    world.wait_ms(INTERVAL_MS);
    let kept = publish_retained("homeassistant/new", "on");
    world.node.board.flash.cut_after(0, Tear::Nothing);
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    world.receive(link, &publish_retained("homeassistant/old", ""));
    world.wait_ms(FAILED_PAUSE_MS);
    let log = world.console_text();
    assert!(
        log.contains("error: the retained message of \"homeassistant/new\" could not be stored: the flash"),
        "{log}"
    );
    assert!(
        log.contains("error: the end of the retained message of \"homeassistant/old\" could not be stored"),
        "{log}"
    );
    world.node.board.flash.cut = None;
    world.wait_ms(FAILED_PAUSE_MS);
    world.wait_ms(INTERVAL_MS);
    assert_eq!(retained(&mut world.restart()), kept);
}

#[test]
fn an_unchanged_message_is_not_written_again() {
    let mut world = open_house();
    let link = publisher(&mut world);
    let kept = publish_retained("homeassistant/x", "on");
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    world.typed("set retain.persist homeassistant/#,other/#");
    let written = world.node.board.flash.cells.clone();
    world.receive(link, &publish_retained("homeassistant/x", "off"));
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    assert!(world.node.board.flash.cells == written);
    let mut world = world.restart();
    let link = publisher(&mut world);
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    assert!(world.node.board.flash.cells == written);
}

#[test]
fn properties_of_a_message_survive_too() {
    let mut world = open_house();
    let connect = |world: &mut World| {
        let link = world.open();
        let mut body = Vec::new();
        text(&mut body, "MQTT");
        body.extend([5, 2, 0, 60, 0]);
        text(&mut body, "five");
        world.receive(link, &packet(0x10, &body));
        assert_eq!(world.sent(link)[0], 0x20);
        link
    };
    let link = connect(&mut world);
    let mut body = Vec::new();
    text(&mut body, "homeassistant/x");
    let mut properties = vec![3];
    text(&mut properties, "text/plain");
    body.push(u8::try_from(properties.len()).unwrap());
    body.extend(properties);
    body.extend(b"on");
    let kept = packet(0x31, &body);
    world.receive(link, &kept);
    world.wait_ms(INTERVAL_MS);
    let mut world = world.restart();
    let link = connect(&mut world);
    world.receive(link, &[0x82, 7, 0, 1, 0, 0, 1, b'#', 0]);
    assert_eq!(world.sent(link), [&[0x90, 4, 0, 1, 0, 0], &kept[..]].concat());
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
    assert_eq!(log.matches("could not be stored: the flash region is full").count(), 1, "{log}");
    assert!(world.typed("set mqtt.port 1884").contains("ok gen=2"));
    let mut world = world.restart();
    assert!(retained(&mut world).len() > 50 * 100);
}

/// A retained message of any size.
fn publish_large(topic: &str, payload_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.resize(body.len() + payload_bytes, b'x');
    let (low, high) = (body.len() % 128 + 128, body.len() / 128);
    let mut packet = vec![0x31, u8::try_from(low).unwrap(), u8::try_from(high).unwrap()];
    packet.extend(body);
    packet
}

/// Many changes that are not to be kept, and behind them one that is.
fn bury_one_among_many(world: &mut World) -> Vec<u8> {
    let link = publisher(world);
    let kept = publish_retained("homeassistant/x", "on");
    let mut all: Vec<u8> =
        (0..100).flat_map(|number| publish_retained(&format!("stat/{number}"), "ON")).collect();
    all.extend(&kept);
    assert_eq!(world.node.receive(world.now, link, &all), all.len());
    kept
}

#[test]
fn changes_that_are_not_kept_do_not_hide_one_that_is_from_the_flush() {
    let mut world = open_house();
    let kept = bury_one_among_many(&mut world);
    world.node.flush();
    assert_eq!(retained(&mut world.restart()), kept);
}

#[test]
fn changes_that_are_not_kept_do_not_put_off_one_that_is() {
    let mut world = open_house();
    let kept = bury_one_among_many(&mut world);
    world.settle();
    assert_eq!(retained(&mut world.restart()), kept);
}

#[test]
fn a_message_too_large_for_flash_does_not_leave_an_older_one_behind() {
    // 4050 bytes fit a page, but not the buffer for items.
    for payload_bytes in [4050, 6000] {
        let mut world = open_house();
        let link = publisher(&mut world);
        world.receive(link, &publish_retained("homeassistant/x", "old"));
        world.wait_ms(INTERVAL_MS);
        world.console_text();
        world.receive(link, &publish_large("homeassistant/x", payload_bytes));
        world.wait_ms(INTERVAL_MS);
        let log = world.console_text();
        assert!(log.contains("could not be stored: the item is larger than a flash page"), "{log}");
        assert_eq!(retained(&mut world.restart()), []);
    }
}

#[test]
fn what_the_settings_name_again_does_not_come_back_as_it_once_was() {
    let mut world = open_house();
    let link = publisher(&mut world);
    for topic in ["homeassistant/x", "homeassistant/y"] {
        world.receive(link, &publish_retained(topic, "old"));
        world.wait_ms(INTERVAL_MS);
    }
    world.typed("set retain.persist other/#");
    world.wait_ms(2 * INTERVAL_MS);
    world.receive(link, &publish_retained("homeassistant/y", ""));
    world.receive(link, &publish_retained("homeassistant/x", "new"));
    world.wait_ms(INTERVAL_MS);
    world.typed("unset retain.persist");
    world.wait_ms(INTERVAL_MS);
    assert_eq!(retained(&mut world.restart()), publish_retained("homeassistant/x", "new"));
}

#[test]
fn more_than_can_be_noted_at_a_time_is_removed_too() {
    let stored = |world: &mut World| {
        let mut count = 0;
        let store = crate::storage::KeptStore::new(SETTINGS_BYTES..FLASH_BYTES);
        store.load(&mut world.node.board.flash, |_, _| count += 1).unwrap();
        count
    };
    let mut world = open_house();
    let link = publisher(&mut world);
    let count = UNWANTED_ITEMS_KEPT + 10;
    for number in 0..count {
        world.receive(link, &publish_retained(&format!("homeassistant/{number}"), "x"));
    }
    world.node.flush();
    assert_eq!(stored(&mut world), count);
    world.typed("set retain.persist other/#");
    for _ in 0..count + 5 {
        world.wait_ms(INTERVAL_MS);
    }
    assert_eq!(stored(&mut world), 0);
}

#[test]
fn what_a_power_cut_kept_from_removal_is_removed_after_it() {
    let mut world = open_house();
    let link = publisher(&mut world);
    world.receive(link, &publish_retained("homeassistant/x", "old"));
    world.wait_ms(INTERVAL_MS);
    world.node.console_input(b"set retain.persist other/#\n");
    world.node.poll(world.now);
    let mut world = world.restart();
    world.wait_ms(INTERVAL_MS);
    world.typed("unset retain.persist");
    assert_eq!(retained(&mut world.restart()), []);
}

#[test]
fn a_region_full_of_garbage_takes_messages_again() {
    let mut random = 7_u32;
    for round in 0..20 {
        let mut flash = open_house().power_off();
        for cell in &mut flash.cells[SETTINGS_BYTES as usize..] {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *cell = (random >> 24) as u8;
        }
        // All pages marked as full: what the storage layer has no way out of.
        if round % 2 == 0 {
            for page in flash.cells[SETTINGS_BYTES as usize..].chunks_mut(4096) {
                page[..4].fill(0);
                page[4092..].fill(0);
            }
        }
        let mut world = World::boot(flash);
        let link = publisher(&mut world);
        let kept = publish_retained("homeassistant/x", "on");
        world.receive(link, &kept);
        world.wait_ms(INTERVAL_MS);
        assert_eq!(retained(&mut world.restart()), kept, "round {round}");
    }
}

/// A message whose payload tells its number and fills some of a page.
fn numbered(topic: &str, number: usize) -> Vec<u8> {
    publish_retained(topic, &format!("{number:080}"))
}

/// The retained messages, each as its packet, in an order of their own.
fn packets(world: &mut World) -> Vec<Vec<u8>> {
    let all = retained(world);
    let mut rest = all.as_slice();
    let mut packets = Vec::new();
    while let [_, length, ..] = rest {
        let (packet, tail) = rest.split_at(2 + usize::from(*length));
        packets.push(packet.to_vec());
        rest = tail;
    }
    packets.sort();
    packets
}

#[test]
fn a_power_cut_at_any_flash_operation_leaves_the_old_message_or_the_new_one() {
    let mut base = open_house();
    let link = publisher(&mut base);
    let kept = numbered("homeassistant/kept", 0);
    base.receive(link, &kept);
    base.wait_ms(INTERVAL_MS);
    // Enough that the sweep meets page changes and erasures too.
    for number in 0..120 {
        base.receive(link, &numbered("homeassistant/filler", number));
        base.wait_ms(INTERVAL_MS);
    }
    base.receive(link, &publish_retained("homeassistant/filler", ""));
    base.wait_ms(INTERVAL_MS);
    let mut flash = base.power_off();
    let (mut cuts, mut old, mut new, mut erased) = (0, 0, 0, 0);
    for round in 0..20 {
        let (first, second) =
            (numbered("homeassistant/x", 2 * round), numbered("homeassistant/x", 2 * round + 1));
        let deletion = publish_retained("homeassistant/x", "");
        // Set, replaced, deleted.
        for (before, change, after) in [
            (None, &first, Some(&first)),
            (Some(&first), &second, Some(&second)),
            (Some(&second), &deletion, None),
        ] {
            let with_kept = |message: Option<&Vec<u8>>| {
                let mut all: Vec<_> = [kept.clone()].into_iter().chain(message.cloned()).collect();
                all.sort();
                all
            };
            for (operations, tear) in every_cut() {
                let mut world = World::boot(flash.clone());
                let link = publisher(&mut world);
                world.node.board.flash.cut_after(operations, tear);
                world.receive(link, change);
                world.wait_ms(INTERVAL_MS);
                let through = world.node.board.flash.cut.is_some_and(|(left, _)| left < u32::MAX);
                let mut world = world.restart();
                let found = packets(&mut world);
                let what = format!("cut {operations} ({tear:?}) of round {round}: {found:?}");
                let (is_old, is_new) = (found == with_kept(before), found == with_kept(after));
                assert!(is_old || is_new, "{what}");
                assert!(!through || is_new, "stored and lost: {what}");
                if through {
                    let before = flash.erased;
                    flash = world.power_off();
                    erased += flash.erased - before;
                    break;
                }
                cuts += 1;
                if is_new { new += 1 } else { old += 1 }
            }
        }
    }
    assert!(erased > 0 && old > 0 && new > 0, "{cuts} cuts, {old} old, {new} new, {erased} erased");
    println!("retained: {cuts} power cuts, {old} left the old message, {new} the new one");
}

#[test]
fn flush_stores_what_waits_a_few_at_a_time() {
    let mut world = open_house();
    let link = publisher(&mut world);
    for number in 0..20 {
        world.receive(link, &publish_retained(&format!("homeassistant/{number}"), "x"));
    }
    world.console_text();
    let (mut stored, mut answers) = (0, 0);
    loop {
        world.node.console_input(b"flush\n");
        // One turn, in which no time passes.
        while world.node.console_output().is_empty() {
            world.node.poll(world.now);
        }
        let answer = world.console_text();
        answers += 1;
        let fields = answer.trim_end().strip_prefix("ok ").unwrap().split("  ").collect::<Vec<_>>();
        stored += fields[0].strip_prefix("stored=").unwrap().parse::<u32>().unwrap();
        if fields[1] == "waiting=no" {
            break;
        }
    }
    // The first one was stored when it came.
    assert_eq!((stored, answers), (19, 3));
    assert_eq!(world.typed("flush"), "ok stored=0  waiting=no\r\n");
    let mut world = world.restart();
    assert_eq!(
        retained(&mut world).len(),
        (0..20).map(|n| publish_retained(&format!("homeassistant/{n}"), "x").len()).sum()
    );
}

#[test]
fn flush_says_what_flash_refuses() {
    let mut world = open_house();
    let link = publisher(&mut world);
    world.receive(link, &publish_retained("homeassistant/a", "x"));
    world.receive(link, &publish_retained("homeassistant/b", "x"));
    world.node.board.flash.cut_after(0, Tear::Nothing);
    let answer = world.typed("flush");
    assert!(
        answer.contains("error: the retained message of \"homeassistant/b\" could not be stored"),
        "{answer}"
    );
}
