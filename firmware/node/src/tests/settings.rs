//! Settings have their effect at once, on this board or not at all, and say which.

use super::*;

const ACCEPTED: u8 = 0;
const NOT_AUTHORISED: u8 = 5;

/// Booted, and its log read.
pub(super) fn quiet(flash: Ram, limits: Limits) -> World {
    let mut world = World::boot_with(flash, limits);
    world.console_text();
    world
}

fn limited() -> Limits {
    Limits { memory_bytes: 100_000, max_queued_messages: 64, ..Limits::default() }
}

#[test]
fn what_an_owner_sets_is_the_policy_and_never_more_than_the_board_has() {
    let mut world = quiet(Ram::blank(), limited());
    let before = *world.node.broker.policy();
    assert_eq!((before.sys_interval_seconds, before.max_keep_alive_seconds), (10, 0));
    assert_eq!((before.limits.memory_bytes, before.limits.max_queued_messages), (100_000, 64));
    for line in [
        "set mqtt.max_queued_messages 65",
        "set mqtt.max_inflight 5",
        "set mqtt.max_keep_alive_s 600",
        "set mqtt.sys_interval_s 0",
        "set mqtt.memory_bytes 65536",
        "set session.max_expiry_s 3600",
        "set session.max_stored 3",
        "set retain.max_messages 30",
    ] {
        assert!(world.typed(line).starts_with("ok gen="), "{line}");
    }
    for _ in 0..2 {
        let policy = world.node.broker.policy();
        assert_eq!(policy.limits.max_queued_messages, 64, "the board's");
        assert_eq!(policy.limits.inflight_window, 5);
        assert_eq!(policy.limits.memory_bytes, 65_536);
        assert_eq!(policy.limits.max_stored_sessions, 3);
        assert_eq!(policy.limits.max_retained, 30);
        assert_eq!(policy.max_keep_alive_seconds, 600);
        assert_eq!(policy.sys_interval_seconds, 0);
        assert_eq!(policy.max_session_expiry_seconds, 3600);
        world = World::boot_with(world.power_off(), limited());
    }
}

#[test]
fn a_budget_beyond_the_board_is_refused_with_both_figures() {
    let mut world = quiet(Ram::blank(), limited());
    let refusal = "error: mqtt.memory_bytes = 100001 is more than the 100000 bytes this board can spare\r\n";
    assert_eq!(world.typed("set mqtt.memory_bytes 100001"), refusal);
    assert_eq!(world.typed("begin 0"), "ok\r\n");
    assert_eq!(world.typed("set mqtt.memory_bytes 100001"), "ok changed=yes\r\n");
    assert_eq!(world.typed("check"), refusal);
    assert_eq!(world.typed("commit"), refusal);
    let mut settings = world.node.settings().clone();
    settings.set("mqtt.memory_bytes", "100001").unwrap();
    assert!(world.node.adopt(settings).is_err());
    // What another firmware has stored is not refused: the board's own limit holds.
    let mut roomy = quiet(Ram::blank(), Limits::default());
    assert!(roomy.typed("set mqtt.memory_bytes 100001").starts_with("ok gen="));
    let world = World::boot_with(roomy.power_off(), limited());
    assert_eq!(world.node.broker.policy().limits.memory_bytes, 100_000);
}

/// As much as may be set, to the last byte, survives resets, and so do many changes of it.
#[test]
fn settings_that_fill_their_place_are_stored() {
    let mut settings = quiet(Ram::blank(), Limits::default()).node.settings().clone();
    let hash = obkmq_config::password::PasswordHash::decoy([1; 16], [2; 32]);
    while settings.set_user(&format!("{:0>58}", settings.users().len()), hash.clone()).is_ok() {}
    let left = obkmq_config::limits::ENCODED_LIMIT - settings.encode().len();
    settings.set("retain.persist", &"x".repeat(left.checked_sub(4).unwrap())).unwrap();
    assert_eq!(settings.encode().len(), obkmq_config::limits::ENCODED_LIMIT);
    let mut world = World::boot(Ram::blank());
    for round in 0..40_u8 {
        let user = format!("{:0>58}", round % 20);
        let hash = obkmq_config::password::PasswordHash::decoy([round; 16], [3; 32]);
        settings.set_user(&user, hash).unwrap();
        world.node.adopt(settings.clone()).unwrap();
        world = world.restart();
        assert_eq!(world.node.settings().users(), settings.users(), "round {round}");
        assert_eq!(world.node.settings().generation(), u32::from(round) + 1);
    }
}

#[test]
fn what_has_no_effect_here_is_stored_and_says_so() {
    let mut world = quiet(Ram::blank(), Limits::default());
    let note = "note=no effect on this board: it lacks Wi-Fi";
    assert_eq!(world.typed("set wifi.ssid home"), format!("ok gen=1  {note}\r\n"));
    assert_eq!(world.typed("set wifi.ssid home"), format!("ok gen=1  {note}\r\n"));
    assert_eq!(world.typed("get wifi.ssid"), format!("ok key=wifi.ssid  value=home  default=no  {note}\r\n"));
    assert!(world.typed("help wifi.ssid").contains(note));
    let list = world.typed("list");
    assert!(list.contains(&format!("key=wifi.ssid  value=home  default=no  {note}\r\n")), "{list}");
    assert!(list.contains("key=mqtt.port  value=1883  default=yes\r\n"), "{list}");
    assert!(!world.typed("hello 1").contains("caps="));

    let identity = Identity {
        capabilities: Capabilities::NONE.with(Capability::Wifi),
        ..World::identity(Limits::default())
    };
    let mut world = World::boot_as(world.power_off(), identity);
    world.console_text();
    assert_eq!(world.typed("get wifi.ssid"), "ok key=wifi.ssid  value=home  default=no\r\n");
    assert!(world.typed("hello 1").contains("caps=wifi"));
    assert!(world.typed("get panel.port").contains("it lacks a panel"));
    assert!(world.typed("get wifi.ap").contains("it lacks an access point"));
}

/// In a frame, whatever is set: the longest names, ranges and values.
#[test]
fn every_setting_can_be_read_and_explained_to_a_program() {
    let mut world = quiet(Ram::blank(), Limits::default());
    world.typed(&format!("set retain.persist {}", "x".repeat(384)));
    world.typed(&format!("set mqtt.anonymous_rights \"read {}\"", "x".repeat(315)));
    for key in obkmq_config::settings::KEYS {
        for verb in ["get", "help"] {
            let line = obkmq_config::line::frame(1, &format!("{verb} {}", key.name)).unwrap();
            world.node.console_input(line.as_bytes());
            world.settle();
            let answer = world.console_text();
            assert!(answer.starts_with("#1 ok key="), "{answer}");
        }
    }
}

#[test]
fn an_answer_never_holds_a_secret() {
    let mut world = quiet(Ram::blank(), Limits::default());
    let mut printed = String::new();
    let framed = |seq: u32, body: &str| obkmq_config::line::frame(seq, body).unwrap();
    let mut lines: Vec<String> = [
        "set wifi.password hunter2hunter2",
        "set wifi.password hunter2hunter2 again",
        "set wifi.ap_password hunter2",
        "set wifi.ap_password \"hunter2\\nhunter2\"",
        "set wifi.pasword hunter2hunter2",
        "get wifi.password",
        "list",
        "help wifi.password",
        "info",
        "check",
    ]
    .iter()
    .map(|line| format!("{line}\n"))
    .collect();
    lines.push(framed(1, "hello 1"));
    lines.push(framed(1001, "set wifi.password hunter2hunter3"));
    lines.push(framed(1001, "set wifi.password hunter2hunter3"));
    lines.push(framed(1002, "list"));
    for line in lines {
        world.node.console_input(line.as_bytes());
        world.settle();
        printed += &world.console_text();
    }
    assert_eq!(world.node.settings().wifi_password(), Some("hunter2hunter3"));
    assert!(printed.contains("key=wifi.password  value=(set)  default=no"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn an_explicit_never_lets_this_machine_in_no_more() {
    let identity =
        Identity { anonymous_without_users: Anonymous::Loopback, ..World::identity(Limits::default()) };
    let mut world = World::boot_as(Ram::blank(), identity);
    world.console_text();
    let connect = |world: &mut World| {
        let link = world.open_from("127.0.0.1");
        world.receive(link, &connect_packet("x", None));
        world.sent(link).get(3).copied()
    };
    assert_eq!(connect(&mut world), Some(ACCEPTED));
    assert!(world.typed("set mqtt.anonymous never").contains("ok gen=1"));
    for _ in 0..2 {
        assert_eq!(connect(&mut world), Some(NOT_AUTHORISED));
        world = World::boot_as(world.power_off(), identity);
    }
    assert!(world.typed("unset mqtt.anonymous").contains("ok gen=2"));
    assert_eq!(connect(&mut world), Some(ACCEPTED));
}

#[test]
fn log_lines_tell_the_time_when_asked_to() {
    let mut world = quiet(Ram::blank(), Limits::default());
    world.console_text();
    assert!(world.typed("set console.timestamps true").starts_with("ok"));
    world.now = Instant::from_millis(12_034);
    world.settle();
    world.connect("x", "nobody", "wrong");
    let log = world.console_text();
    assert!(log.starts_with("12.034 warn: "), "{log}");
}

#[test]
fn a_shorter_interval_of_the_figures_holds_from_now_on() {
    let mut world = quiet(Ram::blank(), Limits::default());
    world.typed("set mqtt.anonymous always");
    world.typed("set mqtt.sys_interval_s 86400");
    let link = world.open();
    world.receive(link, &connect_packet("x", None));
    let mut subscribe = vec![0, 1];
    text(&mut subscribe, "$SYS/broker/uptime");
    subscribe.push(0);
    world.receive(link, &packet(0x82, &subscribe));
    world.wait_ms(1_000);
    assert_ne!(world.sent(link), []);
    world.wait_ms(20_000);
    assert_eq!(world.sent(link), []);
    world.typed("set mqtt.sys_interval_s 10");
    world.wait_ms(10_500);
    assert_ne!(world.sent(link), []);
}
