//! A browser gives the board its network, between the lines of the console.

use obkmq_config::improv::{Heard, Scanner};

use super::wifi::with_radio;
use super::*;
use crate::{JoinFailure, Network, WifiLink};

const STATE: u8 = 1;
const ERROR: u8 = 2;
const RESULT: u8 = 4;

/// A request as the browser's client writes it.
fn rpc(command: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"IMPROV\x01\x03".to_vec();
    bytes.push(u8::try_from(data.len() + 2).unwrap());
    bytes.extend([command, u8::try_from(data.len()).unwrap()]);
    bytes.extend(data);
    bytes.push(bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    bytes.push(b'\n');
    bytes
}

fn wifi_settings(ssid: &str, password: &str) -> Vec<u8> {
    let mut data = Vec::new();
    for text in [ssid, password] {
        data.push(u8::try_from(text.len()).unwrap());
        data.extend(text.as_bytes());
    }
    rpc(1, &data)
}

/// A result, as its data.
fn result(command: u8, texts: &[&str]) -> (u8, Vec<u8>) {
    let mut data = vec![command, 0];
    for text in texts {
        data.push(u8::try_from(text.len()).unwrap());
        data.extend(text.as_bytes());
    }
    data[1] = u8::try_from(data.len() - 2).unwrap();
    (RESULT, data)
}

impl World {
    /// The packets that the console says, and what else it prints.
    fn heard(&mut self) -> (Vec<(u8, Vec<u8>)>, String) {
        let (mut scanner, mut packets, mut text) = (Scanner::default(), Vec::new(), Vec::new());
        let bytes = self.node.console_output().to_vec();
        self.node.console_written(bytes.len());
        for byte in bytes {
            match scanner.push(byte) {
                Heard::Nothing => {}
                Heard::Line(bytes) => text.extend_from_slice(bytes),
                Heard::Packet { kind, data } => packets.push((kind, data.to_vec())),
                Heard::Damaged => panic!("damaged"),
            }
        }
        (packets, String::from_utf8(text).unwrap())
    }

    fn asked(&mut self, request: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.node.console_input(request);
        self.settle();
        self.heard().0
    }
}

#[test]
fn a_network_is_tried_and_stored_once_it_is_joined() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![2])]);
    assert_eq!(world.asked(&wifi_settings("home", "correct horse")), [(STATE, vec![3])]);
    assert_eq!(world.radio().joined.len(), 1);
    assert_eq!((world.node.settings().wifi_ssid(), world.node.settings().generation()), (None, 0));
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![3])], "still on its way");
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.settle();
    let (packets, text) = world.heard();
    assert_eq!(packets, [(STATE, vec![4]), result(1, &[])]);
    assert!(text.contains("info: Wi-Fi: joined \"home\" as 192.168.1.7\r\n"), "{text}");
    assert_eq!(world.node.settings().wifi_ssid(), Some("home"));
    assert_eq!(world.node.settings().wifi_password(), Some("correct horse"));
    assert_eq!(world.radio().joined.len(), 1, "it is not joined anew");
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![4]), result(2, &[])]);
    assert_eq!(with_radio(world.power_off()).node.settings().wifi_ssid(), Some("home"));
}

#[test]
fn a_board_with_a_panel_says_where_it_is() {
    let capabilities = Capabilities::NONE.with(Capability::Wifi).with(Capability::Panel);
    let mut world =
        World::boot_as(Ram::blank(), Identity { capabilities, ..World::identity(Limits::default()) });
    world.typed("set panel.port 8080");
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![4]), result(2, &["http://192.168.1.7:8080"])]);
    world.typed("set panel.enabled false");
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![4]), result(2, &[])]);
}

#[test]
fn a_network_that_cannot_be_joined_leaves_the_one_that_was_set() {
    let mut world = with_radio(Ram::blank());
    world.typed("set wifi.ssid home");
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    for failure in
        [JoinFailure::NotFound, JoinFailure::WrongPassword, JoinFailure::NoAddress, JoinFailure::Refused]
    {
        world.asked(&wifi_settings("other", "12345678"));
        world.radio().link = WifiLink::Failed(failure);
        world.settle();
        let (packets, _) = world.heard();
        assert_eq!(packets, [(ERROR, vec![3]), (STATE, vec![2])]);
        assert_eq!(world.radio().joined.last().unwrap().as_ref().unwrap().0, "home");
    }
    world.asked(&wifi_settings("other", "12345678"));
    world.wait_ms(25_001);
    assert_eq!(world.heard().0, [(ERROR, vec![3]), (STATE, vec![2])], "a browser does not wait for ever");
    assert_eq!(world.node.settings().generation(), 1);
}

#[test]
fn a_network_that_cannot_be_set_is_refused_and_its_password_not_repeated() {
    let mut world = with_radio(Ram::blank());
    for (ssid, password) in [("home", "hunter2"), ("", "hunter2hunter2"), (&"x".repeat(33), "hunter2hunter2")]
    {
        world.node.console_input(&wifi_settings(ssid, password));
        world.settle();
        let (packets, text) = world.heard();
        assert_eq!(packets, [(ERROR, vec![3])], "{ssid}");
        assert!(text.starts_with("warn: ") || text.contains("\nwarn: "), "{text:?}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert_eq!(world.radio().joined, []);
}

#[test]
fn another_network_set_meanwhile_wins() {
    let mut world = with_radio(Ram::blank());
    world.asked(&wifi_settings("other", "12345678"));
    world.node.console_input(b"set wifi.ssid home\n");
    world.settle();
    let (packets, _) = world.heard();
    assert_eq!(packets, [(ERROR, vec![0xff]), (STATE, vec![2])]);
    assert_eq!(world.radio().joined.last().unwrap().as_ref().unwrap().0, "home");
}

#[test]
fn networks_are_told_one_by_one_when_the_scan_has_ended() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.asked(&rpc(4, b"")), []);
    world.radio().found =
        vec![Network::new(b"a home", -40, true).unwrap(), Network::new(b"b", -81, false).unwrap()];
    world.radio().scanning = false;
    world.settle();
    let (packets, _) = world.heard();
    assert_eq!(
        packets,
        [result(4, &["a home", "-40", "YES"]), result(4, &["b", "-81", "NO"]), result(4, &[])]
    );
}

#[test]
fn the_board_says_what_it_is_and_takes_a_name() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.asked(&rpc(3, b"")), [result(3, &["obkmq", "1.2.3", "ESP32-C3", "obkmq"])]);
    assert_eq!(world.asked(&rpc(5, b"")), [result(5, &["obkmq"])]);
    assert_eq!(world.asked(&rpc(5, b"attic")), [result(5, &["attic"])]);
    assert_eq!(world.node.settings().hostname(), "attic");
    assert_eq!(world.asked(&rpc(5, b"no host!")), [(ERROR, vec![5])]);
    assert_eq!(world.asked(&rpc(3, b"")), [result(3, &["obkmq", "1.2.3", "ESP32-C3", "attic"])]);
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut world = with_radio(Ram::blank());
    assert_eq!(world.asked(&rpc(7, b"")), [(ERROR, vec![2])]);
    assert_eq!(world.asked(&rpc(2, b"x")), [(ERROR, vec![1])]);
    let mut damaged = rpc(2, b"");
    damaged[11] ^= 1;
    assert_eq!(world.asked(&damaged), [(ERROR, vec![1])]);

    let mut world = World::boot(Ram::blank());
    world.console_text();
    assert_eq!(world.asked(&rpc(2, b"")), [(STATE, vec![0])], "no radio");
    assert_eq!(world.asked(&rpc(4, b"")), [(ERROR, vec![2])]);
    assert_eq!(world.asked(&wifi_settings("home", "12345678")), [(ERROR, vec![3])]);
    assert_eq!(world.asked(&rpc(3, b""))[0].0, RESULT);
}

#[test]
fn a_board_with_damaged_settings_takes_no_network() {
    let mut world = with_radio(Ram::blank());
    world.node.locked = true;
    assert_eq!(world.asked(&wifi_settings("home", "12345678")), [(ERROR, vec![0xff])]);
    assert_eq!(world.asked(&rpc(5, b"attic")), [(ERROR, vec![5])]);
    assert_eq!(world.radio().joined, []);
}

#[test]
fn lines_and_packets_share_the_wire() {
    let mut world = with_radio(Ram::blank());
    let bytes =
        [b"get mqtt.port\n".as_slice(), &rpc(2, b""), b"IMPROVED\n", &rpc(2, b""), b"get log.level\n"]
            .concat();
    // At every position the wire may pause.
    for at in 0..bytes.len() {
        world.node.console_input(&bytes[..at]);
        world.settle();
        world.node.console_input(&bytes[at..]);
        world.settle();
        let (packets, text) = world.heard();
        assert_eq!(packets, [(STATE, vec![2]), (STATE, vec![2])], "{at}");
        let port = text.find("key=mqtt.port").unwrap();
        let unknown = text.find("there is no command \"IMPROVED\"").unwrap();
        assert!(port < unknown && unknown < text.find("key=log.level").unwrap(), "{text}");
    }
}

#[test]
fn a_packet_without_its_end_does_not_swallow_what_comes_later() {
    let mut world = with_radio(Ram::blank());
    world.node.console_input(&rpc(2, b"")[..10]);
    world.settle();
    world.wait_ms(501);
    assert!(world.typed("get log.level").contains("key=log.level"));
}

#[test]
fn a_transaction_on_the_console_does_not_take_the_network_in() {
    let mut world = with_radio(Ram::blank());
    world.typed("begin 0");
    world.typed("set mqtt.port 1884");
    world.asked(&wifi_settings("home", "12345678"));
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.settle();
    world.console_text_lossy();
    assert_eq!(world.node.settings().wifi_ssid(), Some("home"));
    assert_eq!(world.node.settings().mqtt_port(), 1883);
    assert!(world.typed("commit").contains("someone changed them"));
}

#[test]
fn a_console_that_goes_takes_the_network_with_it_that_it_tried() {
    let mut world = with_radio(Ram::blank());
    let console = world.node.attach_console().unwrap();
    world.node.attached_input(console, &wifi_settings("home", "12345678"));
    world.settle();
    assert_eq!(world.radio().joined.len(), 1);
    world.node.detach_console(console);
    assert_eq!(world.radio().joined[1..], [None]);
}

impl World {
    fn console_text_lossy(&mut self) {
        let bytes = self.node.console_output().len();
        self.node.console_written(bytes);
    }
}

#[test]
fn a_trial_and_a_browser_do_not_get_in_each_others_way() {
    let mut world = with_radio(Ram::blank());
    world.typed("begin 0");
    world.typed("set mqtt.port 3000");
    assert_eq!(world.typed("commit trial=60"), "ok gen=1  trial=60\r\n");
    // Nothing is joined that could not be stored.
    assert_eq!(world.asked(&wifi_settings("home", "correct horse")), [(ERROR, vec![0xFF])]);
    assert!(world.radio().joined.is_empty());
    world.typed("confirm");
    // A browser's network is on its way when a trial begins: the settings decide, and the browser is told.
    assert_eq!(world.asked(&wifi_settings("home", "correct horse")), [(STATE, vec![3])]);
    world.typed("begin 1");
    world.typed("set mqtt.port 4000");
    world.node.console_input(b"commit trial=60\n");
    world.settle();
    world.radio().link = WifiLink::Joined { address: [192, 168, 1, 7].into() };
    world.settle();
    let (packets, text) = world.heard();
    assert!(text.contains("ok gen=2  trial=60"), "{text}");
    assert_eq!(packets.first(), Some(&(ERROR, vec![0xFF])), "{text}");
    assert_eq!(world.node.settings().wifi_ssid(), None);
    world.wait_ms(60_000);
    assert_eq!((world.node.settings().mqtt_port(), world.node.settings().wifi_ssid()), (3000, None));
}
