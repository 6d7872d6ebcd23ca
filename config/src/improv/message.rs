//! What a device answers.

use alloc::vec::Vec;

use super::request::Rpc;
use super::{START, checksum, packet_type};

/// Where provisioning stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// There is no Wi-Fi to be set.
    Stopped = 0,
    /// Settings are taken.
    Ready = 2,
    /// A network is being joined.
    Provisioning = 3,
    /// A network is joined.
    Provisioned = 4,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Failure {
    /// The packet could not be read.
    InvalidRpc = 1,
    /// There is no such procedure here.
    UnknownRpc = 2,
    /// The network could not be joined.
    UnableToConnect = 3,
    /// No host can have this name.
    BadHostName = 5,
    /// Another fault; the log says which.
    Unknown = 0xff,
}

/// A message of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Where provisioning stands.
    State(State),
    /// A request came to nothing.
    Failure(Failure),
    /// The result of a request: texts, whose order and meaning each procedure has for itself.
    Result(Rpc, &'a [&'a str]),
}

/// Longest text of a result in bytes; the names of networks and hosts are far below it.
const TEXT_LIMIT_BYTES: usize = 60;

/// Texts of a result; that of the device's information has four.
const TEXTS_LIMIT: usize = 4;

// With the number of the procedure and the lengths they fit a packet.
const _: () = assert!(2 + TEXTS_LIMIT * (1 + TEXT_LIMIT_BYTES) <= 255);

impl Message<'_> {
    /// The packet, with a line end before and after it. Texts beyond 60 bytes are cut at a character, texts beyond the
    /// fourth are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let kind = match self {
            Self::State(state) => {
                data.push(*state as u8);
                packet_type::STATE
            }
            Self::Failure(failure) => {
                data.push(*failure as u8);
                packet_type::ERROR
            }
            Self::Result(rpc, texts) => {
                let texts = texts.iter().take(TEXTS_LIMIT).map(|text| cut(text));
                data.push(*rpc as u8);
                data.push(0);
                for text in texts {
                    push_text(&mut data, text);
                }
                // One empty text more: a length of 10 looks like a line end to the browser's client.
                if data.len() == 10 {
                    push_text(&mut data, "");
                }
                let texts_bytes = length_byte(data.len().saturating_sub(2));
                if let Some(place) = data.get_mut(1) {
                    *place = texts_bytes;
                }
                packet_type::RPC_RESULT
            }
        };
        let mut packet = Vec::from([b'\n']);
        packet.extend_from_slice(&START);
        packet.extend_from_slice(&[kind, length_byte(data.len())]);
        packet.extend_from_slice(&data);
        let sum = checksum(packet.get(1..).unwrap_or_default());
        packet.extend_from_slice(&[sum, b'\n']);
        packet
    }
}

fn push_text(data: &mut Vec<u8>, text: &str) {
    data.push(length_byte(text.len()));
    data.extend_from_slice(text.as_bytes());
}

/// All lengths here are bounded below this.
fn length_byte(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(u8::MAX)
}

fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(TEXT_LIMIT_BYTES);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::{Heard, Scanner};
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    #[test]
    fn packets_are_those_of_the_specification() {
        assert_eq!(Message::State(State::Ready).encode(), b"\nIMPROV\x01\x01\x01\x02\xe2\n");
        assert_eq!(Message::Failure(Failure::UnableToConnect).encode(), b"\nIMPROV\x01\x02\x01\x03\xe4\n");
        let result = Message::Result(Rpc::ScanNetworks, &["home", "-40", "YES"]).encode();
        assert_eq!(result[..10], *b"\nIMPROV\x01\x04\x0f");
        assert_eq!(result[10..25], *b"\x04\x0d\x04home\x03-40\x03YES");
        let empty = Message::Result(Rpc::ScanNetworks, &[]).encode();
        assert_eq!(empty[8..12], *b"\x04\x02\x04\x00");
    }

    #[test]
    fn no_packet_has_the_length_that_the_browser_takes_for_a_line_end() {
        let encoded = Message::Result(Rpc::HostName, &["obkmq-2"]).encode();
        assert_eq!(encoded[9..], *b"\x0b\x05\x09\x07obkmq-2\x00\x7b\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_heard(texts in prop::collection::vec(".{0,80}", 0..6)) {
            let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
            let bytes = Message::Result(Rpc::DeviceInfo, &borrowed).encode();
            let mut scanner = Scanner::default();
            let mut packets = 0;
            for byte in bytes {
                match scanner.push(byte) {
                    Heard::Nothing => {}
                    Heard::Line(line) => prop_assert_eq!(line, b"\n"),
                    Heard::Damaged => prop_assert!(false),
                    Heard::Packet { kind, data } => {
                        packets += 1;
                        prop_assert_ne!(data.len(), 10);
                        prop_assert_eq!((kind, data[0], usize::from(data[1])), (4, 3, data.len() - 2));
                        let mut rest = &data[2..];
                        for text in texts.iter().take(4) {
                            let (head, tail) = rest[1..].split_at(rest[0].into());
                            prop_assert!(text.starts_with(&core::str::from_utf8(head).unwrap().to_string()));
                            rest = tail;
                        }
                    }
                }
            }
            prop_assert_eq!(packets, 1);
        }
    }
}
