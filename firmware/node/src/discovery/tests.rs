//! Fixtures, the budget, and hostile bytes.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::registry::{Registry, Shown};
use crate::limits::DISCOVERY_FILTERS;

const BUDGET: usize = 64 * 1024;

fn line(shown: &Shown<'_>) -> String {
    let online = match shown.is_online {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let mut line = format!("{} | {} | {online}", shown.name, shown.component);
    for value in &shown.values {
        line.push_str(&format!(" | {}", value.key));
        if let Some(text) = value.value {
            line.push_str(&format!("={text}"));
        }
        for (is_there, word) in
            [(!value.unit.is_empty(), value.unit), (value.can_be_set, "set"), (value.is_raw, "raw")]
        {
            if is_there {
                line.push_str(&format!(" {word}"));
            }
        }
    }
    line
}

fn lines(registry: &Registry) -> Vec<String> {
    registry.shown().map(|shown| line(&shown)).collect()
}

#[test]
fn devices_are_shown_as_they_announce_themselves() {
    let mut messages = 0;
    for case in include_str!("fixtures.txt").split("\n- ").skip(1) {
        let mut registry = Registry::default();
        let (mut expected, mut settings) = (Vec::new(), Vec::new());
        for line in case.lines() {
            if let Some(message) = line.strip_prefix("> ") {
                let (topic, payload) = message.split_once(' ').unwrap_or((message, ""));
                registry.take(topic, payload.as_bytes(), BUDGET);
                messages += 1;
            } else if let Some(line) = line.strip_prefix("= ") {
                expected.push(line.to_string());
            } else if let Some(line) = line.strip_prefix("! ") {
                settings.push(line);
            }
        }
        assert_eq!(lines(&registry), expected, "{case}");
        for line in settings {
            let (setting, published) = line.split_once(" => ").unwrap();
            let [name, key, value] = setting.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let found = match registry.set(name, key, value) {
                Ok((topic, payload)) => format!("{topic} {payload}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, published, "{line}");
        }
    }
    assert!(messages >= 40, "{messages}");
}

fn announce(registry: &mut Registry, number: usize, budget: usize) {
    let topic = format!("homeassistant/switch/d{number}/config");
    let payload =
        format!("{{\"name\":\"Switch\",\"stat_t\":\"d{number}/state\",\"cmd_t\":\"d{number}/set\"}}");
    registry.take(&topic, payload.as_bytes(), budget);
}

#[test]
fn what_finds_no_room_is_counted_and_comes_when_there_is_room() {
    let mut registry = Registry::default();
    announce(&mut registry, 0, BUDGET);
    let each = registry.bytes();
    let budget = each * 3 + each / 2;
    for number in 1..6 {
        announce(&mut registry, number, budget);
    }
    assert_eq!((lines(&registry).len(), registry.not_shown()), (3, 3));
    assert!(registry.bytes() <= budget);
    // One goes, and one that announces itself again comes.
    registry.take("homeassistant/switch/d1/config", b"", budget);
    announce(&mut registry, 5, budget);
    assert_eq!((lines(&registry).len(), registry.not_shown()), (3, 2));
    for number in 0..6 {
        registry.take(&format!("homeassistant/switch/d{number}/config"), b"", budget);
    }
    assert_eq!((registry.bytes(), registry.not_shown(), lines(&registry).len()), (0, 0, 0));
}

#[test]
fn the_same_again_keeps_what_is_known_and_changes_nothing() {
    let mut registry = Registry::default();
    announce(&mut registry, 1, BUDGET);
    assert!(registry.take("d1/state", b"ON", BUDGET).is_changed);
    let before = (lines(&registry), registry.bytes());
    let topic = "homeassistant/switch/d1/config";
    let payload = b"{\"name\":\"Switch\",\"stat_t\":\"d1/state\",\"cmd_t\":\"d1/set\"}";
    let effect = registry.take(topic, payload, BUDGET);
    assert!(!effect.is_changed && !effect.hears_others);
    assert_eq!((lines(&registry), registry.bytes()), before);
}

#[test]
fn a_reader_has_room_for_the_filters_of_many_devices() {
    let mut registry = Registry::default();
    for number in 0..20 {
        announce(&mut registry, number, usize::MAX);
    }
    assert!(registry.filters().contains(&"d7/state".into()));
    for number in 20..DISCOVERY_FILTERS - 3 {
        announce(&mut registry, number, usize::MAX);
    }
    assert_eq!(registry.filters().len(), DISCOVERY_FILTERS);
    announce(&mut registry, 1_000, usize::MAX);
    assert_eq!(registry.filters(), ["#"]);
    let mut registry = Registry::default();
    for number in 0..100 {
        let payload = format!("{{\"stat_t\":\"house/room{}/state{number}\"}}", number % 10);
        registry.take(&format!("homeassistant/sensor/d{number}/config"), payload.as_bytes(), usize::MAX);
    }
    assert!(registry.filters().contains(&"house/room7/#".into()), "{:?}", registry.filters());
}

/// Announcements of everything, in pieces that fit together more or less.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let text = "(\\{|\\}|\\[|\\]|\"(stat_t|cmd_t|~|val_tpl|dev|cmps|p|name|rl|t|ft|sn|fn|avty|ops|pl_on)\"|:|,|\"~/x\"|\"\\{\\{ value_json.a \\}\\}\"|\"switch\"|1|null|\"[a-z]{0,60}\"){0,40}";
    prop_oneof![text.prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..200)]
}

fn topic() -> impl Strategy<Value = String> {
    "(homeassistant/(light|switch|device|cover|climate)/[ab]/config|tasmota/discovery/[AB]/(config|sensors)|tele/[ab]/LWT|x)"
}

proptest! {
    #[test]
    fn no_message_panics_or_breaks_the_budget(messages in prop::collection::vec((topic(), payload()), 0..20), budget in 0_usize..8_000) {
        let mut registry = Registry::default();
        for (topic, payload) in &messages {
            registry.take(topic, payload, budget);
            prop_assert!(registry.bytes() <= budget);
            prop_assert!(registry.filters().len() <= DISCOVERY_FILTERS);
            let _ = lines(&registry);
        }
        for (topic, _) in &messages {
            registry.take(topic, b"", budget);
        }
        let announced = lines(&registry).iter().filter(|line| !line.contains("| button |")).count();
        prop_assert_eq!(announced, 0);
    }
}
