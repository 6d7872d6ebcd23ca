//! The virtual board's serial loader: whatever comes over the line, it neither panics nor sticks nor grows.
//!
//! The input is a list of packets, each a length byte and its bytes, with the framing added here: mutations then reach
//! the commands. Packets with odd lengths go in unframed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use obkmq_virtual::flash::MemoryFlash;
use obkmq_virtual::rom::Loader;

const FLASH_BYTES: u32 = 64 * 1024;
/// What may wait for the line at most: far above the loader's own bound, far below a leak.
const OUTPUT_BOUND_BYTES: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let mut loader = Loader::new(MemoryFlash::new(FLASH_BYTES));
    let mut rest = input;
    while let Some((&length, after)) = rest.split_first() {
        let (packet, next) = after.split_at(usize::from(length).min(after.len()));
        rest = next;
        if length % 2 == 1 {
            feed(&mut loader, packet);
        } else {
            feed(&mut loader, &framed(packet));
        }
    }
});

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut line = vec![0xC0];
    // Only the place of the checksum is known to every mutation: data packets get the right one.
    let mut packet = packet.to_vec();
    if let Some((header, data)) = packet.split_at_mut_checked(8)
        && let Some(payload) = data.get(16..)
    {
        let sum = payload.iter().fold(0xEF, |sum, byte| sum ^ byte);
        header[4..8].copy_from_slice(&u32::from(sum).to_le_bytes());
    }
    for byte in packet {
        match byte {
            0xC0 => line.extend_from_slice(&[0xDB, 0xDC]),
            0xDB => line.extend_from_slice(&[0xDB, 0xDD]),
            byte => line.push(byte),
        }
    }
    line.push(0xC0);
    line
}

fn feed(loader: &mut Loader<MemoryFlash>, mut bytes: &[u8]) {
    loop {
        let taken = loader.receive(bytes).expect("memory does not fail");
        bytes = &bytes[taken..];
        let waiting = loader.output().expect("memory does not fail").len();
        assert!(waiting <= OUTPUT_BOUND_BYTES, "{waiting} bytes wait for the line");
        loader.sent(waiting);
        let event = loader.next_event();
        if bytes.is_empty() {
            return;
        }
        assert!(taken > 0 || waiting > 0 || event.is_some(), "the loader is stuck");
    }
}
