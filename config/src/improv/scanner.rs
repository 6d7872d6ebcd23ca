//! Telling packets from lines.

use alloc::vec::Vec;

use super::{HEADER_BYTES, START, checksum};

/// Finds packets between the lines of a console. It holds heap only while something may be one.
#[derive(Clone, Default)]
pub struct Scanner {
    /// The packet so far; what it holds is no part of a line yet.
    held: Vec<u8>,
    /// What is held has been given away and goes with the next byte.
    done: bool,
    /// The byte of a line that was heard last.
    single: [u8; 1],
    /// Whether a line has begun: a packet begins only where a line could.
    in_line: bool,
}

/// What a byte has come to.
#[derive(PartialEq, Eq)]
pub enum Heard<'a> {
    /// Nothing yet: it may belong to a packet.
    Nothing,
    /// These bytes are no packet; they belong to a line.
    Line(&'a [u8]),
    /// A whole packet whose checksum is right.
    Packet {
        /// Its type.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
    /// A packet that was damaged on its way. It is dropped; the browser asks again.
    Damaged,
}

impl Scanner {
    /// Takes one byte.
    pub fn push(&mut self, byte: u8) -> Heard<'_> {
        if self.done {
            self.give_up();
        }
        let at = self.held.len();
        let starts = START.get(at).is_none_or(|expected| *expected == byte);
        if self.in_line || (at == 0 && !starts) {
            self.in_line = !is_line_end(byte);
            self.single = [byte];
            return Heard::Line(&self.single);
        }
        if self.held.try_reserve(1).is_err() {
            self.give_up();
            return Heard::Damaged;
        }
        self.held.push(byte);
        if !starts {
            self.in_line = !is_line_end(byte);
            self.done = true;
            return Heard::Line(&self.held);
        }
        let Some((header, rest)) = self.held.split_first_chunk::<HEADER_BYTES>() else {
            return Heard::Nothing;
        };
        let [.., kind, length] = *header;
        let Some((data, [sum])) = rest.split_at_checked(usize::from(length)) else { return Heard::Nothing };
        self.done = true;
        let expected = checksum(header).wrapping_add(checksum(data));
        if *sum == expected { Heard::Packet { kind, data } } else { Heard::Damaged }
    }

    /// Whether a packet has begun and not ended.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        !self.done && self.held.len() >= START.len()
    }

    /// Gives a packet up whose rest does not come.
    pub fn give_up(&mut self) {
        self.held = Vec::new();
        self.done = false;
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    type Packets = Vec<(u8, Vec<u8>)>;

    /// Bytes of lines, packets, and how many were damaged.
    fn heard(bytes: &[u8]) -> (Vec<u8>, Packets, usize) {
        let mut scanner = Scanner::default();
        let (mut line, mut packets, mut damaged) = (Vec::new(), Vec::new(), 0);
        for byte in bytes {
            match scanner.push(*byte) {
                Heard::Nothing => {}
                Heard::Line(bytes) => line.extend_from_slice(bytes),
                Heard::Packet { kind, data } => packets.push((kind, data.to_vec())),
                Heard::Damaged => damaged += 1,
            }
        }
        (line, packets, damaged)
    }

    fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = START.to_vec();
        bytes.push(kind);
        bytes.push(u8::try_from(data.len()).unwrap());
        bytes.extend(data);
        bytes.push(checksum(&bytes));
        bytes
    }

    #[test]
    fn the_checksum_is_that_of_a_packet_of_the_browser() {
        // What the JavaScript client sends to ask for the state.
        let bytes = b"IMPROV\x01\x03\x02\x02\x00\xe5\n";
        assert_eq!(heard(bytes), (b"\n".to_vec(), vec![(3, vec![2, 0])], 0));
    }

    #[test]
    fn packets_stand_between_lines_and_lines_lose_nothing() {
        let first = packet(3, b"\x02\0");
        let all = packet(3, &[b'\n'; 255]);
        let bytes = [b"get mqtt.port\n", first.as_slice(), b"\nIMPROVED\rIMP\n", &all, b"list\n"].concat();
        let (line, packets, damaged) = heard(&bytes);
        assert_eq!(line, b"get mqtt.port\n\nIMPROVED\rIMP\nlist\n");
        assert_eq!(packets, [(3, b"\x02\0".to_vec()), (3, vec![b'\n'; 255])]);
        assert_eq!(damaged, 0);
    }

    #[test]
    fn inside_a_line_nothing_is_a_packet() {
        let bytes = [b"x".as_slice(), &packet(3, b"\x02\0"), b"\n"].concat();
        assert_eq!(heard(&bytes), (bytes.clone(), vec![], 0));
    }

    #[test]
    fn a_damaged_packet_is_dropped_and_the_next_one_heard() {
        let good = packet(3, b"\x02\0");
        for at in START.len()..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            // A longer length swallows what follows.
            let bytes = [bad.as_slice(), b"\n\n\n", &good].concat();
            let (_, packets, damaged) = heard(&bytes);
            assert_eq!((packets.len(), damaged), (1, 1), "{at}");
        }
    }

    #[test]
    fn a_packet_that_ends_early_can_be_given_up() {
        let mut scanner = Scanner::default();
        for byte in &packet(3, b"\x02\0")[..9] {
            scanner.push(*byte);
        }
        assert!(scanner.is_inside());
        scanner.give_up();
        assert!(!scanner.is_inside());
        assert!(scanner.push(b'l') == Heard::Line(b"l"));
    }

    proptest! {
        #[test]
        fn text_passes_unchanged(text in "(IMPROV\u{1}?|[A-Z\r\n]){0,30}\n") {
            // Only a whole start is held back.
            if !text.contains("IMPROV\u{1}") {
                prop_assert_eq!(heard(text.as_bytes()), (text.into_bytes(), vec![], 0));
            }
        }

        #[test]
        fn any_bytes_are_heard(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let (line, packets, _) = heard(&bytes);
            prop_assert!(line.len() + packets.len() * HEADER_BYTES <= bytes.len());
        }
    }
}
