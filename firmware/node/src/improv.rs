//! Improv Serial, the device's side: a browser on the wire of the console gives the board its Wi-Fi network.
//!
//! A network is tried first and stored once it is joined, so that a mistyped password does not cost the network that
//! the board had. Who is on the wire may do all of this: it is the console.

use alloc::format;
use alloc::string::{String, ToString};

use obkmq_broker::Instant;
use obkmq_config::improv::{BadRequest, Failure, Message, Request, Rpc, Scanner, State};
use obkmq_config::settings::{Capability, Draft, LogLevel, SettingError};

use crate::board::Board;
use crate::limits::{BROWSER_JOIN_MS, PACKET_PAUSE_MS, SCAN_NETWORKS_SHOWN};
use crate::node::Node;
use crate::radio::{Credentials, Network, WifiLink};

/// Name of this firmware, as the manifests of web flashers have it.
const FIRMWARE_NAME: &str = "obkmq";

/// What a console knows of a browser.
#[derive(Default)]
pub(crate) struct Improv {
    scanner: Scanner,
    /// When a byte was heard last.
    heard_at: Instant,
    /// It waits for the networks in reach.
    scan: bool,
    /// It waits for a network to be joined.
    join: Option<Join>,
}

/// A network that is tried. It has no `Debug`, because of the password.
struct Join {
    ssid: String,
    password: Option<String>,
    until: Instant,
}

impl Join {
    fn credentials(&self) -> Credentials<'_> {
        Credentials { ssid: &self.ssid, password: self.password.as_deref() }
    }
}

impl Improv {
    pub(crate) fn is_waiting(&self) -> bool {
        self.scan || self.is_joining()
    }

    /// Whether it tries a network that is not stored.
    pub(crate) fn is_joining(&self) -> bool {
        self.join.is_some()
    }

    /// The scanner, for a turn. A packet whose rest has not come for too long is given up.
    pub(crate) fn take_scanner(&mut self, now: Instant) -> Scanner {
        let mut scanner = core::mem::take(&mut self.scanner);
        if scanner.is_inside() && self.heard_at.saturating_add_millis(PACKET_PAUSE_MS) < now {
            scanner.give_up();
        }
        self.heard_at = now;
        scanner
    }

    pub(crate) fn put_scanner(&mut self, scanner: Scanner) {
        self.scanner = scanner;
    }
}

impl<B: Board> Node<B> {
    /// Does what a packet asks for.
    pub(crate) fn improv_packet(&mut self, kind: u8, data: &[u8]) {
        match Request::parse(kind, data) {
            Ok(Request::CurrentState) => self.tell_state(),
            Ok(Request::DeviceInfo) => {
                let identity = self.identity;
                let family = chip_family(identity.chip);
                let name = self.settings.hostname().to_string();
                self.result(Rpc::DeviceInfo, &[FIRMWARE_NAME, identity.firmware, &family, &name]);
            }
            Ok(Request::ScanNetworks) => match self.board.radio() {
                Some(radio) => {
                    radio.scan();
                    self.console.improv.scan = true;
                }
                None => self.failure(Failure::UnknownRpc),
            },
            Ok(Request::WifiSettings { ssid, password }) => self.try_network(ssid, password),
            Ok(Request::HostName(name)) => self.host_name(name),
            Err(BadRequest::NotForDevices) => {}
            Err(BadRequest::Malformed) => self.failure(Failure::InvalidRpc),
            Err(BadRequest::Unknown(_)) => self.failure(Failure::UnknownRpc),
        }
    }

    /// A packet was damaged on its way.
    pub(crate) fn improv_damaged(&mut self) {
        self.failure(Failure::InvalidRpc);
    }

    /// Answers a browser that waits, once there is an answer; when to look again at the latest.
    pub(crate) fn poll_improv(&mut self) -> Option<Instant> {
        if self.console.improv.scan && self.board.radio().is_none_or(|radio| !radio.is_scanning()) {
            self.console.improv.scan = false;
            self.tell_networks();
        }
        let join = self.console.improv.join.take()?;
        let link = self.wifi_link();
        if !self.is_wanted(join.credentials()) {
            // Somebody else has set another network meanwhile.
            self.join_failed(Failure::Unknown);
            return None;
        }
        match link {
            WifiLink::Joined { .. } => self.keep_network(&join),
            WifiLink::Joining if self.now < join.until => {
                let until = join.until;
                self.console.improv.join = Some(join);
                return Some(until);
            }
            WifiLink::Joining | WifiLink::Off | WifiLink::Failed(_) => {
                self.join_failed(Failure::UnableToConnect);
            }
        }
        None
    }

    /// Begins to join a network that is not stored yet.
    fn try_network(&mut self, ssid: &str, password: &str) {
        if self.board.radio().is_none() {
            return self.failure(Failure::UnableToConnect);
        }
        let password = Some(password).filter(|password| !password.is_empty());
        let checked = Draft::begin(&self.settings, self.settings.generation())
            .map_err(|stale| stale.to_string())
            .and_then(|mut draft| {
                set_network(&mut draft, Credentials { ssid, password })
                    .and_then(|()| self.check(draft.settings()))
                    .map_err(|error| error.to_string())
            });
        // It could not be stored once it is joined.
        if self.trial.is_some() {
            self.log(
                LogLevel::Warn,
                format_args!("no network is taken from a browser while settings are on trial"),
            );
            return self.failure(Failure::Unknown);
        }
        // An empty name would be no network at all.
        let checked = if ssid.is_empty() { Err("it has no name".to_string()) } else { checked };
        if self.locked {
            self.log(
                LogLevel::Error,
                format_args!("no network is taken from a browser: the settings are damaged"),
            );
            return self.failure(Failure::Unknown);
        }
        if let Err(error) = checked {
            self.log(LogLevel::Warn, format_args!("the network of a browser is refused: {error}"));
            return self.failure(Failure::UnableToConnect);
        }
        self.console.improv.join = Some(Join {
            ssid: ssid.to_string(),
            password: password.map(ToString::to_string),
            until: self.now.saturating_add_millis(BROWSER_JOIN_MS),
        });
        self.join(Some(Credentials { ssid, password }));
        self.tell_state();
    }

    /// Stores a network that was joined.
    fn keep_network(&mut self, join: &Join) {
        match self.commit_apart(|draft| set_network(draft, join.credentials())) {
            Ok(()) => {
                self.say(Message::State(State::Provisioned));
                self.tell_address(Rpc::WifiSettings);
            }
            Err(error) => {
                self.log(LogLevel::Error, format_args!("the network of a browser is not stored: {error}"));
                self.join_failed(Failure::Unknown);
            }
        }
    }

    /// Goes back to the network that is set.
    fn join_failed(&mut self, failure: Failure) {
        let settings = self.settings.clone();
        self.apply_wifi(&settings);
        self.failure(failure);
        self.tell_state();
    }

    fn host_name(&mut self, name: Option<&str>) {
        let changed = match name {
            Some(name) => self.commit_apart(|draft| draft.set("network.hostname", name)),
            None => Ok(()),
        };
        match changed {
            Ok(()) => {
                let name = self.settings.hostname().to_string();
                self.result(Rpc::HostName, &[&name]);
            }
            Err(error) => {
                self.log(LogLevel::Warn, format_args!("the host name of a browser is refused: {error}"));
                self.failure(Failure::BadHostName);
            }
        }
    }

    /// The state, and where a browser finds the board that is in a network.
    fn tell_state(&mut self) {
        let state = if self.board.radio().is_none() {
            State::Stopped
        } else if self.console.improv.join.is_some() {
            State::Provisioning
        } else if matches!(self.wifi_link(), WifiLink::Joined { .. }) {
            State::Provisioned
        } else {
            State::Ready
        };
        self.say(Message::State(state));
        if state == State::Provisioned {
            self.tell_address(Rpc::CurrentState);
        }
    }

    /// The address of the panel; none where there is no panel to be visited.
    fn tell_address(&mut self, rpc: Rpc) {
        let port = self.settings.panel_port().filter(|_| self.identity.capabilities.has(Capability::Panel));
        let (WifiLink::Joined { address }, Some(port)) = (self.wifi_link(), port) else {
            return self.result(rpc, &[]);
        };
        let url = format!("http://{}", core::net::SocketAddr::new(address, port));
        self.result(rpc, &[&url]);
    }

    fn tell_networks(&mut self) {
        let mut at = 0;
        while let Some(network) = self.network(at) {
            let rssi = network.rssi_dbm().to_string();
            self.result(
                Rpc::ScanNetworks,
                &[network.ssid(), &rssi, if network.secured() { "YES" } else { "NO" }],
            );
            at = at.saturating_add(1);
        }
        self.result(Rpc::ScanNetworks, &[]);
    }

    fn network(&mut self, at: usize) -> Option<Network> {
        self.board.radio()?.networks().get(at).filter(|_| at < SCAN_NETWORKS_SHOWN).cloned()
    }

    fn result(&mut self, rpc: Rpc, texts: &[&str]) {
        self.say(Message::Result(rpc, texts));
    }

    fn failure(&mut self, failure: Failure) {
        self.say(Message::Failure(failure));
    }

    fn say(&mut self, message: Message<'_>) {
        self.console.output.packet(&message.encode());
    }
}

fn set_network(draft: &mut Draft, network: Credentials<'_>) -> Result<(), SettingError> {
    draft.set("wifi.ssid", network.ssid)?;
    match network.password {
        Some(password) => draft.set("wifi.password", password),
        None => draft.unset("wifi.password"),
    }
}

/// `ESP32-C3` of `esp32c3`, as web flashers write it.
fn chip_family(chip: &str) -> String {
    let family = chip.to_ascii_uppercase();
    match family.strip_prefix("ESP32") {
        Some(variant) if !variant.is_empty() => format!("ESP32-{variant}"),
        _ => family,
    }
}
