//! Flash that was damaged, in several places too: what was there is right or noticed, and what is stored later stays.

use proptest::prelude::*;

use core::ops::Range;
use std::sync::OnceLock;

use super::files::{contents, get, put};
use super::*;
use crate::storage::{Loaded, SettingsStore};
use obkmq_config::settings::Settings;

const PAGE: usize = 4096;

fn settings(generation: u32) -> Settings {
    let mut settings = Settings::default();
    let filter = format!("{}/#", "f".repeat(200 + generation as usize % 90));
    settings.set("retain.persist", &filter).unwrap();
    settings.raise_generation(generation);
    settings
}

#[test]
fn a_page_that_lost_a_mark_loses_no_settings() {
    for pages in [2, 3, 5_usize] {
        let store = SettingsStore::new(0..u32::try_from(pages * PAGE).unwrap());
        let mut flash = Ram::blank();
        let (mut whole, mut noticed) = (0, 0);
        for generation in 1..100 {
            store.save(&mut flash, &settings(generation)).unwrap();
            let marks = (0..pages).flat_map(|page| [page * PAGE, (page + 1) * PAGE - 1]);
            for (at, value) in marks.flat_map(|at| [0x00, 0x0F, 0x3F, 0xFF].map(|value| (at, value))) {
                let mut flash = flash.clone();
                flash.cells[at] = value;
                let what = format!("{pages} pages, generation {generation}, {value:#x} at {at:#x}");
                match store.load(&mut flash).unwrap() {
                    Loaded::Current(found) => assert_eq!(found, settings(generation), "{what}"),
                    Loaded::Damaged { .. } => {
                        noticed += 1;
                        let again = store.load(&mut flash).unwrap();
                        assert!(matches!(again, Loaded::Damaged { .. }), "forgotten: {what}");
                    }
                    Loaded::Blank => panic!("a first boot: {what}"),
                }
                whole += 1;
                store.save(&mut flash, &settings(generation + 1_000)).unwrap();
                let Loaded::Current(found) = store.load(&mut flash).unwrap() else { panic!("lost: {what}") };
                assert_eq!(found, settings(generation + 1_000), "{what}");
            }
        }
        println!("{pages} pages: {whole} damaged marks, {noticed} noticed, the others mended");
    }
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    /// A header or a mark, or a part of an item.
    Bytes { at: usize, value: u8 },
    /// A page that holds another one's items, under its own marks.
    Stale { page: usize, of: usize },
}

fn damage(pages: usize) -> impl Strategy<Value = Vec<Damage>> {
    let mark = (0..pages, 0..2_usize).prop_map(|(page, end)| page * PAGE + end * (PAGE - 1));
    let at = prop_oneof![mark, 0..pages * PAGE, (0..pages * 4).prop_map(|at| at * PAGE / 4)];
    let value = prop_oneof![Just(0), Just(0xFF), any::<u8>()];
    let bytes = (at, value).prop_map(|(at, value)| Damage::Bytes { at, value });
    let stale = (0..pages, 0..pages).prop_map(|(page, of)| Damage::Stale { page, of });
    prop::collection::vec(prop_oneof![3 => bytes, 1 => stale], 1..6)
}

fn damaged(flash: &Ram, region: Range<u32>, damage: &[Damage]) -> Ram {
    let mut flash = flash.clone();
    let cells = &mut flash.cells[region.start as usize..region.end as usize];
    for damage in damage {
        match *damage {
            Damage::Bytes { at, value } => cells[at..].iter_mut().take(8).for_each(|cell| *cell = value),
            Damage::Stale { page, of } => {
                cells.copy_within(of * PAGE + 4..(of + 1) * PAGE - 4, page * PAGE + 4);
            }
        }
    }
    flash
}

/// Settings after many commits, files that came and went, and retained messages.
fn well_used() -> Ram {
    let mut world = World::boot(Ram::blank());
    world.typed("set retain.persist kept/#");
    world.typed("set mqtt.anonymous always");
    for round in 0..12_u8 {
        put(&mut world, "a", &contents(round, 900)).unwrap();
        put(&mut world, "b", &contents(round, 2_300)).unwrap();
        world.typed(&format!("set mqtt.port {}", 2_000 + u16::from(round)));
    }
    world.power_off()
}

static USED: OnceLock<Ram> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_file_that_is_put_into_a_damaged_region_stays(damage in damage(8)) {
        let flash = USED.get_or_init(well_used);
        let mut world = World::boot(damaged(flash, FILES_AT..FLASH_BYTES, &damage));
        world.settle();
        let mut puts = 0;
        for round in 20..26_u8 {
            if put(&mut world, "new", &contents(round, 1_900)).is_ok() {
                puts += 1;
                for _ in 0..2 {
                    prop_assert_eq!(get(&mut world, "new"), Ok(contents(round, 1_900)));
                    world = world.restart();
                    world.settle();
                }
            }
        }
        prop_assert!(puts > 4, "{} of 6", puts);
    }

    #[test]
    fn a_commit_into_a_damaged_region_stays(damage in damage(5)) {
        let flash = USED.get_or_init(well_used);
        let mut world = World::boot(damaged(flash, 0..SETTINGS_BYTES, &damage));
        for port in 3_000..3_020_u16 {
            let generation = world.node.settings().generation();
            world.typed(&format!("begin {generation}"));
            world.typed(&format!("set mqtt.port {port}"));
            let answer = world.typed("commit");
            prop_assert!(answer.contains(&format!("ok gen={}", generation + 1)), "{}", answer);
            world = world.restart();
            prop_assert!(!world.node.locked);
            prop_assert_eq!(world.node.settings().mqtt_port(), port);
        }
    }
}

#[test]
fn a_lost_page_of_retained_messages_is_told() {
    let mut world = World::boot(Ram::blank());
    world.typed("set retain.persist kept/#");
    world.typed("set mqtt.anonymous always");
    let link = world.open();
    world.receive(link, &connect_packet("x", None));
    for number in 0..110 {
        world.receive(link, &publish_retained(&format!("kept/{number}"), &"x".repeat(90)));
        world.wait_ms(250);
    }
    let mut flash = world.power_off();
    let page = SETTINGS_BYTES as usize + PAGE;
    flash.cells[page..page + PAGE].fill(0xFF);
    let mut world = World::boot(flash);
    let log = world.console_text();
    assert!(log.contains("error: the flash of retained messages was damaged; some may be missing"), "{log}");
    let mut world = world.restart();
    assert!(!world.console_text().contains("error"), "told once");
}
