//! Improv Serial, version 1: Wi-Fi from a browser, over the wire of the console
//! (<https://www.improv-wifi.com/serial/>).
//!
//! ```text
//! "IMPROV" · version u8 = 1 · type u8 · length u8 · data · checksum u8 (the sum of all bytes before it)
//! ```
//!
//! A packet stands in the place of a line: [`Scanner`] tells one from what people and programs write, and gives back
//! every byte that belongs to neither. Requests are checked once, in [`Request::parse`]; [`Message::encode`] writes
//! what a device answers.
//!
//! The browser's client, the Improv project's own, throws away everything up to a line end that does not begin as a
//! packet does, and takes a length of 10 for a line end. So packets are written with a line end on either side, and
//! never with that length.

mod message;
mod request;
mod scanner;

pub use message::{Failure, Message, State};
pub use request::{BadRequest, Request, Rpc};
pub use scanner::{Heard, Scanner};

/// What every packet begins with, the version included.
const START: [u8; 7] = *b"IMPROV\x01";

/// Bytes before the data: start, type, length.
const HEADER_BYTES: usize = START.len() + 2;

/// Types of packets.
mod packet_type {
    pub(super) const STATE: u8 = 1;
    pub(super) const ERROR: u8 = 2;
    pub(super) const RPC: u8 = 3;
    pub(super) const RPC_RESULT: u8 = 4;
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}
