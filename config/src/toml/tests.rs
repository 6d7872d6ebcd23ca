//! Settings files: what is read, what is refused and where, and that what is written is read back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::password::PasswordHash;
use crate::settings::KEYS;

const HASH: &str = "$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$//////////////////////////////////////////8";

fn only(settings: Settings) -> SettingsFile {
    SettingsFile { settings, passwords: Vec::new(), secrets: Vec::new() }
}

/// The mistakes of a file, one a line.
fn mistakes(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_is_read() {
    let text = format!(
        "mqtt.port = 0x75C\nretain.persist = [\"a/#\", \"b\"]\n[log]\nlevel = \"debug\"\n\
         [users.ann]\nhash = \"{HASH}\"\n[users.\"bob b\"]\npassword = \"env:BOB\"\n\
         [users.cy]\npassword = \"file:secrets/cy\"\n"
    );
    let file = parse(&text).unwrap();
    assert_eq!(file.settings.mqtt_port(), 1884);
    assert_eq!(file.settings.retain_persist().collect::<Vec<_>>(), ["a/#", "b"]);
    assert_eq!(file.settings.log_level().name(), "debug");
    assert_eq!(file.settings.user("ann").unwrap().password(), &PasswordHash::parse(HASH).unwrap());
    let reference = |user: &str, source, line| PasswordReference {
        user: user.to_string(),
        source,
        position: Position { line, column: 12 },
    };
    assert_eq!(
        file.passwords,
        [
            reference("bob b", PasswordSource::Environment("BOB".to_string()), 8),
            reference("cy", PasswordSource::File("secrets/cy".to_string()), 10),
        ]
    );
}

#[test]
fn rights_stand_beside_the_user_whose_password_may_be_elsewhere() {
    let text = format!(
        "mqtt.anonymous_rights = []\n[users.ann]\nrights = [\"read tele/#\", \"admin\"]\nhash = \"{HASH}\"\n\
         [users.bob]\npassword = \"env:BOB\"\nrights = \"write  a\"\n[users.cy]\nhash = \"{HASH}\"\n\
         [users.dan]\nhash = \"{HASH}\"\nrights = []\n"
    );
    let mut settings = parse(&text).unwrap().settings;
    settings.set_user("bob", PasswordHash::parse(HASH).unwrap()).unwrap();
    for (user, rights) in
        [("ann", "read tele/#,admin"), ("bob", "write a"), ("cy", "everything"), ("dan", "")]
    {
        assert_eq!(settings.user_rights(user).as_str(), rights, "{user}");
    }
    assert_eq!(settings.anonymous_rights().as_str(), "");
    assert_eq!(parse(&write(&settings)).unwrap().settings, settings);
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(parse("").unwrap(), only(Settings::default()));
    assert_eq!(parse("[mqtt]\n[users]\n").unwrap().settings, Settings::default());
}

#[test]
fn a_list_of_filters_may_also_be_one_string() {
    let file = parse("retain.persist = \"a, b/#\"").unwrap();
    assert_eq!(file.settings.retain_persist().collect::<Vec<_>>(), ["a", "b/#"]);
}

#[test]
fn mistakes_say_where_what_and_what_is_allowed() {
    for (text, expected) in [
        (
            "[mqtt]\nport = 99999",
            "line 2, column 8: mqtt.port cannot be \"99999\"; allowed: 1..=65535 (TCP port the broker listens on)",
        ),
        (
            "mqtt.port = -1",
            "line 1, column 13: mqtt.port cannot be \"-1\"; allowed: 1..=65535 (TCP port the broker listens on)",
        ),
        (
            "mqtt.port = \"1883\"",
            "line 1, column 13: mqtt.port takes a number, not a string; allowed: 1..=65535 \
             (TCP port the broker listens on)",
        ),
        (
            "mqtt.anonymous = false",
            "line 1, column 18: mqtt.anonymous takes a string, not true or false; \
             allowed: never | loopback | always | auto \
             (Who may connect without a user name; auto: a PC itself, while it has no user)",
        ),
        (
            "panel.enabled = \"yes\"",
            "line 1, column 17: panel.enabled takes true or false, not a string; allowed: true | false (Whether there is a panel \
             for browsers)",
        ),
        (
            "[time]\nzone = \"Europe/Berlin\"",
            "line 2, column 8: time.zone cannot be \"Europe/Berlin\": the name is not followed by an offset such as -1 or \
             5:30; allowed: a POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3 (Time zone and its summer time, as POSIX \
             writes them)",
        ),
        (
            "[network]\naddress = \"10.0.0.5/8\"\ngateway = \"11.0.0.1\"\ndns = \"11.0.0.1\"",
            "line 3, column 11: network.address is on another network than the router; set network.gateway to the router of \
             that network, or unset network.address (DHCP)",
        ),
        (
            "[wifi]\npasword = \"env:X\"",
            "line 2, column 1: there is no setting \"wifi.pasword\"; did you mean wifi.password?",
        ),
        (
            "wifi.password = 12345678",
            "line 1, column 17: wifi.password takes \"env:NAME\" or \"file:PATH\", not a number; allowed: 8 to 63 bytes, or \
             64 hexadecimal digits (Password of the network to join; not set for an open one)",
        ),
        (
            "mqtt.port = 80",
            "line 1, column 13: mqtt.port and panel.port are both 80; give one of them another port, or set panel.enabled \
             to false",
        ),
        (
            "[mqtt]\n\n  prot = 1",
            "line 3, column 3: there is no setting \"mqtt.prot\"; did you mean mqtt.port?",
        ),
        (
            "[user.bob]\nhash = 1",
            "line 1, column 7: there is no setting \"user.bob\"; a list shows all there are",
        ),
        ("port = 1", "line 1, column 1: there is no setting \"port\"; a list shows all there are"),
        ("users = 1", "line 1, column 9: users is a table, [users.NAME], not a number"),
        ("users.bob = \"x\"", "line 1, column 13: users.bob is a table, [users.bob], not a string"),
        (
            "[users.bob]",
            "line 1, column 8: users.bob has neither hash nor password = \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[users.bob]\npasword = \"env:X\"",
            "line 1, column 8: users.bob has neither hash nor password = \"env:NAME\" or \"file:PATH\"\nline 2, column 1: users.bob has no \"pasword\"; did you mean password?",
        ),
        (
            "[users.bob]\nrights = [\"read a\"]",
            "line 1, column 8: users.bob has neither hash nor password = \"env:NAME\" or \"file:PATH\"",
        ),
        (
            "[users.bob]\npassword = \"env:X\"\nrights = [\"read a\", \"tele/#\"]",
            "line 3, column 10: users.bob: rights cannot be \"read a,tele/#\": a right begins with read, write, readwrite, \
             everything or admin; allowed: everything, read PATTERN, write PATTERN, readwrite PATTERN, admin, separated by \
             commas, at most 16 and 320 bytes",
        ),
        (
            "[users.bob]\npassword = \"env:X\"\nrights = true",
            "line 3, column 10: users.bob.rights takes a list of strings without commas",
        ),
        (
            "mqtt.anonymous_rights = [\"admin\"]",
            "line 1, column 25: mqtt.anonymous_rights cannot be \"admin\": clients without a user name cannot be admin; \
             allowed: everything, read PATTERN, write PATTERN, readwrite PATTERN separated by commas, at most 16 and 320 \
             bytes (What clients without a user name may do)",
        ),
        (
            "retain.persist = [\"a/#/b\"]",
            "line 1, column 18: retain.persist cannot be \"a/#/b\": # is not the last level of its filter; \
             allowed: topic filters separated by commas, at most 16 and 384 bytes \
             (Retained messages that survive a power cut)",
        ),
        (
            "retain.persist = [1]",
            "line 1, column 18: retain.persist takes strings without commas in its list",
        ),
        (
            "mqtt.max_packet_bytes = 100_000\n",
            "line 1, column 25: mqtt.max_queued_bytes = 65536 is below mqtt.max_packet_bytes = 100000, so such a packet \
             could never be delivered; set mqtt.max_queued_bytes to at least 100000",
        ),
    ] {
        assert_eq!(mistakes(text), expected, "{text}");
    }
}

#[test]
fn columns_count_characters() {
    assert!(mistakes("log.level = \"é\" # ü\n[users.\"é\"]\nhash = 3").starts_with("line 1, column 13: "));
    assert!(mistakes("users.\"é\".hash = 3").starts_with("line 1, column 18: users.é.hash takes a string"));
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let text = "[retain]\npersist = 1\n[mqtt]\nport = 0\nanonymous = \"x\"\n";
    let lines: Vec<_> =
        parse(text).unwrap_err().mistakes.iter().map(|mistake| mistake.position.line).collect();
    assert_eq!(lines, [2, 4, 5]);
}

#[test]
fn text_that_is_no_toml_says_where() {
    assert!(mistakes("[mqtt]\nport = ").starts_with("line 2, column 8: "), "{}", mistakes("[mqtt]\nport = "));
    assert!(mistakes("mqtt.port = 1\nmqtt.port = 2").starts_with("line 2, column 6: "));
}

#[test]
fn a_password_in_clear_is_refused_and_never_repeated() {
    for text in [
        "[users.bob]\npassword = \"hunter2\"",
        "[users.bob]\nhash = \"hunter2\"",
        "[users.bob]\npassword = \"hunter2",
        "[users.bob]\npassword = hunter2",
        "users.bob = \"hunter2\"",
        "[users.bob]\npassword = \"env:\" \"hunter2\"",
    ] {
        let shown = format!("{:?} {}", parse(text).unwrap_err(), mistakes(text));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert!(mistakes("[users.bob]\npassword = \"hunter2\"").contains("write password = \"env:NAME\""));
}

#[test]
fn the_sample_is_the_table_and_can_be_read() {
    let sample = include_str!("../../examples/house.toml");
    let generated = write(&Settings::default());
    assert!(
        sample.contains(&generated),
        "examples/house.toml must contain what the table says, which is:\n{generated}"
    );
    // Every key of the sample, once its comment sign is taken away, is a good file too.
    let uncommented: String = generated
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    for key in KEYS {
        let name = key.name.split('.').nth(1).unwrap();
        assert!(uncommented.lines().any(|line| line.starts_with(&format!("{name} = "))), "{}", key.name);
    }
    let all = parse(&uncommented).unwrap();
    assert_eq!(all.settings, Settings::default());
    assert_eq!(all.secrets.len(), KEYS.iter().filter(|key| key.is_secret()).count());
    let file = parse(sample).unwrap();
    assert_eq!(file.settings.entries().filter(|entry| !entry.is_default).count(), 0);
    assert_eq!(file.passwords.len(), 1, "the sample shows a user");
}

/// Another value than the default for every key that is no secret.
pub(crate) const OTHER_VALUES: &[(&str, &str)] = &[
    ("wifi.ssid", "the \"house\" \\ é"),
    ("wifi.country", "DE"),
    ("wifi.fallback_s", "0"),
    ("wifi.ap", "off"),
    ("wifi.ap_ssid", "setup"),
    ("network.hostname", "attic"),
    ("network.address", "192.168.1.5/24"),
    ("network.gateway", "192.168.1.1"),
    ("network.dns", "9.9.9.9"),
    ("mqtt.port", "1"),
    ("mqtt.anonymous", "always"),
    ("mqtt.anonymous_rights", "read a,write b"),
    ("mqtt.max_clients", "7"),
    ("mqtt.max_packet_bytes", "300"),
    ("mqtt.max_queued_bytes", "5000"),
    ("mqtt.max_queued_messages", "9"),
    ("mqtt.max_inflight", "1"),
    ("mqtt.max_keep_alive_s", "60"),
    ("mqtt.connect_timeout_s", "11"),
    ("mqtt.sys_interval_s", "0"),
    ("mqtt.memory_bytes", "65536"),
    ("session.max_expiry_s", "86400"),
    ("session.max_stored", "0"),
    ("retain.persist", "a\\b/#,\"q\"/+"),
    ("retain.max_messages", "12"),
    ("automation.enabled", "false"),
    ("automation.heap_bytes", "8192"),
    ("automation.max_steps", "5000"),
    ("automation.user", "bob"),
    ("discovery.enabled", "false"),
    ("discovery.memory_bytes", "8192"),
    ("panel.enabled", "false"),
    ("panel.port", "8080"),
    ("panel.login_required", "false"),
    ("time.sntp_server", "192.168.1.1"),
    ("time.zone", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("location.position", "52.52,13.405"),
    ("log.level", "error"),
    ("console.timestamps", "true"),
];

fn set_all(settings: &mut Settings) {
    for (key, value) in OTHER_VALUES {
        settings.set(key, value).unwrap();
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut settings = Settings::default();
    assert_eq!(parse(&write(&settings)).unwrap().settings, settings);
    set_all(&mut settings);
    settings.set_user("bob \"b\" \\ é.[x]", PasswordHash::parse(HASH).unwrap()).unwrap();
    settings.set_user_rights("bob \"b\" \\ é.[x]", "readwrite \"q\\/%u,admin").unwrap();
    assert!(settings.entries().all(|entry| !entry.is_default || entry.key.is_secret()));
    assert_eq!(parse(&write(&settings)).unwrap(), only(settings));
}

#[test]
fn a_secret_is_a_reference_and_never_written() {
    let file = parse("[wifi]\npassword = \"env:WIFI\"\nap_password = \"file:secrets/ap\"\n").unwrap();
    let secret = |key: &str, source, line, column| SecretReference {
        key: Key::find(key).unwrap(),
        source,
        position: Position { line, column },
    };
    assert_eq!(
        file.secrets,
        [
            secret("wifi.ap_password", PasswordSource::File("secrets/ap".to_string()), 3, 15),
            secret("wifi.password", PasswordSource::Environment("WIFI".to_string()), 2, 12),
        ]
    );
    assert!(file.settings.entries().all(|entry| entry.is_default));

    let mut settings = file.settings;
    settings.set("wifi.password", "hunter2hunter2").unwrap();
    let written = write(&settings);
    assert!(!written.contains("hunter2"), "{written}");
    assert!(
        written.contains("# It is set on the device.\n# password = \"env:OBKMQ_WIFI_PASSWORD\"\n"),
        "{written}"
    );

    for text in [
        "wifi.password = \"hunter2hunter2\"",
        "[wifi]\npassword = \"hunter2hunter2",
        "wifi.password = \"env:\" hunter2",
    ] {
        let shown = format!("{:?} {}", parse(text).unwrap_err(), mistakes(text));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(
        mistakes("wifi.password = \"hunter2hunter2\""),
        "line 1, column 17: wifi.password: a secret in clear does not belong in this file; write \"env:NAME\" for an \
         environment variable, \"file:PATH\" for a file or \"keep\" for the one that the device has (Password of the network to join; not set for an open one)"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(mqtt|users|retain|[\\[\\]{}=.,\"'#\n ]|port|persist|bob|hash|password|[0-9]|é){0,30}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(at in 0_usize..10_000, replacement: char) {
        let mut settings = Settings::default();
        set_all(&mut settings);
        settings.set_user("bob", PasswordHash::parse(HASH).unwrap()).unwrap();
        let mut characters: Vec<char> = write(&settings).chars().collect();
        let at = at % characters.len();
        characters[at] = replacement;
        if let Err(error) = parse(&characters.into_iter().collect::<String>()) {
            prop_assert!(!error.mistakes.is_empty());
        }
    }

    #[test]
    fn any_user_name_round_trips(name in "[^\\pC]{1,16}") {
        let mut settings = Settings::default();
        settings.set_user(&name, PasswordHash::parse(HASH).unwrap()).unwrap();
        prop_assert_eq!(parse(&write(&settings)).unwrap().settings, settings);
    }
}

#[test]
fn an_export_has_no_secret_and_says_that_the_device_keeps_them() {
    let mut settings = Settings::default();
    settings.set("mqtt.port", "1884").unwrap();
    settings.set("wifi.password", "hunter2hunter2").unwrap();
    let text = export(settings.entries(), [("ann", "everything"), ("b \"b\"", "read a/#,admin")]);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("\nport = 1884\n") && text.contains("env:OBKMQ_B__B__PASSWORD"), "{text}");
    let file = parse(&text).unwrap();
    assert_eq!(file.settings.mqtt_port(), 1884);
    let kept: Vec<_> = file.passwords.iter().map(|kept| (kept.user.as_str(), &kept.source)).collect();
    assert_eq!(kept, [("ann", &PasswordSource::Keep), ("b \"b\"", &PasswordSource::Keep)]);
    assert_eq!(file.secrets.len(), 1, "what is not set is a comment");
    assert_eq!((file.secrets[0].key.name, &file.secrets[0].source), ("wifi.password", &PasswordSource::Keep));
    assert_eq!(file.settings.user_rights("b \"b\"").as_str(), "read a/#,admin");
}
