//! The Wi-Fi of a board that has a radio: what the settings want of it, and what the console tells of it.

use alloc::string::{String, ToString};

use obkmq_broker::Instant;
use obkmq_config::line::{ErrorCode, Fields};
use obkmq_config::settings::{LogLevel, Settings};

use crate::board::Board;
use crate::console::Answer;
use crate::limits::{SCAN_FRESH_MS, SCAN_NETWORKS_SHOWN};
use crate::node::Node;
use crate::radio::{Credentials, StaticAddress, WifiLink};

/// What the node knows of its radio.
#[derive(Default)]
pub(crate) struct Wifi {
    /// The network that the radio was told to join.
    wanted: Option<Wanted>,
    /// The state that was last logged.
    logged: WifiLink,
    /// Whether the radio was looking for networks.
    scanning: bool,
    /// When the last scan was begun.
    scanned_at: Option<Instant>,
    /// What the radio was told of country and address.
    rules: Option<Rules>,
}

/// What holds for every network.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rules {
    country: Option<[u8; 2]>,
    address: Option<StaticAddress>,
}

impl Rules {
    fn of(settings: &Settings) -> Self {
        let address = settings.static_address().map(|(address, prefix_bits)| StaticAddress {
            address,
            prefix_bits,
            gateway: settings.gateway(),
            name_server: settings.name_server(),
        });
        Self { country: settings.wifi_country(), address }
    }
}

/// A network to join. It has no `Debug`, because of the password.
struct Wanted {
    ssid: String,
    password: Option<String>,
}

impl Wanted {
    fn credentials(&self) -> Credentials<'_> {
        Credentials { ssid: &self.ssid, password: self.password.as_deref() }
    }
}

impl<B: Board> Node<B> {
    /// Lets the radio join what the settings name, if that is another network than before.
    pub(crate) fn apply_wifi(&mut self, settings: &Settings) {
        let rules = Rules::of(settings);
        if self.wifi.rules != Some(rules)
            && let Some(radio) = self.board.radio()
        {
            radio.set_country(rules.country);
            radio.set_address(rules.address);
            self.wifi.rules = Some(rules);
        }
        if self.board.is_safe_mode() {
            return self.join(None);
        }
        let password = settings.wifi_password();
        self.join(settings.wifi_ssid().map(|ssid| Credentials { ssid, password }));
    }

    /// Lets the radio join a network.
    pub(crate) fn join(&mut self, network: Option<Credentials<'_>>) {
        let Some(radio) = self.board.radio() else { return };
        if self.wifi.wanted.as_ref().map(Wanted::credentials) == network {
            return;
        }
        radio.join(network);
        self.wifi.wanted = network.map(|network| Wanted {
            ssid: network.ssid.to_string(),
            password: network.password.map(ToString::to_string),
        });
        self.wifi.logged = WifiLink::Off;
    }

    /// How the radio stands; [`WifiLink::Off`] where there is none.
    pub(crate) fn wifi_link(&mut self) -> WifiLink {
        self.board.radio().map_or(WifiLink::Off, |radio| radio.link())
    }

    /// Whether the radio was last told to join this network.
    pub(crate) fn is_wanted(&self, network: Credentials<'_>) -> bool {
        self.wifi.wanted.as_ref().map(Wanted::credentials) == Some(network)
    }

    /// Lets the radio work, and logs what has become of it. Who waits for it is to be asked at once when something has.
    pub(crate) fn poll_wifi(&mut self) -> Option<Instant> {
        let now = self.now;
        let radio = self.board.radio()?;
        let mut due = radio.poll(now);
        let (link, scanning, figures) = (radio.link(), radio.is_scanning(), radio.figures());
        self.broker.note_radio(figures);
        if scanning != self.wifi.scanning {
            self.wifi.scanning = scanning;
            due = Some(now);
        }
        if link != self.wifi.logged {
            due = Some(now);
            self.wifi.logged = link;
            let ssid = self.wifi.wanted.as_ref().map_or(String::new(), |wanted| wanted.ssid.clone());
            match link {
                WifiLink::Off | WifiLink::Joining => {}
                WifiLink::Joined { address } => {
                    self.log(LogLevel::Info, format_args!("Wi-Fi: joined {ssid:?} as {address}"));
                }
                WifiLink::Failed(failure) => self.log(
                    LogLevel::Warn,
                    format_args!(
                        "Wi-Fi: cannot join {ssid:?}: {}; next: {}",
                        failure.name(),
                        failure.next_step()
                    ),
                ),
            }
        }
        let has_network = self.wifi.wanted.is_some();
        due.into_iter().chain(self.poll_own_network(link, has_network)).min()
    }

    pub(crate) fn wifi_status(&mut self) -> Answer {
        let Some(radio) = self.board.radio() else { return no_radio() };
        let (link, figures) = (radio.link(), radio.figures());
        let state = match link {
            WifiLink::Off => "off",
            WifiLink::Joining => "joining",
            WifiLink::Joined { .. } => "joined",
            WifiLink::Failed(_) => "failed",
        };
        let mut fields = Fields::new().with("state", state);
        if let Some(wanted) = &self.wifi.wanted {
            fields = fields.with("ssid", &wanted.ssid);
        }
        fields = match link {
            WifiLink::Off | WifiLink::Joining => fields,
            WifiLink::Joined { address } => fields.with("address", address),
            WifiLink::Failed(failure) => {
                fields.with("reason", failure.name()).with("next", failure.next_step())
            }
        };
        if let Some(rssi) = figures.rssi_dbm {
            fields = fields.with("rssi_dbm", rssi).with("reconnects", figures.reconnects);
        }
        if let Some(ssid) = self.own_ssid() {
            fields = fields.with("ap_ssid", ssid);
        }
        Answer::fields(fields)
    }

    /// Shows what the last scan has found, and begins another one if that was long ago.
    pub(crate) fn wifi_scan(&mut self) -> Answer {
        let now = self.now;
        let fresh_until = self.wifi.scanned_at.map(|at| at.saturating_add_millis(SCAN_FRESH_MS));
        let Some(radio) = self.board.radio() else { return no_radio() };
        if fresh_until.is_none_or(|until| until < now) {
            radio.scan();
            self.wifi.scanned_at = Some(now);
        }
        let running = radio.is_scanning();
        let rows = radio.networks().iter().take(SCAN_NETWORKS_SHOWN).map(|network| {
            Fields::new()
                .with("ssid", network.ssid())
                .with("rssi_dbm", network.rssi_dbm())
                .with("secured", if network.secured() { "yes" } else { "no" })
        });
        let running = if running { "yes" } else { "no" };
        Answer { rows: rows.collect(), end: Ok(Fields::new().with("running", running)) }
    }
}

fn no_radio() -> Answer {
    Answer::refuse(ErrorCode::UnknownCommand, "this board has no Wi-Fi")
}
