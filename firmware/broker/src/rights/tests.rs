//! Rights, by example and against the definition of a filter.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use obkmq_mqtt::{TopicFilter, TopicName};
use proptest::prelude::*;

use super::*;

const ANN: Option<UserId> = Some(UserId(7));
const BOB: Option<UserId> = Some(UserId(3));
const ADMIN: Option<UserId> = Some(UserId(9));

fn listed(user: Option<UserId>, name: &str, rules: &[(bool, bool, &str)]) -> Rights {
    let mut rights = Rights::new();
    rights.add_user(user, name, Scope::Listed, false).unwrap();
    for (read, write, pattern) in rules {
        rights.add_rule(user, *read, *write, pattern).unwrap();
    }
    rights
}

fn may(rights: &Rights, user: Option<UserId>, client: &str, access: Access, topic: &str) -> bool {
    rights.may(user, client.as_bytes(), access, topic.as_bytes())
}

fn may_subscribe(rights: &Rights, user: Option<UserId>, client: &str, filter: &str) -> bool {
    rights.may_subscribe(user, client.as_bytes(), TopicFilter::new(filter).unwrap())
}

#[test]
fn who_is_not_listed_may_nothing() {
    let rights = listed(ANN, "ann", &[(true, true, "#")]);
    for user in [None, BOB] {
        assert!(!may(&rights, user, "c", Access::Read, "a"));
        assert!(!may(&rights, user, "c", Access::Write, "a"));
        assert!(!may_subscribe(&rights, user, "c", "#"));
        assert!(!rights.is_unrestricted(user) && !rights.is_admin(user));
    }
    assert!(!may(&Rights::new(), None, "c", Access::Read, "a"));
}

#[test]
fn a_listed_user_without_rules_may_nothing() {
    let rights = listed(ANN, "ann", &[]);
    assert!(!may(&rights, ANN, "c", Access::Read, "a") && !may_subscribe(&rights, ANN, "c", "#"));
}

#[test]
fn reading_and_writing_are_apart() {
    let rights = listed(
        ANN,
        "ann",
        &[
            (true, false, "tele/#"),
            (false, true, "cmnd/+/POWER"),
            (true, true, "home/lamp"),
            (false, false, "x"),
        ],
    );
    for (topic, read, write) in [
        ("tele/lamp/STATE", true, false),
        ("tele", true, false),
        ("cmnd/lamp/POWER", false, true),
        ("cmnd/lamp/POWER/x", false, false),
        ("cmnd/POWER", false, false),
        ("home/lamp", true, true),
        ("home/lamp/", false, false),
        ("home", false, false),
        ("x", false, false),
    ] {
        assert_eq!(may(&rights, ANN, "c", Access::Read, topic), read, "{topic}");
        assert_eq!(may(&rights, ANN, "c", Access::Write, topic), write, "{topic}");
        assert_eq!(may_subscribe(&rights, ANN, "c", topic), read, "{topic}");
    }
}

#[test]
fn the_rules_of_each_user_are_their_own() {
    let mut rights = Rights::new();
    for (user, name) in [(ANN, "ann"), (None, ""), (BOB, "bob")] {
        rights.add_user(user, name, Scope::Listed, false).unwrap();
    }
    rights.add_user(ADMIN, "root", Scope::Everything, true).unwrap();
    for (user, pattern) in [(ANN, "a1"), (BOB, "b1"), (None, "n1"), (ANN, "a2"), (None, "n2"), (BOB, "b2")] {
        rights.add_rule(user, true, false, pattern).unwrap();
    }
    for topic in ["a1", "a2", "b1", "b2", "n1", "n2"] {
        for (user, first) in [(ANN, "a"), (BOB, "b"), (None, "n")] {
            assert_eq!(may(&rights, user, "c", Access::Read, topic), topic.starts_with(first), "{topic}");
        }
        assert!(may(&rights, ADMIN, "c", Access::Read, topic));
    }
    assert!(rights.is_admin(ADMIN) && rights.is_unrestricted(ADMIN));
    assert!(!rights.is_admin(ANN) && !rights.is_unrestricted(ANN));
}

#[test]
fn everything_includes_reading_what_the_server_says_but_nobody_writes_it() {
    let mut rights =
        listed(ANN, "ann", &[(true, true, "$SYS/#"), (true, true, "$SYS"), (true, true, "$x/#")]);
    rights.add_user(BOB, "bob", Scope::Everything, false).unwrap();
    for user in [ANN, BOB] {
        for topic in ["$SYS", "$SYS/broker/uptime"] {
            assert!(may(&rights, user, "c", Access::Read, topic));
            assert!(!may(&rights, user, "c", Access::Write, topic));
        }
        assert!(may_subscribe(&rights, user, "c", "$SYS/+/uptime"));
        assert!(may(&rights, user, "c", Access::Write, "$x/y"));
    }
    assert!(may(&rights, BOB, "c", Access::Write, "$SYSTEM"));
}

#[test]
fn wildcards_at_the_start_do_not_reach_the_server_s_topics() {
    let rights = listed(ANN, "ann", &[(true, true, "#"), (true, true, "+/broker/uptime")]);
    assert!(may(&rights, ANN, "c", Access::Read, "a/b"));
    assert!(!may(&rights, ANN, "c", Access::Read, "$SYS/broker/uptime"));
    assert!(!may_subscribe(&rights, ANN, "c", "$SYS/#"));
    assert!(may_subscribe(&rights, ANN, "c", "#"));
}

#[test]
fn user_and_client_stand_for_a_level_or_a_part_of_one() {
    let rights = listed(
        ANN,
        "ann",
        &[
            (true, true, "home/%u/#"),
            (true, true, "cmnd/%c/POWER"),
            (true, true, "x/<%u-%c%%>/y"),
            (true, true, "both/%c%u"),
        ],
    );
    let mine = |topic: &str| may(&rights, ANN, "lamp", Access::Write, topic);
    for topic in ["home/ann", "home/ann/a/b", "cmnd/lamp/POWER", "x/<ann-lamp%%>/y", "both/lampann"] {
        assert!(mine(topic), "{topic}");
        assert!(may_subscribe(&rights, ANN, "lamp", topic), "{topic}");
    }
    for topic in [
        "home/bob",
        "home/anna",
        "home/an",
        "home/%u",
        "home",
        "cmnd/lamp2/POWER",
        "cmnd//POWER",
        "cmnd/%c/POWER",
        "x/<ann-lamp%>/y",
        "both/lampan",
        "both/lampanna",
        "both/annlamp",
    ] {
        assert!(!mine(topic), "{topic}");
        assert!(!may_subscribe(&rights, ANN, "lamp", topic), "{topic}");
    }
    assert!(may_subscribe(&rights, ANN, "lamp", "cmnd/+/POWER"));
    assert!(!may_subscribe(&rights, ANN, "lamp", "cmnd/+/STATE"));
}

#[test]
fn a_name_with_wildcards_or_levels_fits_no_pattern_that_uses_it() {
    for name in ["+", "#", "a/b", "a+", "#a", "/", ""] {
        let rules = [(true, true, "by/%u/#"), (true, true, "of/%c/#"), (true, true, "free/#")];
        let rights = listed(ANN, name, &rules);
        for topic in ["by", "by/", "by//x", "by/a/b", "by/+/x", "by/#", "by/a/b/c"] {
            assert!(!may(&rights, ANN, "good", Access::Read, topic), "{name} {topic}");
        }
        assert!(!may_subscribe(&rights, ANN, "good", "by/#"), "{name}");
        assert!(may(&rights, ANN, "good", Access::Read, "of/good/x"), "{name}: the other is not concerned");
        let rights = listed(ANN, "ann", &rules);
        for topic in ["of", "of/", "of//x", "of/a/b", "of/+/x", "of/#", "of/a/b/c"] {
            assert!(!may(&rights, ANN, name, Access::Write, topic), "{name} {topic}");
        }
        assert!(!may_subscribe(&rights, ANN, name, "of/+/x"), "{name}");
        assert!(may(&rights, ANN, name, Access::Write, "by/ann/x"), "{name}");
        assert!(may(&rights, ANN, name, Access::Write, "free/x"), "{name}");
    }
}

#[test]
fn a_client_named_like_the_server_s_topics_does_not_reach_them() {
    for pattern in ["%c/#", "%u/#", "%cYS/#", "%uYS/#"] {
        for name in ["$SYS", "$S"] {
            let rights = listed(ANN, name, &[(true, true, pattern)]);
            assert!(!may(&rights, ANN, name, Access::Read, "$SYS/broker/uptime"), "{pattern} {name}");
            assert!(!may_subscribe(&rights, ANN, name, "$SYS/#"), "{pattern} {name}");
            assert!(!may_subscribe(&rights, ANN, name, "#"), "{pattern} {name}: there is no such topic");
        }
    }
}

#[test]
fn what_cannot_be_added_changes_nothing() {
    let mut rights = listed(ANN, "ann", &[(true, true, "a")]);
    assert_eq!(rights.add_user(ANN, "ann", Scope::Everything, true), Err(RightsError::KnownUser));
    assert_eq!(rights.add_rule(BOB, true, true, "b"), Err(RightsError::UnknownUser));
    for pattern in ["", "a/#/b", "a#", "%u+", "%c#"] {
        assert!(
            matches!(rights.add_rule(ANN, true, true, pattern), Err(RightsError::Pattern(_))),
            "{pattern}"
        );
    }
    let long = "x".repeat(65_536);
    assert_eq!(rights.add_user(BOB, &long, Scope::Everything, true), Err(RightsError::LongName));
    assert!(!rights.is_unrestricted(ANN) && !rights.is_admin(ANN) && !rights.is_unrestricted(BOB));
    assert_eq!(rights.rules.len(), 1);
    for _ in 1..MAX_RIGHTS_RULES {
        rights.add_rule(ANN, true, true, "a").unwrap();
    }
    assert_eq!(rights.add_rule(ANN, true, true, "a"), Err(RightsError::TooMany));
    for number in 1..MAX_RIGHTS_USERS {
        let id = UserId(u16::try_from(100 + number).unwrap());
        rights.add_user(Some(id), "x", Scope::Listed, false).unwrap();
    }
    assert_eq!(rights.add_user(BOB, "bob", Scope::Everything, true), Err(RightsError::TooMany));
    assert!(rights.heap_bytes() > MAX_RIGHTS_RULES);
}

/// Every text of one to `depth` of these levels.
fn texts(alphabet: &[&str], depth: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut longest: Vec<String> = alphabet.iter().map(ToString::to_string).collect();
    for _ in 0..depth {
        all.extend(longest.iter().cloned());
        longest = longest
            .iter()
            .flat_map(|text| alphabet.iter().map(move |level| format!("{text}/{level}")))
            .collect();
    }
    all
}

/// What a pattern means, by the words of its definition.
fn defined(pattern: &str, user: &str, client: &str, topic: &str) -> bool {
    if topic.starts_with('$') && !pattern.starts_with('$') {
        return false;
    }
    let expanded = pattern.replace("%u", user).replace("%c", client);
    let Ok(filter) = TopicFilter::new(&expanded) else { return false };
    obkmq_mqtt::matches(filter, TopicName::new(topic).unwrap())
}

/// By enumeration: a pattern matches as it is defined, and a subscription is possible if and only if one of its topics
/// may be read. The alphabet of the topics has a level that nothing names, so that wildcards can meet there.
#[test]
fn a_subscription_is_possible_exactly_where_one_of_its_topics_may_be_read() {
    let patterns: Vec<_> = texts(&["a", "+", "", "#", "$x", "%u", "%c", "a%u"], 2)
        .into_iter()
        .filter(|text| TopicFilter::new(text).is_ok())
        .collect();
    let filters: Vec<_> = texts(&["a", "b", "+", "", "#", "$x"], 2)
        .into_iter()
        .filter(|text| TopicFilter::new(text).is_ok())
        .collect();
    let topics: Vec<_> = texts(&["a", "b", "ab", "a$x", "", "$x", "other"], 3)
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    for (user, client) in [("b", "$x"), ("$x", "ab")] {
        for pattern in &patterns {
            let rights = listed(ANN, user, &[(true, false, pattern)]);
            let mut readable = Vec::new();
            for topic in &topics {
                let allowed = may(&rights, ANN, client, Access::Read, topic);
                assert_eq!(
                    allowed,
                    defined(pattern, user, client, topic),
                    "{pattern} {user} {client} {topic}"
                );
                if allowed {
                    readable.push(TopicName::new(topic).unwrap());
                }
            }
            for filter in &filters {
                let parsed = TopicFilter::new(filter).unwrap();
                let expected = readable.iter().any(|topic| obkmq_mqtt::matches(parsed, *topic));
                // These two meet in the empty topic only, which no message has: such a subscription harms nobody.
                let in_the_empty_topic = [["+", "/#"], ["/#", "+"]].contains(&[pattern, filter]);
                assert_eq!(
                    may_subscribe(&rights, ANN, client, filter),
                    expected || in_the_empty_topic,
                    "{pattern} {user} {client} {filter}"
                );
            }
        }
    }
}

proptest! {
    /// With longer texts than enumeration reaches: what may be read can be subscribed to.
    #[test]
    fn what_may_be_read_can_be_subscribed_to(
        pattern in "(%u|%c|[ab+$/]){1,12}(/#)?", filter in "[ab+$/]{1,12}(/#)?", topic in "[ab$/]{1,12}",
        user in "[ab$]{0,3}", client in "[ab$+/]{0,3}",
    ) {
        let mut rights = Rights::new();
        rights.add_user(ANN, &user, Scope::Listed, false).unwrap();
        let (Ok(()), Ok(filter)) = (rights.add_rule(ANN, true, false, &pattern), TopicFilter::new(&filter))
        else { return Ok(()) };
        let readable = may(&rights, ANN, &client, Access::Read, &topic);
        if readable && obkmq_mqtt::matches(filter, TopicName::new(&topic).unwrap()) {
            prop_assert!(rights.may_subscribe(ANN, client.as_bytes(), filter));
        }
        let one_level = |name: &str| !name.is_empty() && !name.contains(['+', '#', '/']);
        if (one_level(&user) || !pattern.contains("%u")) && (one_level(&client) || !pattern.contains("%c")) {
            prop_assert_eq!(readable, defined(&pattern, &user, &client, &topic));
        } else {
            prop_assert!(!readable);
        }
    }
}
