//! A stream of control packets, in each version, that arrives in two pieces: the cut changes nothing, and what decodes is
//! encoded to bytes that mean the same, and are the same where a packet can be written in one way only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_mqtt::{Count, FixedHeader, HeaderProgress, Packet, Version, Window, remaining_length_bytes};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, stream)) = input.split_first() else { return };
    for version in [Version::V3_1, Version::V3_1_1, Version::V5] {
        read(stream, version, usize::from(cut));
    }
});

fn read(stream: &[u8], version: Version, cut: usize) {
    let mut rest = stream;
    loop {
        let progress = FixedHeader::decode(rest, version);
        let early = rest.get(..cut).unwrap_or(rest);
        match FixedHeader::decode(early, version) {
            Ok(HeaderProgress::NeedMore) => {}
            result => assert_eq!(result, progress, "more bytes changed a header"),
        }
        let Ok(HeaderProgress::Complete { header, header_bytes }) = progress else { return };
        let body_bytes = usize::try_from(header.remaining_length).expect("32 bits fit");
        let Some(packet_bytes) = header_bytes.checked_add(body_bytes) else { return };
        let Some((whole, next)) = rest.split_at_checked(packet_bytes) else { return };
        match Packet::decode(header, &whole[header_bytes..], version) {
            Ok(packet) => {
                let bytes = encode(&packet, version, cut);
                check_meaning(&packet, &bytes, version);
                if has_one_form(&packet, version) {
                    check_bytes(&packet, &bytes, header_bytes, header, whole);
                }
            }
            Err(error) => assert!(error.reason().is_error(), "{error}"),
        }
        rest = next;
    }
}

/// Encodes in two pieces.
fn encode(packet: &Packet<'_>, version: Version, cut: usize) -> Vec<u8> {
    let mut count = Count::default();
    packet.encode(version, &mut count).expect("what was decoded can be encoded");
    let mut bytes = vec![0; count.bytes];
    let cut = cut.min(bytes.len());
    let (head, tail) = bytes.split_at_mut(cut);
    for (skip, part) in [(0, head), (cut, tail)] {
        let mut window = Window::new(skip, part);
        packet.encode(version, &mut window).expect("what was decoded can be encoded");
        assert!(window.is_full(), "a window was not filled");
    }
    bytes
}

fn check_meaning(packet: &Packet<'_>, bytes: &[u8], version: Version) {
    let Ok(HeaderProgress::Complete { header, header_bytes }) = FixedHeader::decode(bytes, version) else {
        panic!("an encoded header is not one: {packet:?}");
    };
    assert_eq!(header.packet_bytes(), bytes.len());
    assert_eq!(Packet::decode(header, &bytes[header_bytes..], version).as_ref(), Ok(packet));
}

/// Whether nothing in the packet is optional or ignored.
fn has_one_form(packet: &Packet<'_>, version: Version) -> bool {
    match packet {
        // MQTT 3.1 ignores what it gives no meaning.
        Packet::Connect(connect) => connect.version != Version::V3_1,
        Packet::Ack(_) | Packet::ConnAck(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_)
            if version == Version::V3_1 =>
        {
            false
        }
        // Success without properties can be left out.
        Packet::Ack(_) | Packet::Disconnect(_) | Packet::Auth(_) => !version.has_properties(),
        _ => true,
    }
}

fn check_bytes(packet: &Packet<'_>, bytes: &[u8], header_bytes: usize, header: FixedHeader, whole: &[u8]) {
    // The length may stand in more bytes than it needs; the encoder writes it in the fewest.
    let minimal_header_bytes = 1 + remaining_length_bytes(header.remaining_length);
    assert!(header_bytes >= minimal_header_bytes);
    assert_eq!(bytes[0], whole[0], "{packet:?}");
    assert_eq!(bytes[minimal_header_bytes..], whole[header_bytes..], "{packet:?}");
    if header_bytes == minimal_header_bytes {
        assert_eq!(bytes, whole, "{packet:?}");
    }
}
