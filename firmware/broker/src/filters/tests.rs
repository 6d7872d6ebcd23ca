//! The index against a plain list that is searched from end to end, with a matching of its own.
#![allow(clippy::disallowed_types, reason = "a model needs no budget")]

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

mod costs;

use super::*;
use crate::verifier::UserId;

const SESSIONS: u32 = 4;
const LOTS: usize = 1 << 24;

fn session(number: u32) -> Handle<Session> {
    Handle::from_number(number + 1).unwrap()
}

const PLAIN: Options =
    Options { qos: QoS::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };

/// What a search has shown.
#[derive(Debug, Default)]
struct Seen {
    visits: Vec<(u32, u32)>,
    nobody: usize,
    /// How the sessions would take a message of a group; [`Suitability::Now`] for those that are not named.
    suits: Vec<Suitability>,
}

impl Visitor for Seen {
    fn visit(&mut self, subscription: &Subscription) {
        self.visits.push((subscription.session().number() - 1, subscription.options().pack()));
    }

    fn suits(&self, subscription: &Subscription) -> Suitability {
        let index = subscription.session().index();
        self.suits.get(index).copied().unwrap_or(Suitability::Now)
    }

    fn nobody(&mut self) {
        self.nobody += 1;
    }
}

/// The index with all that a broker keeps beside it.
struct Bench {
    filters: Filters,
    memory: Memory,
    lists: Vec<Subscriptions>,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        Bench {
            filters: Filters::new(Hasher::new(7)),
            memory: Memory::new(LOTS),
            lists: vec![None; 16],
            limits: Limits::default(),
        }
    }

    fn subscribe(&mut self, number: u32, filter: &str, options: Options) -> Result<Subscribed, Refused> {
        let list = &mut self.lists[number as usize];
        let filter = TopicFilter::new(filter).unwrap();
        let added = self.filters.subscribe(
            &mut self.memory,
            filter,
            session(number),
            list,
            options,
            true,
            &self.limits,
            Share::new(Some(UserId(u16::try_from(number).unwrap())), true),
        );
        added.map(|(handle, added)| {
            assert_eq!(self.filters.text(handle), filter.as_str());
            assert_eq!(self.filters.options(handle), options);
            assert!(self.filters.is_of(handle, session(number)));
            assert!(!self.filters.is_of(handle, session(number + 1)));
            added
        })
    }

    fn unsubscribe(&mut self, number: u32, filter: &str) -> bool {
        let list = &mut self.lists[number as usize];
        let filter = TopicFilter::new(filter).unwrap();
        self.filters.unsubscribe(&mut self.memory, filter, session(number), list)
    }

    fn unsubscribe_all(&mut self, number: u32) {
        let list = &mut self.lists[number as usize];
        self.filters.unsubscribe_all(&mut self.memory, list);
    }

    fn search(&mut self, topic: &str, suits: &[Suitability]) -> Seen {
        let mut seen = Seen { suits: suits.to_vec(), ..Seen::default() };
        self.filters.matching(topic.as_bytes(), &mut seen);
        seen
    }

    /// The sessions that a topic concerns, in their order.
    fn sessions(&mut self, topic: &str) -> Vec<u32> {
        let mut sessions: Vec<_> = self.search(topic, &[]).visits.iter().map(|&(number, _)| number).collect();
        sessions.sort_unstable();
        sessions
    }

    fn filters_of(&self, number: u32) -> Vec<(String, u32)> {
        let list = self.filters.of_session(self.lists[number as usize]);
        let mut list: Vec<_> = list.map(|(text, options)| (String::from(text), options.pack())).collect();
        list.sort();
        list
    }

    /// Removes everything; nothing stays.
    fn clear(mut self) {
        (0..self.lists.len()).for_each(|number| self.unsubscribe_all(u32::try_from(number).unwrap()));
        self.filters.trim(&mut self.memory);
        assert_eq!((self.filters.live(), self.filters.heads.live(), self.filters.shapes.len()), (0, 0, 0));
        assert_eq!(self.memory.used(), 0);
    }
}

/// A filter, and who has subscribed to it, next in turn first.
type Circle = Vec<(u32, Options)>;

/// The same without an index.
#[derive(Debug, Default, Clone)]
struct Model(BTreeMap<String, Circle>);

fn is_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) => true,
        ([level, filter @ ..], [name, topic @ ..]) => {
            (*level == "+" || level == name) && is_match(filter, topic)
        }
        (filter, topic) => filter.is_empty() && topic.is_empty(),
    }
}

fn split(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

fn concerns(filter: &str, topic: &str) -> bool {
    let mut levels = split(filter);
    if levels[0] == "$share" {
        levels.drain(..2);
    }
    !(topic.starts_with('$') && matches!(levels[0], "+" | "#")) && is_match(&levels, &split(topic))
}

impl Model {
    fn subscribe(&mut self, number: u32, filter: &str, options: Options) -> Subscribed {
        let circle = self.0.entry(filter.into()).or_default();
        match circle.iter_mut().find(|(member, _)| *member == number) {
            Some(member) if member.1 == options => Subscribed::Same,
            Some(member) => {
                member.1 = options;
                Subscribed::Changed
            }
            None => {
                circle.push((number, options));
                Subscribed::New
            }
        }
    }

    fn unsubscribe(&mut self, number: u32, filter: &str) -> bool {
        let Some(circle) = self.0.get_mut(filter) else { return false };
        let before = circle.len();
        circle.retain(|(member, _)| *member != number);
        let removed = circle.len() < before;
        self.0.retain(|_, circle| !circle.is_empty());
        removed
    }

    fn unsubscribe_all(&mut self, number: u32) {
        self.0.values_mut().for_each(|circle| circle.retain(|(member, _)| *member != number));
        self.0.retain(|_, circle| !circle.is_empty());
    }

    fn search(&mut self, topic: &str, suits: &[Suitability]) -> Seen {
        let mut seen = Seen::default();
        for (filter, circle) in self.0.iter_mut().filter(|(filter, _)| concerns(filter, topic)) {
            let visits = |&(number, options): &(u32, Options)| (number, options.pack());
            if !filter.starts_with("$share/") {
                seen.visits.extend(circle.iter().map(visits));
                continue;
            }
            let first = |wanted| circle.iter().position(|&(number, _)| suits[number as usize] == wanted);
            let best = [Suitability::Now, Suitability::Later, Suitability::Away].into_iter().find_map(first);
            match best {
                Some(chosen) => {
                    seen.visits.push(visits(&circle[chosen]));
                    circle.rotate_left(chosen + 1);
                }
                None => seen.nobody += 1,
            }
        }
        seen
    }

    fn filters_of(&self, number: u32) -> Vec<(String, u32)> {
        let of = |(filter, circle): (&String, &Circle)| {
            let own = circle.iter().find(|(member, _)| *member == number)?;
            Some((filter.clone(), own.1.pack()))
        };
        self.0.iter().filter_map(of).collect()
    }

    fn live(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Session, filter, options.
    Subscribe(u32, usize, Options),
    Unsubscribe(u32, usize),
    UnsubscribeAll(u32),
    /// Topic, and how each session would take it.
    Search(String, Vec<Suitability>),
}

fn filters() -> impl Strategy<Value = Vec<String>> {
    let level = proptest::sample::select(&["", "a", "b", "$s", "+", "+"][..]);
    let levels = proptest::collection::vec(level, 1..5);
    let prefix = proptest::sample::select(&["", "", "$share/g/", "$share/h/"][..]);
    let filter = (prefix, levels, any::<bool>()).prop_map(|(prefix, mut levels, multi)| {
        if multi {
            *levels.last_mut().unwrap() = "#";
        }
        format!("{prefix}{}", levels.join("/"))
    });
    let filter = filter.prop_filter("a filter", |filter| TopicFilter::new(filter).is_ok());
    proptest::collection::vec(filter, 1..12)
}

fn topic() -> impl Strategy<Value = String> {
    let level = proptest::sample::select(&["", "a", "b", "c", "$s"][..]);
    let topic = proptest::collection::vec(level, 1..6).prop_map(|levels| levels.join("/"));
    topic.prop_filter("a topic", |topic| !topic.is_empty())
}

fn options() -> impl Strategy<Value = Options> {
    let qos = proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..]);
    let identifier = proptest::sample::select(&[0, 1, 2, 0x0FFF_FFFF][..]);
    (qos, any::<bool>(), any::<bool>(), identifier).prop_map(
        |(qos, no_local, retain_as_published, number)| Options {
            qos,
            no_local,
            retain_as_published,
            identifier: NonZeroU32::new(number),
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || 0..SESSIONS;
    let filter = || 0..12_usize;
    let suitability =
        [Suitability::Now, Suitability::Now, Suitability::Later, Suitability::Away, Suitability::Never];
    let suits = proptest::collection::vec(proptest::sample::select(suitability.to_vec()), SESSIONS as usize);
    let step = prop_oneof![
        6 => (number(), filter(), options()).prop_map(|(n, filter, options)| Step::Subscribe(n, filter, options)),
        3 => (number(), filter()).prop_map(|(n, filter)| Step::Unsubscribe(n, filter)),
        1 => number().prop_map(Step::UnsubscribeAll),
        6 => (topic(), suits).prop_map(|(topic, suits)| Step::Search(topic, suits)),
    ];
    proptest::collection::vec(step, 1..80)
}

proptest! {
    #[test]
    fn the_index_finds_what_a_plain_search_finds(filters in filters(), steps in steps()) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Subscribe(number, filter, options) => {
                    let filter = &filters[filter % filters.len()];
                    let added = bench.subscribe(*number, filter, *options);
                    prop_assert_eq!(added, Ok(model.subscribe(*number, filter, *options)));
                }
                Step::Unsubscribe(number, filter) => {
                    let filter = &filters[filter % filters.len()];
                    let removed = bench.unsubscribe(*number, filter);
                    prop_assert_eq!(removed, model.unsubscribe(*number, filter));
                }
                Step::UnsubscribeAll(number) => {
                    bench.unsubscribe_all(*number);
                    model.unsubscribe_all(*number);
                }
                Step::Search(topic, suits) => {
                    let mut found = bench.search(topic, suits);
                    let mut expected = model.search(topic, suits);
                    found.visits.sort_unstable();
                    expected.visits.sort_unstable();
                    prop_assert_eq!(&found.visits, &expected.visits, "{}", topic);
                    prop_assert_eq!(found.nobody, expected.nobody, "{}", topic);
                }
            }
            prop_assert_eq!(bench.filters.live(), model.live());
            prop_assert_eq!(bench.filters.heads.live(), model.0.len());
        }
        for number in 0..SESSIONS {
            prop_assert_eq!(bench.filters_of(number), model.filters_of(number));
        }
        bench.clear();
    }
}

#[test]
fn a_subscription_leaves_every_place_of_its_circle_and_of_its_sessions_list() {
    for members in 1..5 {
        for removed in 0..members {
            let mut bench = Bench::new();
            for number in 0..members {
                assert_eq!(bench.subscribe(number, "a/+", PLAIN), Ok(Subscribed::New));
                assert_eq!(bench.subscribe(0, &format!("b/{number}"), PLAIN), Ok(Subscribed::New));
            }
            assert!(bench.unsubscribe(removed, "a/+"));
            assert!(!bench.unsubscribe(removed, "a/+"));
            assert!(bench.unsubscribe(0, &format!("b/{removed}")));
            let rest: Vec<_> = (0..members).filter(|&number| number != removed).collect();
            assert_eq!(bench.sessions("a/x"), rest);
            for number in 0..members {
                let expected = if number == removed { vec![] } else { vec![0] };
                assert_eq!(bench.sessions(&format!("b/{number}")), expected);
            }
            // The place is taken again.
            assert_eq!(bench.subscribe(removed, "a/+", PLAIN), Ok(Subscribed::New));
            assert_eq!(bench.sessions("a/x").len(), members as usize);
            bench.clear();
        }
    }
}

#[test]
fn another_subscription_to_the_same_filter_changes_its_options_only() {
    let mut bench = Bench::new();
    let other = Options { qos: QoS::ExactlyOnce, no_local: true, identifier: NonZeroU32::new(9), ..PLAIN };
    assert_eq!(bench.subscribe(1, "a/#", PLAIN), Ok(Subscribed::New));
    assert_eq!(bench.subscribe(1, "a/#", other), Ok(Subscribed::Changed));
    assert_eq!(bench.subscribe(1, "a/#", other), Ok(Subscribed::Same));
    assert_eq!(bench.subscribe(1, "$share/g/a/#", PLAIN), Ok(Subscribed::New));
    assert_eq!(bench.search("a", &[]).visits.len(), 2);
    assert_eq!(bench.filters_of(1), [("$share/g/a/#".into(), PLAIN.pack()), ("a/#".into(), other.pack())]);
    bench.clear();
}

#[test]
fn whoever_may_have_no_more_may_still_change_what_there_is() {
    let mut bench = Bench::new();
    let Bench { filters, memory, lists, limits } = &mut bench;
    let mut subscribe = |filter, may_add| {
        let filter = TopicFilter::new(filter).unwrap();
        let added = filters.subscribe(
            memory,
            filter,
            session(0),
            &mut lists[0],
            PLAIN,
            may_add,
            limits,
            Share::LOCAL,
        );
        added.map(|(_, added)| added)
    };
    assert_eq!(subscribe("a", false), Err(Refused::TooMany));
    assert_eq!(subscribe("a", true), Ok(Subscribed::New));
    assert_eq!(subscribe("a", false), Ok(Subscribed::Same));
    bench.clear();
}

#[test]
fn a_group_is_served_in_turn() {
    let mut bench = Bench::new();
    for number in 0..3 {
        bench.subscribe(number, "$share/g/a/+", PLAIN).unwrap();
        bench.subscribe(number, "$share/h/a/+", PLAIN).unwrap();
    }
    let served = |bench: &mut Bench, rounds: u32, suits: &[Suitability]| {
        let mut counts = [0; 3];
        for _ in 0..rounds {
            let seen = bench.search("a/b", suits);
            assert_eq!((seen.visits.len(), seen.nobody), (2, 0));
            seen.visits.iter().for_each(|&(number, _)| counts[number as usize] += 1);
        }
        counts
    };
    assert_eq!(served(&mut bench, 30, &[]), [20, 20, 20]);
    // Who is stuck is passed over and misses nothing that the others could not take.
    let stuck = [Suitability::Now, Suitability::Later, Suitability::Now];
    assert_eq!(served(&mut bench, 30, &stuck), [30, 0, 30]);
    assert_eq!(
        served(&mut bench, 30, &[Suitability::Never, Suitability::Later, Suitability::Later]),
        [0, 30, 30]
    );
    assert_eq!(bench.search("a/b", &[Suitability::Never; 3]).nobody, 2);
    // A member that leaves does not cost the others their turn.
    bench.unsubscribe(1, "$share/g/a/+");
    bench.unsubscribe(1, "$share/h/a/+");
    assert_eq!(served(&mut bench, 30, &[]), [30, 0, 30]);
    bench.clear();
}

fn levels(count: usize, level: &str) -> String {
    vec![level; count].join("/")
}

#[test]
fn wildcards_reach_as_deep_as_the_index_and_no_deeper() {
    let mut bench = Bench::new();
    let deep = [
        // The last level that may be `+`.
        format!("{}/+", levels(31, "a")),
        levels(32, "+"),
        format!("{}/#", levels(32, "a")),
        format!("{}/+/#", levels(31, "a")),
        // Without wildcards there is no end.
        levels(33, "a"),
        levels(100, "a"),
    ];
    for filter in &deep {
        assert_eq!(bench.subscribe(0, filter, PLAIN), Ok(Subscribed::New), "{filter}");
    }
    let too_deep = [
        format!("{}/+", levels(32, "a")),
        format!("+/{}", levels(32, "a")),
        levels(33, "+"),
        format!("{}/#", levels(33, "a")),
        format!("{}/+/{}", levels(40, "a"), levels(300, "a")),
        format!("$share/g/{}/#", levels(33, "a")),
    ];
    let used = bench.memory.used();
    for filter in &too_deep {
        assert_eq!(bench.subscribe(0, filter, PLAIN), Err(Refused::TooComplex), "{filter}");
        assert!(!bench.unsubscribe(0, filter));
    }
    assert_eq!(bench.memory.used(), used);
    for (topic, found) in [
        (levels(31, "a"), 0),
        (levels(32, "a"), 4),
        (format!("{}/b", levels(31, "a")), 3),
        (levels(33, "a"), 3),
        (format!("{}/b", levels(32, "a")), 2),
        (format!("{}/b/b", levels(31, "a")), 1),
        (levels(100, "a"), 3),
        (levels(101, "a"), 2),
        (levels(32, "b"), 1),
        (levels(33, "b"), 0),
    ] {
        assert_eq!(bench.sessions(&topic).len(), found, "{topic}");
    }
    bench.clear();
}
