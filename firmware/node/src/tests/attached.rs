//! Several consoles at once, and what `user set` and transactions tell a program that comes twice.

use std::string::ToString;

use crate::ConsoleId;

use super::*;

/// Types a line on an attached console; everything it prints then.
fn typed_on(world: &mut World, id: ConsoleId, line: &str) -> String {
    world.node.attached_input(id, format!("{line}\n").as_bytes());
    world.settle();
    let text = std::str::from_utf8(world.node.attached_output(id)).unwrap().to_string();
    world.node.attached_written(id, text.len());
    text
}

#[test]
fn each_console_has_lines_and_a_transaction_of_its_own() {
    let mut world = World::boot(Ram::blank());
    let [first, second] = [(); 2].map(|()| world.node.attach_console().unwrap());
    world.node.attached_input(first, b"set mqtt.po");
    assert_eq!(typed_on(&mut world, second, "begin 0"), "ok\r\n");
    assert_eq!(typed_on(&mut world, second, "set mqtt.port 1885"), "ok changed=yes\r\n");
    assert_eq!(typed_on(&mut world, first, "rt 1884"), "ok gen=1\r\n");
    assert_eq!(world.typed("get mqtt.port").lines().last(), Some("ok key=mqtt.port  value=1884  default=no"));
    assert!(typed_on(&mut world, second, "get mqtt.port").contains("value=1885"), "its own view");

    // The first one's commit came between: the second's must not undo it unseen.
    assert!(
        typed_on(&mut world, second, "commit").starts_with("error: the settings are at generation 1, not 0")
    );
    assert_eq!(world.node.settings().mqtt_port(), 1884);
}

#[test]
fn what_a_program_left_open_goes_with_its_console() {
    let mut world = World::boot(Ram::blank());
    let id = world.node.attach_console().unwrap();
    typed_on(&mut world, id, "begin 0");
    typed_on(&mut world, id, "set mqtt.port 1885");
    world.node.detach_console(id);
    assert_eq!(typed_on(&mut world, id, "commit"), "", "nobody is there");
    let next = world.node.attach_console().unwrap();
    assert_ne!(id, next);
    assert!(typed_on(&mut world, next, "commit").starts_with("error: there is no open transaction"));
    assert_eq!(world.node.settings().generation(), 0);
}

#[test]
fn consoles_are_bounded_and_all_of_them_see_the_log() {
    let mut world = World::boot(Ram::blank());
    let ids: Vec<_> = std::iter::from_fn(|| world.node.attach_console()).collect();
    assert_eq!(ids.len(), crate::limits::ATTACHED_CONSOLES);
    world.console_text();
    world.node.log_error(format_args!("look"));
    assert_eq!(world.console_text(), "error: look\r\n");
    for &id in &ids {
        assert_eq!(world.node.attached_output(id), b"error: look\r\n");
        world.node.detach_console(id);
    }
    assert!(world.node.attach_console().is_some());
}

#[test]
fn a_password_that_is_set_twice_is_no_change() {
    let mut world = World::boot(Ram::blank());
    world.console_text();
    assert_eq!(world.typed("user set ann apple"), "ok gen=1\r\n");
    let before = world.node.board.flash.cells.clone();
    assert_eq!(world.typed("user set ann apple"), "ok gen=1\r\n");
    assert!(world.node.board.flash.cells == before);
    world.typed("begin 1");
    assert_eq!(world.typed("user set ann apple"), "ok changed=no\r\n");
    assert_eq!(world.typed("user set ann pear"), "ok changed=yes\r\n");
    assert_eq!(world.typed("user set bob apple"), "ok changed=yes\r\n");
    assert_eq!(world.typed("commit"), "ok gen=2\r\n");
    let (_, code) = world.connect("a", "ann", "pear");
    assert_eq!(code, 0);
}

#[test]
fn a_hash_is_taken_as_it_is() {
    let mut world = World::boot(Ram::blank());
    world.console_text();
    let hash = obkmq_config::password::PasswordHash::derive(b"apple", [3; 16]);
    let line = format!("user hash ann {}", hash.to_text());
    assert_eq!(world.typed(&line), "ok gen=1\r\n");
    assert_eq!(world.typed(&line), "ok gen=1\r\n", "the same is no change");
    assert_eq!(world.connect("a", "ann", "apple").1, 0);
    let refused = world.typed("user hash ann $pbkdf2-sha256$i=4096$topsecret");
    assert!(
        refused.contains("error: the hash cannot be used") && !refused.contains("topsecret"),
        "{refused}"
    );
}
