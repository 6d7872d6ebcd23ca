//! Settings on trial and the way back, with power cuts at every flash operation.

use super::flash::every_cut;
use super::*;

const PORT: u16 = 1883;

/// A board whose first words have been read.
fn started(flash: Ram) -> World {
    let mut world = World::boot(flash);
    world.console_text();
    world
}

fn port(world: &World) -> u16 {
    world.node.settings().mqtt_port()
}

/// Begins a trial of another port.
fn on_trial(world: &mut World, other: u16) {
    let generation = world.node.settings().generation();
    assert_eq!(world.typed(&format!("begin {generation}")), "ok\r\n");
    world.typed(&format!("set mqtt.port {other}"));
    assert_eq!(world.typed("commit trial=60"), format!("ok gen={}  trial=60\r\n", generation + 1));
    assert_eq!(port(world), other);
}

#[test]
fn a_trial_that_nobody_confirms_ends_by_itself() {
    let mut world = started(Ram::blank());
    world.typed("set mqtt.port 2000");
    on_trial(&mut world, 3000);
    assert!(world.typed("hello 1").contains("gen=2  line=512  state=trial"));
    assert!(world.typed("info").contains("trial_left_s=60"));
    world.wait_ms(59_999);
    assert_eq!(port(&world), 3000);
    world.actions();
    world.wait_ms(1);
    assert_eq!(port(&world), 2000);
    assert_eq!(world.actions(), [Action::Listen { port: 2000 }]);
    assert!(world.console_text().contains("warn: the settings on trial were not confirmed"));
    // What was read during the trial has passed.
    assert!(world.typed("begin 2").starts_with("error: the settings are at generation 3, not 2"));
    assert!(world.typed("confirm").starts_with("error: no settings are on trial"));
    assert_eq!(port(&world.restart()), 2000);
}

#[test]
fn a_trial_is_forgotten_by_a_restart_and_kept_by_confirm() {
    let mut world = started(Ram::blank());
    on_trial(&mut world, 3000);
    let mut world = started(world.power_off());
    assert_eq!(port(&world), PORT);
    on_trial(&mut world, 3000);
    assert_eq!(world.typed("confirm"), "ok gen=1\r\n");
    world.wait_ms(120_000);
    assert_eq!(port(&world), 3000);
    assert_eq!(port(&world.restart()), 3000);
}

#[test]
fn nothing_else_is_committed_during_a_trial() {
    let mut world = started(Ram::blank());
    on_trial(&mut world, 3000);
    assert!(world.typed("set mqtt.port 4000").starts_with("error: settings are on trial; `confirm`"));
    world.typed("begin 1");
    world.typed("set mqtt.port 4000");
    assert!(world.typed("commit").starts_with("error: settings are on trial; `confirm`"));
    assert!(world.typed("commit trial=10").starts_with("error: settings are on trial; `confirm`"));
    assert_eq!(world.typed("abort"), "ok\r\n");
    assert_eq!(world.typed("rollback"), "ok gen=2\r\n");
    assert_eq!(port(&world), PORT);
    assert_eq!(world.typed("set mqtt.port 4000"), "ok gen=3\r\n");
    assert_eq!(port(&world.restart()), 4000);
}

#[test]
fn a_trial_of_what_is_so_already_is_none() {
    let mut world = started(Ram::blank());
    world.typed("begin 0");
    assert_eq!(world.typed("commit trial=60"), "ok gen=0\r\n");
    assert!(world.typed("hello 1").contains("state=ok"));
}

#[test]
fn roll_back_goes_to_the_settings_before_and_back_again() {
    let mut world = started(Ram::blank());
    assert!(world.typed("rollback").starts_with("error: there are no settings before these"));
    world.typed("set mqtt.port 2000");
    assert!(world.typed("rollback").starts_with("error: there are no settings before these"));
    world.typed("user set ann secret");
    world.typed("user del ann");
    let mut world = started(world.power_off());
    assert_eq!(world.typed("rollback"), "ok gen=4\r\n");
    assert_eq!(world.connect("x", "ann", "secret").1, 0);
    assert!(world.typed("rollback").contains("ok gen=5\r\n"));
    let mut world = started(world.power_off());
    assert_eq!(world.connect("x", "ann", "secret").1, 4);
    assert_eq!((port(&world), world.node.settings().generation()), (2000, 5));
}

#[test]
fn the_largest_settings_can_be_committed_and_rolled_back_for_ever() {
    let mut world = started(Ram::blank());
    for user in 0..32 {
        let rights = format!("read {}", "x".repeat(18));
        let hash = "$pbkdf2-sha256$i=4096$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let name = format!("user-{user:07}");
        assert!(world.typed(&format!("user hash {name} {hash}")).contains("ok gen="), "{user}");
        assert!(world.typed(&format!("user rights {name} \"{rights}\"")).contains("ok gen="), "{user}");
    }
    for round in 0..200 {
        let answer = world.typed(if round % 3 == 0 { "rollback" } else { "set mqtt.port 2000" });
        assert!(answer.contains("ok gen="), "{answer}");
        let answer = world.typed("set mqtt.port 3000");
        assert!(answer.contains("ok gen="), "{answer}");
    }
    let before = world.node.settings().clone();
    assert_eq!(world.restart().node.settings(), &before);
}

/// Cuts the power at every operation of a command until it is acknowledged; the port after each restart.
fn sweep(flash: &Ram, prepare: impl Fn(&mut World), command: &str, old: u16, new: u16) -> u32 {
    let mut cuts = 0;
    for (operations, tear) in every_cut() {
        let mut world = started(flash.clone());
        prepare(&mut world);
        world.node.board.flash.cut_after(operations, tear);
        let done = world.typed(command).contains("ok gen=");
        let world = world.restart();
        assert!(!world.node.locked, "cut {operations} ({tear:?}) of {command}");
        let after = port(&world);
        assert!(after == old || after == new, "{after} after cut {operations} ({tear:?}) of {command}");
        if done {
            assert_eq!(after, new, "acknowledged and lost");
            break;
        }
        cuts += 1;
    }
    cuts
}

#[test]
fn a_power_cut_in_confirm_or_roll_back_leaves_old_or_new_settings() {
    let mut cuts = 0;
    let mut base = started(Ram::blank());
    // Enough rounds that the sweep meets page changes and erasures too.
    for round in 0..40_u16 {
        let (former, current) = (2000 + 2 * round, 2001 + 2 * round);
        for _ in 0..5 {
            base.typed(&format!("set mqtt.port {former}"));
            base.typed(&format!("set mqtt.port {current}"));
        }
        let flash = base.power_off();
        cuts += sweep(&flash, |_| {}, "rollback", current, former);
        cuts += sweep(&flash, |world| on_trial(world, 9000), "confirm", current, 9000);
        base = started(flash);
    }
    assert!(cuts > 500, "{cuts}");
    println!("confirm and rollback: {cuts} power cuts");
}

#[test]
fn settings_that_are_adopted_during_their_own_trial_are_stored() {
    let mut world = started(Ram::blank());
    on_trial(&mut world, 3000);
    let settings = world.node.settings().clone();
    world.node.adopt(settings).unwrap();
    world.wait_ms(120_000);
    assert_eq!(port(&world), 3000);
    assert_eq!(port(&world.restart()), 3000);
}

#[test]
fn a_transaction_that_was_open_when_a_trial_ended_is_stale() {
    let mut world = started(Ram::blank());
    on_trial(&mut world, 3000);
    world.typed("begin 1");
    world.typed("set mqtt.port 4000");
    world.wait_ms(60_000);
    world.console_text();
    assert!(world.typed("commit").starts_with("error: the settings are at generation 2, not 1"));
    assert_eq!((port(&world), port(&world.restart())), (PORT, PORT));
}

#[test]
fn nothing_is_rolled_back_to_what_no_longer_fits_the_board() {
    let mut world = started(Ram::blank());
    world.typed("set mqtt.memory_bytes 100001");
    world.typed("set mqtt.memory_bytes 90000");
    // Another firmware, which has less to spare.
    let limits = Limits { memory_bytes: 100_000, ..Limits::default() };
    let mut world = World::boot_with(world.power_off(), limits);
    world.console_text();
    assert_eq!(
        world.typed("rollback"),
        "error: mqtt.memory_bytes = 100001 is more than the 100000 bytes this board can spare\r\n"
    );
    let (bytes, generation) =
        (world.node.broker.policy().limits.memory_bytes, world.node.settings().generation());
    assert_eq!((bytes, generation), (90_000, 2));
    assert_eq!(world.typed("set mqtt.port 2000"), "ok gen=3\r\n");
    assert_eq!(world.typed("rollback"), "ok gen=4\r\n");
    assert_eq!(port(&world.restart()), PORT);
}
