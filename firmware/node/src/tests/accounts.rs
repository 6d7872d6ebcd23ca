//! Users: who gets in, when, and at what cost.

use super::*;

const ACCEPTED: u8 = 0;
const BAD_CREDENTIALS: u8 = 4;
const NOT_AUTHORISED: u8 = 5;

fn with_ann() -> World {
    let mut world = World::boot(Ram::blank());
    assert!(world.typed("user set ann right").contains("ok"));
    world
}

#[test]
fn a_board_without_users_lets_nobody_in() {
    let mut world = World::boot(Ram::blank());
    let link = world.open();
    world.receive(link, &connect_packet("x", None));
    assert_eq!(world.sent(link), [0x20, 2, 0, NOT_AUTHORISED]);
    assert_eq!(world.connect("y", "ann", "right").1, BAD_CREDENTIALS);
}

#[test]
fn a_user_gets_in_at_once_and_after_a_reset() {
    let mut world = with_ann();
    for _ in 0..2 {
        assert_eq!(world.connect("x", "ann", "right").1, ACCEPTED);
        assert_eq!(world.connect("y", "ann", "wrong").1, BAD_CREDENTIALS);
        assert_eq!(world.connect("z", "bob", "right").1, BAD_CREDENTIALS);
        assert_eq!(world.connect("z", "ann", "").1, BAD_CREDENTIALS);
        world = world.restart();
    }
}

#[test]
fn thirty_devices_with_one_password_wait_for_one_hash() {
    let mut world = with_ann();
    let links: Vec<_> = (0..30)
        .map(|number| {
            let link = world.open();
            let bytes = connect_packet(&format!("device{number}"), Some(("ann", "right")));
            assert_eq!(world.node.receive(world.now, link, &bytes), bytes.len());
            link
        })
        .collect();
    let turns = world.settle();
    // 4096 iterations in slices of 64, and a turn for each of the others.
    assert!((64..64 + 40).contains(&turns), "{turns}");
    for link in links {
        assert_eq!(world.sent(link), [0x20, 2, 0, ACCEPTED]);
    }
}

#[test]
fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let mut world = with_ann();
    let mut turns = |user: &str| {
        let link = world.open();
        let bytes = connect_packet("x", Some((user, "wrong")));
        assert_eq!(world.node.receive(world.now, link, &bytes), bytes.len());
        world.settle()
    };
    assert_eq!(turns("ann"), turns("bob"));
}

#[test]
fn a_new_password_or_a_deleted_user_ends_what_was_let_in_with_the_old_one() {
    let mut world = with_ann();
    world.typed("user set bob other");
    let (ann, _) = world.connect("x", "ann", "right");
    let (bob, _) = world.connect("y", "bob", "other");
    world.closing();
    world.typed("user set ann changed");
    assert_eq!(world.closing(), [ann]);
    assert_eq!(world.connect("x2", "ann", "right").1, BAD_CREDENTIALS);
    assert_eq!(world.connect("x3", "ann", "changed").1, ACCEPTED);
    world.closing();
    world.typed("user del bob");
    assert_eq!(world.closing(), [bob]);
}

#[test]
fn rights_are_set_and_listed_and_survive_a_reset() {
    let mut world = with_ann();
    assert!(world.typed("user list").contains("name=ann  rights=everything"), "what nobody has set");
    assert!(world.typed("user rights ann \"read tele/#, write cmnd/%c/#\"").contains("ok"));
    let refused = world.typed("user rights ann \"reed a\"");
    assert!(refused.contains("a right begins with read, write, readwrite, everything or admin"), "{refused}");
    assert!(world.typed("user rights bob admin").contains("there is no user"));
    assert!(world.typed("set mqtt.anonymous_rights \"read public/#\"").contains("ok"));
    let mut world = world.restart();
    let list = world.typed("user list");
    assert!(list.contains("name=ann  rights=read tele/#,write cmnd/%c/#"), "{list}");
    assert!(world.typed("get mqtt.anonymous_rights").contains("value=read public/#"));
    // Another password changes none, and other rights end no log-in.
    world.typed("user set ann new");
    assert!(world.typed("user list").contains("rights=read tele/#"));
    world.connect("x", "ann", "new");
    world.closing();
    world.typed("user rights ann everything");
    assert_eq!(world.closing(), []);
}

#[test]
fn what_a_user_may_not_do_is_said_once_with_a_next_step() {
    let mut world = with_ann();
    world.typed("user rights ann \"read tele/#\"");
    let (link, _) = world.connect("x", "ann", "right");
    world.console_text();
    world.receive(link, &publish_retained("cmnd/x/POWER", "ON"));
    world.receive(link, &publish_retained("cmnd/x/POWER", "OFF"));
    assert_eq!(world.node.broker.statistics().retained, 0);
    let log = world.console_text();
    let line = "warn: \"x\" may not publish to \"cmnd/x/POWER\"; further topics are not told for this connection; \
        next: give its user (`rights`) or clients without one (`mqtt.anonymous_rights`) the right to write that topic, \
        or correct the client's topic";
    assert_eq!(log.matches("may not publish").count(), 1, "{log}");
    assert!(log.contains(line), "{log}");
    assert!(world.typed("info").contains("dropped_not_authorized=2"));
    // Other rights hold at once.
    world.typed("user rights ann everything");
    world.receive(link, &publish_retained("cmnd/x/POWER", "ON"));
    assert_eq!(world.node.broker.statistics().retained, 1);
}

#[test]
fn passwords_never_come_out_again() {
    let mut world = with_ann();
    world.typed("log debug");
    let (_, code) = world.connect("x", "ann", "zebra-crossing");
    assert_eq!(code, BAD_CREDENTIALS);
    let mut all = world.console_text();
    for line in [
        "user set bob zebra-crossing",
        "user set bob zebra-crossing extra",
        "list",
        "user list",
        "info",
        "refused",
    ] {
        all.push_str(&world.typed(line));
    }
    assert!(all.contains("bob") && all.contains("wrong user name or password"), "{all}");
    assert!(!all.contains("zebra"), "{all}");
}

#[test]
fn refused_connections_are_logged_with_a_next_step_and_the_last_eight_are_kept() {
    let mut world = with_ann();
    for number in 0..10 {
        world.connect(&format!("device{number}"), "ann", "wrong");
    }
    let log = world.console_text();
    assert!(log.contains("warn: 192.168.1.9:1001 refused: wrong user name or password; client \"device0\", user \"ann\"; next: correct name or password"), "{log}");
    let kept = world.typed("refused");
    assert_eq!(kept.matches("client_id=").count(), 8);
    assert!(!kept.contains("device1 ") && kept.contains("device2") && kept.contains("device9"), "{kept}");
}
