//! The console as somebody who types and as a program sees it.

use obkmq_config::line::{Command, Reply, parse_frame};

use super::*;

/// Sends a framed command; the final reply.
fn request(world: &mut World, seq: u32, command: &Command<'_>) -> Reply {
    world.console_text();
    world.node.console_input(command.to_frame(seq).unwrap().as_bytes());
    world.settle();
    let text = world.console_text();
    let line = text.lines().rfind(|line| line.starts_with('#')).unwrap_or_else(|| panic!("no reply: {text}"));
    let frame = parse_frame(line).unwrap();
    assert_eq!(frame.seq, seq);
    Reply::parse(frame.body).unwrap()
}

fn code(reply: &Reply) -> &'static str {
    match reply {
        Reply::Err { code, .. } => code.name(),
        _ => "ok",
    }
}

fn open_run(world: &mut World) {
    assert_eq!(code(&request(world, 1, &Command::Hello { nonce: 1 })), "ok");
}

#[test]
fn hello_says_what_it_is() {
    let mut world = World::boot(Ram::blank());
    let Reply::Ok { fields, .. } = request(&mut world, 1, &Command::Hello { nonce: 1 }) else { panic!() };
    let shown: Vec<_> = fields.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        shown.join(" "),
        "protocol=1 firmware=1.2.3 chip=esp32c3 board=test schema=1 gen=0 line=512 state=ok"
    );
}

#[test]
fn what_is_typed_is_answered_in_plain_words() {
    let mut world = World::boot(Ram::blank());
    world.console_text();
    assert_eq!(world.typed("set mqtt.port 1884"), "ok gen=1\r\n");
    assert_eq!(world.typed("get mqtt.port"), "ok key=mqtt.port  value=1884  default=no\r\n");
    assert!(
        world.typed("set mqtt.port 0").starts_with("error: mqtt.port cannot be \"0\"; allowed: 1..=65535")
    );
    assert!(world.typed("reset everything").starts_with("error: "));
    assert!(world.typed("help").contains("user set NAME PASSWORD"));
    assert!(world.typed("help mqtt.port").contains("allowed=1..=65535"));
}

#[test]
fn a_changed_port_is_listened_on_at_once() {
    let mut world = World::boot(Ram::blank());
    assert_eq!(world.actions(), [Action::Listen { port: 1883 }]);
    world.typed("set mqtt.port 1884");
    assert_eq!(world.actions(), [Action::Listen { port: 1884 }]);
}

#[test]
fn a_garbled_line_changes_nothing_and_the_next_one_is_read() {
    let mut world = World::boot(Ram::blank());
    open_run(&mut world);
    let good = Command::Set { key: "mqtt.port".into(), value: "1884".into() }.to_frame(2).unwrap();
    world.node.console_input(good.replace("1884", "1994").as_bytes());
    world.settle();
    assert!(world.console_text().starts_with("#0 err crc "));
    world.node.console_input(b"\xFF\x00garbage\n");
    world.settle();
    assert!(world.console_text().starts_with("error: "));
    world.node.console_input(good.as_bytes());
    world.settle();
    assert!(world.console_text().starts_with("#2 ok gen=1"));
}

#[test]
fn a_repeated_request_is_executed_once() {
    let mut world = World::boot(Ram::blank());
    open_run(&mut world);
    let set = Command::Set { key: "mqtt.port".into(), value: "1884".into() };
    let first = request(&mut world, 2, &set);
    assert_eq!(request(&mut world, 2, &set), first);
    assert_eq!(world.node.settings().generation(), 1);
    let user = Command::UserSet { name: "ann".into(), password: "pw".into() };
    let frame = user.to_frame(3).unwrap();
    // Twice before the first is done.
    world.node.console_input(frame.as_bytes());
    world.node.console_input(frame.as_bytes());
    world.settle();
    assert_eq!(world.console_text().matches("#3 ok gen=2").count(), 2);
    assert_eq!(world.node.settings().generation(), 2);
}

#[test]
fn a_transaction_counts_whole_or_not_at_all() {
    let mut world = World::boot(Ram::blank());
    open_run(&mut world);
    let set = |key: &'static str, value: &'static str| Command::Set { key: key.into(), value: value.into() };
    assert_eq!(code(&request(&mut world, 2, &Command::Begin { generation: 5 })), "stale");
    assert_eq!(code(&request(&mut world, 3, &Command::Begin { generation: 0 })), "ok");
    assert_eq!(code(&request(&mut world, 4, &Command::Begin { generation: 0 })), "in-transaction");
    assert_eq!(code(&request(&mut world, 5, &set("mqtt.port", "1884"))), "ok");
    assert_eq!(code(&request(&mut world, 6, &set("mqtt.max_packet_bytes", "1048576"))), "ok");
    assert_eq!(world.node.settings().mqtt_port(), 1883, "nothing yet");
    assert_eq!(code(&request(&mut world, 7, &Command::Check)), "bad-value");
    assert_eq!(code(&request(&mut world, 8, &Command::Commit)), "bad-value");
    assert_eq!(world.node.settings().mqtt_port(), 1883, "nothing at all, and it stays open");
    assert_eq!(code(&request(&mut world, 9, &Command::Abort)), "ok");
    assert_eq!(code(&request(&mut world, 91, &Command::Commit)), "no-transaction");

    assert_eq!(code(&request(&mut world, 92, &Command::Begin { generation: 0 })), "ok");
    assert_eq!(code(&request(&mut world, 93, &set("mqtt.port", "1885"))), "ok");
    // Another client: what the first one left open is gone.
    assert_eq!(code(&request(&mut world, 1, &Command::Hello { nonce: 2 })), "ok");
    assert_eq!(code(&request(&mut world, 2, &Command::Commit)), "no-transaction");
    assert_eq!(code(&request(&mut world, 3, &Command::Begin { generation: 0 })), "ok");
    assert_eq!(code(&request(&mut world, 4, &set("mqtt.port", "1886"))), "ok");
    assert_eq!(code(&request(&mut world, 5, &Command::Commit)), "ok");
    assert_eq!(world.restart().node.settings().mqtt_port(), 1886);
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.port 1884");
    let before = world.node.board.flash.cells.clone();
    assert!(world.typed("set mqtt.port 1884").starts_with("ok"));
    assert!(world.node.board.flash.cells == before);
}

#[test]
fn reboot_is_answered_and_then_asked_of_the_board() {
    let mut world = World::boot(Ram::blank());
    world.actions();
    world.console_text();
    assert_eq!(world.typed("reboot"), "ok\r\n");
    assert_eq!(world.actions(), [Action::Reboot]);
}

#[test]
fn a_console_that_is_not_read_stops_being_listened_to_and_goes_on_later() {
    let mut world = World::boot(Ram::blank());
    for _ in 0..200 {
        world.node.console_input(b"list\n");
        world.settle();
    }
    let waiting = world.node.console_output().len();
    assert!(waiting <= crate::limits::CONSOLE_OUTPUT_BYTES, "{waiting}");
    let mut answers = 0;
    loop {
        let text = world.console_text();
        if text.is_empty() {
            break;
        }
        answers += text.lines().filter(|line| *line == "ok").count();
        assert!(
            text.lines().all(|line| line.starts_with("key=") || line == "ok" || line.starts_with("info")),
            "{text}"
        );
        world.settle();
    }
    assert_eq!(answers, 200, "1024 bytes of input hold what had to wait");
}

#[test]
fn a_typed_line_that_lost_its_end_is_not_obeyed() {
    let mut world = World::boot(Ram::blank());
    let beginning = b"set mqtt.port 18";
    let mut typed = vec![b'\n'; crate::limits::CONSOLE_INPUT_BYTES - beginning.len()];
    typed.extend(beginning);
    typed.extend(b"84\n");
    world.node.console_input(&typed);
    world.settle();
    world.console_text();
    assert!(world.typed("").starts_with("error: "));
    assert_eq!(world.node.settings().mqtt_port(), 1883);
}

#[test]
fn debug_says_more_than_info_and_nothing_that_is_secret() {
    let mut said = Vec::new();
    for level in ["info", "debug"] {
        let mut world = World::boot(Ram::blank());
        world.typed("set mqtt.anonymous always");
        world.typed("user set ann geheim");
        world.typed(&format!("set log.level {level}"));
        let link = world.open();
        world.receive(link, &connect_packet("c", Some(("ann", "geheim"))));
        world.settle();
        let mut body = vec![0, 1];
        text(&mut body, "door/#");
        body.push(1);
        world.receive(link, &packet(0x82, &body));
        let mut body = vec![0, 2];
        text(&mut body, "door/#");
        world.receive(link, &packet(0xA2, &body));
        world.receive(link, &publish_retained("door/front", "private"));
        world.receive(link, &packet(0xE0, &[]));
        world.settle();
        said.push(world.console_text());
    }
    let [info, debug] = [&said[0], &said[1]];
    for text in [info, debug] {
        assert!(text.contains("connected as \"c\"") && text.contains("gone: client disconnected"), "{text}");
        assert!(!text.contains("geheim") && !text.contains("private"), "{text}");
    }
    for piece in [
        ", keep-alive 60 s, session ends with it, no will",
        "debug: \"c\" subscribed to \"door/#\", QoS 1\r\n",
        "debug: \"c\" unsubscribed from \"door/#\"\r\n",
    ] {
        assert!(debug.contains(piece), "{piece}: {debug}");
        assert!(!info.contains(piece.trim()), "{piece}: {info}");
    }
}
