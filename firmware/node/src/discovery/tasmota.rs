//! Tasmota's own discovery, and devices that only show themselves by their topics.
//!
//! `tasmota/discovery/<MAC>/config` says which relays, lights and shutters a device has, `…/sensors` shows its sensors.
//! <https://tasmota.github.io/docs/MQTT/#mqtt-topic-definition>

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::entity::{Availability, Control, Entity, Kind, Read, Write};
use super::json::{NoJson, Step, walk};
use crate::limits::{DEVICE_COMPONENTS, DEVICE_LIST_ITEMS};

/// Where announcements are.
pub(super) const FILTER: &str = "tasmota/discovery/#";
/// Where devices say that they are there.
pub(super) const LWT_FILTER: &str = "tele/+/LWT";

/// What a device says of itself.
#[derive(Default)]
struct Config {
    name: String,
    topic: String,
    full_topic: String,
    prefixes: [String; 3],
    names: Vec<String>,
    relays: Vec<u8>,
    light_kind: u8,
    online: String,
    offline: String,
    states: [String; 2],
}

impl Config {
    fn read(payload: &[u8]) -> Result<Self, NoJson> {
        let mut config = Self {
            full_topic: "%prefix%/%topic%/".to_owned(),
            prefixes: ["cmnd", "stat", "tele"].map(ToOwned::to_owned),
            online: "Online".to_owned(),
            offline: "Offline".to_owned(),
            states: ["OFF", "ON"].map(ToOwned::to_owned),
            ..Self::default()
        };
        walk(payload, &mut |path, leaf| {
            let Some(text) = leaf.text() else { return };
            match path {
                [key] => {
                    let place = match key.name() {
                        Some("dn") => &mut config.name,
                        Some("t") => &mut config.topic,
                        Some("ft") => &mut config.full_topic,
                        Some("onln") => &mut config.online,
                        Some("ofln") => &mut config.offline,
                        Some("lt_st") => return config.light_kind = text.parse().unwrap_or_default(),
                        _ => return,
                    };
                    *place = text.to_owned();
                }
                [key, Step::Index(index)] => {
                    let index = usize::from(*index);
                    match key.name() {
                        Some("tp") => config.prefixes.get_mut(index).map(|place| *place = text.to_owned()),
                        Some("state") => config.states.get_mut(index).map(|place| *place = text.to_owned()),
                        Some("rl") if index < DEVICE_LIST_ITEMS => {
                            config.relays.push(text.parse().unwrap_or_default());
                            None
                        }
                        // A relay without a name has `null` there, which is no leaf with a text.
                        Some("fn") if index < DEVICE_LIST_ITEMS => {
                            while config.names.len() <= index {
                                config.names.push(String::new());
                            }
                            config.names.get_mut(index).map(|place| *place = text.to_owned())
                        }
                        _ => None,
                    };
                }
                _ => {}
            }
        })?;
        Ok(config)
    }

    fn topic(&self, prefix: usize, end: &str) -> Box<str> {
        let prefix = self.prefixes.get(prefix).map_or("", String::as_str);
        let topic = self.full_topic.replace("%prefix%", prefix).replace("%topic%", &self.topic);
        format!("{topic}{end}").into()
    }

    fn command(&self, command: &str) -> Option<Write> {
        Some(Write { topic: self.topic(0, command), template: Box::default() })
    }

    /// A value is told in what follows a command, and from time to time.
    fn reads(&self, members: &[&str]) -> Vec<Read> {
        let topics = [self.topic(1, "RESULT"), self.topic(2, "STATE")];
        let read = |topic: &str, member: &str| Read {
            topic: topic.into(),
            template: format!("{{{{ value_json.{member} }}}}").into(),
        };
        topics.iter().flat_map(|topic| members.iter().map(move |member| read(topic, member))).collect()
    }

    fn power(&self, number: usize) -> Control {
        let [off, on]: [Box<str>; 2] = self.states.each_ref().map(|state| Box::from(state.as_str()));
        let kind = Kind::Switch { write: [on.clone(), off.clone()], read: [on, off] };
        let numbered = format!("POWER{number}");
        let members = [numbered.as_str(), "POWER"];
        let members = if number == 1 { &members[..] } else { &members[..1] };
        Control { reads: self.reads(members), write: self.command(&numbered), ..Control::new("state", kind) }
    }

    fn number(&self, key: &'static str, command: &str, min: &str, max: &str) -> Control {
        let kind = Kind::Number { min: min.into(), max: max.into() };
        Control { reads: self.reads(&[command]), write: self.command(command), ..Control::new(key, kind) }
    }

    fn light(&self, number: usize) -> Vec<Control> {
        let mut controls = Vec::from([self.power(number)]);
        controls.push(self.number("brightness", "Dimmer", "0", "100"));
        if matches!(self.light_kind, 3..=5) {
            let kind = Kind::Color { with_commas: false };
            controls.push(Control {
                reads: self.reads(&["Color"]),
                write: self.command("Color"),
                ..Control::new("color", kind)
            });
        }
        if matches!(self.light_kind, 2 | 5) {
            controls.push(self.number("color_temp", "CT", "153", "500"));
        }
        controls
    }

    fn cover(&self, number: usize) -> Vec<Control> {
        let command = |name: &'static str, verb: &str| {
            // Each action is a command of its own, without a payload.
            let kind = Kind::Actions(Vec::from([(name, Box::default())]));
            Control { write: self.command(&format!("Shutter{verb}{number}")), ..Control::new(name, kind) }
        };
        let position = Control {
            reads: self.reads(&[&format!("Shutter{number}.Position")]),
            write: self.command(&format!("ShutterPosition{number}")),
            ..Control::new("position", Kind::Number { min: "0".into(), max: "100".into() })
        };
        Vec::from([position, command("open", "Open"), command("close", "Close"), command("stop", "Stop")])
    }

    fn availability(&self) -> Vec<Availability> {
        Vec::from([availability(self.topic(2, "LWT"), &self.online, &self.offline)])
    }
}

fn availability(topic: Box<str>, online: &str, offline: &str) -> Availability {
    let read = Read { topic, template: Box::default() };
    Availability { read, online: online.into(), offline: offline.into(), is_online: None }
}

/// What a topic announces: the device's address, and whether it is about sensors.
pub(super) fn announced(topic: &str) -> Option<(&str, bool)> {
    let (address, what) = topic.strip_prefix("tasmota/discovery/")?.split_once('/')?;
    match what {
        "config" => Some((address, false)),
        "sensors" => Some((address, true)),
        _ => None,
    }
}

/// The relays, lights and shutters of a device, and the topic by which it goes.
pub(super) fn entities(source: &str, payload: &[u8]) -> Result<(Vec<Entity>, String), NoJson> {
    let config = Config::read(payload)?;
    let mut entities = Vec::new();
    // Two relays make one shutter.
    let mut shutters = 0_usize;
    for (at, relay) in config.relays.iter().enumerate().take(DEVICE_COMPONENTS) {
        let number = at + 1;
        let (component, controls) = match relay {
            1 => ("switch", Vec::from([config.power(number)])),
            2 => ("light", config.light(number)),
            3 => {
                shutters += 1;
                if shutters.is_multiple_of(2) {
                    continue;
                }
                ("cover", config.cover(shutters.div_ceil(2)))
            }
            _ => continue,
        };
        let is_only = config.relays.iter().filter(|relay| **relay != 0).count() == 1;
        let name = match config.names.get(at).filter(|name| !name.is_empty()) {
            Some(name) => name.clone(),
            None if is_only => String::new(),
            None => format!("{number}"),
        };
        entities.push(Entity {
            source: format!("{source}/{number}").into(),
            component,
            name: name.into(),
            device: config.name.as_str().into(),
            controls,
            availability: config.availability(),
        });
    }
    Ok((entities, config.topic))
}

/// The sensors of a device whose relays are known by `config`.
pub(super) fn sensors(source: &str, config: &[u8], payload: &[u8]) -> Result<Vec<Entity>, NoJson> {
    let config = Config::read(config)?;
    let mut entities = Vec::new();
    let mut temperature_unit = String::from("°C");
    walk(payload, &mut |path, leaf| {
        if let [sensors, unit] = path
            && (sensors.name(), unit.name()) == (Some("sn"), Some("TempUnit"))
        {
            temperature_unit = format!("°{}", leaf.text().unwrap_or_default());
        }
        let [sensors, sensor, value] = path else { return };
        let (Some("sn"), Some(sensor), Some(value)) = (sensors.name(), sensor.name(), value.name()) else {
            return;
        };
        if !matches!(leaf, super::json::Leaf::Number(_)) || entities.len() >= DEVICE_COMPONENTS {
            return;
        }
        let read = Read {
            topic: config.topic(2, "SENSOR"),
            template: format!("{{{{ value_json['{sensor}']['{value}'] }}}}").into(),
        };
        let unit = unit_of(value).into();
        let control = Control { reads: Vec::from([read]), unit, ..Control::new("state", Kind::Text) };
        entities.push(Entity {
            source: format!("{source}/{sensor}/{value}").into(),
            component: "sensor",
            name: format!("{sensor} {value}").into(),
            device: config.name.as_str().into(),
            controls: Vec::from([control]),
            availability: config.availability(),
        });
    })?;
    for control in entities.iter_mut().flat_map(|entity: &mut Entity| &mut entity.controls) {
        if &*control.unit == "°" {
            control.unit = temperature_unit.as_str().into();
        }
    }
    Ok(entities)
}

/// The unit of a value by its name, where it has one.
fn unit_of(value: &str) -> &'static str {
    match value {
        "Power" => "W",
        "ApparentPower" => "VA",
        "ReactivePower" => "var",
        "Voltage" => "V",
        "Current" => "A",
        "Total" | "Yesterday" | "Today" => "kWh",
        "Temperature" | "DewPoint" => "°",
        "Humidity" => "%",
        "Pressure" => "hPa",
        "Illuminance" => "lx",
        _ => "",
    }
}

/// A device that is known by its topic only, with the buttons that OpenBeken's panel has for it.
pub(super) fn plain(device: &str, lwt: &str) -> Entity {
    let button = |key: &'static str, command: &str, payload: &str| Control {
        write: Some(Write { topic: format!("cmnd/{device}/{command}").into(), template: Box::default() }),
        ..Control::new(key, Kind::Actions(Vec::from([("send", payload.into())])))
    };
    Entity {
        source: plain_source(device),
        component: "button",
        name: Box::default(),
        device: device.into(),
        controls: Vec::from([
            button("toggle", "POWER", "TOGGLE"),
            button("toggle2", "POWER2", "TOGGLE"),
            button("red", "Color", "FF0000"),
            button("green", "Color", "00FF00"),
        ]),
        availability: Vec::from([availability(lwt.into(), "Online", "Offline")]),
    }
}

/// What a device is known by that has not announced itself.
pub(super) fn plain_source(device: &str) -> Box<str> {
    format!("plain/{device}").into()
}
