//! What is told of how the board has come to run, and what safe mode leaves alone.

use super::*;
use crate::StartCause;

fn boot(flash: Ram, start: Start) -> World {
    let capabilities = Capabilities::NONE.with(Capability::Wifi).with(Capability::AccessPoint);
    let radio = Some(wifi::TestRadio::default());
    let board = TestBoard { flash, random: 7, radio, start: Some(start), unix_s: None };
    let mut world = World::boot_board(board, Identity { capabilities, ..World::identity(Limits::default()) });
    world.settle();
    world
}

#[test]
fn a_panic_is_told_on_the_console_and_by_info() {
    let start = Start {
        cause: StartCause::Panic,
        words: "at main.rs:7 out of luck".into(),
        trace: vec![0x4200_1234, 0x4200_5678],
        failed_starts: 1,
    };
    let mut world = boot(Ram::blank(), start);
    let log = world.console_text();
    assert!(log.contains("error: the last run ended in a panic: at main.rs:7 out of luck; next: "), "{log}");
    assert!(!log.contains("safe mode"), "{log}");
    let info = world.typed("info");
    let row = "start=panic  failed_starts=1  panic=at main.rs:7 out of luck  trace=0x42001234 0x42005678  safe_mode=no";
    assert!(info.contains(row), "{info}");
}

#[test]
fn what_is_nobodys_wish_is_told_and_a_reboot_is_not() {
    for (cause, word) in [
        (StartCause::Watchdog, "did not turn any more"),
        (StartCause::BrownOut, "supply voltage"),
        (StartCause::PowerOn, ""),
        (StartCause::Reboot, ""),
        (StartCause::Other, ""),
    ] {
        let mut world = boot(Ram::blank(), Start { cause, ..Start::default() });
        let log = world.console_text();
        assert!(log.contains(word) && (word.is_empty() != log.contains("next: ")), "{log}");
        assert!(world.typed("info").contains(&format!("start={}  failed_starts=0", cause.name())));
    }
}

#[test]
fn safe_mode_joins_nothing_and_opens_the_own_network_whatever_is_set() {
    let mut world = boot(Ram::blank(), Start::default());
    world.typed("set wifi.ssid home");
    world.typed("set wifi.ap off");
    assert_eq!(world.radio().joined.len(), 1);
    let start = Start { cause: StartCause::Watchdog, failed_starts: 3, ..Start::default() };
    let mut world = boot(world.power_off(), start);
    assert_eq!((world.radio().joined.len(), world.radio().own.len()), (0, 1));
    let log = world.console_text();
    assert!(log.contains("safe mode, since 3 starts in a row have failed"), "{log}");
    assert!(world.typed("info").contains("safe_mode=yes"));
    assert!(world.typed("set log.level info").contains("ok"), "settings can be changed");
}
