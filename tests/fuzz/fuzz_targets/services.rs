//! Datagrams at the services of a board's network, and bytes where the last run is recorded: whatever comes is answered with
//! what fits, or not at all.
//!
//! The first byte chooses who reads, the second is a time; the rest are messages behind their lengths (two bytes, little
//! endian), one after the other.
#![no_main]

use core::net::Ipv4Addr;

use libfuzzer_sys::fuzz_target;
use obkmq_net::services::{Host, Leases, Offer, Responder, Service, captive_answer, read_time};
use obkmq_node::{Instant, RUN_RECORD_BYTES, Reset, RunRecord};

const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 4, 1);
const SERVICES: [Service; 2] = [Service { kind: "_mqtt", port: 1883 }, Service { kind: "_http", port: 80 }];

fuzz_target!(|input: &[u8]| {
    let Some((&[who, pace], mut rest)) = input.split_first_chunk() else { return };
    let mut leases = Leases::default();
    let mut responder = Responder::default();
    let host = Host { name: "obkmq", address: OWN, services: &SERVICES };
    let offer = Offer { own: OWN, prefix_bits: 24, page: (pace & 1 == 1).then_some("http://192.168.4.1/") };
    let mut millis = 0;
    while let Some((length, behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (message, behind) = behind.split_at(length);
        rest = behind;
        millis += u64::from(pace) * 16;
        let now = Instant::from_millis(millis);
        let mut out = [0; 768];
        match who % 5 {
            0 => {
                if let Some(length) = leases.answer(message, &offer, now, &mut out) {
                    assert!((240..=548).contains(&length), "no client takes more");
                }
            }
            1 => {
                if let Some(length) = captive_answer(message, OWN, &mut out) {
                    // The question once more, and one record.
                    assert!(length <= message.len() + 255 + 16);
                }
            }
            2 => {
                let port = if pace & 2 == 2 { 5353 } else { 40_000 };
                if let Some((length, _)) = responder.answer(message, port, &host, now, &mut out) {
                    assert!(length >= 12 && out[2] & 0x80 != 0);
                }
                responder.poll(&host, now, &mut out);
            }
            3 => {
                let random =
                    message.get(24..32).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
                if let Some(millis) = read_time(message, random) {
                    // From 1968 to 2104, which is what 32 bits of seconds can tell.
                    assert!((-61_505_152_000..4_233_462_144_000).contains(&millis));
                }
            }
            _ => {
                let mut bytes = [pace; RUN_RECORD_BYTES];
                let length = message.len().min(RUN_RECORD_BYTES);
                bytes[..length].copy_from_slice(&message[..length]);
                let mut record = RunRecord::new(&mut bytes);
                record.begin(Reset::Software);
                record.panic(&String::from_utf8_lossy(message), 0..u32::from(pace));
                assert!(!record.begin(Reset::Software).words.is_empty() || message.is_empty());
            }
        }
    }
});
