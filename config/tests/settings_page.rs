//! Compares `SETTINGS.md` with the table of keys.

use obkmq_config::limits::ENCODED_LIMIT;
use obkmq_config::settings::{Capability, KEYS, SCHEMA, Settings, markdown_table};

const PAGE: &str = include_str!("../SETTINGS.md");

#[test]
fn the_table_is_that_of_the_code() {
    let table = markdown_table();
    assert!(PAGE.contains(&table), "SETTINGS.md must contain this table:\n{table}");
}

#[test]
fn every_capability_that_a_key_needs_is_explained() {
    for capability in Capability::ALL {
        let needed = KEYS.iter().any(|key| key.needs == Some(capability));
        let row = format!("| `{}` | ", capability.name());
        assert_eq!(PAGE.contains(&row), needed, "{row}");
    }
}

#[test]
fn figures_are_those_of_the_code() {
    assert_eq!((SCHEMA, Settings::default().schema()), (1, 1));
    assert!(PAGE.contains("The schema is 1."));
    assert!(PAGE.contains(&format!("at most {ENCODED_LIMIT} bytes")));
}
