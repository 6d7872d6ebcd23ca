//! STATEMENTS.md names tests that exist, and only statements that it is about once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, clippy::disallowed_macros)]

use std::collections::HashSet;
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
