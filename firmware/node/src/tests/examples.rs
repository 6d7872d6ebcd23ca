//! The scripts in `examples/`, on a board whose time is simulated.

use super::scripts::{client, messages, publish, put, said};
use super::*;

fn board(source: &str) -> (World, LinkId) {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.anonymous always");
    world.typed("set time.zone CET-1CEST,M3.5.0,M10.5.0/3");
    world.typed("set location.position 52.52,13.405");
    assert_eq!(put(&mut world, "autoexec.be", source), ["info: script: autoexec.be starts"]);
    let link = client(&mut world);
    (world, link)
}

/// What is published on account of a message, which is left out.
fn answers(world: &mut World, link: LinkId, topic: &str, payload: &str) -> Vec<String> {
    world.receive(link, &publish(topic, payload.as_bytes()));
    let mut all = messages(world, link);
    assert_eq!(all.remove(0), format!("{topic}={payload}"));
    all
}

#[test]
fn mirror() {
    let (mut world, link) = board(include_str!("../../../../examples/mirror.be"));
    assert_eq!(answers(&mut world, link, "stat/switch/POWER2", "ON"), ["cmnd/lamp/POWER=ON"]);
    assert_eq!(answers(&mut world, link, "stat/switch/POWER1", "ON"), ["cmnd/lamp/POWER=OFF"]);
    assert_eq!(answers(&mut world, link, "stat/lamp/POWER", "OFF"), [""; 0]);
    assert_eq!(said(&mut world), ["script: switch: ON", "script: lamp: OFF"]);
}

#[test]
fn stairs() {
    let (mut world, link) = board(include_str!("../../../../examples/stairs.be"));
    assert_eq!(answers(&mut world, link, "stat/stairs/MOTION", "ON"), ["cmnd/stairs/POWER=ON"]);
    world.wait_ms(170_000);
    assert_eq!(answers(&mut world, link, "stat/stairs/MOTION", "ON"), [""; 0]);
    assert_eq!(answers(&mut world, link, "stat/stairs/MOTION", "OFF"), [""; 0]);
    world.wait_ms(179_999);
    assert_eq!(messages(&mut world, link), [""; 0]);
    world.wait_ms(1);
    assert_eq!(messages(&mut world, link), ["cmnd/stairs/POWER=OFF"]);
    assert_eq!(answers(&mut world, link, "stat/stairs/MOTION", "ON"), ["cmnd/stairs/POWER=ON"]);
}

#[test]
fn scenes() {
    let (mut world, link) = board(include_str!("../../../../examples/scenes.be"));
    let press = |button: &str, action: &str| format!("{{\"{button}\":{{\"Action\":\"{action}\"}}}}");
    let topic = "stat/remote/RESULT";
    assert_eq!(answers(&mut world, link, topic, &press("Button1", "SINGLE")), ["cmnd/ceiling/POWER=TOGGLE"]);
    assert_eq!(
        answers(&mut world, link, topic, &press("Button1", "DOUBLE")),
        ["cmnd/ceiling/POWER=ON", "cmnd/ceiling/Dimmer=100", "cmnd/lamp/POWER=ON"]
    );
    for other in
        ["", "[]", "7", "{\"POWER\":\"ON\"}", "{\"Button1\":{}}", "{\"Button9\":{\"Action\":[1]}}", "{"]
    {
        assert_eq!(answers(&mut world, link, topic, other), [""; 0]);
    }
    assert_eq!(said(&mut world), [""; 0]);
}

#[test]
fn thermostat() {
    let (mut world, link) = board(include_str!("../../../../examples/thermostat.be"));
    let sensor = |temperature: &str| format!("{{\"AM2301\":{{\"Temperature\":{temperature}}}}}");
    let topic = "tele/bath/SENSOR";
    let on = ["cmnd/heater/POWER=ON", "home/bath/heating=1"];
    let off = ["cmnd/heater/POWER=OFF", "home/bath/heating=0"];
    assert_eq!(answers(&mut world, link, topic, &sensor("19.6")), on);
    assert_eq!(answers(&mut world, link, topic, &sensor("20.2")), [""; 0]);
    assert_eq!(answers(&mut world, link, topic, &sensor("20.4")), off);
    assert_eq!(answers(&mut world, link, "home/bath/wanted", "22"), [""; 0]);
    assert_eq!(answers(&mut world, link, topic, &sensor("21")), on);
    // Mistakes change nothing.
    for wrong in ["warm", "200", ""] {
        assert_eq!(answers(&mut world, link, "home/bath/wanted", wrong), [""; 0]);
    }
    for wrong in ["", "{}", "{\"AM2301\":null}", "{\"AM2301\":{}}", "null"] {
        assert_eq!(answers(&mut world, link, topic, wrong), [""; 0]);
    }
    assert_eq!(said(&mut world), [""; 0]);
    world.wait_ms(15 * 60 * 1000);
    assert_eq!(messages(&mut world, link), off);
    assert_eq!(said(&mut world), ["script: the sensor is silent: heater off"]);
}

#[test]
fn watchdog() {
    let (mut world, link) = board(include_str!("../../../../examples/watchdog.be"));
    for minute in 0..25 {
        answers(&mut world, link, "tele/lamp/STATE", "{}");
        if minute == 0 {
            answers(&mut world, link, "tele/fan/STATE", "{}");
        }
        world.wait_ms(60_000);
        let expected: &[&str] = if minute == 19 { &["home/silent/fan=20 minutes"] } else { &[] };
        assert_eq!(messages(&mut world, link), expected, "{minute}");
    }
    assert_eq!(answers(&mut world, link, "tele/fan/STATE", "{}"), ["home/silent/fan="]);
    assert_eq!(said(&mut world), ["script: fan is silent", "script: fan is back"]);
}

#[test]
fn buttons() {
    let (mut world, link) = board(include_str!("../../../../examples/buttons.be"));
    let scene = |number: u8, name: &str, power: &str| {
        let dimmer = format!("cmnd/lamps/Dimmer={}", number * 30);
        vec![
            format!("obkmq/1/get={number}"),
            format!("home/scene={name}"),
            format!("cmnd/lamps/POWER={power}"),
            dimmer,
        ]
    };
    for (number, name) in [(1, "reading"), (2, "cinema"), (3, "bright")] {
        world.typed("event OnClick 1");
        assert_eq!(messages(&mut world, link), scene(number, name, "ON"));
    }
    world.typed("event OnHold 1");
    assert_eq!(messages(&mut world, link), scene(0, "OFF", "OFF"));
    world.typed("event OnClick 2");
    assert_eq!(messages(&mut world, link), [""; 0]);
    assert_eq!(answers(&mut world, link, "obkmq/1/set", "2"), scene(2, "cinema", "ON"));
    assert_eq!(answers(&mut world, link, "obkmq/1/set", "9"), ["obkmq/1/get=9"]);
}

/// Lets hours pass, a minute at a time; what is published then, with the minute of the day (UTC).
fn pass(world: &mut World, link: LinkId, minutes: i64) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for _ in 0..minutes {
        let unix_s = world.node.board.unix_s.unwrap() + 60;
        world.node.board.unix_s = Some(unix_s);
        world.wait_ms(60_000);
        let minute = unix_s % 86_400 / 60;
        all.extend(messages(world, link).into_iter().map(|message| (minute, message)));
    }
    all
}

/// Berlin on a Friday in November, at noon.
fn in_berlin(source: &str) -> (World, LinkId) {
    let (mut world, link) = board(source);
    world.node.board.unix_s = Some(1_795_737_600 + 11 * 3_600);
    (world, link)
}

#[test]
fn sunset() {
    let (mut world, link) = in_berlin(include_str!("../../../../examples/sunset.be"));
    let passed = pass(&mut world, link, 36 * 60);
    let messages: Vec<_> = passed.iter().map(|(_, message)| message.as_str()).collect();
    let evening = ["cmnd/porch/POWER=ON", "cmnd/porch/Dimmer=100", "cmnd/porch/POWER=OFF"];
    assert_eq!(messages, [evening, evening].concat(), "a Friday and a Saturday");
    // The sun sets at four there, and midnight is at eleven UTC.
    assert!((14 * 60 + 50..=15 * 60).contains(&passed[0].0), "{passed:?}");
    assert_eq!(passed[2].0, 23 * 60);
    let sunday = pass(&mut world, link, 24 * 60);
    let dim = (20 * 60 + 30, String::from("cmnd/porch/Dimmer=30"));
    assert!(sunday.contains(&dim), "{sunday:?}");
}

#[test]
fn night() {
    let (mut world, link) = in_berlin("return nil\n");
    let file = include_str!("../../../../examples/night.bat");
    put(&mut world, "night.bat", file);
    assert_eq!(world.typed("startScript night.bat"), "ok result=OK\r\n");
    messages(&mut world, link);
    let passed = pass(&mut world, link, 24 * 60 + 10);
    let times = |text: &str| passed.iter().filter(|(_, message)| message == text).count();
    assert_eq!((times("cmnd/night/POWER=ON"), times("cmnd/night/POWER=OFF")), (1, 1));
    // Noon to sunset, and sunrise to noon.
    assert!((6..10).contains(&times("cmnd/pump/POWER=ON")), "{passed:?}");
    assert_eq!(times("cmnd/pump/POWER=ON"), times("cmnd/pump/POWER=OFF"));
    let pump: Vec<_> = passed.iter().filter(|(_, message)| message.starts_with("cmnd/pump/")).collect();
    assert_eq!(pump[1].0 - pump[0].0, 5, "{pump:?}");
    assert_eq!(said(&mut world), [""; 0]);
}
