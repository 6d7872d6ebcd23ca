//! The flash form, its golden fixture, and the invariants that every change keeps.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::limits::USER_NAME_LIMIT_BYTES;
use crate::password::{HASH_BYTES, PasswordHash, SALT_BYTES};

fn hash(byte: u8) -> PasswordHash {
    PasswordHash::new(4096, [byte; SALT_BYTES], [byte; HASH_BYTES]).unwrap()
}

fn header() -> Vec<u8> {
    Settings::default().encode()
}

/// Settings from bare records behind a good header.
fn decode_records(records: &[(u16, &[u8])]) -> Result<Settings, DecodeError> {
    let mut bytes = header();
    for (id, value) in records {
        bytes.extend(id.to_le_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
        bytes.extend(*value);
    }
    Settings::decode(&bytes)
}

fn problem(records: &[(u16, &[u8])]) -> RecordProblem {
    match decode_records(records) {
        Err(DecodeError::Record { problem, .. }) => problem,
        other => panic!("{other:?}"),
    }
}

fn golden_bytes() -> Vec<u8> {
    hex_bytes(include_str!("../../fixtures/settings-schema-1.hex"))
}

fn golden_rights() -> Vec<u8> {
    hex_bytes(include_str!("../../fixtures/settings-schema-1-rights.hex"))
}

fn golden_table() -> Vec<u8> {
    hex_bytes(include_str!("../../fixtures/settings-schema-1-table.hex"))
}

fn golden_automation() -> Vec<u8> {
    hex_bytes(include_str!("../../fixtures/settings-schema-1-automation.hex"))
}

fn golden_discovery() -> Vec<u8> {
    hex_bytes(include_str!("../../fixtures/settings-schema-1-discovery.hex"))
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap()).collect()
}

#[test]
fn defaults_are_the_ones_that_were_promised() {
    let settings = Settings::default();
    assert_eq!(settings.mqtt_port(), 1883);
    assert_eq!(settings.anonymous(), Anonymous::Auto);
    assert_eq!(settings.max_clients(), 1000);
    assert_eq!(settings.max_packet_bytes(), 65_536);
    assert_eq!(settings.max_queued_bytes(), 65_536);
    assert_eq!(settings.connect_timeout_s(), 10);
    assert_eq!(settings.retain_persist().collect::<Vec<_>>(), ["homeassistant/#", "tasmota/discovery/#"]);
    assert_eq!((settings.wifi_ssid(), settings.wifi_password()), (None, None));
    assert_eq!((settings.wifi_country(), settings.wifi_fallback_s()), (None, Some(300)));
    assert_eq!(settings.access_point(), AccessPoint::Auto);
    assert_eq!((settings.access_point_ssid(), settings.access_point_password()), (None, None));
    assert_eq!((settings.static_address(), settings.gateway(), settings.name_server()), (None, None, None));
    assert_eq!(settings.sntp_server(), Some("pool.ntp.org"));
    assert_eq!(settings.hostname(), "obkmq");
    assert_eq!((settings.max_queued_messages(), settings.max_inflight()), (10_000, 100));
    assert_eq!((settings.max_keep_alive_s(), settings.sys_interval_s()), (0, 10));
    assert_eq!(settings.memory_bytes(), None);
    assert_eq!((settings.max_session_expiry_s(), settings.max_stored_sessions()), (u32::MAX, 1000));
    assert_eq!(settings.max_retained(), 100_000);
    assert_eq!(settings.log_level(), LogLevel::Info);
    assert!(!settings.console_timestamps());
    assert_eq!((settings.automation_enabled(), settings.automation_user()), (true, ""));
    assert_eq!((settings.automation_heap_bytes(), settings.automation_max_steps()), (24_576, 200_000));
    assert_eq!((settings.discovery_enabled(), settings.discovery_memory_bytes()), (true, 32_768));
    assert_eq!((settings.time_zone(), settings.position()), (Zone::UTC, None));
    assert_eq!(settings.check(), Ok(()));
    assert!(settings.entries().all(|entry| entry.is_default));
}

#[test]
fn schema_1_stays_readable_and_is_written_back_byte_for_byte() {
    let bytes = golden_bytes();
    let settings = Settings::decode(&bytes).unwrap();
    assert_eq!((settings.schema(), settings.generation()), (1, 18));
    assert_eq!(settings.mqtt_port(), 1884);
    assert_eq!(settings.anonymous(), Anonymous::Loopback);
    assert_eq!(settings.max_clients(), 50);
    assert_eq!(settings.max_packet_bytes(), 4096);
    assert_eq!(settings.max_queued_bytes(), 131_072);
    assert_eq!(settings.connect_timeout_s(), 30);
    assert_eq!(settings.retain_persist().collect::<Vec<_>>(), ["homeassistant/#", "küche/+"]);
    assert_eq!(settings.log_level(), LogLevel::Debug);
    assert_eq!(settings.users().iter().map(User::name).collect::<Vec<_>>(), ["bob", "küche"]);
    assert_eq!(settings.user("bob").unwrap().password().iterations(), 4096);
    assert!(settings.user("küche").unwrap().password().to_text().contains("$EREREREREREREREREREREQ$"));
    assert_eq!(settings.unknown_records(), 3);
    assert_eq!(settings.encode(), bytes);
}

#[test]
fn rights_stay_readable_and_are_written_back_byte_for_byte() {
    let bytes = golden_rights();
    let settings = Settings::decode(&bytes).unwrap();
    assert_eq!(settings.anonymous_rights().as_str(), "read public/#");
    assert_eq!(settings.user_rights("bob").as_str(), "read tele/#,write cmnd/%c/#,admin");
    assert_eq!(settings.user_rights("zoe").as_str(), "");
    assert_eq!(settings.users().len(), 1);
    assert_eq!(settings.unknown_records(), 0);
    assert_eq!(settings.encode(), bytes);
}

/// Hashes of mosquitto's are records of their own id; one that an older firmware has set beside such a record counts.
#[test]
fn hashes_of_mosquittos_stay_readable_and_yield_to_a_newer_password() {
    let bytes = hex_bytes(include_str!("../../fixtures/settings-schema-1-mosquitto.hex"));
    let settings = Settings::decode(&bytes).unwrap();
    assert_eq!(settings.users().iter().map(User::name).collect::<Vec<_>>(), ["ann", "bob", "zoe"]);
    let hash = |name: &str| settings.user(name).unwrap().password();
    assert_eq!(hash("ann").to_text(), format!("$7$101$c2FsdHNhbHRzYWx0${}==", "q".repeat(85) + "g"));
    assert_eq!(hash("zoe").to_text(), format!("$6$cw==${}==", "/".repeat(85) + "w"));
    assert!(!hash("bob").is_mosquittos());
    assert_eq!(settings.unknown_records(), 0);
    assert_eq!(settings.encode(), bytes);
    assert_eq!(records::Room::of(&settings).total(), bytes.len());

    let mut both = settings.clone();
    both.set_user("ann", hash("bob").clone()).unwrap();
    let own_ann = both.encode();
    let first_mosquitto = bytes.windows(2).position(|id| id == [0x03, 0x10]).unwrap();
    let own_records = own_ann.windows(2).position(|id| id == [0x03, 0x10]).unwrap();
    let with_both = [&own_ann[..own_records], &bytes[first_mosquitto..]].concat();
    assert_eq!(Settings::decode(&with_both), Ok(both));
}

#[test]
fn records_of_mosquittos_are_refused_in_part_or_order() {
    let bytes = hex_bytes(include_str!("../../fixtures/settings-schema-1-mosquitto.hex"));
    let first = bytes.windows(2).position(|id| id == [0x03, 0x10]).unwrap();
    let (head, records) = bytes.split_at(first);
    let (ann, zoe) = records.split_at(4 + usize::from(records[2]));
    let problem = |parts: &[&[u8]]| match Settings::decode(&parts.concat()) {
        Err(DecodeError::Record { id: Some(0x1003), problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(&[head, zoe, ann]), RecordProblem::OutOfOrder);
    assert_eq!(problem(&[head, ann, ann]), RecordProblem::Duplicate);
    assert_eq!(problem(&[head, &ann[..ann.len() - 1]]), RecordProblem::Truncated);
    let mut bad = ann.to_vec();
    bad[8] = 5;
    assert_eq!(problem(&[head, &bad]), RecordProblem::BadValue, "an unknown kind");
}

#[test]
fn the_whole_table_stays_readable_and_is_written_back_byte_for_byte() {
    let bytes = golden_table();
    let settings = Settings::decode(&bytes).unwrap();
    assert_eq!(settings.anonymous(), Anonymous::Never);
    assert_eq!(settings.wifi_ssid(), Some("The House"));
    assert_eq!(settings.wifi_password(), Some("correct horse"));
    assert_eq!((settings.wifi_country(), settings.wifi_fallback_s()), (Some(*b"DE"), None));
    assert_eq!((settings.access_point(), settings.access_point_ssid()), (AccessPoint::Off, Some("küche")));
    assert!(settings.access_point_password().is_some());
    assert_eq!(settings.static_address(), Some(([192, 168, 1, 5].into(), 24)));
    assert_eq!(settings.gateway(), Some([192, 168, 1, 1].into()));
    assert_eq!(settings.name_server(), Some([9, 9, 9, 9].into()));
    assert_eq!(settings.sntp_server(), None);
    assert_eq!(settings.hostname(), "attic");
    assert_eq!((settings.max_queued_messages(), settings.max_inflight()), (50, 20));
    assert_eq!((settings.max_keep_alive_s(), settings.sys_interval_s()), (600, 0));
    assert_eq!(settings.memory_bytes(), Some(65_536));
    assert_eq!((settings.max_session_expiry_s(), settings.max_stored_sessions()), (86_400, 0));
    assert_eq!(settings.max_retained(), 100);
    assert!(settings.console_timestamps());
    assert!(!settings.automation_enabled());
    assert_eq!((settings.automation_heap_bytes(), settings.automation_max_steps()), (8_192, 5_000));
    assert_eq!(settings.time_zone().offset_at(1_774_746_000).east_s, 7_200);
    assert_eq!(settings.position(), Some((52_520_008, 13_404_954)));
    for (key, value) in [
        ("wifi.password", "(set)"),
        ("wifi.fallback_s", "0"),
        ("wifi.ap", "off"),
        ("wifi.ap_ssid", "küche"),
        ("wifi.ap_password", "(set)"),
        ("network.address", "192.168.1.5/24"),
        ("network.gateway", "192.168.1.1"),
        ("network.dns", "9.9.9.9"),
        ("automation.enabled", "false"),
        ("automation.heap_bytes", "8192"),
        ("automation.max_steps", "5000"),
        ("panel.enabled", "false"),
        ("panel.port", "8080"),
        ("panel.login_required", "false"),
        ("time.sntp_server", ""),
        ("time.zone", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ("location.position", "52.520008,13.404954"),
    ] {
        assert_eq!(settings.get(key).unwrap().value, value, "{key}");
    }
    assert_eq!(settings.unknown_records(), 0);
    assert_eq!(settings.encode(), bytes);
}

#[test]
fn the_managed_user_stays_readable_and_is_written_back_byte_for_byte() {
    let settings = Settings::decode(&golden_automation()).unwrap();
    assert_eq!(settings.automation_user(), "lamp");
    assert_eq!((settings.unknown_records(), settings.encode()), (0, golden_automation()));
}

#[test]
fn discovery_stays_readable_and_is_written_back_byte_for_byte() {
    let settings = Settings::decode(&golden_discovery()).unwrap();
    assert_eq!((settings.discovery_enabled(), settings.discovery_memory_bytes()), (false, 8192));
    assert_eq!((settings.unknown_records(), settings.encode()), (0, golden_discovery()));
}

#[test]
fn the_golden_settings_set_every_key() {
    let golden = [golden_bytes(), golden_rights(), golden_table(), golden_automation(), golden_discovery()];
    let golden = golden.map(|bytes| Settings::decode(&bytes).unwrap());
    for key in KEYS {
        assert!(golden.iter().any(|settings| !settings.entry(key).is_default), "{}", key.name);
    }
}

#[test]
fn rights_belong_to_a_name_and_survive_another_password() {
    let mut settings = Settings::default();
    assert!(matches!(settings.set_user_rights("bob", "admin"), Err(SettingError::UnknownUser { .. })));
    assert!(settings.user_rights("bob").is_default());
    settings.set_user("bob", hash(1)).unwrap();
    assert_eq!(settings.user_rights("bob").as_str(), "everything");
    settings.set_user_rights("bob", " read a , admin").unwrap();
    settings.set_user("bob", hash(2)).unwrap();
    assert_eq!(settings.user_rights("bob").as_str(), "read a,admin");
    settings.set_user("ann", hash(2)).unwrap();
    settings.set_user_rights("ann", "").unwrap();
    assert_eq!(settings.user_rights("ann").iter().count(), 0);
    assert_eq!(Settings::decode(&settings.encode()).unwrap(), settings);
    settings.set_user_rights("ann", "everything").unwrap();
    settings.remove_user("bob").unwrap();
    settings.set_user("bob", hash(1)).unwrap();
    assert!(settings.user_rights("bob").is_default(), "a new user of that name begins anew");
    assert_eq!(settings.rights, []);
}

#[test]
fn refused_rights_name_them_and_what_is_allowed_and_change_nothing() {
    let mut settings = Settings::default();
    settings.set_user("bob", hash(1)).unwrap();
    settings.set_user_rights("bob", "read a").unwrap();
    let before = settings.clone();
    let error = settings.set_user_rights("bob", "reed a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "rights cannot be \"reed a\": a right begins with read, write, readwrite, everything or admin; allowed: \
         everything, read PATTERN, write PATTERN, readwrite PATTERN, admin, separated by commas, at most 16 and 320 bytes"
    );
    assert_eq!(check_rights("reed a"), Err(error));
    assert_eq!(settings, before);
    let error = settings.set("mqtt.anonymous_rights", "admin").unwrap_err();
    assert!(error.to_string().contains("clients without a user name cannot be admin"), "{error}");
    assert!(settings.anonymous_rights().is_default());
}

#[test]
fn bad_records_of_rights_are_refused() {
    for bad in
        ["", "\x03bo", "\0read a", "\x03bobreed a", "\x03bobread a, admin", "\x03bobread a,", "\x01\nread a"]
    {
        assert_eq!(problem(&[(0x1002, bad.as_bytes())]), RecordProblem::BadValue, "{bad:?}");
    }
    assert_eq!(problem(&[(0x1002, b"\x03bobread \xff")]), RecordProblem::BadValue);
    assert_eq!(problem(&[(0x1002, b"\x01badmin"), (0x1002, b"\x01aadmin")]), RecordProblem::OutOfOrder);
    assert_eq!(problem(&[(0x1002, b"\x01badmin"), (0x1002, b"\x01b")]), RecordProblem::Duplicate);
    assert_eq!(problem(&[(9, b"admin")]), RecordProblem::BadValue);
    let many: Vec<_> = (0..=USERS_LIMIT).map(|index| format!("\x02{index:02}")).collect();
    let many: Vec<_> = many.iter().map(|record| (0x1002, record.as_bytes())).collect();
    assert_eq!(problem(&many), RecordProblem::TooManyUsers);
    assert_eq!(decode_records(&[(0x1002, b"\x03bobeverything")]).unwrap(), Settings::default());
}

#[test]
fn a_change_leaves_the_records_of_newer_firmware_alone() {
    let mut settings = decode_records(&[(0x0200, b"abc"), (0xffff, b"")]).unwrap();
    settings.set("log.level", "debug").unwrap();
    settings.set_user("bob", hash(1)).unwrap();
    let bytes = settings.encode();
    let again = Settings::decode(&bytes).unwrap();
    assert_eq!(again, settings);
    assert_eq!(again.unknown_records(), 2);
    assert!(bytes.windows(7).any(|window| window == b"\x00\x02\x03\x00abc"));
}

/// The whole table as a firmware reads and writes it that knows none of it: the ids of its keys are moved to where nobody
/// knows them, and back.
#[test]
fn an_older_firmware_loses_none_of_the_new_keys() {
    let moved = |bytes: &[u8], from: u16, to: u16| {
        let mut bytes = bytes.to_vec();
        let mut at = records::HEADER_BYTES;
        while at < bytes.len() {
            let id = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let length = usize::from(u16::from_le_bytes([bytes[at + 2], bytes[at + 3]]));
            bytes[at..at + 2].copy_from_slice(&(id - from + to).to_le_bytes());
            at += 4 + length;
        }
        bytes
    };
    let table = golden_table();
    let mut older = Settings::decode(&moved(&table, 0, 0x0400)).unwrap();
    assert_eq!(older.unknown_records(), 30);
    older.set("log.level", "debug").unwrap();
    older.set_user("bob", hash(1)).unwrap();
    older.unset("log.level").unwrap();
    older.remove_user("bob").unwrap();
    assert_eq!(moved(&older.encode(), 0x0400, 0), table);
}

#[test]
fn a_newer_schema_is_kept_and_schema_0_refused() {
    let mut bytes = golden_bytes();
    bytes[4] = 7;
    let settings = Settings::decode(&bytes).unwrap();
    assert_eq!(settings.schema(), 7);
    assert_eq!(settings.encode(), bytes);
    bytes[4] = 0;
    assert_eq!(Settings::decode(&bytes), Err(DecodeError::NotSettings));
}

#[test]
fn every_way_a_record_can_be_bad_has_its_name() {
    assert_eq!(problem(&[(8, &[1]), (1, &[1])]), RecordProblem::OutOfOrder);
    assert_eq!(problem(&[(1, &[1]), (1, &[2])]), RecordProblem::Duplicate);
    assert_eq!(problem(&[(1, &[0, 0])]), RecordProblem::BadValue, "port 0");
    assert_eq!(problem(&[(1, &[0, 0, 1])]), RecordProblem::BadValue, "port 65536");
    assert_eq!(problem(&[(1, &[])]), RecordProblem::BadValue);
    assert_eq!(problem(&[(1, &[1, 0, 0, 0, 0])]), RecordProblem::BadValue);
    assert_eq!(problem(&[(2, &[4])]), RecordProblem::BadValue);
    for bad in [[2_u8].as_slice(), &[], &[0, 0]] {
        assert_eq!(problem(&[(32, bad)]), RecordProblem::BadValue, "no switch");
    }
    assert_eq!(problem(&[(10, &[b'x'; 33])]), RecordProblem::BadValue);
    assert_eq!(problem(&[(11, b"short")]), RecordProblem::BadValue);
    assert_eq!(problem(&[(37, b"52.0,13")]), RecordProblem::BadValue, "not the canonical form");
    assert_eq!(problem(&[(24, &[0xff; 4])]), RecordProblem::BadValue);
    assert!(decode_records(&[(24, &[0])]).is_ok(), "0 beside the range");
    assert_eq!(problem(&[(7, b"a/#/b")]), RecordProblem::BadValue);
    assert_eq!(problem(&[(7, b"\xff")]), RecordProblem::BadValue);
    assert_eq!(problem(&[(7, b"a, b")]), RecordProblem::BadValue, "not the canonical form");
    assert_eq!(problem(&[(0x1000, b"\x03bob")]), RecordProblem::BadValue);
    assert!(decode_records(&[(1, &[0x5c, 7, 0])]).is_ok(), "wider than written today");
    assert!(decode_records(&[(0x0200, b"x"), (0x0200, b"x")]).is_ok(), "unknown ids may repeat");
}

#[test]
fn users_that_repeat_or_are_out_of_order_are_refused() {
    let record = |name: &str| {
        let mut settings = Settings::default();
        settings.set_user(name, hash(1)).unwrap();
        settings.encode()[14..].to_vec()
    };
    assert!(decode_records(&[(0x1000, &record("a")), (0x1000, &record("b"))]).is_ok());
    assert_eq!(problem(&[(0x1000, &record("b")), (0x1000, &record("a"))]), RecordProblem::OutOfOrder);
    assert_eq!(problem(&[(0x1000, &record("b")), (0x1000, &record("b"))]), RecordProblem::Duplicate);
    let many: Vec<_> = (0..=USERS_LIMIT).map(|index| record(&format!("{index:02}"))).collect();
    let many: Vec<_> = many.iter().map(|record| (0x1000, record.as_slice())).collect();
    assert_eq!(problem(&many), RecordProblem::TooManyUsers);
}

#[test]
fn errors_name_the_record_and_where_it_is() {
    let error = decode_records(&[(0x0200, b"xy")]).unwrap().encode();
    assert_eq!(error.len(), 16);
    assert_eq!(
        decode_records(&[(1, &[9]), (2, &[9])]).unwrap_err().to_string(),
        "record of mqtt.anonymous at byte 15: bad value"
    );
    assert_eq!(
        decode_records(&[(0x1000, b"")]).unwrap_err().to_string(),
        "user record at byte 10: bad value"
    );
    assert_eq!(
        Settings::decode(&[header(), Vec::from(*b"\x00\x02\x05\x00abc")].concat()).unwrap_err().to_string(),
        "record 512 at byte 10: cut short"
    );
}

#[test]
fn every_truncation_and_too_many_bytes_are_refused_or_whole_records() {
    let bytes = golden_bytes();
    let mut whole = 0;
    for length in 0..bytes.len() {
        whole += u32::from(Settings::decode(&bytes[..length]).is_ok());
    }
    assert_eq!(whole, 13, "only right behind the header and each of the first 12 records");
    let error = Settings::decode(&[0; ENCODED_LIMIT + 1]).unwrap_err();
    assert_eq!(error, DecodeError::TooLarge { bytes: ENCODED_LIMIT + 1 });
}

#[test]
fn setting_the_default_is_unsetting() {
    let mut settings = Settings::default();
    settings.set("mqtt.port", "1884").unwrap();
    assert!(!settings.get("mqtt.port").unwrap().is_default);
    settings.set("mqtt.port", "1883").unwrap();
    assert_eq!(settings, Settings::default());
    settings.set("retain.persist", "").unwrap();
    assert_eq!(settings.retain_persist().count(), 0);
    assert_eq!(Settings::decode(&settings.encode()).unwrap(), settings, "an empty list is not the default");
    settings.unset("retain.persist").unwrap();
    assert_eq!(settings, Settings::default());
}

#[test]
fn users_are_added_changed_and_deleted() {
    let mut settings = Settings::default();
    settings.set_user("b", hash(1)).unwrap();
    settings.set_user("a", hash(2)).unwrap();
    settings.set_user("b", hash(3)).unwrap();
    assert_eq!(settings.users().iter().map(User::name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(settings.user("b").unwrap().password(), &hash(3));
    settings.remove_user("a").unwrap();
    assert!(settings.user("a").is_none());
    assert!(matches!(settings.remove_user("a"), Err(SettingError::UnknownUser { .. })));
    assert!(matches!(settings.set_user("\n", hash(1)), Err(SettingError::BadUserName { .. })));
}

#[test]
fn limits_hold_and_a_refused_change_changes_nothing() {
    let mut settings = Settings::default();
    for index in 0..USERS_LIMIT {
        settings.set_user(&format!("user {index}"), hash(1)).unwrap();
    }
    let before = settings.clone();
    assert_eq!(settings.set_user("one more", hash(1)), Err(SettingError::TooManyUsers));
    assert_eq!(settings, before);
    settings.set_user("user 7", hash(9)).unwrap();

    let mut settings = Settings::default();
    settings.set("retain.persist", &"x".repeat(384)).unwrap();
    let refused = (0..USERS_LIMIT).find_map(|index| {
        let name = format!("{index:0>USER_NAME_LIMIT_BYTES$}");
        settings.set_user(&name, hash(1)).err().map(|error| (index, error))
    });
    let (users, error) = refused.unwrap();
    assert!(matches!(error, SettingError::TooLarge { bytes, .. } if bytes > ENCODED_LIMIT), "{error:?}");
    assert_eq!((users, settings.users().len()), (28, 28), "with the longest names 28 users fit");
    assert!(settings.encode().len() <= ENCODED_LIMIT);
}

/// What an owner can expect to fit, and what is said when it does not.
#[test]
fn a_full_house_fits_and_what_does_not_is_told_by_what_takes_the_room() {
    let mut settings = Settings::default();
    for (key, value) in [
        ("wifi.ssid", "A network with a name of 32 byte"),
        ("wifi.password", "a password of twenty"),
        ("network.address", "192.168.100.105/24"),
        ("network.gateway", "192.168.100.1"),
        ("time.zone", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ("location.position", "52.520008,13.404954"),
        ("mqtt.port", "1884"),
    ] {
        settings.set(key, value).unwrap();
    }
    for index in 0..USERS_LIMIT {
        let name = format!("the-attic-{index:02}");
        settings.set_user(&name, hash(1)).unwrap();
        settings.set_user_rights(&name, "read home/#,write home/%u/#").unwrap();
    }
    assert_eq!(Settings::decode(&settings.encode()).unwrap(), settings);
    let before = settings.clone();
    let error = settings.set("retain.persist", &"x".repeat(300)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the settings would take 4088 bytes of flash and 3900 is the most: 2208 are for 32 users, 1408 for their rights, \
         462 for other settings and 0 for those of newer firmware; delete users, or shorten names and lists"
    );
    assert_eq!(settings, before);
}

const MARKER: &str = "hunter2hunter2";

#[test]
fn no_listing_error_or_debug_form_shows_a_secret() {
    let mut settings = Settings::default();
    for key in KEYS.iter().filter(|key| key.is_secret()) {
        settings.set(key.name, MARKER).unwrap();
        let entry = settings.get(key.name).unwrap();
        assert_eq!((entry.value.as_str(), entry.is_default), ("(set)", false));
        assert_eq!(Settings::default().get(key.name).unwrap().value, "(not set)");
        for bad in [MARKER.repeat(5), format!("{MARKER}\n")] {
            let error = settings.clone().set(key.name, &bad).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        settings.clone().set(key.name, "").unwrap_err();
    }
    assert_eq!(settings.wifi_password(), Some(MARKER));
    let draft = Draft::begin(&settings, 0).unwrap();
    let entries: Vec<_> = settings.entries().collect();
    let shown = format!("{settings:?} {settings:#?} {draft:?} {entries:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    settings.unset("wifi.password").unwrap();
    assert_eq!(settings.wifi_password(), None);
}

#[test]
fn a_key_without_its_capability_is_stored_all_the_same() {
    let ssid = Key::find("wifi.ssid").unwrap();
    assert_eq!(ssid.lacks(Capabilities::NONE), Some(Capability::Wifi));
    assert_eq!(ssid.lacks(Capabilities::NONE.with(Capability::Wifi)), None);
    assert_eq!(Key::find("mqtt.port").unwrap().lacks(Capabilities::NONE), None);
}

#[test]
fn debug_of_unknown_records_shows_no_bytes() {
    let settings = decode_records(&[(0x0300, b"wifi secret")]).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("Unknown(id 768, 11 bytes)") && !shown.contains("119"), "{shown}");
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let port = prop::option::of(1_u16..);
    let choice = prop::option::of(0_usize..3);
    let filters = prop::collection::vec("[a-zé ]{1,8}(/[+a-z]{1})?(/#)?", 0..4);
    let users = prop::collection::btree_map("[^\\pC]{1,10}", any::<u8>(), 0..6);
    let unknown = prop::collection::btree_map(0x2000_u16.., prop::collection::vec(any::<u8>(), 0..20), 0..4);
    (port, choice, filters, users, unknown).prop_map(
        |(port, choice, filters, users, unknown): (
            _,
            _,
            Vec<_>,
            BTreeMap<String, u8>,
            BTreeMap<u16, Vec<u8>>,
        )| {
            let records: Vec<_> = unknown.iter().map(|(id, value)| (*id, value.as_slice())).collect();
            let mut settings = decode_records(&records).unwrap();
            if let Some(port) = port {
                settings.set("mqtt.port", &port.to_string()).unwrap();
            }
            if let Some(choice) = choice {
                settings.set("mqtt.anonymous", Anonymous::NAMES[choice]).unwrap();
            }
            settings.set("wifi.password", "a secret thing").unwrap();
            settings.set("time.zone", "UTC-1").unwrap();
            settings.set("panel.enabled", "false").unwrap();
            // Whatever is no filter by chance is refused and changes nothing.
            let _ = settings.set("retain.persist", &filters.join(","));
            for (name, byte) in users {
                settings.set_user(&name, hash(byte)).unwrap();
                let rights = ["everything", "", "admin,read a", "write %u/#"];
                settings.set_user_rights(&name, rights[usize::from(byte % 4)]).unwrap();
            }
            settings
        },
    )
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(settings in any_settings()) {
        let bytes = settings.encode();
        prop_assert_eq!(bytes.len(), records::Room::of(&settings).total());
        let again = Settings::decode(&bytes).unwrap();
        prop_assert_eq!(again.encode(), bytes);
        prop_assert_eq!(again, settings);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), good_header: bool) {
        let bytes = if good_header { [header(), bytes].concat() } else { bytes };
        if let Ok(settings) = Settings::decode(&bytes) {
            prop_assert!(Settings::decode(&settings.encode()).unwrap() == settings);
        }
    }

    #[test]
    fn damaged_settings_are_decoded_or_refused(at in 0_usize..400, byte: u8, which in 0_usize..3) {
        let mut bytes = [golden_bytes, golden_rights, golden_table][which]();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(settings) = Settings::decode(&bytes) {
            prop_assert!(Settings::decode(&settings.encode()).unwrap() == settings);
        }
    }

    #[test]
    fn any_text_is_a_value_or_refused(key in 0..KEYS.len(), text: String) {
        let mut settings = Settings::default();
        let name = KEYS[key].name;
        match settings.set(name, &text) {
            Ok(()) => {
                let entry = settings.get(name).unwrap();
                if entry.key.is_secret() {
                    return Ok(());
                }
                let mut again = Settings::default();
                again.set(name, &entry.value).unwrap();
                prop_assert_eq!(again, settings);
            }
            Err(error) => {
                prop_assert!(error.to_string().len() < 700);
                prop_assert_eq!(settings, Settings::default());
            }
        }
    }
}
