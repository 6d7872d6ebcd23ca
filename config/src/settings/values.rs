//! What the firmware asks of settings, typed.

use core::net::Ipv4Addr;

use super::form::{address_prefix, micro_degrees};
use super::key::{Key, Kind};
use super::rights::Rights;
use super::table;
use super::value::{AccessPoint, Anonymous, LogLevel, Value};
use super::zone::Zone;
use super::{Settings, filters};

impl Settings {
    /// `wifi.ssid`; `None` where there is no network to join.
    #[must_use]
    pub fn wifi_ssid(&self) -> Option<&str> {
        Some(self.text(&table::WIFI_SSID)).filter(|ssid| !ssid.is_empty())
    }

    /// `wifi.password`; `None` for an open network. For the radio only: it is never shown.
    #[must_use]
    pub fn wifi_password(&self) -> Option<&str> {
        self.secret(&table::WIFI_PASSWORD)
    }

    /// `wifi.country`; `None` for the rules that hold everywhere.
    #[must_use]
    pub fn wifi_country(&self) -> Option<[u8; 2]> {
        self.text(&table::WIFI_COUNTRY).as_bytes().try_into().ok()
    }

    /// `wifi.fallback_s`; `None` for never.
    #[must_use]
    pub fn wifi_fallback_s(&self) -> Option<u32> {
        Some(self.integer(&table::WIFI_FALLBACK_S)).filter(|seconds| *seconds > 0)
    }

    /// `wifi.ap`
    #[must_use]
    pub fn access_point(&self) -> AccessPoint {
        AccessPoint::from_index(self.choice(&table::WIFI_AP))
    }

    /// `wifi.ap_ssid`; `None` for one made from the board's address.
    #[must_use]
    pub fn access_point_ssid(&self) -> Option<&str> {
        Some(self.text(&table::WIFI_AP_SSID)).filter(|ssid| !ssid.is_empty())
    }

    /// `wifi.ap_password`; `None` while nobody has set or made one. For the radio only: it is never shown.
    #[must_use]
    pub fn access_point_password(&self) -> Option<&str> {
        self.secret(&table::WIFI_AP_PASSWORD)
    }

    /// `network.address`: the static address and the bits of it that name the network; `None` for DHCP.
    #[must_use]
    pub fn static_address(&self) -> Option<(Ipv4Addr, u8)> {
        address_prefix(self.text(&table::NETWORK_ADDRESS)).ok()
    }

    /// `network.gateway`
    #[must_use]
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.text(&table::NETWORK_GATEWAY).parse().ok()
    }

    /// `network.dns`
    #[must_use]
    pub fn name_server(&self) -> Option<Ipv4Addr> {
        self.text(&table::NETWORK_DNS).parse().ok()
    }

    /// `time.sntp_server`, a name or an address; `None` for nowhere.
    #[must_use]
    pub fn sntp_server(&self) -> Option<&str> {
        Some(self.text(&table::TIME_SNTP_SERVER)).filter(|server| !server.is_empty())
    }

    /// `network.hostname`
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.text(&table::NETWORK_HOSTNAME)
    }

    /// `mqtt.port`
    #[must_use]
    pub fn mqtt_port(&self) -> u16 {
        self.short(&table::MQTT_PORT)
    }

    /// `mqtt.anonymous`
    #[must_use]
    pub fn anonymous(&self) -> Anonymous {
        Anonymous::from_index(self.choice(&table::MQTT_ANONYMOUS))
    }

    /// `mqtt.anonymous_rights`
    #[must_use]
    pub fn anonymous_rights(&self) -> Rights<'_> {
        Rights::new(self.text(&table::MQTT_ANONYMOUS_RIGHTS))
    }

    /// `mqtt.max_clients`
    #[must_use]
    pub fn max_clients(&self) -> u16 {
        self.short(&table::MQTT_MAX_CLIENTS)
    }

    /// `mqtt.max_packet_bytes`
    #[must_use]
    pub fn max_packet_bytes(&self) -> u32 {
        self.integer(&table::MQTT_MAX_PACKET_BYTES)
    }

    /// `mqtt.max_queued_bytes`
    #[must_use]
    pub fn max_queued_bytes(&self) -> u32 {
        self.integer(&table::MQTT_MAX_QUEUED_BYTES)
    }

    /// `mqtt.max_queued_messages`
    #[must_use]
    pub fn max_queued_messages(&self) -> u16 {
        self.short(&table::MQTT_MAX_QUEUED_MESSAGES)
    }

    /// `mqtt.max_inflight`
    #[must_use]
    pub fn max_inflight(&self) -> u16 {
        self.short(&table::MQTT_MAX_INFLIGHT)
    }

    /// `mqtt.max_keep_alive_s`; 0 is no limit.
    #[must_use]
    pub fn max_keep_alive_s(&self) -> u16 {
        self.short(&table::MQTT_MAX_KEEP_ALIVE_S)
    }

    /// `mqtt.connect_timeout_s`
    #[must_use]
    pub fn connect_timeout_s(&self) -> u32 {
        self.integer(&table::MQTT_CONNECT_TIMEOUT_S)
    }

    /// `mqtt.sys_interval_s`; 0 is never.
    #[must_use]
    pub fn sys_interval_s(&self) -> u32 {
        self.integer(&table::MQTT_SYS_INTERVAL_S)
    }

    /// `mqtt.memory_bytes`; `None` for all the board can spare.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u32> {
        Some(self.integer(&table::MQTT_MEMORY_BYTES)).filter(|bytes| *bytes > 0)
    }

    /// `session.max_expiry_s`; `u32::MAX` is no limit.
    #[must_use]
    pub fn max_session_expiry_s(&self) -> u32 {
        self.integer(&table::SESSION_MAX_EXPIRY_S)
    }

    /// `session.max_stored`
    #[must_use]
    pub fn max_stored_sessions(&self) -> u16 {
        self.short(&table::SESSION_MAX_STORED)
    }

    /// The filters of `retain.persist`.
    pub fn retain_persist(&self) -> impl Iterator<Item = &str> + Clone {
        filters::iterate(self.text(&table::RETAIN_PERSIST))
    }

    /// `retain.max_messages`
    #[must_use]
    pub fn max_retained(&self) -> u32 {
        self.integer(&table::RETAIN_MAX_MESSAGES)
    }

    /// The port of the panel, where there is to be one: `panel.enabled` and `panel.port`.
    #[must_use]
    pub fn panel_port(&self) -> Option<u16> {
        self.switch(&table::PANEL_ENABLED).then(|| self.short(&table::PANEL_PORT))
    }

    /// `log.level`
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        LogLevel::from_index(self.choice(&table::LOG_LEVEL))
    }

    /// `console.timestamps`
    #[must_use]
    pub fn console_timestamps(&self) -> bool {
        self.switch(&table::CONSOLE_TIMESTAMPS)
    }

    /// `automation.enabled`
    #[must_use]
    pub fn automation_enabled(&self) -> bool {
        self.switch(&table::AUTOMATION_ENABLED)
    }

    /// `automation.heap_bytes`
    #[must_use]
    pub fn automation_heap_bytes(&self) -> u32 {
        self.integer(&table::AUTOMATION_HEAP_BYTES)
    }

    /// `automation.max_steps`
    #[must_use]
    pub fn automation_max_steps(&self) -> u32 {
        self.integer(&table::AUTOMATION_MAX_STEPS)
    }

    /// `automation.user`; empty for none.
    #[must_use]
    pub fn automation_user(&self) -> &str {
        self.text(&table::AUTOMATION_USER)
    }

    /// `discovery.enabled`
    #[must_use]
    pub fn discovery_enabled(&self) -> bool {
        self.switch(&table::DISCOVERY_ENABLED)
    }

    /// `discovery.memory_bytes`
    #[must_use]
    pub fn discovery_memory_bytes(&self) -> u32 {
        self.integer(&table::DISCOVERY_MEMORY_BYTES)
    }

    /// `time.zone`
    #[must_use]
    pub fn time_zone(&self) -> Zone {
        Zone::parse(self.text(&table::TIME_ZONE)).unwrap_or(Zone::UTC)
    }

    /// `location.position`: latitude and longitude in millionths of a degree, north and east; `None` if it is not known.
    #[must_use]
    pub fn position(&self) -> Option<(i32, i32)> {
        let (latitude, longitude) = self.text(&table::LOCATION_POSITION).split_once(',')?;
        Some((micro_degrees(latitude)?, micro_degrees(longitude)?))
    }

    pub(super) fn stored(&self, key: &Key) -> Option<&Value> {
        self.values.iter().find(|(other, _)| other.id == key.id).map(|(_, value)| value)
    }

    // The last arm of each of these is for a key of another kind, which no accessor asks for: a test calls each of them.

    pub(super) fn integer(&self, key: &Key) -> u32 {
        match (self.stored(key), &key.kind) {
            (Some(Value::Integer(number)), _) => *number,
            (_, Kind::Integer { default, .. }) => *default,
            _ => 0,
        }
    }

    /// Of a key whose largest value fits.
    fn short(&self, key: &Key) -> u16 {
        u16::try_from(self.integer(key)).unwrap_or(u16::MAX)
    }

    pub(super) fn switch(&self, key: &Key) -> bool {
        match (self.stored(key), &key.kind) {
            (Some(Value::Switch(on)), _) => *on,
            (_, Kind::Switch { default }) => *default,
            _ => false,
        }
    }

    fn choice(&self, key: &Key) -> u8 {
        match (self.stored(key), &key.kind) {
            (Some(Value::Choice(index)), _) => *index,
            (_, Kind::Choice { default, .. }) => *default,
            _ => 0,
        }
    }

    pub(super) fn text(&self, key: &Key) -> &str {
        match (self.stored(key), &key.kind) {
            (Some(Value::Text(text) | Value::Filters(text) | Value::Rights(text)), _) => text,
            (_, Kind::Text { default, .. } | Kind::Filters { default } | Kind::Rights { default }) => default,
            _ => "",
        }
    }

    fn secret(&self, key: &Key) -> Option<&str> {
        match self.stored(key) {
            Some(Value::Secret(text)) => Some(text),
            _ => None,
        }
    }
}
