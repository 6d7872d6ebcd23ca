//! The serial line protocol, version 1: one grammar for people and programs, one line each way.
//!
//! ```text
//! typed:    set mqtt.port 1884                    answered in plain words
//! framed:   #12 set mqtt.port 1884 *BC69          →   #12 ok gen=18 *F37C
//! ```
//!
//! `PROTOCOL.md` beside this crate is the reference; a test replays its examples. Both ends live here and meet in
//! tests over a wire that loses, doubles and flips bytes:
//!
//! | device | host |
//! |---|---|
//! | [`LineBuffer`] → [`read_line`] → [`Command::parse`] → [`Session::admit`] → … → [`Session::finish`] | [`Client::start`] → … [`Client::receive`] → [`Event`] |
//!
//! Invariants: a framed request that changes something is executed at most once and only in the run that
//! [`Command::Hello`] opened; a damaged line is answered with an error or ignored, and both ends are in step again at
//! the next line end.

mod buffer;
mod client;
mod command;
mod error;
mod fields;
mod file;
mod frame;
mod hello;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod word;

pub use buffer::{LineBuffer, RawLine};
pub use client::{Answer, Client, Event, Refusal};
pub use command::{COMMANDS, Command, CommandError, CommandHelp, check_password};
pub use error::ErrorCode;
pub use fields::Fields;
pub use file::{FileCommand, FileHash, FileInfo, FileName, FilePiece};
pub use frame::{Frame, FrameError, Incoming, TooLong, frame, parse_frame, read_line};
pub use hello::{Hello, PROTOCOL};
pub use reply::Reply;
pub use session::{Admission, Session};
pub use word::{Word, WordError, split, write_word};
