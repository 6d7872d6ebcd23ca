//! Lists of MQTT topic filters, checked as MQTT 3.1.1 section 4.7 says.

use alloc::string::String;

use crate::limits::{FILTERS_LIMIT, FILTERS_LIMIT_BYTES};

/// Brings a list into its one form: blanks around commas go, a filter given twice stands once. The error says what
/// is wrong.
pub(super) fn canonical(text: &str) -> Result<String, &'static str> {
    let mut list = String::new();
    let mut count = 0_usize;
    if text.trim_matches(' ').is_empty() {
        return Ok(list);
    }
    for filter in text.split(',').map(|filter| filter.trim_matches(' ')) {
        check_filter(filter)?;
        if list.split(',').any(|earlier| earlier == filter) {
            continue;
        }
        count = count.saturating_add(1);
        if count > 1 {
            list.push(',');
        }
        list.push_str(filter);
        if count > FILTERS_LIMIT {
            return Err("too many filters");
        }
        // Counted as the line protocol will write it, which puts a backslash before these two.
        let escapes = list.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        if list.len().saturating_add(escapes) > FILTERS_LIMIT_BYTES {
            return Err("the list is too long");
        }
    }
    Ok(list)
}

/// The filters of a list in its canonical form.
pub(super) fn iterate(list: &str) -> impl Iterator<Item = &str> + Clone {
    list.split(',').filter(|filter| !filter.is_empty())
}

pub(super) fn check_filter(filter: &str) -> Result<(), &'static str> {
    if filter.is_empty() {
        return Err("a filter is empty");
    }
    if filter.chars().any(char::is_control) {
        return Err("a filter holds a control character");
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level == "#" && levels.peek().is_some() {
            return Err("# is not the last level of its filter");
        }
        if level.contains(['#', '+']) && level.len() > 1 {
            return Err("# and + must be a whole level");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn good_lists_take_their_one_form() {
        for (given, expected) in [
            ("", ""),
            ("  ", ""),
            ("#", "#"),
            ("a/#, b/+/c ,a/#", "a/#,b/+/c"),
            ("/", "/"),
            ("+/+", "+/+"),
            ("$SYS/#", "$SYS/#"),
            ("küche/licht an", "küche/licht an"),
        ] {
            assert_eq!(canonical(given), Ok(expected.to_string()));
        }
    }

    #[test]
    fn bad_lists_say_what_is_wrong() {
        for (given, reason) in [
            ("a,,b", "a filter is empty"),
            (",", "a filter is empty"),
            ("a/#/b", "# is not the last level of its filter"),
            ("a#", "# and + must be a whole level"),
            ("a/b+", "# and + must be a whole level"),
            ("##", "# and + must be a whole level"),
            ("a\n", "a filter holds a control character"),
            ("a\0", "a filter holds a control character"),
        ] {
            assert_eq!(canonical(given), Err(reason), "{given:?}");
        }
    }

    #[test]
    fn limits_are_exact() {
        let filters: Vec<_> = (0..FILTERS_LIMIT).map(|index| format!("t/{index}")).collect();
        assert!(canonical(&filters.join(",")).is_ok());
        assert_eq!(canonical(&(filters.join(",") + ",x")), Err("too many filters"));
        assert!(canonical(&"x".repeat(FILTERS_LIMIT_BYTES)).is_ok());
        assert_eq!(canonical(&"x".repeat(FILTERS_LIMIT_BYTES + 1)), Err("the list is too long"));
        assert!(canonical(&"\\".repeat(FILTERS_LIMIT_BYTES / 2)).is_ok());
        assert_eq!(canonical(&"\\".repeat(FILTERS_LIMIT_BYTES / 2 + 1)), Err("the list is too long"));
    }

    proptest! {
        #[test]
        fn canonical_is_a_fixed_point(text in "[a-c/#+, ]{0,30}") {
            if let Ok(list) = canonical(&text) {
                prop_assert_eq!(canonical(&list), Ok(list.clone()));
                prop_assert_eq!(iterate(&list).collect::<Vec<_>>().join(","), list);
            }
        }
    }
}
