//! A stream of control packets that arrives in two pieces: the cut changes nothing, and what decodes is encoded to the
//! same bytes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_mqtt::{Count, FixedHeader, HeaderProgress, Packet, Version, Window, remaining_length_bytes};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, stream)) = input.split_first() else { return };
    let mut rest = stream;
    loop {
        let progress = FixedHeader::decode(rest);
        let early = rest.get(..usize::from(cut)).unwrap_or(rest);
        match FixedHeader::decode(early) {
            Ok(HeaderProgress::NeedMore) => {}
            result => assert_eq!(result, progress, "more bytes changed a header"),
        }
        let Ok(HeaderProgress::Complete { header, header_bytes }) = progress else { return };
        let body_bytes = usize::try_from(header.remaining_length).expect("32 bits fit");
        let Some(packet_bytes) = header_bytes.checked_add(body_bytes) else { return };
        let Some((whole, next)) = rest.split_at_checked(packet_bytes) else { return };
        let body = &whole[header_bytes..];
        if let Ok(packet) = Packet::decode(header, body, Version::V3_1_1) {
            check(&packet, header_bytes, header, whole, usize::from(cut));
        }
        rest = next;
    }
});

fn check(packet: &Packet<'_>, header_bytes: usize, header: FixedHeader, whole: &[u8], cut: usize) {
    let mut count = Count::default();
    packet.encode(Version::V3_1_1, &mut count).expect("what was decoded can be encoded");
    let mut bytes = vec![0; count.bytes];
    let cut = cut.min(bytes.len());
    let (head, tail) = bytes.split_at_mut(cut);
    for (skip, part) in [(0, head), (cut, tail)] {
        let mut window = Window::new(skip, part);
        packet.encode(Version::V3_1_1, &mut window).expect("what was decoded can be encoded");
        assert!(window.is_full(), "a window was not filled");
    }
    // The length may stand in more bytes than it needs; the encoder writes it in the fewest.
    let minimal_header_bytes = 1 + remaining_length_bytes(header.remaining_length);
    assert!(header_bytes >= minimal_header_bytes);
    assert_eq!(bytes[0], whole[0], "{packet:?}");
    assert_eq!(bytes[minimal_header_bytes..], whole[header_bytes..], "{packet:?}");
    if header_bytes == minimal_header_bytes {
        assert_eq!(bytes, whole, "{packet:?}");
    }
}
