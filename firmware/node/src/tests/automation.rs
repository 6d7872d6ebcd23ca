//! OpenBeken's commands on a whole node: from the console, from files, and over MQTT.

use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::files::put;
use super::flash::Ram;
use super::{World, connect_packet, packet, text};
use crate::limits::{CASCADE_DEPTH, COMMAND_DEPTH, COMMANDS_AT_ONCE, COMMANDS_QUEUED};
use crate::{Action, Anonymous, Capabilities, Capability, Identity, Limits, LinkId};

/// The answer to a typed command, without its line end.
fn say(world: &mut World, line: &str) -> String {
    world.console_text();
    world.typed(line).trim_end().to_string()
}

fn channel(world: &mut World, number: u8) -> i32 {
    let answer = say(world, &format!("getChannel {number}"));
    answer.rsplit_once("answer=").unwrap_or_else(|| panic!("{answer}")).1.parse().unwrap()
}

fn world() -> World {
    World::boot(Ram::blank())
}

/// A world that was started with a file.
fn started_with(file: &str, contents: &str) -> World {
    let mut world = world();
    put(&mut world, file, contents.as_bytes()).unwrap();
    let mut world = world.restart();
    world.settle();
    world
}

#[test]
fn channels_are_set_added_to_and_switched() {
    let mut world = world();
    assert_eq!(say(&mut world, "setChannel 5 0x10"), "ok result=OK");
    assert_eq!(say(&mut world, "SETCHANNEL 6 $CH5*2+1"), "ok result=OK");
    assert_eq!((channel(&mut world, 5), channel(&mut world, 6)), (16, 33));
    say(&mut world, "addChannel 5 -6");
    say(&mut world, "addChannel 6 100 0 50");
    say(&mut world, "addChannel 7 -1 0 3 1");
    assert_eq!([5, 6, 7].map(|number| channel(&mut world, number)), [10, 50, 3]);
    say(&mut world, "clampChannel 5 0 4");
    say(&mut world, "toggleChannel 6");
    say(&mut world, "POWER7 TOGGLE");
    say(&mut world, "power ON");
    assert_eq!([5, 6, 7, 1].map(|number| channel(&mut world, number)), [4, 0, 0, 1]);
    assert_eq!(say(&mut world, "POWER"), "ok result=OK  answer=ON");
    say(&mut world, "setChannelLabel 5 \"Desk lamp\"");
    say(&mut world, "setChannelType 5 Toggle");
    assert!(say(&mut world, "channels").contains("channel=5  value=4  type=Toggle  label=Desk lamp"));
}

#[test]
fn answers_are_openbekens_words() {
    let mut world = world();
    for (line, answer) in [
        ("setChannel 5", "NOT_ENOUGH_ARGUMENTS: setChannel CHANNEL VALUE needs 2"),
        ("setChannel 64 1", "BAD_ARGUMENT: there is no channel 64"),
        ("setChannel 1 $CH99", "BAD_ARGUMENT: `$CH99`: there is no such constant"),
        ("setChannel 1 1+", "BAD_ARGUMENT: `1+`: a number or a constant is missing"),
        ("addEventHandler OnTuesday 1 echo x", "BAD_ARGUMENT: there is no event OnTuesday"),
        ("addChangeHandler Channel1 = 1 echo x", "BAD_ARGUMENT: `=` is not"),
        ("addClockEvent 25:00 0xff 1 echo x", "BAD_ARGUMENT: `25:00` is not"),
        ("addClockEvent sunrise 0xff 1 echo x", "ERROR: where the board is is not known"),
        ("removeClockEvent 7", "BAD_ARGUMENT: there is no clock event 7"),
        ("startDriver BL0942", "BAD_ARGUMENT: there is no driver BL0942"),
        ("startScript missing.bat", "BAD_ARGUMENT: there is no file missing.bat"),
        ("delay_s 1", "ERROR: that works only in a file of commands"),
        ("goto x", "ERROR: that works only in a file of commands"),
        ("ms_pass x", "ERROR: there is no user yet"),
        ("ms_port 0", "BAD_ARGUMENT"),
        ("alias echo x", "BAD_ARGUMENT: echo is a command already"),
        ("if 1 echo x y", "BAD_ARGUMENT: `then` is missing"),
        ("run \"\"", "EMPTY_STRING"),
        ("run frobnicate", "UNKNOWN_COMMAND: frobnicate is not one"),
    ] {
        let said = say(&mut world, line);
        assert!(said.starts_with("error") && said.contains(answer), "{line}: {said}");
    }
    assert!(say(&mut world, "frobnicate secret").contains("there is no command \"frobnicate\""));
}

#[test]
fn commands_in_commands_run_and_are_bounded() {
    let mut world = world();
    let said = say(&mut world, "backlog echo \"a; b\"; setChannel 1 2; echo $CH1s ${CH1}s $Name $nothing");
    assert!(said.contains("info: a; b\r\ninfo: 2s 2s obkmq $nothing"), "{said}");
    say(&mut world, "alias up backlog addChannel 1 1; addChannel 2");
    say(&mut world, "up 10");
    assert_eq!((channel(&mut world, 1), channel(&mut world, 2)), (3, 10));
    say(&mut world, "if $CH1==3&&$CH2>9 then \"backlog setChannel 3 1; setChannel 4 1\" else setChannel 5 1");
    say(&mut world, "if $CH1 == 0 then setChannel 6 1 else if $CH2 then setChannel 7 1 else setChannel 8 1");
    let values = [3, 4, 5, 6, 7, 8].map(|number| channel(&mut world, number));
    assert_eq!(values, [1, 1, 0, 0, 1, 0]);
    say(&mut world, "alias self self");
    let said = say(&mut world, "alias count backlog addChannel 9 1; count");
    assert_eq!(said, "ok result=OK");
    say(&mut world, "count");
    assert_eq!(channel(&mut world, 9), i32::from(COMMAND_DEPTH / 2), "a backlog and an alias each time");
    let said = say(&mut world, "self");
    assert!(
        said.contains(&format!("ERROR: more than {COMMAND_DEPTH} commands stand in each other")),
        "{said}"
    );
}

/// Four aliases of a hundred commands each would be a hundred million.
#[test]
fn aliases_that_multiply_are_cut_within_a_turn() {
    let mut world = world();
    say(&mut world, &format!("alias d backlog {}", "addChannel 1 1;".repeat(30)));
    for (name, next) in [("c", "d"), ("b", "c"), ("a", "b")] {
        say(&mut world, &format!("alias {name} backlog {}", format!("{next};").repeat(100)));
    }
    let said = say(&mut world, "a");
    assert!(said.contains(&format!("ERROR: more than {COMMANDS_AT_ONCE} commands are in one")), "{said}");
    assert!(channel(&mut world, 1) <= i32::from(COMMANDS_AT_ONCE));
    assert_eq!(say(&mut world, "setChannel 1 1"), "ok result=OK", "the next one has all it may");
}

#[test]
fn handlers_run_when_something_happens_or_becomes_so() {
    let mut world = world();
    say(&mut world, "addEventHandler OnClick 5 backlog addChannel 1 1; echo clicked");
    say(&mut world, "addChangeHandler Channel1 > 1 setChannel 2 $CH1*10");
    say(&mut world, "addEventHandler OnChannelChange 2 toggleChannel 3");
    assert!(!say(&mut world, "event OnClick 6").contains("clicked"));
    assert!(say(&mut world, "event onclick 5").contains("info: clicked"));
    assert_eq!([1, 2, 3].map(|number| channel(&mut world, number)), [1, 0, 0]);
    say(&mut world, "event OnClick 5");
    assert_eq!([1, 2, 3].map(|number| channel(&mut world, number)), [2, 20, 1]);
    // It holds already.
    say(&mut world, "event OnClick 5");
    assert_eq!([1, 2, 3].map(|number| channel(&mut world, number)), [3, 20, 1]);
    say(&mut world, "clearAllHandlers");
    say(&mut world, "event OnClick 5");
    assert_eq!(channel(&mut world, 1), 3);
}

#[test]
fn what_leads_to_itself_is_cut() {
    let mut world = world();
    say(&mut world, "addEventHandler OnChannelChange 1 addChannel 1 1");
    let said = say(&mut world, "setChannel 1 1");
    assert!(said.contains(&format!("is not executed: {CASCADE_DEPTH} commands led to it")), "{said}");
    assert_eq!(channel(&mut world, 1), 1 + i32::from(CASCADE_DEPTH));
    say(&mut world, "clearAllHandlers");
    // One that has many children.
    for _ in 0..20 {
        say(&mut world, "addEventHandler OnChannelChange 2 addChannel 2 1");
    }
    let said = say(&mut world, "setChannel 2 1");
    assert!(said.contains(&format!("commands are lost: {COMMANDS_QUEUED} wait already")), "{said}");
    assert_eq!(said.matches("commands are lost").count(), 1);
}

#[test]
fn timers_run_by_themselves() {
    let mut world = world();
    say(&mut world, "addRepeatingEvent 2 3 addChannel 1 1");
    say(&mut world, "addRepeatingEventID 5 -1 77 addChannel 2 1");
    for _ in 0..30 {
        world.wait_ms(1_000);
    }
    assert_eq!([1, 2].map(|number| channel(&mut world, number)), [3, 6]);
    assert_eq!(say(&mut world, "cancelRepeatingEvent 77"), "ok result=OK");
    world.wait_ms(10_000);
    assert_eq!(channel(&mut world, 2), 6);
    assert!(say(&mut world, "cancelRepeatingEvent 77").contains("there is no repeating event 77"));
}

#[test]
fn clock_events_wait_for_the_time_to_be_known() {
    let identity = World::identity(Limits::default());
    let capabilities = Capabilities::NONE.with(Capability::Clock);
    let mut world = World::boot_as(Ram::blank(), Identity { capabilities, ..identity });
    say(&mut world, "set time.zone CET-1CEST,M3.5.0,M10.5.0/3");
    say(&mut world, "set location.position 52.52,13.405");
    say(&mut world, "addEventHandler NTPState 1 setChannel 1 $hour*100+$minute");
    say(&mut world, "addClockEvent 07:30 0xff 1 setChannel 2 1");
    say(&mut world, "addClockEvent sunset 0xff 2 setChannel 3 $sunset/60");
    assert!(say(&mut world, "echo $hour").contains("info: $hour"), "not known yet");
    world.wait_ms(3_000);
    // 2026-11-27 06:29:58 UTC, a Friday.
    let start = 1_795_737_600 + 6 * 3_600 + 29 * 60 + 58;
    world.node.board.unix_s = Some(start);
    world.wait_ms(1_000);
    assert_eq!([1, 2].map(|number| channel(&mut world, number)), [729, 0]);
    for second in 1..=3 {
        world.node.board.unix_s = Some(start + second);
        world.wait_ms(1_000);
    }
    assert_eq!(channel(&mut world, 2), 1);
    assert!(say(&mut world, "info").contains("time=2026-11-27T07:30:01+01:00"));
    for minute in 1..600 {
        world.node.board.unix_s = Some(start + 60 * minute);
        world.wait_ms(60_000);
    }
    let minutes = channel(&mut world, 3);
    assert!((15 * 60 + 50..16 * 60).contains(&minutes), "{minutes}");
}

#[test]
fn a_start_up_file_runs_line_by_line_and_goes_on_after_a_mistake() {
    let mut world = started_with(
        "autoexec.bat",
        "// my board\r\nsetStartValue 1 5\r\nfrobnicate now\r\nsetChannel 2\r\nalias hi echo hello from $Name\r\n\
         again:\r\n\taddChannel 3 1\r\n\tif $CH3<4 then goto again\r\nhi\r\nsetChannel 4 1\r\n",
    );
    let log = world.console_text();
    assert!(log.contains("warn: autoexec.bat:3: UNKNOWN_COMMAND: frobnicate"), "{log}");
    assert!(log.contains("warn: autoexec.bat:4: NOT_ENOUGH_ARGUMENTS"), "{log}");
    assert!(log.contains("info: hello from obkmq"), "{log}");
    assert_eq!([1, 3, 4].map(|number| channel(&mut world, number)), [5, 4, 1]);
    // Unless it was set.
    say(&mut world, "setStartValue 1 6");
    assert_eq!(channel(&mut world, 1), 5);
}

#[test]
fn waiting_holds_up_nothing_but_its_file() {
    let mut world = started_with(
        "autoexec.bat",
        "startScript this other 7\nsetChannel 1 1\ndelay_s 0.5\nsetChannel 1 2\nwaitFor Channel2 > 10\nsetChannel 1 3\n\
         waitFor OnClick 9\nsetChannel 1 4\nwaitFor MQTTState 1\nsetChannel 4 1\nexit\nother:\ndelay_ms 200\naddChannel 3 1\ngoto other",
    );
    assert_eq!(channel(&mut world, 1), 1);
    world.wait_ms(499);
    assert_eq!(channel(&mut world, 1), 1);
    world.wait_ms(1);
    assert_eq!(channel(&mut world, 1), 2);
    say(&mut world, "setChannel 2 10");
    assert_eq!(channel(&mut world, 1), 2);
    say(&mut world, "setChannel 2 11");
    assert_eq!(channel(&mut world, 1), 3);
    say(&mut world, "event OnClick 8");
    say(&mut world, "event OnClick 9");
    assert_eq!((channel(&mut world, 1), channel(&mut world, 4)), (4, 1), "MQTT is there already");
    let before = channel(&mut world, 3);
    for _ in 0..10 {
        world.wait_ms(100);
    }
    assert_eq!(channel(&mut world, 3), before + 5, "the other thread runs still");
    say(&mut world, "stopScript 7");
    world.wait_ms(1_000);
    assert_eq!(channel(&mut world, 3), before + 5);
}

#[test]
fn a_file_can_stop_itself_or_all_others() {
    let mut world = world();
    put(&mut world, "a.bat", b"stopScript 7 1\nsetChannel 1 1\nstopScript 7\nsetChannel 1 2\n").unwrap();
    put(&mut world, "b.bat", b"delay_s 1\nsetChannel 2 1\n").unwrap();
    say(&mut world, "startScript b.bat * 7");
    say(&mut world, "startScript a.bat * 7");
    world.wait_ms(2_000);
    assert_eq!((channel(&mut world, 1), channel(&mut world, 2)), (1, 0));
}

/// A loop without a delay leaves room for everybody else, and the node can be asked to stop it.
#[test]
fn an_endless_loop_in_a_file_is_a_line_a_turn() {
    let mut world = world();
    put(&mut world, "loop.bat", b"again:\naddChannel 1 1\ngoto again\n").unwrap();
    world.node.console_input(b"startScript loop.bat\n");
    for turn in 0..1_000 {
        assert_eq!(world.node.poll(world.now), Some(world.now), "{turn}");
    }
    world.node.console_input(b"stopAllScripts\n");
    world.settle();
    let count = channel(&mut world, 1);
    assert!((400..=500).contains(&count), "{count}");
}

#[test]
fn automation_that_is_switched_off_runs_nothing() {
    let mut world = world();
    put(&mut world, "autoexec.bat", b"setChannel 1 1\n").unwrap();
    say(&mut world, "set automation.enabled false");
    let mut world = world.restart();
    world.settle();
    assert_eq!(channel(&mut world, 1), 0);
    say(&mut world, "addEventHandler OnClick 1 setChannel 1 1");
    say(&mut world, "event OnClick 1");
    say(&mut world, "set automation.enabled true");
    assert_eq!(channel(&mut world, 1), 0, "nothing waits for it either");
    say(&mut world, "event OnClick 1");
    assert_eq!(channel(&mut world, 1), 1);
}

/// The start-up file of a board that is a broker, as OpenBeken's owners write it.
const BROKER: &str = "startDriver MQTTServer\nms_user lamp\nms_pass s3cret\nms_port 1884\n";

#[test]
fn a_start_up_file_makes_one_user_and_touches_flash_once() {
    let mut world = started_with("autoexec.bat", BROKER);
    let log = world.console_text();
    assert!(!log.contains("warn") && !log.contains("s3cret"), "{log}");
    assert_eq!(world.connect("one", "lamp", "s3cret").1, 0);
    assert!(world.actions().contains(&Action::Listen { port: 1884 }));
    assert_eq!(say(&mut world, "ms_pass"), "ok result=OK  answer=(set)");
    assert_eq!(say(&mut world, "ms_user"), "ok result=OK  answer=lamp");
    assert_eq!(say(&mut world, "ms_port"), "ok result=OK  answer=1884");
    let generation = world.node.settings().generation();
    let mut world = world.restart();
    // Another salt than the last time.
    world.node.board.random = 99;
    world.settle();
    assert_eq!(world.node.settings().generation(), generation, "nothing has changed");
    assert_eq!(world.connect("one", "lamp", "s3cret").1, 0);
}

/// A password takes its time, and the lines behind it come after.
#[test]
fn a_file_waits_for_its_password() {
    let mut world = started_with("autoexec.bat", "ms_user one\nms_pass s3cret\nms_user two\n");
    assert_eq!(world.connect("a", "one", "s3cret").1, 4);
    assert_eq!(world.connect("a", "two", "s3cret").1, 0);
}

#[test]
fn another_name_is_the_same_user() {
    let mut world = started_with("autoexec.bat", BROKER);
    say(&mut world, "user set other pass-word");
    say(&mut world, "user rights lamp \"read a/#\"");
    assert_eq!(say(&mut world, "ms_user light"), "ok result=OK");
    assert_eq!(world.connect("one", "lamp", "s3cret").1, 4);
    assert_eq!(world.connect("one", "light", "s3cret").1, 0);
    assert_eq!(world.connect("two", "other", "pass-word").1, 0);
    assert!(say(&mut world, "user list").contains("name=light  rights=read a/#"));
    say(&mut world, "ms_pass another");
    world.settle();
    assert_eq!(world.connect("one", "light", "s3cret").1, 4);
    assert_eq!(world.connect("one", "light", "another").1, 0);
}

/// A client that may be anonymous, on a node that lets it in.
fn anonymous(settings: &[&str]) -> (World, LinkId) {
    let identity =
        Identity { anonymous_without_users: Anonymous::Always, ..World::identity(Limits::default()) };
    let mut world = World::boot_as(Ram::blank(), identity);
    for line in settings {
        say(&mut world, line);
    }
    let link = world.open();
    world.receive(link, &connect_packet("client", None));
    world.sent(link);
    (world, link)
}

fn publish(world: &mut World, link: LinkId, first: u8, topic: &str, payload: &str) {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload.as_bytes());
    world.receive(link, &packet(first, &body));
    world.settle();
}

#[test]
fn channels_are_set_and_told_over_mqtt() {
    let (mut world, link) = anonymous(&["set network.hostname attic"]);
    let mut body = Vec::from([0, 1]);
    text(&mut body, "attic/+/get");
    body.push(0);
    world.receive(link, &packet(0x82, &body));
    world.sent(link);
    publish(&mut world, link, 0x30, "attic/5/set", "7");
    publish(&mut world, link, 0x30, "cmnd/attic/POWER2", "ON");
    publish(&mut world, link, 0x30, "cmnd/attic/backlog", "setChannel 3 1; setChannel 3 1; addChannel 3 1");
    let heard = String::from_utf8_lossy(&world.sent(link)).into_owned();
    for (topic, value) in [("5", "7"), ("2", "1"), ("3", "1"), ("3", "2")] {
        assert!(heard.contains(&format!("attic/{topic}/get{value}")), "{heard}");
    }
    assert_eq!(heard.matches("attic/3/get").count(), 2, "only changes are told");
    publish(&mut world, link, 0x30, "attic/5/get", "");
    assert!(String::from_utf8_lossy(&world.sent(link)).contains("attic/5/get7"));
    say(&mut world, "setChannelPrivate 5 1");
    publish(&mut world, link, 0x30, "attic/5/set", "8");
    assert!(world.sent(link).is_empty());
    assert_eq!(channel(&mut world, 5), 8);
}

#[test]
fn over_mqtt_only_channels_may_be_changed_without_the_right_to_more() {
    let (mut world, link) = anonymous(&[]);
    for line in [
        "echo|x",
        "ms_pass|x",
        "ms_port|1885",
        "startScript|a.bat",
        "restart|",
        "addEventHandler|OnClick 1 echo x",
    ] {
        let (command, arguments) = line.split_once('|').unwrap();
        publish(&mut world, link, 0x30, &format!("cmnd/obkmq/{command}"), arguments);
        let log = world.console_text();
        assert!(log.contains(&format!("warn: cmnd/obkmq/{command}: ERROR: {command} is for")), "{log}");
        // Not in a command that may come, either.
        publish(&mut world, link, 0x30, "cmnd/obkmq/backlog", &format!("{command} {arguments}"));
        assert!(world.console_text().contains("is for"));
    }
    assert_eq!((world.node.settings().mqtt_port(), world.actions().len()), (1883, 1), "it listens");
}

#[test]
fn an_admin_may_do_more_but_not_all_nor_later() {
    let (mut world, _) = anonymous(&["user set boss pass-word", "user rights boss \"admin,readwrite #\""]);
    let (link, code) = world.connect("boss", "boss", "pass-word");
    assert_eq!(code, 0);
    world.console_text();
    publish(
        &mut world,
        link,
        0x30,
        "cmnd/obkmq/addEventHandler",
        "OnClick 1 backlog setChannel 1 1; ms_port 1885",
    );
    publish(&mut world, link, 0x30, "cmnd/obkmq/event", "OnClick 1");
    let log = world.console_text();
    assert!(log.contains("ERROR: ms_port is for the owner"), "{log}");
    assert_eq!((channel(&mut world, 1), world.node.settings().mqtt_port()), (1, 1883));
}

#[test]
fn retained_messages_are_no_commands() {
    let (mut world, link) = anonymous(&[]);
    publish(&mut world, link, 0x31, "obkmq/5/set", "1");
    assert_eq!(channel(&mut world, 5), 1, "for whoever is there it is a message of now");
    say(&mut world, "setChannel 5 0");
    // Another name makes it listen anew, and the retained one comes again.
    publish(&mut world, link, 0x31, "cellar/5/set", "1");
    say(&mut world, "set network.hostname cellar");
    assert_eq!(channel(&mut world, 5), 0);
}

#[test]
fn a_loop_over_mqtt_is_cut() {
    let (mut world, _) = anonymous(&[]);
    say(&mut world, "addChangeHandler Channel1 != 0 ms_publish obkmq/2/set $CH2+1");
    say(&mut world, "addEventHandler OnChannelChange 2 ms_publish obkmq/2/set $CH2+1");
    let said = say(&mut world, "setChannel 1 1");
    assert!(said.contains("commands led to it"), "{said}");
    assert!(channel(&mut world, 2) < i32::from(CASCADE_DEPTH));
}
