//! Scripts and automation together: channels, events, the clock, and OpenBeken's commands.

use super::scripts::{boot_with, client, messages, publish, put, said};
use super::*;

/// What a script says on account of a typed command, without the answer.
fn says(world: &mut World, command: &str) -> Vec<String> {
    let text = world.typed(command);
    let lines = text.lines().filter(|line| line.starts_with("script:") || line.contains("warn:"));
    lines.map(String::from).collect()
}

#[test]
fn events_reach_those_who_wait_for_them() {
    let (mut world, _) = boot_with(
        "addEventHandler('OnClick', def (pin) print('any', pin) end)\n\
         addEventHandler('OnClick', 5, def () print('five') end)\n\
         addEventHandler('OnCmd', 'Door', def (text) print('door', text) end)\n\
         addChangeHandler('OnHold', '=', 3, def () print('hold') end)",
    );
    assert_eq!(says(&mut world, "event OnClick 1"), ["script: any 1"]);
    assert_eq!(says(&mut world, "event onclick 5"), ["script: any 5", "script: five"]);
    assert_eq!(says(&mut world, "event OnCmd door"), ["script: door door"]);
    assert_eq!(says(&mut world, "event OnHold 3"), ["script: hold"]);
    assert_eq!(says(&mut world, "event OnHold 4"), [""; 0]);
}

#[test]
fn channels_are_those_of_commands_and_mqtt() {
    let (mut world, said_first) = boot_with(
        "setChannel(1, 7) addChannel(1, 3) setStartValue(1, 50) setStartValue(2, 5)\n\
         setChannelLabel(2, 'Lamp') setChannelType(2, 'Toggle')\n\
         print(getChannel(1), getChannel(2), getChannel(3), getVar('$CH1'), getVar('$CH2+1'))\n\
         print(getChannel(64))\n\
         addChangeHandler('Channel3', '=', 1, def (value) print('is one', value) end)\n\
         addChangeHandler('Channel3', '>', 1, def (value) print('above', value) end)\n\
         addEventHandler('Channel3', def (value) print('changed', value) end)\n\
         addEventHandler('OnChannelChange', 3, def (n) print('number', n) end)",
    );
    assert_eq!(said_first[0], "script: 10 5 0 10 nil");
    assert_eq!(said_first[1..], ["warn: script: there is no channel 64", "script: 0"]);
    assert_eq!(world.typed("getChannel 1"), "ok result=OK  answer=10\r\n");
    let link = client(&mut world);
    assert_eq!(
        says(&mut world, "setChannel 3 1"),
        ["script: is one 1", "script: changed 1", "script: number 3"]
    );
    assert_eq!(messages(&mut world, link), ["obkmq/3/get=1"]);
    assert_eq!(says(&mut world, "setChannel 3 1"), [""; 0]);
    assert_eq!(
        says(&mut world, "setChannel 3 2"),
        ["script: above 2", "script: changed 2", "script: number 3"]
    );
    assert_eq!(says(&mut world, "setChannel 3 5"), ["script: changed 5", "script: number 3"]);
    world.receive(link, &publish("obkmq/3/set", b"1"));
    assert_eq!(said(&mut world), ["script: is one 1", "script: changed 1", "script: number 3"]);
}

#[test]
fn what_a_script_does_to_a_channel_calls_handlers_of_commands() {
    let (mut world, _) = boot_with("ms_subscribe('go', def () setChannel(5, 1) end)");
    world.typed("addChangeHandler Channel5 == 1 ms_publish lamp ON");
    let link = client(&mut world);
    world.receive(link, &publish("go", b""));
    assert_eq!(messages(&mut world, link), ["go=", "obkmq/5/get=1", "lamp=ON"]);
}

#[test]
fn callbacks_that_change_each_others_channels_are_cut() {
    let (mut world, _) = boot_with(
        "addEventHandler('Channel1', def (v) setChannel(2, v + 1) end)\n\
         addEventHandler('Channel2', def (v) setChannel(1, v + 1) end)",
    );
    let log = says(&mut world, "setChannel 1 1");
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("warn: script: channel 2 is left as it is: 8 events in a row"), "{log:?}");
    assert_eq!(world.typed("getChannel 1"), "ok result=OK  answer=9\r\n");
}

#[test]
fn handlers_can_be_cancelled_and_end_with_their_script() {
    let (mut world, _) = boot_with(
        "var id\n\
         id = addEventHandler('OnClick', def () print('once') cancel(id) end)\n\
         addEventHandler('OnPress', def () print('old') end)\n\
         print(addEventHandler('OnTuesday', def () end))\n\
         print(addChangeHandler('Channel1', '~', 1, def () end))\n\
         print(addChangeHandler('OnClick', '>', 1, def () end))",
    );
    assert_eq!(says(&mut world, "event OnClick 1"), ["script: once"]);
    assert_eq!(says(&mut world, "event OnClick 1"), [""; 0]);
    put(&mut world, "autoexec.be", "addEventHandler('OnPress', def () print('new') end)\n");
    assert_eq!(says(&mut world, "event OnPress 1"), ["script: new"]);
    let (_, said) = boot_with("print(addEventHandler('OnTuesday', def () end))");
    assert_eq!(said, ["warn: script: there is no event OnTuesday", "script: nil"]);
}

#[test]
fn commands_answer_a_script() {
    let (mut world, said_first) = boot_with(
        "print(runCmd('setChannel 4 6'), runCmd('getChannel 4'), runCmd('POWER4'))\n\
         print(runCmd('nonsense secret'))\n\
         print(runCmd('setChannel 4'), runCmd(''))\n\
         runCmd('addRepeatingEvent 5 -1 addChannel 4 1')\n\
         runCmd('backlog ms_publish a \"1; 2\"; ms_publish b 3')",
    );
    assert_eq!(said_first[0], "script: OK 6 ON");
    assert!(said_first[1].starts_with("warn: script: `nonsense`: UNKNOWN_COMMAND"), "{said_first:?}");
    assert!(!said_first[1].contains("secret"), "{said_first:?}");
    assert_eq!(said_first[2], "script: UNKNOWN_COMMAND");
    assert_eq!(said_first.last().unwrap(), "script: NOT_ENOUGH_ARGUMENTS EMPTY_STRING");
    let link = client(&mut world);
    world.wait_ms(5_000);
    assert_eq!(messages(&mut world, link), ["obkmq/4/get=7"]);
}

#[test]
fn the_clock_calls_a_script() {
    let (mut world, said_first) = boot_with("print(addClockEvent('sunrise', 0xff, def () end))");
    assert_eq!(said_first[0], "warn: script: where the board is is not known; next: set location.position");
    assert_eq!(said_first[1], "script: nil");
    // A Friday, 11:59:50.
    let start = 1_795_737_600 + 12 * 3_600 - 10;
    world.node.board.unix_s = Some(start);
    world.typed("set location.position 52.52,13.405");
    // With another event the clock is looked at once a minute.
    world.typed("addClockEvent 23:00 0xff 1 echo late");
    world.settle();
    put(
        &mut world,
        "autoexec.be",
        "var id\n\
         addClockEvent('12:00', 0xff, def () print('noon') end)\n\
         addClockEvent('12:00:00', 1 << 5, 7, def () print('friday noon') end)\n\
         addClockEvent('12:00', 1, def () print('sunday noon') end)\n\
         addClockEvent(12 * 3600 + 5, 0xff, def () print('later') removeClockEvent(id) end)\n\
         id = addClockEvent('12:00:10', 0xff, def () print('never') end)\n\
         addClockEvent('sunset', 0xff, def () print('sunset') end)\n\
         print(addClockEvent('25:00', 0xff, def () end))\n",
    );
    let mut log = Vec::new();
    for second in 0..60 {
        world.node.board.unix_s = Some(start + second);
        world.wait_ms(1_000);
        log.extend(said(&mut world).into_iter().map(|line| (second, line)));
    }
    let log: Vec<_> = log.iter().map(|(second, line)| (*second, line.as_str())).collect();
    assert_eq!(log, [(10, "script: noon"), (10, "script: friday noon"), (15, "script: later")]);
    let mut log = Vec::new();
    for minute in 0..300 {
        world.node.board.unix_s = Some(start + minute * 60);
        world.wait_ms(60_000);
        log.extend(said(&mut world));
    }
    assert_eq!(log, ["script: sunset"]);
}

#[test]
fn the_start_up_file_of_commands_comes_before_the_script() {
    let (mut world, _) = boot_with("print(getChannel(1), getChannel(2), getChannel(3))");
    put(
        &mut world,
        "autoexec.bat",
        "setChannel 1 5\naddChannel 1 1\nsetChannel 2 4\ndelay_s 5\nsetChannel 3 9\n",
    );
    let mut world = world.restart();
    assert_eq!(said(&mut world).last().unwrap(), "script: 6 4 0");
    // A file that never ends does not keep it away for ever.
    put(&mut world, "autoexec.bat", "setChannel 1 1\nagain:\naddChannel 1 1\ngoto again\n");
    let mut world = world.restart();
    for _ in 0..500 {
        world.node.poll(world.now);
    }
    let text = world.console_text();
    assert!(text.contains("script: "), "{text}");
}

#[test]
fn events_that_a_sleeping_script_cannot_take_are_counted() {
    let (mut world, _) =
        boot_with("addEventHandler('OnClick', def (n) if n == 0 rtosDelayMs(1000) end print(n) end)");
    for number in 0..40 {
        assert_eq!(says(&mut world, &format!("event OnClick {number}")), [""; 0]);
    }
    world.wait_ms(1000);
    let log = said(&mut world);
    assert!(log.contains(&"warn: script: 7 events were lost: the script is too slow".into()), "{log:?}");
    assert_eq!(log.last().unwrap(), "script: 32");
    // Where nobody waits for events, any more, none are kept.
    put(&mut world, "autoexec.be", "rtosDelayMs(1000)\n");
    for number in 0..40 {
        world.typed(&format!("event OnClick {number}"));
    }
    world.wait_ms(1000);
    assert_eq!(said(&mut world), [""; 0]);
}
