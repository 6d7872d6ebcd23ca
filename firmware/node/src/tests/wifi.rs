//! The radio does what the settings say, and the console tells how it stands.

use super::*;
use crate::{Credentials, JoinFailure, Network, WifiLink};

/// A radio that does nothing by itself and remembers what it was told.
#[derive(Default)]
pub(super) struct TestRadio {
    /// Name and password of each network it was told to join.
    pub(super) joined: Vec<Option<(String, Option<String>)>>,
    pub(super) link: WifiLink,
    pub(super) scans: u32,
    pub(super) scanning: bool,
    pub(super) found: Vec<Network>,
}

impl Radio for TestRadio {
    fn poll(&mut self, _now: Instant) -> Option<Instant> {
        None
    }
    fn join(&mut self, network: Option<Credentials<'_>>) {
        self.link = if network.is_some() { WifiLink::Joining } else { WifiLink::Off };
        self.joined.push(network.map(|network| (network.ssid.into(), network.password.map(Into::into))));
    }
    fn link(&self) -> WifiLink {
        self.link
    }
    fn scan(&mut self) {
        self.scans += 1;
        self.scanning = true;
    }
    fn is_scanning(&self) -> bool {
        self.scanning
    }
    fn networks(&self) -> &[Network] {
        &self.found
    }
}

/// A board with a radio, booted and its log read.
pub(super) fn with_radio(flash: Ram) -> World {
    let capabilities = Capabilities::NONE.with(Capability::Wifi);
    let mut world = World::boot_as(flash, Identity { capabilities, ..World::identity(Limits::default()) });
    world.settle();
    world.console_text();
    world
}

impl World {
    pub(super) fn radio(&mut self) -> &mut TestRadio {
        self.node.board.radio.as_mut().unwrap()
    }
}

fn network(ssid: &str, password: &str) -> Option<(String, Option<String>)> {
    Some((ssid.into(), (!password.is_empty()).then(|| password.into())))
}

#[test]
fn the_radio_joins_what_is_set_and_only_when_that_changes() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.radio().joined, []);
    world.typed("begin 0");
    world.typed("set wifi.ssid home");
    world.typed("set wifi.password \"correct horse\"");
    assert_eq!(world.radio().joined, [], "not before the commit");
    world.typed("commit");
    world.typed("set log.level error");
    assert_eq!(world.radio().joined, [network("home", "correct horse")]);
    world.typed("set wifi.password \"battery staple\"");
    assert_eq!(world.radio().joined[1..], [network("home", "battery staple")]);
    let mut world = with_radio(world.power_off());
    assert_eq!(world.radio().joined, [network("home", "battery staple")], "again after a reset");
    world.typed("unset wifi.password");
    world.typed("unset wifi.ssid");
    assert_eq!(world.radio().joined[1..], [network("home", ""), None]);
}

#[test]
fn the_status_tells_the_address_or_why_there_is_none() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.typed("wifi status"), "ok state=off\r\n");
    world.typed("set wifi.ssid home");
    assert_eq!(world.typed("wifi status"), "ok state=joining  ssid=home\r\n");
    world.radio().link = WifiLink::Failed(JoinFailure::WrongPassword);
    world.settle();
    let next = "next: set wifi.password again; mind capital letters\r\n";
    assert_eq!(world.console_text(), format!("warn: Wi-Fi: cannot join \"home\": wrong-password; {next}"));
    assert_eq!(
        world.typed("wifi status"),
        "ok state=failed  ssid=home  reason=wrong-password  next=set wifi.password again; mind capital letters\r\n"
    );
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.settle();
    assert_eq!(world.console_text(), "info: Wi-Fi: joined \"home\" as 192.168.1.7\r\n");
    assert_eq!(world.typed("wifi status"), "ok state=joined  ssid=home  address=192.168.1.7\r\n");
}

#[test]
fn a_scan_is_begun_shown_and_not_begun_again_at_once() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.typed("wifi scan"), "ok running=yes\r\n");
    world.radio().found =
        vec![Network::new(b"a home", -40, true).unwrap(), Network::new(b"b", -81, false).unwrap()];
    assert!(world.typed("wifi scan").ends_with("ok running=yes\r\n"));
    world.radio().scanning = false;
    let found =
        "ssid=a home  rssi_dbm=-40  secured=yes\r\nssid=b  rssi_dbm=-81  secured=no\r\nok running=no\r\n";
    assert_eq!(world.typed("wifi scan"), found);
    assert_eq!(world.radio().scans, 1);
    world.wait_ms(15_001);
    assert!(world.typed("wifi scan").ends_with("ok running=yes\r\n"));
    assert_eq!(world.radio().scans, 2);
}

#[test]
fn a_board_without_a_radio_says_so() {
    let mut world = World::boot(Ram::blank());
    world.console_text();
    for line in ["wifi status", "wifi scan"] {
        assert_eq!(world.typed(line), "error: this board has no Wi-Fi\r\n");
    }
}
