//! Devices on a whole node: heard from clients, listed and set on the console.

use std::format;
use std::string::String;
use std::vec::Vec;

use super::flash::Ram;
use super::{World, connect_packet, packet, publish_retained, text};
use crate::{Anonymous, Identity, Limits, LinkId};

fn world(flash: Ram) -> World {
    let identity =
        Identity { anonymous_without_users: Anonymous::Always, ..World::identity(Limits::default()) };
    let mut world = World::boot_as(flash, identity);
    world.settle();
    world.console_text();
    world
}

fn join(world: &mut World, id: &str, filter: &str) -> LinkId {
    let link = world.open();
    world.receive(link, &connect_packet(id, None));
    let mut body = Vec::from([0, 1]);
    text(&mut body, filter);
    body.push(0);
    world.receive(link, &packet(0x82, &body));
    world.sent(link);
    link
}

const RELAY: &str = r#"{"name":"Lamp","stat_t":"o/1/get","cmd_t":"o/1/set","avty_t":"o/c"}"#;

/// With a payload that may be longer than a byte of remaining length can say.
fn retained(world: &mut World, link: LinkId, topic: &str, payload: &str) {
    let mut body = Vec::new();
    text(&mut body, topic);
    body.extend(payload.as_bytes());
    let length = body.len();
    let mut bytes =
        Vec::from([0x31, u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap()]);
    bytes.extend(body);
    world.receive(link, &bytes);
    world.settle();
}

#[test]
fn a_device_announces_itself_is_shown_and_set() {
    let mut world = world(Ram::blank());
    let device = join(&mut world, "device", "o/1/set");
    // Its state is there before it is known, and two entities share what says that it is there.
    world.receive(device, &publish_retained("o/c", "online"));
    world.receive(device, &publish_retained("o/1/get", "ON"));
    retained(&mut world, device, "homeassistant/switch/o/1/config", RELAY);
    retained(
        &mut world,
        device,
        "homeassistant/switch/o/2/config",
        &RELAY.replace("Lamp", "Fan").replace("/1/", "/2/"),
    );
    let shown = world.typed("devices");
    assert!(shown.contains("name=1 Lamp  component=switch  online=yes  state=on  set=state"), "{shown}");
    assert!(shown.contains("name=2 Fan  component=switch  online=yes  set=state"), "{shown}");
    assert!(shown.contains("not_shown=0"), "{shown}");
    assert!(world.typed("device set \"1 Lamp\" state off").starts_with("ok"));
    let heard = world.sent(device);
    assert!(heard.ends_with(b"o/1/setOFF"), "{heard:?}");
    world.receive(device, &publish_retained("o/1/get", "OFF"));
    assert!(world.typed("devices").contains("name=1 Lamp  component=switch  online=yes  state=off"));
    for (line, error) in [
        ("device set nobody state on", "there is no device of this name"),
        ("device set \"1 Lamp\" colour on", "the device has no such value"),
        ("device set \"1 Lamp\" state maybe", "the device does not take this value"),
    ] {
        assert!(world.typed(line).contains(error), "{line}");
    }
    world.receive(device, &publish_retained("homeassistant/switch/o/1/config", ""));
    assert!(!world.typed("devices").contains("1 Lamp"));
}

#[test]
fn devices_are_known_after_a_power_cut() {
    let mut world = world(Ram::blank());
    let device = join(&mut world, "device", "x");
    retained(&mut world, device, "homeassistant/switch/o/1/config", RELAY);
    // Flash is written a while later.
    world.wait_ms(60_000);
    let mut world = self::world(world.power_off());
    let shown = world.typed("devices");
    assert!(shown.contains("name=1 Lamp  component=switch  online=unknown"), "{shown}");
}

/// OpenBeken's devices send their states again when they hear this.
#[test]
fn devices_are_told_when_somebody_begins_to_look() {
    let mut world = world(Ram::blank());
    world.typed("set discovery.enabled false");
    let device = join(&mut world, "device", "homeassistant/status");
    world.typed("set discovery.enabled true");
    let heard = String::from_utf8_lossy(&world.sent(device)).into_owned();
    assert!(heard.contains("homeassistant/statusonline"), "{heard}");
}

/// Retained messages come in any order: sensors may be heard before the device that they belong to.
#[test]
fn sensors_are_shown_whichever_came_first() {
    let mut world = world(Ram::blank());
    let device = join(&mut world, "device", "x");
    let config = r#"{"dn":"Meter","t":"m","ft":"%prefix%/%topic%/","rl":[0]}"#;
    retained(&mut world, device, "tasmota/discovery/AA/sensors", r#"{"sn":{"ENERGY":{"Power":1}},"ver":1}"#);
    assert!(!world.typed("devices").contains("ENERGY"));
    retained(&mut world, device, "tasmota/discovery/AA/config", config);
    assert!(world.typed("devices").contains("name=Meter ENERGY Power"));
}

#[test]
fn discovery_that_is_switched_off_forgets_and_hears_nothing() {
    let mut world = world(Ram::blank());
    let device = join(&mut world, "device", "x");
    retained(&mut world, device, "homeassistant/switch/o/1/config", RELAY);
    assert!(world.typed("devices").contains("1 Lamp"));
    world.typed("set discovery.enabled false");
    assert!(!world.typed("devices").contains("1 Lamp"));
    world.typed("set discovery.enabled true");
    assert!(world.typed("devices").contains("1 Lamp"), "its announcement is retained");
}

#[test]
fn a_full_house_says_what_is_not_shown() {
    let mut world = world(Ram::blank());
    world.typed("set discovery.memory_bytes 2048");
    let device = join(&mut world, "device", "x");
    for number in 0..10 {
        retained(&mut world, device, &format!("homeassistant/switch/o/{number}/config"), RELAY);
    }
    let shown = world.typed("devices");
    let listed = shown.matches("component=switch").count();
    assert!((1..10).contains(&listed) && shown.contains(&format!("not_shown={}", 10 - listed)), "{shown}");
}
