//! The radio does what the settings say, and the console tells how it stands.

use super::*;
use crate::{Credentials, JoinFailure, Network, RadioFigures, StaticAddress, WifiLink};

/// A radio that does nothing by itself and remembers what it was told.
#[derive(Default)]
pub(super) struct TestRadio {
    /// Name and password of each network it was told to join.
    pub(super) joined: Vec<Option<(String, Option<String>)>>,
    pub(super) link: WifiLink,
    pub(super) scans: u32,
    pub(super) scanning: bool,
    pub(super) found: Vec<Network>,
    pub(super) figures: RadioFigures,
    pub(super) country: Option<[u8; 2]>,
    pub(super) address: Option<StaticAddress>,
    /// Name and password of the own network, each time that it changed.
    pub(super) own: Vec<Option<(String, String)>>,
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
    fn figures(&self) -> RadioFigures {
        self.figures
    }
    fn set_country(&mut self, country: Option<[u8; 2]>) {
        self.country = country;
    }
    fn set_address(&mut self, address: Option<StaticAddress>) {
        self.address = address;
    }
    fn open(&mut self, network: Option<Credentials<'_>>) {
        self.own.push(network.map(|own| (own.ssid.into(), own.password.unwrap().into())));
    }
    fn mac(&self) -> [u8; 6] {
        [2, 0, 0, 0, 0xBE, 0xEF]
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

/// A board whose radio can be a network of its own, booted; its log is still to be read.
fn with_own_network(flash: Ram) -> World {
    let capabilities = Capabilities::NONE.with(Capability::Wifi).with(Capability::AccessPoint);
    let mut world = World::boot_as(flash, Identity { capabilities, ..World::identity(Limits::default()) });
    world.settle();
    world
}

#[test]
fn a_first_boot_opens_a_network_whose_password_is_told_once_and_kept() {
    let mut world = with_own_network(Ram::blank());
    let own = world.radio().own[0].clone().unwrap();
    let (ssid, password) = own.clone();
    assert_eq!((ssid.as_str(), password.len()), ("obkmq-BEEF", 12));
    let log = world.console_text();
    let told = format!("info: The password of the board's own Wi-Fi network is now {password}\r\n");
    assert!(log.contains(&told) && log.contains("own network \"obkmq-BEEF\" opens"), "{log}");
    assert!(world.typed("get wifi.ap_password").contains("(set)"));

    let mut world = with_own_network(world.power_off());
    assert_eq!(world.radio().own, [Some(own)], "the same after a reset");
    assert!(!world.console_text().contains(&password), "told once");
    // The board of these tests draws the same numbers after each start.
    world.node.board.random = 99;
    world.typed("unset wifi.ap_password");
    assert_ne!(world.radio().own[1].clone().unwrap().1, password, "another one on demand");
    world.typed("set wifi.ap_password \"open sesame\"");
    assert_eq!(world.radio().own[2], Some(("obkmq-BEEF".into(), "open sesame".into())));
    assert!(!world.console_text().contains("sesame"));
}

#[test]
fn the_own_network_closes_when_another_is_joined_and_opens_when_that_is_gone_for_long() {
    let mut world = with_own_network(Ram::blank());
    world.typed("set wifi.ssid home");
    assert_eq!(world.radio().own.len(), 1, "open while it joins");
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.settle();
    world.wait_ms(59_000);
    assert_eq!(world.radio().own.len(), 1);
    world.wait_ms(1_000);
    assert_eq!(world.radio().own[1..], [None]);
    world.radio().link = WifiLink::Failed(JoinFailure::NotFound);
    world.settle();
    world.wait_ms(299_000);
    assert_eq!(world.radio().own.len(), 2);
    world.wait_ms(1_000);
    assert!(world.radio().own[2].is_some());
    assert!(world.typed("wifi status").contains("ap_ssid=obkmq-BEEF"));
    world.typed("set wifi.ap off");
    assert_eq!(world.radio().own[3..], [None]);
}

#[test]
fn a_password_that_cannot_be_stored_holds_until_the_next_start_and_is_made_up_once() {
    let mut flash = Ram::blank();
    flash.cut = Some((0, flash::Tear::Nothing));
    let mut world = with_own_network(flash);
    let (_, password) = world.radio().own[0].clone().unwrap();
    let log = world.console_text();
    assert!(log.contains(&password) && log.contains("until the next start only"), "{log}");
    world.wait_ms(1_000);
    assert_eq!(world.radio().own.len(), 1);
    assert_eq!(world.console_text(), "");
}

#[test]
fn damaged_settings_open_nothing() {
    let mut world = with_own_network(Ram::blank());
    world.typed("set wifi.ap on");
    let mut flash = world.power_off();
    flash.unreadable = true;
    let mut world = with_own_network(flash);
    assert!(world.console_text().contains("closed to the network"));
    assert_eq!(world.radio().own, []);
}

#[test]
fn country_and_address_come_before_the_network_and_again_when_they_change() {
    let mut world = with_own_network(Ram::blank());
    assert_eq!((world.radio().country, world.radio().address), (None, None));
    world.typed("set wifi.country DE");
    world.typed("set network.gateway 192.168.1.1");
    world.typed("set network.address 192.168.1.5/24");
    assert_eq!(world.radio().country, Some(*b"DE"));
    let address = StaticAddress {
        address: [192, 168, 1, 5].into(),
        prefix_bits: 24,
        gateway: Some([192, 168, 1, 1].into()),
        name_server: None,
    };
    assert_eq!(world.radio().address, Some(address));
    world.typed("unset network.address");
    assert_eq!(world.radio().address, None);
}

#[test]
fn the_status_tells_the_radios_figures() {
    let mut world = with_radio(Ram::blank());
    world.typed("set wifi.ssid home");
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.radio().figures = RadioFigures { rssi_dbm: Some(-61), reconnects: 3 };
    world.settle();
    world.console_text();
    let status = world.typed("wifi status");
    assert!(status.ends_with("address=192.168.1.7  rssi_dbm=-61  reconnects=3\r\n"), "{status}");
}

#[test]
fn a_board_without_a_radio_says_so() {
    let mut world = World::boot(Ram::blank());
    world.console_text();
    for line in ["wifi status", "wifi scan"] {
        assert_eq!(world.typed(line), "error: this board has no Wi-Fi\r\n");
    }
}
