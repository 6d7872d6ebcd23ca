//! The table of keys: every setting stands here once, and everything else is made from it.
//!
//! Ids are permanent: an id is never given to another key, and the order of a choice's names never changes (their
//! index is what flash holds; new names go to the end). A key that not every board can heed names the capability it
//! needs.

use super::capability::Capability;
use super::form::Form;
use super::key::{Key, Kind};
use super::rights;
use super::value::{AccessPoint, Anonymous, LogLevel};

/// Declares each key, and [`KEYS`] with all of them.
macro_rules! keys {
    ($($name:ident = $key:expr;)*) => {
        $(pub(super) static $name: Key = $key;)*

        /// Every key, in the order of listings.
        pub static KEYS: &[&Key] = &[$(&$name),*];
    };
}

const fn text(form: Form, default: &'static str) -> Kind {
    Kind::Text { form, default }
}

const fn choice(names: &'static [&'static str], default: u8) -> Kind {
    Kind::Choice { names, default }
}

keys! {
    WIFI_SSID = Key::new(10, "wifi.ssid", text(Form::Ssid, ""), "Network to join; empty for none")
        .needs(Capability::Wifi);
    WIFI_PASSWORD = Key::new(11, "wifi.password", Kind::Secret { form: Form::StationPassword },
        "Password of the network to join; not set for an open one")
        .needs(Capability::Wifi);
    WIFI_COUNTRY = Key::new(12, "wifi.country", text(Form::Country, ""),
        "Country whose radio rules hold; empty for what is allowed everywhere")
        .needs(Capability::Wifi);
    WIFI_FALLBACK_S = Key::new(13, "wifi.fallback_s", Kind::number_or_zero("never", 10, 86_400, 300),
        "Time without the network after which the access point opens")
        .unit("s").needs(Capability::AccessPoint);
    WIFI_AP = Key::new(14, "wifi.ap", choice(AccessPoint::NAMES, AccessPoint::Auto as u8),
        "The board's own access point; auto: while there is no network to join")
        .needs(Capability::AccessPoint);
    WIFI_AP_SSID = Key::new(15, "wifi.ap_ssid", text(Form::Ssid, ""),
        "Name of the access point; empty for one made from the board's address")
        .needs(Capability::AccessPoint);
    WIFI_AP_PASSWORD = Key::new(16, "wifi.ap_password", Kind::Secret { form: Form::AccessPointPassword },
        "Password of the access point; without one the board makes one up")
        .needs(Capability::AccessPoint);

    NETWORK_HOSTNAME = Key::new(17, "network.hostname", text(Form::HostLabel, "obkmq"),
        "Name of this broker");
    NETWORK_ADDRESS = Key::new(18, "network.address", text(Form::AddressPrefix, ""),
        "Static address; empty to ask the network for one (DHCP)")
        .needs(Capability::Address);
    NETWORK_GATEWAY = Key::new(19, "network.gateway", text(Form::Address, ""),
        "Router; needed with a static address")
        .needs(Capability::Address);
    NETWORK_DNS = Key::new(20, "network.dns", text(Form::Address, ""),
        "Name server with a static address; empty for the router")
        .needs(Capability::Address);

    MQTT_PORT = Key::new(1, "mqtt.port", Kind::number(1, 65_535, 1_883), "TCP port the broker listens on");
    MQTT_ANONYMOUS = Key::new(2, "mqtt.anonymous", choice(Anonymous::NAMES, Anonymous::Auto as u8),
        "Who may connect without a user name; auto: a PC itself, while it has no user");
    MQTT_ANONYMOUS_RIGHTS = Key::new(9, "mqtt.anonymous_rights", Kind::Rights { default: rights::DEFAULT },
        "What clients without a user name may do");
    MQTT_MAX_CLIENTS = Key::new(3, "mqtt.max_clients", Kind::number(1, 10_000, 1_000),
        "Most clients connected at once; memory may end earlier")
        .unit("clients");
    MQTT_MAX_PACKET_BYTES = Key::new(4, "mqtt.max_packet_bytes", Kind::number(256, 1_048_576, 65_536),
        "Largest packet a client may send; a larger one ends its connection")
        .unit("bytes");
    MQTT_MAX_QUEUED_BYTES = Key::new(5, "mqtt.max_queued_bytes", Kind::number(1_024, 16_777_216, 65_536),
        "Most bytes that wait for one slow or absent client")
        .unit("bytes");
    MQTT_MAX_QUEUED_MESSAGES = Key::new(21, "mqtt.max_queued_messages", Kind::number(1, 10_000, 10_000),
        "Most messages that wait for one slow or absent client")
        .unit("messages");
    MQTT_MAX_INFLIGHT = Key::new(22, "mqtt.max_inflight", Kind::number(1, 100, 100),
        "Most messages of QoS 1 and 2 on their way to one client")
        .unit("messages");
    MQTT_MAX_KEEP_ALIVE_S = Key::new(23, "mqtt.max_keep_alive_s", Kind::number_or_zero("no limit", 10, 65_535, 0),
        "Longest keep-alive of clients that speak MQTT 5, who are told")
        .unit("s");
    MQTT_CONNECT_TIMEOUT_S = Key::new(6, "mqtt.connect_timeout_s", Kind::number(1, 120, 10),
        "Time a new connection has to send its CONNECT packet")
        .unit("s");
    MQTT_SYS_INTERVAL_S = Key::new(24, "mqtt.sys_interval_s", Kind::number_or_zero("never", 1, 86_400, 10),
        "How often the broker tells its figures under $SYS")
        .unit("s");
    MQTT_MEMORY_BYTES = Key::new(25, "mqtt.memory_bytes",
        Kind::number_or_zero("all the board can spare", 16_384, 1_073_741_824, 0),
        "Memory the broker may use")
        .unit("bytes");

    SESSION_MAX_EXPIRY_S = Key::new(26, "session.max_expiry_s", Kind::number(0, u32::MAX, u32::MAX),
        "Longest time a session outlives its connection; 4294967295: no limit")
        .unit("s");
    SESSION_MAX_STORED = Key::new(27, "session.max_stored", Kind::number(0, 1_000, 1_000),
        "Most sessions that survive a power cut")
        .unit("sessions");

    RETAIN_PERSIST = Key::new(7, "retain.persist",
        Kind::Filters { default: "homeassistant/#,tasmota/discovery/#" },
        "Retained messages that survive a power cut");
    RETAIN_MAX_MESSAGES = Key::new(28, "retain.max_messages", Kind::number(1, 100_000, 100_000),
        "Most retained messages; memory may end earlier")
        .unit("messages");

    AUTOMATION_ENABLED = Key::new(29, "automation.enabled", Kind::Switch { default: true },
        "Whether scripts and rules run")
        .needs(Capability::Automation);
    AUTOMATION_HEAP_BYTES = Key::new(30, "automation.heap_bytes", Kind::number(4_096, 16_777_216, 24_576),
        "Memory that scripts may use")
        .unit("bytes").needs(Capability::Automation);
    AUTOMATION_MAX_STEPS = Key::new(31, "automation.max_steps", Kind::number(1_000, 100_000_000, 200_000),
        "Most instructions of one callback; a longer one is ended")
        .unit("steps").needs(Capability::Automation);
    AUTOMATION_USER = Key::new(39, "automation.user", text(Form::UserName, ""),
        "The user that `ms_user` and `ms_pass` manage; empty for none")
        .needs(Capability::Automation);

    DISCOVERY_ENABLED = Key::new(40, "discovery.enabled", Kind::Switch { default: true },
        "Whether devices that announce themselves are shown")
        .needs(Capability::Discovery);
    DISCOVERY_MEMORY_BYTES = Key::new(41, "discovery.memory_bytes", Kind::number(1_024, 16_777_216, 32_768),
        "Memory for what is known of devices")
        .unit("bytes").needs(Capability::Discovery);

    PANEL_ENABLED = Key::new(32, "panel.enabled", Kind::Switch { default: true },
        "Whether there is a panel for browsers")
        .needs(Capability::Panel);
    PANEL_PORT = Key::new(33, "panel.port", Kind::number(1, 65_535, 80), "TCP port of the panel")
        .needs(Capability::Panel);
    PANEL_LOGIN_REQUIRED = Key::new(34, "panel.login_required", Kind::Switch { default: true },
        "Whether the panel wants a user's name and password before it shows anything")
        .needs(Capability::Panel);

    TIME_SNTP_SERVER = Key::new(35, "time.sntp_server", text(Form::Server, "pool.ntp.org"),
        "Where the time comes from; empty for nowhere")
        .needs(Capability::Clock);
    TIME_ZONE = Key::new(36, "time.zone", text(Form::TimeZone, "UTC0"),
        "Time zone and its summer time, as POSIX writes them")
        .needs(Capability::Clock);
    LOCATION_POSITION = Key::new(37, "location.position", text(Form::Position, ""),
        "Latitude and longitude for sunrise and sunset; empty for unknown")
        .needs(Capability::Automation);

    LOG_LEVEL = Key::new(8, "log.level", choice(LogLevel::NAMES, LogLevel::Info as u8),
        "How much the console logs");
    CONSOLE_TIMESTAMPS = Key::new(38, "console.timestamps", Kind::Switch { default: false },
        "Whether log lines begin with the seconds since the start");
}

#[cfg(test)]
mod tests {
    use super::super::markdown_table;
    use super::*;
    use crate::settings::Settings;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    #[test]
    fn ids_and_names_are_unique() {
        let mut ids: Vec<_> = KEYS.iter().map(|key| key.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), KEYS.len());
        let mut names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn sections_stand_together() {
        let mut sections: Vec<_> = KEYS.iter().filter_map(|key| key.name.split('.').next()).collect();
        sections.dedup();
        let count = sections.len();
        sections.sort_unstable();
        sections.dedup();
        assert_eq!(sections.len(), count, "a settings file has one table for each");
    }

    #[test]
    fn every_default_is_a_value_its_key_allows() {
        for key in KEYS.iter().filter(|key| !key.is_secret()) {
            let mut settings = Settings::default();
            settings.set(key.name, &key.default_text()).unwrap();
            assert!(settings.get(key.name).unwrap().is_default, "{}", key.name);
            assert_eq!(settings, Settings::default());
        }
    }

    #[test]
    fn names_are_dotted_and_help_fits_a_line() {
        for key in KEYS {
            assert_eq!(key.name.split('.').count(), 2, "{}: a table and a key in the file", key.name);
            assert!(key.help.len() <= 80 && !key.help.is_empty(), "{}", key.name);
        }
    }

    #[test]
    fn allowed_is_readable() {
        for (key, allowed) in [
            (&MQTT_CONNECT_TIMEOUT_S, "1..=120 s"),
            (&MQTT_SYS_INTERVAL_S, "0 (never) or 1..=86400 s"),
            (&MQTT_ANONYMOUS, "never | loopback | always | auto"),
            (&PANEL_ENABLED, "true | false"),
            (&WIFI_SSID, "at most 32 bytes without control characters"),
        ] {
            assert_eq!(key.allowed().to_string(), allowed);
        }
    }

    #[test]
    fn the_table_for_pages_has_a_row_a_key() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), KEYS.len() + 2);
        assert!(table.contains(
            "| `wifi.password` | 11 | 8 to 63 bytes, or 64 hexadecimal digits | (not set) | wifi | "
        ));
    }
}
