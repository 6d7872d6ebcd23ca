//! The loader's framing: RFC 1055, with every packet between two END bytes.
//!
//! Written for the board alone: the flashers that are tested against it bring their own.

use crate::limits::COMMAND_DATA_BYTES;

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;

/// Header and data of the longest command.
const MAX_PACKET_BYTES: usize = 8 + COMMAND_DATA_BYTES;

/// Finds packets in a stream of bytes. A packet that is too long or wrongly escaped is dropped whole; the next END
/// begins anew.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    packet: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between packets: everything up to the next END is noise.
    #[default]
    Outside,
    Inside,
    Escaped,
    /// In a packet that will be dropped.
    Broken,
}

impl Decoder {
    /// Takes one byte; the packet that it completes, if it does.
    pub(crate) fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        match (self.state, byte) {
            (State::Inside, END) if !self.packet.is_empty() => {
                self.state = State::Outside;
                return Some(core::mem::take(&mut self.packet));
            }
            // Two in a row: the second is the beginning. An unfinished escape, noise: likewise.
            (_, END) => {
                self.packet.clear();
                self.state = State::Inside;
            }
            (State::Outside | State::Broken, _) => {}
            (State::Inside, ESCAPE) => self.state = State::Escaped,
            (State::Inside, byte) => self.append(byte),
            (State::Escaped, ESCAPED_END) => self.append(END),
            (State::Escaped, ESCAPED_ESCAPE) => self.append(ESCAPE),
            (State::Escaped, _) => self.state = State::Broken,
        }
        None
    }

    fn append(&mut self, byte: u8) {
        if self.packet.len() < MAX_PACKET_BYTES {
            self.packet.push(byte);
            self.state = State::Inside;
        } else {
            self.packet = Vec::new();
            self.state = State::Broken;
        }
    }
}

/// Appends `packet` to `line`, framed.
pub(crate) fn encode(packet: &[u8], line: &mut Vec<u8>) {
    line.push(END);
    for &byte in packet {
        match byte {
            END => line.extend_from_slice(&[ESCAPE, ESCAPED_END]),
            ESCAPE => line.extend_from_slice(&[ESCAPE, ESCAPED_ESCAPE]),
            byte => line.push(byte),
        }
    }
    line.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|&byte| decoder.push(byte)).collect()
    }

    #[test]
    fn reads_the_escapes() {
        assert_eq!(decode(&[END, 1, ESCAPE, ESCAPED_END, ESCAPE, ESCAPED_ESCAPE, END]), [[1, END, ESCAPE]]);
    }

    #[test]
    fn noise_and_broken_packets_do_not_hide_the_next_one() {
        assert_eq!(decode(&[9, 9, END, END, END, 1, END]), [[1]]);
        assert_eq!(decode(&[END, 1, ESCAPE, 7, 2, END, 3, END]), [[3]]);
        let mut long = vec![END];
        long.resize(MAX_PACKET_BYTES + 2, 1);
        long.extend_from_slice(&[END, 5, END]);
        assert_eq!(decode(&long), [[5]]);
    }

    proptest! {
        #[test]
        fn packets_make_the_round_trip(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..5)) {
            let mut line = Vec::new();
            for packet in &packets {
                encode(packet, &mut line);
            }
            prop_assert_eq!(decode(&line), packets);
        }
    }
}
