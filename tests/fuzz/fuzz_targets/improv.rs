//! Bytes of a console that may hold packets of a browser: nothing is lost that is no packet, and any packet is read or
//! refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_config::improv::{Heard, Message, Request, Rpc, Scanner};

fuzz_target!(|input: &[u8]| {
    let mut scanner = Scanner::default();
    let (mut passed, mut packets) = (0, 0);
    for byte in input {
        match scanner.push(*byte) {
            Heard::Nothing => {}
            Heard::Line(bytes) => passed += bytes.len(),
            Heard::Damaged => packets += 1,
            Heard::Packet { kind, data } => {
                packets += 1;
                match Request::parse(kind, data) {
                    Ok(request) => {
                        let shown = format!("{request:?}");
                        if let Request::WifiSettings { ssid, .. } | Request::HostName(Some(ssid)) = request {
                            assert!(!shown.is_empty());
                            // What is answered is a packet again.
                            round_trip(&[ssid, ssid, ssid, ssid, ssid]);
                        }
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
    // A packet has at least ten bytes.
    assert!(passed + 10 * packets <= input.len());
});

fn round_trip(texts: &[&str]) {
    let mut scanner = Scanner::default();
    let mut heard = 0;
    for byte in Message::Result(Rpc::DeviceInfo, texts).encode() {
        match scanner.push(byte) {
            Heard::Nothing => {}
            Heard::Line(bytes) => assert_eq!(bytes, b"\n"),
            Heard::Packet { data, .. } => {
                assert_ne!(data.len(), 10);
                heard += 1;
            }
            Heard::Damaged => panic!("a packet of ours is damaged"),
        }
    }
    assert_eq!(heard, 1);
}
