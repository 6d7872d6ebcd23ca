//! The scripts in `examples/`, on a board whose time is simulated.

use super::scripts::{client, messages, publish, put, said};
use super::*;

fn board(source: &str) -> (World, LinkId) {
    let mut world = World::boot(Ram::blank());
    world.typed("set mqtt.anonymous always");
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
