//! One case each: what the specification says, what groups are owed, and what memory is owed.

use alloc::format;
use alloc::vec::Vec;

use super::*;

const SESSIONS: usize = 4;

fn session(index: usize) -> Handle<Session> {
    Handle::from_index(index).unwrap()
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

fn options(identifier: u32) -> Options {
    Options {
        qos: QoS::AtMostOnce,
        no_local: false,
        retain_as_published: false,
        identifier: NonZeroU32::new(identifier),
    }
}

/// Notes who is shown.
struct Notes {
    /// Session and identifier.
    seen: Vec<(usize, u32)>,
    nobody: usize,
    suitability: [Suitability; SESSIONS],
}

impl Visitor for Notes {
    fn visit(&mut self, subscription: &Subscription) {
        let identifier = subscription.options().identifier.map_or(0, NonZeroU32::get);
        self.seen.push((subscription.session().index(), identifier));
    }

    fn suits(&self, subscription: &Subscription) -> Suitability {
        self.suitability[subscription.session().index()]
    }

    fn nobody(&mut self) {
        self.nobody += 1;
    }
}

/// The subscriptions of a few sessions.
struct House {
    memory: Memory,
    filters: Filters,
    lists: [Subscriptions; SESSIONS],
    limits: Limits,
    suitability: [Suitability; SESSIONS],
}

impl House {
    fn new(budget: usize) -> Self {
        House {
            memory: Memory::new(budget),
            filters: Filters::new(Hasher::new(7)),
            lists: [None; SESSIONS],
            limits: Limits::default(),
            suitability: [Suitability::Now; SESSIONS],
        }
    }

    fn subscribe(&mut self, index: usize, text: &str, options: Options) -> Result<Subscribed, Refused> {
        let list = &mut self.lists[index];
        let (handle, added) = self.filters.subscribe(
            &mut self.memory,
            filter(text),
            session(index),
            list,
            options,
            true,
            &self.limits,
            Share::LOCAL,
        )?;
        assert_eq!(self.filters.text(handle), text);
        assert!(self.filters.is_of(handle, session(index)));
        assert_eq!(self.filters.options(handle), options);
        Ok(added)
    }

    fn unsubscribe(&mut self, index: usize, text: &str) -> bool {
        let list = &mut self.lists[index];
        self.filters.unsubscribe(&mut self.memory, filter(text), session(index), list)
    }

    fn leave(&mut self, index: usize) {
        let list = &mut self.lists[index];
        self.filters.unsubscribe_all(&mut self.memory, list);
    }

    fn matching(&mut self, topic: &str) -> Notes {
        let mut notes = Notes { seen: Vec::new(), nobody: 0, suitability: self.suitability };
        self.filters.matching(topic.as_bytes(), &mut notes);
        notes.seen.sort_unstable();
        notes
    }

    /// The sessions that a topic concerns.
    fn found(&mut self, topic: &str) -> Vec<usize> {
        self.matching(topic).seen.iter().map(|&(index, _)| index).collect()
    }

    /// What is left once everybody has gone.
    fn empty(&mut self) -> usize {
        (0..SESSIONS).for_each(|index| self.leave(index));
        self.filters.trim(&mut self.memory);
        self.memory.used()
    }
}

#[test]
fn the_examples_of_section_4_7_hold() {
    let table = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "sport", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("#", "$SYS/broker", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor/Clients", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("$share/group/sport/#", "sport", true),
        ("$share/group/#", "$SYS/broker", false),
        ("$share/group//finance", "/finance", true),
    ];
    for (text, topic, expected) in table {
        let mut house = House::new(1 << 20);
        house.subscribe(0, text, options(0)).unwrap();
        assert_eq!(house.found(topic) == [0], expected, "{text} {topic}");
        assert_eq!(house.empty(), 0);
    }
}

#[test]
fn a_member_that_leaves_does_not_take_the_turn_with_it() {
    for leaving in 0..3 {
        for before in 0..3 {
            let mut house = House::new(1 << 20);
            for index in 0..3 {
                house.subscribe(index, "$share/g/a", options(0)).unwrap();
            }
            for _ in 0..before {
                house.found("a");
            }
            house.leave(leaving);
            let mut turns: Vec<_> = (0..2).flat_map(|_| house.found("a")).collect();
            turns.sort_unstable();
            let staying: Vec<_> = (0..3).filter(|&index| index != leaving).collect();
            assert_eq!(turns, staying);
        }
    }
}

#[test]
fn many_unrelated_subscriptions_come_and_go() {
    let mut house = House::new(1 << 26);
    for index in 0..10_000 {
        house.subscribe(index % SESSIONS, &format!("site/{index}/state"), options(0)).unwrap();
    }
    let full = house.memory.used();
    assert_eq!(house.found("site/77/state"), [1]);
    assert!(house.found("site/77/other").is_empty());
    for index in 100..10_000 {
        assert!(house.unsubscribe(index % SESSIONS, &format!("site/{index}/state")));
    }
    house.filters.trim(&mut house.memory);
    assert!(house.memory.used() < full / 25, "{} of {full}", house.memory.used());
    assert_eq!(house.found("site/77/state"), [1]);
    assert_eq!(house.empty(), 0);
}

/// What two filters of 24 and 26 bytes cost beside the session, as the slope from 16 to 48 clients.
fn bytes_per_client() -> usize {
    let mut lists = [None; 48];
    let mut memory = Memory::new(1 << 20);
    let mut filters = Filters::new(Hasher::new(7));
    let mut used = [0; 49];
    for (index, list) in lists.iter_mut().enumerate() {
        for behind in ["POWER", "+/#"] {
            let text = format!("cmnd/tasmota_1A2B{index:02X}/{behind}");
            let limits = Limits::for_chip(1 << 20);
            let text = filter(&text);
            filters
                .subscribe(&mut memory, text, session(index), list, options(0), true, &limits, Share::LOCAL)
                .unwrap();
        }
        used[index + 1] = memory.used();
    }
    (used[48] - used[16]) / 32
}

#[test]
fn two_filters_of_a_client_take_few_bytes() {
    let limit = if cfg!(target_pointer_width = "32") { 160 } else { 200 };
    let bytes = bytes_per_client();
    assert!(bytes <= limit, "{bytes} bytes");
}

#[test]
fn a_subscription_takes_twenty_four_bytes_on_every_target() {
    assert_eq!(size_of::<Subscription>(), 24);
    assert_eq!(size_of::<Option<Subscription>>(), 24);
    assert_eq!(size_of::<Option<Head>>(), 3 * size_of::<usize>());
}
