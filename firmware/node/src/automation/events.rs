//! Handlers: what is to happen when a button is pressed or a value becomes one that somebody waits for.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::channels::{Changed, ChannelId};
use crate::limits::HANDLERS;
use obkmq_config::openbeken::Rank;

/// What a handler hears of: an event that happens, or a value that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// An event, by its place in [`EVENTS`].
    Event(u8),
    Channel(ChannelId),
}

/// Events by the names that OpenBeken gives them. What this board cannot notice by itself can still be said by `event`.
const EVENTS: [&str; 19] = [
    "OnClick",
    "OnDblClick",
    "On3Click",
    "On4Click",
    "On5Click",
    "OnHold",
    "OnHoldStart",
    "OnPress",
    "OnRelease",
    "OnToggle",
    "OnChannelChange",
    "MQTTState",
    "WiFiState",
    "NTPState",
    "IPChange",
    "OnCmd",
    "OnMQTT",
    "OnHTTP",
    "OnDiscovery",
];

impl Topic {
    /// Told of every change of a channel, with its number.
    pub(crate) const ON_CHANNEL_CHANGE: Self = Self::Event(10);
    /// Told with 1 when MQTT can be used: here from the start.
    pub(crate) const MQTT_STATE: Self = Self::Event(11);
    /// Told with 1 when the time is known.
    pub(crate) const NTP_STATE: Self = Self::Event(13);

    /// Reads a name, of which capital letters do not matter: an event's, or `Channel5`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        if let Some(digits) =
            name.get(..7).filter(|start| start.eq_ignore_ascii_case("channel")).and(name.get(7..))
            && let Ok(number) = digits.parse()
        {
            return ChannelId::new(number).map(Self::Channel);
        }
        let at = EVENTS.iter().position(|event| event.eq_ignore_ascii_case(name))?;
        u8::try_from(at).ok().map(Self::Event)
    }
}

/// What an event is about: a pin, a state, or a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    Number(i32),
    Text(Box<str>),
}

impl Argument {
    /// A number where it is one.
    pub(crate) fn parse(text: &str) -> Self {
        let hexadecimal = text.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match hexadecimal.map(u32::cast_signed).or_else(|| text.parse().ok()) {
            Some(number) => Self::Number(number),
            None => Self::Text(text.into()),
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}

/// How a value stands to a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    NotEqual,
    Above,
    Below,
    AtLeast,
    AtMost,
}

impl Relation {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "==" => Self::Equal,
            "!=" | "!" => Self::NotEqual,
            ">" => Self::Above,
            "<" => Self::Below,
            ">=" => Self::AtLeast,
            "<=" => Self::AtMost,
            _ => return None,
        })
    }

    pub(crate) fn holds(self, value: i32, constant: i32) -> bool {
        match self {
            Self::Equal => value == constant,
            Self::NotEqual => value != constant,
            Self::Above => value > constant,
            Self::Below => value < constant,
            Self::AtLeast => value >= constant,
            Self::AtMost => value <= constant,
        }
    }
}

/// When a handler is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// An event with this argument, or with any.
    Happens(Option<Argument>),
    /// A value for which this did not hold before.
    Becomes(Relation, i32),
}

/// What is to be done, and by whom it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) command: Box<str>,
    pub(crate) rank: Rank,
}

#[derive(Debug)]
struct Handler {
    topic: Topic,
    when: When,
    task: Task,
}

/// All handlers.
#[derive(Debug, Default)]
pub(crate) struct Handlers(Vec<Handler>);

impl Handlers {
    /// Adds a handler, if there is room for one more.
    pub(crate) fn add(&mut self, topic: Topic, when: When, task: Task) -> bool {
        let has_room = self.0.len() < HANDLERS && self.0.try_reserve(1).is_ok();
        if has_room {
            self.0.push(Handler { topic, when, task });
        }
        has_room
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// Bytes of text that the handlers hold.
    pub(crate) fn text_bytes(&self) -> usize {
        self.0.iter().map(|handler| handler.task.command.len()).sum()
    }

    /// What is to be done when an event happens.
    pub(crate) fn happened<'a>(
        &'a self,
        topic: Topic,
        argument: &'a Argument,
    ) -> impl Iterator<Item = &'a Task> {
        self.0
            .iter()
            .filter(move |handler| {
                let wanted = match &handler.when {
                    When::Happens(wanted) => wanted.as_ref().is_none_or(|wanted| wanted.is(argument)),
                    When::Becomes(..) => false,
                };
                wanted && handler.topic == topic
            })
            .map(|handler| &handler.task)
    }

    /// What is to be done when a channel changes.
    pub(crate) fn changed(&self, changed: Changed) -> impl Iterator<Item = &Task> {
        self.0
            .iter()
            .filter(move |handler| match handler.when {
                When::Becomes(relation, constant) => {
                    handler.topic == Topic::Channel(changed.channel)
                        && relation.holds(changed.to, constant)
                        && !relation.holds(changed.from, constant)
                }
                When::Happens(_) => false,
            })
            .map(|handler| &handler.task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn task(command: &str) -> Task {
        Task { command: command.into(), rank: Rank::Owner }
    }

    fn texts<'a>(tasks: impl Iterator<Item = &'a Task>) -> Vec<String> {
        tasks.map(|task| String::from(&*task.command)).collect()
    }

    #[test]
    fn names_are_openbekens() {
        for (at, name) in EVENTS.iter().enumerate() {
            assert_eq!(Topic::parse(&name.to_lowercase()), Some(Topic::Event(u8::try_from(at).unwrap())));
        }
        assert_eq!(Topic::parse("onchannelchange"), Some(Topic::ON_CHANNEL_CHANGE));
        assert_eq!(Topic::parse("MQTTState"), Some(Topic::MQTT_STATE));
        assert_eq!(Topic::parse("NTPState"), Some(Topic::NTP_STATE));
        assert_eq!(Topic::parse("Channel5"), ChannelId::new(5).map(Topic::Channel));
        for none in ["", "Channel", "Channel64", "Channel-1", "channélx", "OnTuesday"] {
            assert_eq!(Topic::parse(none), None, "{none}");
        }
    }

    #[test]
    fn an_event_calls_those_who_wait_for_its_argument() {
        let mut handlers = Handlers::default();
        let click = Topic::parse("OnClick").unwrap();
        for (argument, command) in
            [(Some("5"), "five"), (Some("0x5"), "five too"), (None, "any"), (Some("6"), "six")]
        {
            assert!(handlers.add(click, When::Happens(argument.map(Argument::parse)), task(command)));
        }
        handlers.add(Topic::parse("OnHold").unwrap(), When::Happens(None), task("hold"));
        assert_eq!(texts(handlers.happened(click, &Argument::Number(5))), ["five", "five too", "any"]);
        assert_eq!(texts(handlers.happened(click, &Argument::parse("door"))), ["any"]);
        handlers.add(click, When::Happens(Some(Argument::parse("Door"))), task("door"));
        assert_eq!(texts(handlers.happened(click, &Argument::parse("door"))), ["any", "door"]);
        handlers.clear();
        assert_eq!(texts(handlers.happened(click, &Argument::Number(5))).len(), 0);
    }

    #[test]
    fn a_change_calls_those_for_whom_it_holds_now_and_did_not_before() {
        let channel = ChannelId::new(1).unwrap();
        for (relation, calls) in [
            ("==", [false, true, false, false]),
            ("!=", [false, false, true, false]),
            (">", [false, false, true, false]),
            ("<", [false, false, false, true]),
            (">=", [false, true, false, false]),
            ("<=", [false, false, false, true]),
        ] {
            let mut handlers = Handlers::default();
            let when = When::Becomes(Relation::parse(relation).unwrap(), 10);
            handlers.add(Topic::Channel(channel), when, task("run"));
            let changes = [(0, 9), (9, 10), (10, 11), (11, 5)];
            for ((from, to), call) in changes.into_iter().zip(calls) {
                let called = handlers.changed(Changed { channel, from, to }).count() == 1;
                assert_eq!(called, call, "{relation} {from} {to}");
            }
            let other = Changed { channel: ChannelId::new(2).unwrap(), from: 0, to: 10 };
            assert_eq!(handlers.changed(other).count(), 0);
        }
    }

    #[test]
    fn handlers_are_bounded() {
        let mut handlers = Handlers::default();
        for _ in 0..HANDLERS {
            assert!(handlers.add(Topic::MQTT_STATE, When::Happens(None), task("x")));
        }
        assert!(!handlers.add(Topic::MQTT_STATE, When::Happens(None), task("x")));
        assert_eq!(handlers.text_bytes(), HANDLERS);
    }
}
