//! Power cuts and damaged flash: old settings, new settings, or a closed door; nothing else.

use super::flash::every_cut;
use super::*;

#[test]
fn a_power_cut_at_any_flash_operation_leaves_old_or_new_settings() {
    let mut base = World::boot(Ram::blank());
    // Enough commits that the sweep meets page changes and erasures too.
    for port in 0..120 {
        base.typed(&format!("set mqtt.port {}", 2000 + port));
    }
    let mut flash = base.power_off();
    let (mut cuts, mut old, mut new) = (0, 0, 0);
    for port in 3000..3060_u16 {
        for (operations, tear) in every_cut() {
            let mut world = World::boot(flash.clone());
            let before = world.node.settings().mqtt_port();
            world.node.board.flash.cut_after(operations, tear);
            let done = world.typed(&format!("set mqtt.port {port}")).contains("ok gen=");
            let world = world.restart();
            let after = world.node.settings().mqtt_port();
            assert!(!world.node.locked, "cut {operations} ({tear:?}) of port {port}");
            assert!(after == before || after == port, "{after}");
            assert!(!done || after == port, "acknowledged and lost at cut {operations}");
            if done {
                flash = world.power_off();
                break;
            }
            cuts += 1;
            if after == port { new += 1 } else { old += 1 }
        }
    }
    assert!(cuts > 800 && old > 0 && new > 0, "{cuts} cuts, {old} old, {new} new");
    println!("settings: {cuts} power cuts, {old} left the old ones, {new} the new ones");
}

/// The places where the newest settings item lies.
fn newest_item(flash: &Ram, needle: &[u8]) -> usize {
    flash.cells[..SETTINGS_BYTES as usize].windows(needle.len()).rposition(|window| window == needle).unwrap()
}

fn with_deleted_user() -> Ram {
    let mut world = World::boot(Ram::blank());
    world.typed("user set mallory once-welcome");
    world.typed("set mqtt.port 4660");
    world.typed("user del mallory");
    world.power_off()
}

#[test]
fn a_damaged_newest_generation_closes_the_network_and_never_brings_back_a_deleted_user() {
    let mut flash = with_deleted_user();
    // Port 4660 is 0x1234, little-endian, in the newest item.
    let at = newest_item(&flash, &[0x34, 0x12]);
    flash.cells[at] &= !0x10;
    let mut world = World::boot(flash);
    assert_eq!(world.actions(), [Action::StopListening]);
    let log = world.console_text();
    assert!(
        log.contains("error: the newest settings (generation 3) are damaged; closed to the network"),
        "{log}"
    );
    assert!(world.typed("hello 1").contains("gen=3  line=512  state=locked"));
    assert!(world.typed("set mqtt.port 1").starts_with("error: the stored settings are damaged"));
    assert!(world.typed("user set ann pw").starts_with("error: the stored settings are damaged"));

    assert_eq!(world.typed("begin 3"), "ok\r\n");
    world.typed("user del mallory");
    assert_eq!(world.typed("commit"), "ok gen=4\r\n");
    assert_eq!(world.actions().last(), Some(&Action::Listen { port: 4660 }));
    let mut world = world.restart();
    assert!(!world.node.locked);
    assert_eq!(world.connect("x", "mallory", "once-welcome").1, 4);
}

#[test]
fn every_flipped_bit_of_the_newest_item_is_noticed_or_harmless() {
    let flash = with_deleted_user();
    let good = World::boot(flash.clone());
    let newest = newest_item(&flash, &[0x34, 0x12]);
    for at in newest.saturating_sub(40)..newest + 40 {
        for bit in 0..8 {
            let mut flash = flash.clone();
            flash.cells[at] ^= 1 << bit;
            let world = World::boot(flash);
            assert!(
                world.node.locked || world.node.settings() == good.node.settings(),
                "bit {bit} of byte {at} went unnoticed"
            );
        }
    }
}

#[test]
fn random_flash_boots_and_answers() {
    let mut random = 1_u32;
    for _ in 0..20 {
        let mut flash = Ram::blank();
        for cell in &mut flash.cells {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *cell = (random >> 24) as u8;
        }
        let mut world = World::boot(flash);
        world.console_text();
        assert!(world.typed("hello 1").contains("state="));
    }
}

#[test]
fn a_commit_unlocks_a_board_whose_settings_region_is_beyond_repair() {
    let mut random = 1_u32;
    for round in 0..20 {
        let mut flash = Ram::blank();
        for cell in &mut flash.cells {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *cell = (random >> 24) as u8;
        }
        for page in flash.cells.chunks_mut(4096).filter(|_| round % 2 == 0) {
            page[..4].fill(0);
            page[4092..].fill(0);
        }
        let mut world = World::boot(flash);
        let generation = world.node.settings().generation();
        world.typed(&format!("begin {generation}"));
        world.typed("set mqtt.port 1884");
        let answer = world.typed("commit");
        assert!(answer.contains(&format!("ok gen={}", generation + 1)), "round {round}: {answer}");
        let world = world.restart();
        assert!(!world.node.locked);
        assert_eq!(world.node.settings().mqtt_port(), 1884);
    }
}

#[test]
fn what_flash_refused_and_has_nevertheless_does_not_outlive_the_next_commit() {
    let mut base = World::boot(Ram::blank());
    base.typed("set mqtt.port 2000");
    base.typed("set mqtt.port 2001");
    let flash = base.power_off();
    let mut failures = 0;
    for (operations, tear) in every_cut() {
        let mut world = World::boot(flash.clone());
        world.node.board.flash.cut_after(operations, tear);
        if world.typed("set mqtt.port 2002").contains("ok gen=") {
            break;
        }
        failures += 1;
        world.node.board.flash.cut = None;
        let what = format!("failure {operations} ({tear:?})");
        let answer = world.typed("rollback");
        assert!(!answer.contains("ok gen=") || world.node.settings().mqtt_port() == 2000, "{what}: {answer}");
        assert!(world.typed("set mqtt.port 2003").contains("ok gen="), "{what}");
        let world = world.restart();
        assert_eq!(world.node.settings().mqtt_port(), 2003, "{what}");
    }
    assert!(failures >= 10, "{failures}");
}
