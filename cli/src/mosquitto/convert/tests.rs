//! Configurations as people have them, and some that nobody should have.

use std::fs;

use obkmq_config::settings::Anonymous;
use obkmq_config::toml;
use proptest::prelude::*;

use super::*;
use crate::mosquitto::{Kind, draft};

const PBKDF2: &str = "$7$101$+Uuzvn3W/l34eNJO$7pOzzNX8xrTeSmQ8go/u08z1uMwHEfqgEdyqEB6rwq10z/AVmkT0BSCLvIPUWWe9TmJZvfQNixvE5Dsj3/RccA==";
const ARGON2: &str = "$argon2id$v=19$m=47104,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";

/// A folder with these files; the first of them is the configuration.
fn import(files: &[(&str, &str)]) -> (Imported, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let conf = folder.path().join(files[0].0);
    let imported = super::import(&conf).unwrap();
    let text = draft::write(&conf, &imported);
    (imported, text)
}

/// Line and keyword of what is lost.
fn lost(imported: &Imported) -> Vec<(usize, &str)> {
    let findings = imported.findings.of(Kind::Lost);
    findings.map(|one| (one.place.line, one.what.split(' ').next().unwrap_or_default())).collect()
}

#[test]
fn a_configuration_of_a_house_becomes_settings_that_read_back() {
    let (imported, text) = import(&[
        (
            "mosquitto.conf",
            "listener 1884\nallow_anonymous false\npassword_file /etc/mosquitto/passwd\nacl_file /etc/mosquitto/acl\n\
             max_connections 40\nmax_packet_size 200000\n",
        ),
        ("passwd", &format!("ann:{PBKDF2}\nbob:{ARGON2}\nzoe:{PBKDF2}\n")),
        (
            "acl",
            "topic read public/#\nuser ann\ntopic home/#\nuser bob\ntopic read \"x\"\nuser eve\ntopic read a\n",
        ),
    ]);
    let file = toml::parse(&text).unwrap();
    assert_eq!(file.settings.users(), imported.settings.users());
    let settings = &file.settings;
    assert_eq!(
        (settings.mqtt_port(), settings.max_clients(), settings.max_packet_bytes()),
        (1884, 40, 200_000)
    );
    assert!(settings.max_queued_bytes() >= 200_000, "a packet has to fit a queue");
    assert_eq!(settings.anonymous(), Anonymous::Never);
    assert_eq!(settings.user("ann").unwrap().password().to_text(), PBKDF2);
    assert_eq!(settings.user_rights("ann").as_str(), "readwrite home/#");
    assert_eq!(settings.user_rights("zoe").as_str(), "", "with an ACL file, who is not in it may do nothing");
    assert_eq!(file.passwords[0].user, "bob");
    assert!(text.contains("env:OBKMQ_PASSWORD_BOB"));
    assert_eq!(settings.user_rights("bob").as_str(), "read \"x\"");
    assert_eq!(lost(&imported), [(2, "user"), (6, "user")], "bob's password and eve, whom nobody knows");
    let text = text.to_lowercase();
    assert!(text.contains("argon2") && text.contains("passwd:2"), "{text}");
}

#[test]
fn without_any_listener_mosquitto_serves_its_own_machine_and_lets_everybody_in() {
    for (conf, anonymous) in [
        ("persistence false\n", Anonymous::Loopback),
        ("allow_anonymous false\n", Anonymous::Never),
        ("listener 1883\n", Anonymous::Never),
        ("listener 1883\nallow_anonymous true\n", Anonymous::Always),
        ("port 1883\nallow_anonymous maybe\n", Anonymous::Never),
    ] {
        let (imported, _) = import(&[("mosquitto.conf", conf)]);
        assert_eq!(imported.settings.anonymous(), anonymous, "{conf}");
    }
}

#[test]
fn the_first_plain_listener_counts_and_the_others_are_named() {
    let (imported, _) = import(&[(
        "mosquitto.conf",
        "listener 8883\ncertfile /c\nkeyfile /k\nlistener 9001\nprotocol websockets\nlistener 1885 10.0.0.1\n\
         max_connections 7\nlistener 1886\nlistener 0 /run/socket\n",
    )]);
    assert_eq!((imported.settings.mqtt_port(), imported.settings.max_clients()), (1885, 7));
    let lines: Vec<usize> = lost(&imported).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3, 1, 4, 8, 9, 6]);
}

#[test]
fn rules_of_another_listener_do_not_count() {
    let (imported, _) = import(&[
        (
            "mosquitto.conf",
            "per_listener_settings true\nlistener 8883\ncafile /c\npassword_file other\nallow_anonymous true\n\
             listener 1883\npassword_file passwd\n",
        ),
        ("passwd", &format!("ann:{PBKDF2}\n")),
    ]);
    assert_eq!(imported.settings.anonymous(), Anonymous::Never);
    assert!(imported.settings.user("ann").is_some());
    let lines: Vec<usize> = lost(&imported).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 2, 4, 5]);
}

#[test]
fn a_bridge_is_named_line_by_line_without_its_secrets() {
    let (imported, text) = import(&[(
        "mosquitto.conf",
        "listener 1883\nconnection cloud\naddress cloud.example:8883\nremote_username me\nremote_password hunter2\n\
         topic # out 1\nbridge_cafile /ca\nauth_opt_db_password hunter2\nwhatever hunter2\n",
    )]);
    assert_eq!(
        lost(&imported),
        [
            (2, "connection"),
            (3, "address"),
            (4, "remote_username"),
            (5, "remote_password"),
            (6, "topic"),
            (7, "bridge_cafile"),
            (8, "auth_opt_db_password"),
            (9, "whatever")
        ]
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn clients_without_a_name_get_the_topics_ahead_of_the_first_user() {
    let acl = ("acl", "topic read tele/#\npattern write dev/%c/#\npattern read u/%u\n");
    let (imported, _) = import(&[("m.conf", "listener 1883\nallow_anonymous true\nacl_file acl\n"), acl]);
    assert_eq!(imported.settings.anonymous_rights().as_str(), "read tele/#,write dev/%c/#");
    let (imported, _) = import(&[("m.conf", "listener 1883\nacl_file acl\n"), acl]);
    assert_eq!(lost(&imported), []);
    assert_eq!(imported.findings.of(Kind::Moot).count(), 1);
}

#[test]
fn numbers_become_settings_or_are_named() {
    let (imported, text) = import(&[(
        "m.conf",
        "listener 1883\nmax_queued_messages 500\nmax_inflight_messages 0\nmax_keepalive 120\nsys_interval 0\n\
         persistent_client_expiration 2w\nmessage_size_limit 99999999\nmax_queued_bytes many\nlog_type error\n\
         log_type notice\nlog_type websockets\nmax_qos 2\nmax_qos 1\n",
    )]);
    assert_eq!(lost(&imported), [(7, "message_size_limit"), (8, "max_queued_bytes"), (13, "max_qos")]);
    let value = |key| imported.settings.get(key).unwrap().value;
    for (key, expected) in [
        ("mqtt.max_queued_messages", "500"),
        ("mqtt.max_keep_alive_s", "120"),
        ("mqtt.sys_interval_s", "0"),
        ("session.max_expiry_s", "1209600"),
        ("log.level", "info"),
    ] {
        assert_eq!(value(key), expected, "{key}");
    }
    assert!(toml::parse(&text).is_ok(), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever stands in the three files, what is made of it is a settings file.
    #[test]
    fn any_files_make_settings_that_read_back(
        conf in "((listener|port|max_connections|max_packet_size|log_type|protocol|certfile|x)? ?[0-9a-z\\\\\"#-]{0,9}\n){0,6}",
        acl in "((topic|user|pattern)? ?(read |deny )?[a-c%u,#+/ \\\\\"é]{0,9}\n){0,8}",
        names in "([a-c\\\\\"é=]{0,3}:\n?){0,4}",
    ) {
        let conf = format!("{conf}\nallow_anonymous true\npassword_file p\nacl_file a\n");
        let passwords: String =
            names.split(':').enumerate().map(|(at, name)| format!("{}:{}\n", name.trim(), [PBKDF2, ARGON2][at % 2])).collect();
        let (imported, text) = import(&[("m.conf", &conf), ("p", &passwords), ("a", &acl)]);
        let file = toml::parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        for (name, rights) in &imported.without_password {
            prop_assert_eq!(file.settings.user_rights(name).as_str(), rights.as_deref().unwrap_or("everything"));
        }
    }
}
