//! STATEMENTS.md names tests that exist, lists every statement of the specifications once, and counts them rightly.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::disallowed_macros)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

#[test]
fn every_test_in_the_table_exists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(folder.join("STATEMENTS.md")).unwrap();
    let mut named = 0;
    for name in table.split('`').filter(|text| text.contains("::")) {
        let (module, function) = name.split_once("::").unwrap();
        if module == "file" || module.ends_with("/file") {
            // The legend.
            continue;
        }
        let path = match module.split_once('/') {
            None => format!("tests/behaviour/{module}.rs"),
            Some(("mqtt", rest)) if rest.starts_with("tests/") => format!("../mqtt/{rest}.rs"),
            Some(("mqtt", rest)) => format!("../mqtt/src/{rest}.rs"),
            Some(_) => format!("{module}.rs"),
        };
        let source = fs::read_to_string(folder.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(source.contains(&format!("fn {function}(")), "{name} is not in {path}");
        named += 1;
    }
    assert!(named > 300, "{named}");
}

#[test]
fn no_statement_stands_twice() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(folder.join("STATEMENTS.md")).unwrap();
    for version in table.split("\n## ").skip(1) {
        let mut seen = HashSet::new();
        let statements = version.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
        for statement in statements.filter(|text| text.contains('-') && text.contains('.')) {
            assert!(seen.insert(statement), "{statement}");
        }
        assert!(seen.len() > 100, "{}", seen.len());
    }
}

/// A statement: its section and its number there.
fn statement(text: &str) -> Option<(&str, u32)> {
    let (section, number) = text.trim().rsplit_once('-')?;
    let is_section = section.contains('.') && section.chars().all(|c| c.is_ascii_digit() || c == '.');
    is_section.then_some((section, number.parse().ok()?))
}

/// The rows of a table, and what it says is not listed.
struct Version<'a> {
    rows: Vec<(&'a str, &'a str)>,
    elsewhere: Vec<&'a str>,
}

fn versions(page: &str) -> [Version<'_>; 2] {
    let (head, tables) = page.split_once("\n## MQTT 3.1.1\n").unwrap();
    let (first, second) = tables.split_once("\n## MQTT 5.0\n").unwrap();
    let not_listed = head.split_once("in 3.1.1 ").unwrap().1.split_once(". MQTT 3.1 has").unwrap().0;
    let (of_first, of_second) = not_listed.split_once("in 5.0 ").unwrap();
    [(first, of_first), (second, of_second)].map(|(table, elsewhere)| Version {
        rows: table
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
                let name = cells.next().filter(|name| statement(name).is_some())?;
                Some((name, cells.last()?))
            })
            .collect(),
        elsewhere: elsewhere.split([',', ';', '\n', ' ']).filter(|text| statement(text).is_some()).collect(),
    })
}

/// The appendices list 141 and 251 statements, numbered from 1 in each section; there is no 2.2.1-1 in that of 5.0.
#[test]
fn every_statement_of_the_specifications_is_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("STATEMENTS.md")).unwrap();
    for (version, (count, gaps)) in versions(&page).iter().zip([(141, vec![]), (251, vec![("2.2.1", 1)])]) {
        let names = version.rows.iter().map(|(name, _)| *name).chain(version.elsewhere.iter().copied());
        let mut sections = HashMap::<_, HashSet<u32>>::new();
        let mut found = 0;
        for (section, number) in names.filter_map(statement) {
            assert!(sections.entry(section).or_default().insert(number), "{section}-{number} stands twice");
            found += 1;
        }
        assert_eq!(found, count);
        for (section, numbers) in sections {
            let missing: Vec<_> = (1..=*numbers.iter().max().unwrap())
                .filter(|number| !numbers.contains(number) && !gaps.contains(&(section, *number)))
                .collect();
            assert!(missing.is_empty(), "{section}: {missing:?}");
        }
    }
}

#[test]
fn the_summary_counts_what_the_tables_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("STATEMENTS.md")).unwrap();
    for (version, name) in versions(&page).iter().zip(["3.1.1", "5.0"]) {
        let kind = |tests: &str| match tests {
            "not applicable" => 3,
            "—" => 2,
            tests => usize::from(tests.split("<br>").all(|test| test.starts_with("3.1.1: "))),
        };
        let mut kinds = [0; 4];
        for (_, tests) in &version.rows {
            kinds[kind(tests)] += 1;
        }
        let [own, others, without, not_applicable] = kinds;
        let others = if others == 0 { String::new() } else { format!("{others} ") };
        let (listed, all) = (version.rows.len(), version.rows.len() + version.elsewhere.len());
        let row = format!("| {name} | {all} | {listed} | {own} | {others}| {without} | {not_applicable} |");
        assert!(page.contains(&row), "{row}");
    }
}
