//! Home Assistant's discovery messages: from JSON to entities.
//!
//! `homeassistant/<component>/[<node>/]<object>/config` announces one entity, `homeassistant/device/[<node>/]<object>/config` a
//! device with several. An empty payload takes back what was announced.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::entity::{Availability, Control, Entity, Kind, Read, Write};
use super::json::{Leaf, NoJson, Step, walk};
use super::keys;
use crate::limits::{DEVICE_COMPONENTS, DEVICE_LIST_ITEMS};

/// Where announcements are.
pub(super) const FILTER: &str = "homeassistant/#";

/// Components that are shown as what they are; others are read only.
const COMPONENTS: [&str; 12] = [
    "light",
    "switch",
    "sensor",
    "binary_sensor",
    "climate",
    "fan",
    "number",
    "select",
    "text",
    "button",
    "cover",
    "lock",
];

/// What a topic announces: the component, and the rest of the topic, which tells one announcement from another.
pub(super) fn announced(topic: &str) -> Option<(&str, &str)> {
    let inside = topic.strip_prefix("homeassistant/")?.strip_suffix("/config")?;
    let (component, object) = inside.split_once('/')?;
    let levels = object.split('/').count();
    (levels <= 2 && !object.is_empty()).then_some((component, inside))
}

/// The part of an announcement that is about one entity.
#[derive(Default)]
struct Config {
    /// The key of a component inside of a device's announcement.
    id: String,
    texts: Vec<(&'static str, String)>,
    lists: Vec<(&'static str, Vec<Box<str>>)>,
    availability: Vec<Vec<(&'static str, String)>>,
}

#[derive(Default)]
struct Announcement {
    shared: Config,
    device: String,
    device_id: String,
    components: Vec<Config>,
}

impl Config {
    fn get(&self, key: &str) -> Option<&str> {
        self.texts.iter().find(|(other, _)| *other == key).map(|(_, text)| text.as_str())
    }

    fn take(&mut self, path: &[Step], leaf: Leaf<'_>) {
        let Some(text) = leaf.text() else { return };
        match path {
            [key] => {
                if let Some(key) = key.name().and_then(keys::key) {
                    self.texts.push((key, text.to_owned()));
                }
            }
            [list, Step::Index(_)] => {
                if let Some(list) = list.name().and_then(keys::list) {
                    let at = self.lists.iter().position(|(other, _)| *other == list);
                    let at = at.unwrap_or_else(|| {
                        self.lists.push((list, Vec::new()));
                        self.lists.len() - 1
                    });
                    if let Some((_, items)) =
                        self.lists.get_mut(at).filter(|(_, items)| items.len() < DEVICE_LIST_ITEMS)
                    {
                        items.push(text.into());
                    }
                }
            }
            [list, Step::Index(index), key] if matches!(list.name(), Some("availability" | "avty")) => {
                let (index, key) = (usize::from(*index), key.name().unwrap_or_default());
                let key = match key {
                    "t" | "topic" => "availability_topic",
                    "val_tpl" | "value_template" => "availability_template",
                    key => match keys::key(key) {
                        Some(key) => key,
                        None => return,
                    },
                };
                if index < DEVICE_LIST_ITEMS {
                    while self.availability.len() <= index {
                        self.availability.push(Vec::new());
                    }
                    if let Some(entry) = self.availability.get_mut(index) {
                        entry.push((key, text.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Announcement {
    fn read(payload: &[u8]) -> Result<Self, NoJson> {
        let mut announcement = Self::default();
        walk(payload, &mut |path, leaf| announcement.take(path, leaf))?;
        Ok(announcement)
    }

    fn take(&mut self, path: &[Step], leaf: Leaf<'_>) {
        let Some((first, rest)) = path.split_first() else { return };
        match first.name() {
            Some("dev" | "device") => {
                let text = leaf.text().unwrap_or_default();
                match (rest.first().and_then(Step::name), rest.len()) {
                    (Some("name"), 1) => self.device = text.to_owned(),
                    (Some("ids" | "identifiers"), _) if self.device_id.is_empty() => {
                        self.device_id = text.to_owned()
                    }
                    _ => {}
                }
            }
            Some("cmps" | "components") => {
                let Some((id, rest)) = rest.split_first() else { return };
                let Some(id) = id.name() else { return };
                let at = self.components.iter().position(|config| config.id == id);
                let at = at.unwrap_or_else(|| {
                    self.components.push(Config { id: id.to_owned(), ..Config::default() });
                    self.components.len() - 1
                });
                if at < DEVICE_COMPONENTS
                    && let Some(config) = self.components.get_mut(at)
                {
                    config.take(rest, leaf);
                }
                self.components.truncate(DEVICE_COMPONENTS);
            }
            _ => self.shared.take(path, leaf),
        }
    }
}

/// The entities of an announcement. `source` is the topic without its fixed ends.
pub(super) fn entities(component: &str, source: &str, payload: &[u8]) -> Result<Vec<Entity>, NoJson> {
    let announcement = Announcement::read(payload)?;
    let Announcement { shared, device, device_id, components } = &announcement;
    let device = if device.is_empty() { device_id } else { device };
    if component != "device" {
        let about = About { config: shared, shared: None, component, device, source: source.into() };
        return Ok(Vec::from([about.entity()]));
    }
    let about = components.iter().filter_map(|config| {
        // One without its platform takes back what it was.
        let component = config.get("platform")?;
        let source = format!("{source}/{}", config.id).into();
        Some(About { config, shared: Some(shared), component, device, source }.entity())
    });
    Ok(about.collect())
}

/// An entity to be.
struct About<'a> {
    config: &'a Config,
    /// What all components of a device have in common.
    shared: Option<&'a Config>,
    component: &'a str,
    device: &'a str,
    source: Box<str>,
}

impl About<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.config.get(key).or_else(|| self.shared?.get(key))
    }

    fn text(&self, key: &str, default: &str) -> Box<str> {
        self.get(key).unwrap_or(default).into()
    }

    /// A topic with what `~` stands for in it.
    fn topic(&self, topic: &str) -> Box<str> {
        let base = self.get("~").unwrap_or_default();
        if let Some(rest) = topic.strip_prefix('~') {
            return format!("{base}{rest}").into();
        }
        match topic.strip_suffix('~') {
            Some(before) => format!("{before}{base}").into(),
            None => topic.into(),
        }
    }

    fn read(&self, topic: &str, template: &str) -> Vec<Read> {
        let read =
            self.get(topic).map(|topic| Read { topic: self.topic(topic), template: self.text(template, "") });
        read.into_iter().collect()
    }

    fn write(&self, topic: &str, template: &str) -> Option<Write> {
        let topic = self.get(topic)?;
        Some(Write { topic: self.topic(topic), template: self.text(template, "") })
    }

    fn list(&self, key: &str) -> Vec<Box<str>> {
        let found = self.config.lists.iter().find(|(other, _)| *other == key);
        found.map(|(_, items)| items.clone()).unwrap_or_default()
    }

    fn number(&self, min: (&str, &str), max: (&str, &str)) -> Kind {
        Kind::Number { min: self.text(min.0, min.1), max: self.text(max.0, max.1) }
    }

    /// A control whose keys begin alike: `brightness_command_topic`, `brightness_state_topic`, …
    fn named(&self, key: &'static str, start: &str, kind: Kind) -> Option<Control> {
        let name = |end: &str| format!("{start}_{end}");
        let value_template =
            if self.get(&name("value_template")).is_some() { "value_template" } else { "state_template" };
        let reads = self.read(&name("state_topic"), &name(value_template));
        let write = self.write(&name("command_topic"), &name("command_template"));
        let is_there = !reads.is_empty() || write.is_some();
        is_there.then(|| Control { reads, write, ..Control::new(key, kind) })
    }

    /// The control that every component has: `state_topic`, `command_topic`.
    fn state(&self, kind: Kind) -> Control {
        let template = if self.get("state_value_template").is_some() {
            "state_value_template"
        } else {
            "value_template"
        };
        let reads = self.read("state_topic", template);
        let write = self.write("command_topic", "command_template");
        Control { reads, write, unit: self.text("unit_of_measurement", ""), ..Control::new("state", kind) }
    }

    fn switch(&self) -> Kind {
        let (on, off) = (self.text("payload_on", "ON"), self.text("payload_off", "OFF"));
        let read = [self.text("state_on", &on), self.text("state_off", &off)];
        Kind::Switch { write: [on, off], read }
    }

    fn read_only(&self, kind: Kind) -> Control {
        Control { write: None, ..self.state(kind) }
    }

    fn light(&self) -> Vec<Control> {
        if self.get("schema").is_some_and(|schema| schema == "json") {
            return self.json_light();
        }
        let brightness = self.number(("", "0"), ("brightness_scale", "255"));
        // OpenBeken writes colours as digits, Home Assistant's default is three numbers.
        let with_commas = self.get("rgb_command_template").is_none();
        let color = self.named("color", "rgb", Kind::Color { with_commas }).map(|mut color| {
            if let Some(write) = &mut color.write {
                write.template = digits_template(&write.template);
            }
            color
        });
        let temperature = self.number(("min_mireds", "153"), ("max_mireds", "500"));
        let mut controls = Vec::from([self.state(self.switch())]);
        controls.extend(self.named("brightness", "brightness", brightness));
        controls.extend(color);
        controls.extend(self.named("color_temp", "color_temp", temperature));
        controls.extend(self.named("effect", "effect", Kind::Choice(self.list("effect_list"))));
        controls
    }

    /// A light whose state and commands are JSON.
    fn json_light(&self) -> Vec<Control> {
        let with = |key: &'static str, kind: Kind, read: &str, write: &str| {
            let reads =
                self.get("state_topic").map(|topic| Read { topic: self.topic(topic), template: read.into() });
            let write = self
                .get("command_topic")
                .map(|topic| Write { topic: self.topic(topic), template: write.into() });
            Control { reads: reads.into_iter().collect(), write, ..Control::new(key, kind) }
        };
        let state = with("state", self.switch(), "{{ value_json.state }}", "{\"state\":\"{{ value }}\"}");
        let brightness = self.number(("", "0"), ("brightness_scale", "255"));
        let brightness =
            with("brightness", brightness, "{{ value_json.brightness }}", "{\"brightness\":{{ value }}}");
        Vec::from([state, brightness])
    }

    fn climate(&self) -> Vec<Control> {
        let unit = self.text("temperature_unit", "°");
        let target = self.number(("min_temp", "7"), ("max_temp", "35"));
        let target = self
            .named("temperature", "temperature", target)
            .map(|control| Control { unit: unit.clone(), ..control });
        let reads = self.read("current_temperature_topic", "current_temperature_template");
        let current = Control { reads, unit, ..Control::new("current_temperature", Kind::Text) };
        let mut controls = Vec::new();
        controls.extend(self.named("mode", "mode", Kind::Choice(self.list("modes"))));
        controls.extend(target);
        controls.extend(Some(current).filter(|control| !control.reads.is_empty()));
        controls.extend(self.named("fan_mode", "fan_mode", Kind::Choice(self.list("fan_modes"))));
        controls
    }

    fn fan(&self) -> Vec<Control> {
        let oscillation = Kind::Switch {
            write: [
                self.text("payload_oscillation_on", "oscillate_on"),
                self.text("payload_oscillation_off", "oscillate_off"),
            ],
            read: [
                self.text("payload_oscillation_on", "oscillate_on"),
                self.text("payload_oscillation_off", "oscillate_off"),
            ],
        };
        let speed = self.number(("", "0"), ("speed_range_max", "100"));
        let mut controls = Vec::from([self.state(self.switch())]);
        controls.extend(self.named("speed", "percentage", speed));
        controls.extend(self.named("preset", "preset_mode", Kind::Choice(self.list("preset_modes"))));
        controls.extend(self.named("oscillation", "oscillation", oscillation));
        controls
    }

    fn cover(&self) -> Vec<Control> {
        let actions = [
            ("open", "payload_open", "OPEN"),
            ("close", "payload_close", "CLOSE"),
            ("stop", "payload_stop", "STOP"),
        ];
        let actions = actions.map(|(name, key, default)| (name, self.text(key, default)));
        let position = self.number(("position_closed", "0"), ("position_open", "100"));
        let position = Control {
            reads: self.read("position_topic", "position_template"),
            write: self.write("set_position_topic", "set_position_template"),
            ..Control::new("position", position)
        };
        let mut controls = Vec::from([self.state(Kind::Actions(Vec::from(actions)))]);
        controls
            .extend(Some(position).filter(|position| !position.reads.is_empty() || position.write.is_some()));
        controls
    }

    fn controls(&self) -> Vec<Control> {
        match self.component {
            "light" => self.light(),
            "switch" => Vec::from([self.state(self.switch())]),
            "binary_sensor" => Vec::from([self.read_only(self.switch())]),
            "climate" => self.climate(),
            "fan" => self.fan(),
            "number" => Vec::from([self.state(self.number(("min", "1"), ("max", "100")))]),
            "select" => Vec::from([self.state(Kind::Choice(self.list("options")))]),
            "text" => Vec::from([self.state(Kind::Text)]),
            "button" => {
                let press = Vec::from([("press", self.text("payload_press", "PRESS"))]);
                Vec::from([self.state(Kind::Actions(press))])
            }
            "cover" => self.cover(),
            "lock" => {
                let write = [self.text("payload_lock", "LOCK"), self.text("payload_unlock", "UNLOCK")];
                let read = [self.text("state_locked", "LOCKED"), self.text("state_unlocked", "UNLOCKED")];
                Vec::from([self.state(Kind::Switch { write, read })])
            }
            _ => Vec::from([self.read_only(Kind::Text)]),
        }
    }

    fn availability(&self) -> Vec<Availability> {
        let one = |get: &dyn Fn(&str) -> Option<String>| {
            let topic = get("availability_topic")?;
            let read = Read {
                topic: self.topic(&topic),
                template: get("availability_template").unwrap_or_default().into(),
            };
            let online = get("payload_available").unwrap_or_else(|| "online".to_owned()).into();
            let offline = get("payload_not_available").unwrap_or_else(|| "offline".to_owned()).into();
            Some(Availability { read, online, offline, is_online: None })
        };
        let single = one(&|key| self.get(key).map(ToOwned::to_owned));
        let own = &self.config.availability;
        let listed =
            if own.is_empty() { self.shared.map_or(own, |shared| &shared.availability) } else { own };
        let listed = listed.iter().filter_map(|entry| {
            one(&|key| entry.iter().find(|(other, _)| *other == key).map(|(_, text)| text.clone()))
        });
        single.into_iter().chain(listed).collect()
    }

    fn entity(&self) -> Entity {
        let known = COMPONENTS.into_iter().find(|component| *component == self.component);
        let object = self.source.rsplit('/').next().unwrap_or_default();
        Entity {
            source: self.source.clone(),
            component: known.unwrap_or("other"),
            name: self.config.get("name").unwrap_or(if self.device.is_empty() { object } else { "" }).into(),
            device: if self.device.is_empty() { object.into() } else { self.device.into() },
            controls: self.controls(),
            availability: self.availability(),
        }
    }
}

/// Of OpenBeken's and Tasmota's templates that write the digits of a colour only these are left; what stands behind them
/// (white) is off.
fn digits_template(template: &str) -> Box<str> {
    let squeezed: String = template.chars().filter(|character| !character.is_whitespace()).collect();
    match squeezed.as_str() {
        "{{'#%02x%02x%02x0000'|format(red,green,blue)}}" => "#{{ value | lower }}0000".into(),
        "{{'%02x%02x%02x'|format(red,green,blue)}}" => "{{ value | lower }}".into(),
        "{{'#%02x%02x%02x'|format(red,green,blue)}}" => "#{{ value | lower }}".into(),
        _ => template.into(),
    }
}
