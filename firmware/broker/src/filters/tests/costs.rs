//! What subscriptions, messages and ends cost, in memory and in steps, and what each user may use up.

use super::*;
use crate::limits::{SPARE_TURN_STEPS, STEPS_FOR_EACH_TURN};

/// A filter of which no two numbers have the same shape.
fn shaped(number: u32) -> String {
    // Not that without `+`, which costs nobody anything.
    let number = number + 1;
    let level = |bit: u32| if number >> bit & 1 == 0 { "x" } else { "+" };
    format!("{}/#", (0..9).map(level).collect::<Vec<_>>().join("/"))
}

#[test]
fn no_user_uses_up_the_shapes_of_the_others() {
    let mut bench = Bench::new();
    assert_eq!(bench.limits.max_filter_shapes, 256);
    let most = 192;
    for number in 0..most {
        assert_eq!(bench.subscribe(0, &shaped(number), PLAIN), Ok(Subscribed::New));
    }
    // Its part is used up, but for shapes that are there.
    assert_eq!(bench.subscribe(0, &shaped(most), PLAIN), Err(Refused::TooComplex));
    assert_eq!(bench.subscribe(0, &shaped(7).replace('x', "y"), PLAIN), Ok(Subscribed::New));
    assert_eq!(bench.subscribe(1, &shaped(most), PLAIN), Ok(Subscribed::New));
    assert_eq!(bench.subscribe(1, &shaped(8).replace('x', "y"), PLAIN), Ok(Subscribed::New));
    assert_eq!(bench.subscribe(0, "no/wildcard", PLAIN), Ok(Subscribed::New));
    // A shape goes with the last filter that has it.
    assert!(bench.unsubscribe(0, &shaped(5)));
    assert!(bench.unsubscribe(0, &shaped(6)));
    assert_eq!(bench.subscribe(0, &shaped(most + 1), PLAIN), Ok(Subscribed::New));
    assert!(bench.unsubscribe(0, &shaped(7)));
    assert_eq!(bench.subscribe(0, &shaped(most + 2), PLAIN), Err(Refused::TooComplex));
    bench.clear();
}

#[test]
fn every_growth_may_be_refused_and_leaves_nothing_behind() {
    let script: Vec<_> =
        (0..40_u32).map(|number| (number % 3, format!("{}/{number}", shaped(number % 7)))).collect();
    let script: Vec<_> = script
        .iter()
        .map(|(number, filter)| (*number, filter.replace("#/", "").replace('x', "level")))
        .collect();
    let run = |budget: usize| {
        let mut bench = Bench::new();
        bench.memory.set_limit(budget);
        let mut model = Model::default();
        let mut refused = 0;
        for (number, filter) in &script {
            let before = bench.filters.live();
            match bench.subscribe(*number, filter, PLAIN) {
                Ok(added) => assert_eq!(added, model.subscribe(*number, filter, PLAIN)),
                Err(Refused::OutOfMemory) => {
                    refused += 1;
                    assert_eq!(bench.filters.live(), before);
                    // This one growth was refused; the next try finds room.
                    bench.memory.set_limit(LOTS);
                    assert_eq!(
                        bench.subscribe(*number, filter, PLAIN),
                        Ok(model.subscribe(*number, filter, PLAIN))
                    );
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        for number in 0..3 {
            assert_eq!(bench.filters_of(number), model.filters_of(number), "budget {budget}");
        }
        assert_eq!(bench.filters.heads.live(), model.0.len());
        let peak = bench.memory.peak();
        bench.clear();
        (refused, peak)
    };
    let (_, peak) = run(LOTS);
    let mut runs = 0;
    let mut budget = 0;
    loop {
        let (refused, _) = run(budget);
        runs += refused;
        if refused == 0 {
            break;
        }
        budget += 3;
    }
    // All but the quarter that new connections leave.
    assert!(budget >= peak && budget <= peak * 4 / 3 + 8 && runs > 100, "{runs} {budget} {peak}");
}

#[test]
fn what_each_subscription_takes_is_small() {
    assert_eq!(size_of::<Subscription>(), 24);
    assert_eq!(size_of::<Head>(), if size_of::<usize>() == 4 { 12 } else { 24 });
}

/// A look-up in a table of few filters shows others whose hashes are near.
#[test]
fn a_group_with_a_near_hash_is_not_served_twice() {
    let mut bench = Bench::new();
    for number in 0..64 {
        bench.subscribe(0, &shaped(number), PLAIN).unwrap();
    }
    bench.subscribe(1, "$share/g/#", PLAIN).unwrap();
    for number in 0..200 {
        let topic = format!("{number}/{}", levels(9, "y"));
        let seen = bench.search(&topic, &[]);
        assert_eq!(seen.visits.iter().filter(|&&(number, _)| number == 1).count(), 1, "{topic}");
    }
    bench.clear();
}

/// Subscribers of one filter that come and go, the youngest, the oldest or any of them first.
#[test]
fn an_end_costs_the_same_however_many_subscribe_to_the_filter() {
    const MANY: u32 = 10_000;
    for (order, filter) in ["as they came", "backwards", "any"]
        .into_iter()
        .flat_map(|order| ["a/+", "$share/g/a/+"].map(|filter| (order, filter)))
    {
        let is_group = filter.starts_with('$');
        let mut bench = Bench::new();
        bench.lists = vec![None; MANY as usize];
        let mut there: Vec<u32> = Vec::new();
        let mut random = 1_u32;
        let mut ends = 0_u64;
        let mut leave = |bench: &mut Bench, there: &mut Vec<u32>| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let place = match order {
                "as they came" => 0,
                "backwards" => there.len() - 1,
                _ => random as usize % there.len(),
            };
            let before = bench.filters.steps;
            assert!(bench.unsubscribe(there.remove(place), filter));
            assert!(bench.filters.steps - before <= STEPS_FOR_EACH_END as u64);
            ends += 1;
            // Now and then a message moves a group on.
            if is_group && ends.is_multiple_of(7) && !there.is_empty() {
                assert_eq!(bench.sessions("a/b").len(), 1);
            }
        };
        let check = |bench: &mut Bench, there: &[u32]| {
            let mut expected = there.to_vec();
            expected.sort_unstable();
            let gone = bench.filters.gone;
            assert!(gone <= there.len() / 8 + 2, "{gone} of {} {order} {filter}", there.len());
            assert_eq!(bench.filters.live(), there.len());
            if is_group {
                let mut turns: Vec<_> = there.iter().flat_map(|_| bench.sessions("a/b")).collect();
                turns.sort_unstable();
                assert_eq!(turns, expected, "each member once");
            } else {
                assert_eq!(bench.sessions("a/b"), expected);
            }
        };
        for number in 0..MANY {
            assert_eq!(bench.subscribe(number, filter, PLAIN), Ok(Subscribed::New));
            there.push(number);
            if number % 3 == 0 {
                leave(&mut bench, &mut there);
            }
        }
        check(&mut bench, &there);
        while !there.is_empty() {
            leave(&mut bench, &mut there);
            if there.len() % 500 < 3 {
                check(&mut bench, &there);
            }
        }
        bench.clear();
    }
}

#[test]
fn a_message_of_a_group_costs_the_same_however_many_members_are_stuck() {
    const MANY: u32 = 10_000;
    const MESSAGES: u64 = 2_000;
    for stuck in [Suitability::Never, Suitability::Away] {
        let mut bench = Bench::new();
        bench.lists = vec![None; MANY as usize];
        (0..MANY).for_each(|number| {
            bench.subscribe(number, "$share/g/a", PLAIN).unwrap();
        });
        let mut suits = vec![stuck; MANY as usize];
        suits[7_777] = Suitability::Now;
        let (mut taken, mut nobody) = (0, 0);
        for _ in 0..MESSAGES {
            let seen = bench.search("a", &suits);
            taken += u64::from(seen.visits.iter().any(|&(number, _)| number == 7_777));
            nobody += seen.nobody as u64;
            assert_eq!(seen.visits.len() + seen.nobody, 1);
        }
        let each = u64::from(STEPS_FOR_EACH_TURN) * 2;
        assert!(
            bench.filters.steps <= MESSAGES * each + u64::from(SPARE_TURN_STEPS),
            "{}",
            bench.filters.steps
        );
        // The one that is not stuck has its turn whenever it is come to.
        assert!(taken >= MESSAGES * each / u64::from(MANY) - 1, "{taken}");
        assert_eq!(nobody > 0, stuck == Suitability::Never);
        bench.clear();
    }
}

#[test]
fn a_message_of_a_group_finds_the_only_member_that_is_not_stuck() {
    let mut bench = Bench::new();
    bench.lists = vec![None; 400];
    (0..400).for_each(|number| {
        bench.subscribe(number, "$share/g/a", PLAIN).unwrap();
    });
    // What goes well leaves steps to what does not.
    (0..300).for_each(|_| assert_eq!(bench.search("a", &[]).visits.len(), 1));
    let mut suits = vec![Suitability::Later; 400];
    suits[123] = Suitability::Now;
    (0..10).for_each(|_| assert_eq!(bench.search("a", &suits).visits[0].0, 123));
    bench.clear();
}
