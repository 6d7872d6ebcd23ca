//! Scripts on the board: start, messages, timers, what they may take, and what happens when they take more.

use obkmq_config::limits::FILE_PIECE_LIMIT_BYTES;
use obkmq_config::line::{Command, FileCommand};

use super::files::info;
use super::*;
use crate::FileInfo;

/// Puts a file; what the console says of it, without the answers.
pub(super) fn put(world: &mut World, file: &str, source: &str) -> Vec<String> {
    let FileInfo { name, bytes, sha256 } = info(file, source.as_bytes());
    let ask = |world: &mut World, command: FileCommand<'_>| world.typed(&Command::File(command).encode());
    world.settle();
    world.console_text();
    assert_eq!(ask(world, FileCommand::Put { name, bytes, sha256 }), "ok same=no\r\n");
    let mut offset = 0;
    for piece in source.as_bytes().chunks(FILE_PIECE_LIMIT_BYTES) {
        assert_eq!(ask(world, FileCommand::Data { offset, data: piece.into() }), "ok\r\n");
        offset += u32::try_from(piece.len()).unwrap();
    }
    let mut said = lines(&ask(world, FileCommand::End));
    assert_eq!(said.remove(0), "ok");
    said
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(String::from).collect()
}

/// What the console has said since.
pub(super) fn said(world: &mut World) -> Vec<String> {
    world.settle();
    lines(&world.console_text())
}

/// A board whose start-up script does this, and what that has said.
pub(super) fn boot_with(init: &str) -> (World, Vec<String>) {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.anonymous always");
    let source =
        format!("autoexec = module('autoexec')\nautoexec.init = def ()\n{init}\nend\nreturn autoexec\n");
    let mut said = put(&mut world, "autoexec.be", &source);
    assert_eq!(said.remove(0), "info: script: autoexec.be starts");
    (world, said)
}

pub(super) fn publish(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload);
    packet(0x30, &body)
}

/// A client without a password, with a subscription to all there is.
pub(super) fn client(world: &mut World) -> LinkId {
    let link = world.open();
    let mut connect = connect_packet("c", None);
    // No keep-alive: tests let hours pass.
    connect[10..12].fill(0);
    world.receive(link, &connect);
    let mut body = vec![0, 1];
    text(&mut body, "#");
    body.push(0);
    world.receive(link, &packet(0x82, &body));
    assert_eq!(world.sent(link), [0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);
    world.console_text();
    link
}

/// The messages that a link was sent: topic, `=`, payload.
pub(super) fn messages(world: &mut World, link: LinkId) -> Vec<String> {
    let bytes = world.sent(link);
    let mut rest = bytes.as_slice();
    let mut all = Vec::new();
    while let [first, length, tail @ ..] = rest {
        assert!(first & 0xF0 == 0x30 && *length < 128, "{rest:?}");
        let (packet, others) = tail.split_at(usize::from(*length));
        let (topic, payload) = packet[2..].split_at(usize::from(packet[1]));
        all.push(format!("{}={}", String::from_utf8_lossy(topic), String::from_utf8_lossy(payload)));
        rest = others;
    }
    all
}

#[test]
fn a_start_up_script_mirrors_one_device_to_another() {
    let (mut world, said_first) = boot_with(
        "ms_subscribe('stat/switch/POWER2', def (topic, payload)\n\
           print('got', topic, payload)\n\
           print(ms_publish('cmnd/lamp/POWER', payload))\n\
         end)\n\
         print('ready')",
    );
    assert_eq!(said_first, ["script: ready"]);
    let link = client(&mut world);
    world.receive(link, &publish("stat/switch/POWER2", b"ON"));
    assert_eq!(messages(&mut world, link), ["stat/switch/POWER2=ON", "cmnd/lamp/POWER=ON"]);
    assert_eq!(said(&mut world), ["script: got stat/switch/POWER2 ON", "script: true"]);
    // It is there again after a restart.
    let mut world = world.restart();
    let said = said(&mut world);
    assert!(said.ends_with(&["info: script: autoexec.be starts".into(), "script: ready".into()]), "{said:?}");
}

#[test]
fn payloads_are_whole_and_bytes_of_any_kind() {
    let (mut world, _) = boot_with(
        "ms_subscribe('in', def (t, p) print(size(p), bytes().fromstring(p)[1]) ms_publish('out', p) end)\n\
         ms_subscribe('number', def (t, p) ms_publish('out', 5) ms_publish('out', bytes('00FF')) end)",
    );
    let link = client(&mut world);
    world.receive(link, &publish("in", b"a\0\xFF"));
    assert_eq!(said(&mut world), ["script: 3 0"]);
    assert_eq!(messages(&mut world, link), ["in=a\0\u{fffd}", "out=a\0\u{fffd}"]);
    world.receive(link, &publish("number", b""));
    assert_eq!(messages(&mut world, link), ["number=", "out=5", "out=\0\u{fffd}"]);
    let mut long = vec![0x30, 0xB8, 0x17, 0, 2, b'i', b'n'];
    long.resize(3 + 3000, b'x');
    world.receive(link, &long);
    assert_eq!(said(&mut world), ["script: 2996 120"]);
}

#[test]
fn a_message_calls_all_it_concerns_in_turn_and_subscribing_meanwhile_is_safe() {
    let (mut world, _) = boot_with(
        "var second, third\n\
         ms_subscribe('a/+', def (t, p) print(1) print(ms_unsubscribe(second)) print(ms_unsubscribe(second))\n\
           ms_subscribe('a/b', def () print('new') end) end)\n\
         second = ms_subscribe('#', def () print(2) end)\n\
         third = ms_subscribe('a/b', def () print(3, ms_unsubscribe(third)) end)\n\
         ms_subscribe('+/b', def () print(4) end)\n\
         print(ms_subscribe('a/#/b', def () end), ms_unsubscribe(99), ms_unsubscribe(nil))",
    );
    let link = client(&mut world);
    world.receive(link, &publish("a/b", b""));
    assert_eq!(
        said(&mut world),
        ["script: 1", "script: true", "script: false", "script: 3 true", "script: 4"]
    );
    world.receive(link, &publish("a/b", b""));
    assert_eq!(said(&mut world), ["script: 1", "script: false", "script: false", "script: 4", "script: new"]);
}

#[test]
fn a_filter_that_cannot_be_is_nil_and_the_log_says_why() {
    let (_, said) = boot_with("print(ms_subscribe('a/#/b', def () end))\nprint(ms_unsubscribe(nil))");
    assert_eq!(said.len(), 3);
    assert!(said[0].starts_with("warn: script: cannot subscribe to a/#/b: "), "{said:?}");
    assert_eq!(said[1..], ["script: nil", "script: false"]);
}

#[test]
fn retained_messages_reach_the_subscription_that_asks_for_them() {
    let (mut world, _) = boot_with(
        "ms_subscribe('#', def (t, p) print('all', t, p)\n\
           if p == 'go' ms_subscribe('kept', def (t, p) print('late', t, p) end) end end)",
    );
    let link = client(&mut world);
    world.receive(link, &publish_retained("kept", "1"));
    assert_eq!(said(&mut world), ["script: all kept 1"]);
    world.receive(link, &publish("x", b"go"));
    assert_eq!(said(&mut world), ["script: all x go", "script: late kept 1"]);
}

#[test]
fn callbacks_that_answer_each_other_are_cut() {
    let (mut world, _) = boot_with(
        "ms_subscribe('a', def () ms_publish('b', '') end)\n\
         ms_subscribe('b', def () ms_publish('a', '') end)",
    );
    let link = client(&mut world);
    world.receive(link, &publish("a", b""));
    let log = said(&mut world);
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("warn: script: not published to b: 8 messages in a row have led to it"),
        "{log:?}"
    );
    assert_eq!(messages(&mut world, link).len(), 9);
    // The next one begins anew.
    world.receive(link, &publish("a", b""));
    assert_eq!(messages(&mut world, link).len(), 9);
}

#[test]
fn timers_fire_at_their_time_and_can_be_cancelled() {
    let (mut world, _) = boot_with(
        "var n = 0 var id\n\
         setTimeout(def () print('once') end, 1000)\n\
         scriptDelayMs(1500, def () print('too') end)\n\
         cancel(setTimeout(def () print('never') end, 1200))\n\
         id = setInterval(def () n += 1 print('tick', n) if n == 3 cancel(id) end end, 2000)\n\
         cancel(nil) cancel(12345)",
    );
    assert_eq!(world.node.poll(world.now), Some(world.now.saturating_add_millis(1000)));
    world.wait_ms(999);
    assert!(said(&mut world).is_empty());
    world.wait_ms(1);
    assert_eq!(said(&mut world), ["script: once"]);
    world.wait_ms(500);
    assert_eq!(said(&mut world), ["script: too"]);
    // What was missed is not made up for.
    world.wait_ms(4500);
    assert_eq!(said(&mut world), ["script: tick 1"]);
    world.wait_ms(1999);
    assert!(said(&mut world).is_empty());
    world.wait_ms(1);
    assert_eq!(said(&mut world), ["script: tick 2"]);
    world.wait_ms(60_000);
    assert_eq!(said(&mut world), ["script: tick 3"]);
    world.wait_ms(60_000);
    assert!(said(&mut world).is_empty());
    assert_eq!(world.node.poll(world.now), None);
}

#[test]
fn a_script_that_sleeps_keeps_nobody_else_waiting() {
    let (mut world, said_first) = boot_with(
        "ms_subscribe('a', def () print('a') end)\n\
         print('before') rtosDelayMs(500) print('after') delayUs(1500) print('end')",
    );
    assert_eq!(said_first, ["script: before"]);
    let link = client(&mut world);
    world.receive(link, &publish("a", b""));
    assert_eq!(messages(&mut world, link), ["a="]);
    assert!(said(&mut world).is_empty());
    world.wait_ms(500);
    assert_eq!(said(&mut world), ["script: after"]);
    world.wait_ms(2);
    assert_eq!(said(&mut world), ["script: end", "script: a"]);
}

#[test]
fn a_new_file_replaces_the_script_and_all_that_it_had() {
    let (mut world, _) = boot_with(
        "ms_subscribe('a', def () print('old') end)\n\
         setInterval(def () print('old tick') end, 1000)",
    );
    let link = client(&mut world);
    let said_now =
        put(&mut world, "autoexec.be", "ms_subscribe('a', def () print('new') end)\nprint('loaded')\n");
    assert_eq!(said_now, ["info: script: stopped", "info: script: autoexec.be starts", "script: loaded"]);
    world.receive(link, &publish("a", b""));
    world.wait_ms(5000);
    assert_eq!(said(&mut world), ["script: new"]);
    // A module it may import is reason enough to start anew; another file is none.
    assert_eq!(put(&mut world, "other.be", "return nil\n").len(), 3);
    assert_eq!(put(&mut world, "notes.txt", "hello"), [""; 0]);
    let text = world.typed("file rm autoexec.be");
    assert!(text.contains("script: stopped") && !text.contains("starts"), "{text}");
    world.receive(link, &publish("a", b""));
    assert!(said(&mut world).is_empty());
}

#[test]
fn modules_are_files() {
    let mut world = World::boot(Ram::blank());
    assert_eq!(
        put(&mut world, "room.be", "room = module('room') room.name = 'kitchen' return room\n"),
        [""; 0]
    );
    let said = put(
        &mut world,
        "autoexec.be",
        "import room import string print(string.toupper(room.name)) import nothing\n",
    );
    assert_eq!(said[1], "script: KITCHEN");
    assert_eq!(said[2], "error: script: import_error: module 'nothing' not found");
}

#[test]
fn what_takes_too_much_ends_and_the_rest_goes_on() {
    let (mut world, _) = boot_with(
        "ms_subscribe('loop', def () while true end end)\n\
         ms_subscribe('memory', def () var l = [] while true l.push(l) end end)\n\
         ms_subscribe('deep', def () def f() return f() + 1 end f() end)\n\
         ms_subscribe('raise', def () raise 'oops', 'of mine' end)\n\
         ms_subscribe('type', def () return 1 + 'a' end)\n\
         ms_subscribe('fine', def () print('fine') end)",
    );
    let link = client(&mut world);
    for (topic, error) in [
        ("loop", "timeout_error: the script takes too many steps"),
        ("memory", "memory_error: the heap is full"),
        ("deep", "runtime_error: stack overflow"),
        ("raise", "oops: of mine"),
        ("type", "type_error: unsupported operand type(s) for +: 'int' and 'string'"),
    ] {
        world.receive(link, &publish(topic, b""));
        let log = said(&mut world);
        assert!(log[0].starts_with(&format!("error: script: {error}")), "{log:?}");
        assert_eq!(log[1], "error: script: stack traceback:");
        assert!(log[2].starts_with("error: script: \tautoexec.be:"), "{log:?}");
        world.receive(link, &publish("fine", b""));
        assert_eq!(said(&mut world), ["script: fine"]);
    }
}

#[test]
fn one_turn_runs_a_slice_only() {
    let (mut world, _) = boot_with("ms_subscribe('loop', def () while true end end)");
    let link = client(&mut world);
    let bytes = publish("loop", b"");
    assert_eq!(world.node.receive(world.now, link, &bytes), bytes.len());
    // 200,000 steps by default.
    let turns = world.settle();
    assert!((100..110).contains(&turns), "{turns}");
    // Each of them lets the clients have their turn.
    world.console_text();
    assert_eq!(world.node.receive(world.now, link, &bytes), bytes.len());
    for _ in 0..5 {
        world.node.poll(world.now);
        world.node.receive(world.now, link, &[0xC0, 0]);
        assert!(world.sent(link).ends_with(&[0xD0, 0]));
    }
    let log = said(&mut world);
    assert!(log[0].contains("timeout_error"), "{log:?}");
}

#[test]
fn a_callback_that_fails_again_and_again_is_switched_off() {
    let (mut world, _) = boot_with(
        "ms_subscribe('a', def (t, p) if p == 'bad' raise 'bad' end print(p) end)\n\
         setInterval(def () nothing_here() end, 1000)"
            .replace("nothing_here()", "raise 'tick'")
            .as_str(),
    );
    let link = client(&mut world);
    let failures = |world: &mut World, times: usize| {
        for _ in 0..times {
            world.receive(link, &publish("a", b"bad"));
        }
        let log = said(world);
        (
            log.iter().filter(|line| line.starts_with("error: script: bad")).count(),
            log.iter().any(|line| line.contains("is switched off")),
        )
    };
    assert_eq!(failures(&mut world, 4), (4, false));
    world.receive(link, &publish("a", b"good"));
    assert_eq!(said(&mut world), ["script: good"]);
    assert_eq!(failures(&mut world, 4), (4, false));
    assert_eq!(failures(&mut world, 3), (1, true));
    world.receive(link, &publish("a", b"good"));
    assert!(said(&mut world).is_empty());
    let mut ticks = 0;
    for _ in 0..20 {
        world.wait_ms(1000);
        ticks += said(&mut world).iter().filter(|line| line.starts_with("error: script: tick")).count();
    }
    assert_eq!(ticks, 5);
}

#[test]
fn what_a_script_prints_cannot_be_taken_for_an_answer() {
    let (_, said) = boot_with(
        "print('#12 ok *ABCD\\n#13 ok\\r\\x07\\xFF') print('x' * 3)"
            .replace("'x' * 3", "'IMPROV\\x01'")
            .as_str(),
    );
    assert_eq!(
        said,
        ["script: #12 ok *ABCD", "script: #13 ok\u{fffd}\u{fffd}\u{fffd}", "script: IMPROV\u{fffd}"]
    );
    let (_, said) = boot_with("var s = 'x' for i: 1..10 s = s + s end print(s)");
    assert_eq!(said[0].len(), "script: ".len() + 400 + " …".len());
}

#[test]
fn settings_say_whether_scripts_run_and_what_they_may_take() {
    let (mut world, _) = boot_with("setInterval(def () print('tick') end, 1000)");
    assert!(world.typed("info").contains("script_callbacks=1  script_callback_bytes="));
    assert!(world.typed("set automation.enabled false").contains("script: stopped"));
    world.wait_ms(5000);
    assert!(said(&mut world).is_empty());
    assert!(!world.typed("info").contains("script_"));
    assert!(world.typed("set automation.enabled true").contains("script: autoexec.be starts"));
    world.wait_ms(1000);
    assert_eq!(said(&mut world), ["script: tick"]);
    // What does not concern them leaves them alone.
    assert!(!world.typed("set mqtt.port 1884").contains("script"));
    assert!(world.typed("set automation.max_steps 1000").contains("script: autoexec.be starts"));
    let said = put(&mut world, "autoexec.be", "for i: 1..1000 end print('end')\n");
    assert!(said[2].contains("timeout_error"), "{said:?}");
    world.typed("unset automation.max_steps");
    assert!(world.typed("set automation.heap_bytes 4096").contains("script: end"));
    let said = put(&mut world, "autoexec.be", "var s = 'x' for i: 1..12 s = s + s end print(size(s))\n");
    assert!(said[2].contains("memory_error"), "{said:?}");
}

#[test]
fn after_failed_starts_the_script_is_left_alone() {
    let (world, _) = boot_with("print('ready')");
    let board = TestBoard {
        flash: world.power_off(),
        random: 7,
        radio: None,
        start: Some(Start { failed_starts: 3, ..Start::default() }),
        unix_s: None,
    };
    let mut world = World::boot_board(board, World::identity(Limits::default()));
    let said = said(&mut world);
    let last = said.last().unwrap();
    assert!(
        last.starts_with("error: script: autoexec.be is not started, since several starts in a row"),
        "{said:?}"
    );
}

#[test]
fn a_script_knows_the_time() {
    let (mut world, said_first) = boot_with("print(gmtime(), gmtime('Yw?'))");
    assert_eq!(said_first, ["script: [0, 0, 0, 0, 0, 0, 0] [0, 0, 0]"]);
    world.node.board.unix_s = Some(1_774_745_999);
    world.typed("set time.zone CET-1CEST,M3.5.0,M10.5.0/3");
    let said = put(&mut world, "autoexec.be", "print(gmtime(), gmtime('hm'))\n");
    assert_eq!(said[2], "script: [2026, 3, 29, 1, 59, 59, 0] [1, 59]");
}

#[test]
fn a_script_can_keep_what_it_publishes_for_those_who_come_later() {
    let (mut world, said_first) = boot_with(
        "ms_publish('state', 'on', true) ms_publish('once', 'x', false, 1)\n\
         try ms_publish('a', 'b', false, 3) except 'value_error' as e, m print(m) end\n\
         print(ms_publish('a/#', 'b'))",
    );
    assert_eq!(said_first[0], "script: the quality of service is 0, 1 or 2");
    assert!(said_first[1].starts_with("warn: script: cannot publish to a/#: "), "{said_first:?}");
    assert_eq!(said_first[2], "script: false");
    let link = world.open();
    world.receive(link, &connect_packet("c", None));
    let mut body = vec![0, 1];
    text(&mut body, "#");
    body.push(0);
    world.receive(link, &packet(0x82, &body));
    let sent = world.sent(link);
    assert_eq!(sent[9..], *publish_retained("state", "on"));
}

#[test]
fn there_are_only_so_many_callbacks() {
    let (mut world, said_first) = boot_with(
        "var n = 0 for i: 1..130 if setTimeout(def () print('x') end, 1000 + i) != nil n += 1 end end print(n)",
    );
    assert_eq!(said_first.len(), 3);
    assert_eq!(said_first[2], "script: 128");
    assert_eq!(
        said_first[0],
        "warn: script: there are 128 callbacks and timers already; one more was not added"
    );
    world.wait_ms(2000);
    assert!(!said(&mut world).is_empty());
}

#[test]
fn what_a_script_gives_back_it_can_have_again() {
    let (mut world, said_first) = boot_with(
        "for i: 1..200 ms_unsubscribe(ms_subscribe('a/' + str(i), def () print(i) end)) end\n\
         for i: 1..2000 cancel(setTimeout(/ -> i, 1000)) end\n\
         for i: 1..40 ms_subscribe('b/' + str(i), def () print(i) end) end\n\
         print(ms_subscribe('b/1', def () print('also') end) != nil)",
    );
    assert_eq!(said_first, ["script: true"]);
    let link = client(&mut world);
    world.receive(link, &publish("b/1", b""));
    assert_eq!(said(&mut world), ["script: 1", "script: also"]);
    for round in 0..3 {
        assert_eq!(put(&mut world, "other.be", &format!("return {round}"))[2..], ["script: true"]);
    }
    // So does what was refused.
    let source =
        "for i: 1..140 ms_subscribe('a/#/b', / -> i) end setTimeout(def () print('late') end, 1000)\n";
    put(&mut world, "autoexec.be", source);
    world.wait_ms(1000);
    assert_eq!(said(&mut world).last().unwrap(), "script: late");
}

#[test]
fn one_turn_publishes_only_so_much() {
    let (mut world, _) =
        boot_with("ms_subscribe('go', def () for i: 1..200 ms_publish('n', str(i)) end end)");
    let link = client(&mut world);
    let bytes = publish("go", b"");
    world.node.receive(world.now, link, &bytes);
    let mut most = 0;
    let mut all = 0;
    for _ in 0..100 {
        world.node.poll(world.now);
        let sent = messages(&mut world, link).iter().filter(|message| message.starts_with("n=")).count();
        most = most.max(sent);
        all += sent;
    }
    assert_eq!(all, 200);
    assert!((20..40).contains(&most), "{most}");
}

#[test]
fn timers_that_are_always_late_leave_messages_their_turn() {
    let (mut world, _) = boot_with(
        "setInterval(def () end, 0)\n\
         setInterval(def () rtosDelayMs(50) end, 10)\n\
         setInterval(def () rtosDelayMs(50) end, 10)\n\
         ms_subscribe('a', def () print('heard') end)",
    );
    let link = client(&mut world);
    world.wait_ms(20);
    for _ in 0..10 {
        world.receive(link, &publish("a", b""));
    }
    for _ in 0..100 {
        world.wait_ms(50);
    }
    assert_eq!(said(&mut world).len(), 10);
}

/// Prints what stands in SCRIPTS.md; there it is that of 32 bits: `--target i686-unknown-linux-gnu -- --nocapture`.
#[test]
fn what_a_script_takes_is_told() {
    let mut world = World::boot(Ram::blank());
    put(&mut world, "autoexec.be", "return nil\n");
    let idle = world.node.script_bytes().unwrap();
    let handlers =
        "ms_subscribe('stat/lamp/POWER', def (topic, payload) print('lamp ' + topic + ' ' + payload) end)\n";
    let (world, _) = boot_with(&handlers.repeat(8));
    let eight = world.node.script_bytes().unwrap();
    println!("idle: {} beside a heap of {}; eight handlers: {} beside {}", idle.0, idle.1, eight.0, eight.1);
    assert!(idle.0 + idle.1 < 3_000, "{idle:?}");
    assert!(eight.0 + eight.1 < 8_000, "{eight:?}");
}
