//! What a search costs: `cargo test --release -p obkmq-broker --lib -- --ignored --nocapture --test-threads 1 speed`.
//! The best of several runs; nothing is asserted about time.
#![expect(clippy::print_stdout, reason = "figures are what this is for")]

extern crate std;

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use std::println;
use std::time::Instant;

use super::*;

const RUNS: usize = 9;
const SEARCHES: u32 = 200_000;

struct Count(u64);

impl Visitor for Count {
    #[inline]
    fn visit(&mut self, subscription: &Subscription) {
        self.0 += u64::from(subscription.session().number());
    }

    fn suits(&self, _: &Subscription) -> Suitability {
        Suitability::Now
    }

    fn nobody(&mut self) {}
}

struct Sessions {
    memory: Memory,
    filters: Filters,
    lists: Vec<Subscriptions>,
}

impl Sessions {
    fn new(count: usize) -> Self {
        Sessions {
            memory: Memory::new(1 << 30),
            filters: Filters::new(Hasher::new(7)),
            lists: vec![None; count],
        }
    }

    fn subscribe(&mut self, index: usize, text: &str) {
        let options =
            Options { qos: QoS::AtMostOnce, no_local: false, retain_as_published: false, identifier: None };
        let session = Handle::from_index(index).unwrap();
        let filter = TopicFilter::new(text).unwrap();
        let limits = Limits::default();
        self.filters
            .subscribe(&mut self.memory, filter, session, &mut self.lists[index], options, true, &limits)
            .unwrap();
    }

    /// Nanoseconds for a search, the best of several runs.
    fn measure(&mut self, topic: &str) -> f64 {
        let mut best = f64::MAX;
        for _ in 0..RUNS {
            let start = Instant::now();
            let mut count = Count(0);
            for _ in 0..SEARCHES {
                self.filters.matching(black_box(topic.as_bytes()), &mut count);
            }
            black_box(count.0);
            best = best.min(start.elapsed().as_nanos() as f64 / f64::from(SEARCHES));
        }
        best
    }
}

/// Filters of five shapes and without wildcards, as devices of a house have them.
pub(super) fn unrelated(index: usize) -> alloc::string::String {
    match index % 6 {
        0 => format!("cmnd/tasmota_{index:06X}/#"),
        1 => format!("stat/+/device{index}/state"),
        2 => format!("house/room{index}/lamp"),
        3 => format!("+/room{index}/temperature"),
        4 => format!("tele/tasmota_{index:06X}/+"),
        _ => format!("cmnd/tasmota_{index:06X}/+/#"),
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_a_search_among_unrelated_subscriptions() {
    for count in [0, 100, 1_000, 10_000, 100_000] {
        let mut sessions = Sessions::new(100);
        sessions.subscribe(0, "tele/+/STATE");
        for index in 0..count {
            sessions.subscribe(index % 100, &unrelated(index));
        }
        let nanos = sessions.measure("tele/tasmota_1A2B3C/STATE");
        let none = sessions.measure("else/tasmota_1A2B3C/STATE");
        println!(
            "{count:>7} others, {} shapes: {nanos:6.1} ns one found, {none:6.1} ns none",
            sessions.filters.shapes.len()
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn speed_of_a_search_that_finds_many() {
    for count in [1, 10, 50, 1000] {
        let mut sessions = Sessions::new(count);
        (0..count).for_each(|index| sessions.subscribe(index, "house/#"));
        let nanos = sessions.measure("house/kitchen/lamp");
        println!("1 to {count}: {nanos:7.1} ns, {:5.2} ns each", nanos / count as f64);
    }
}
