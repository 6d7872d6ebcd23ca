//! The firmware itself, without a chip's name: one [`Node`] that owns broker, console and storage.
//!
//! A board owns its sockets and pushes into the node; the node never calls a socket and never asks for the time:
//! [`Node::opened`], [`Node::receive`], [`Node::fill`], [`Node::sent`], [`Node::closed`], and [`Node::poll`] with the
//! time, which answers with the next deadline. What the node must ask for (flash, entropy) is the trait [`Board`].
//!
//! # Invariants
//! * One call does a bounded amount of work: passwords are hashed in slices, flash is written one operation a turn.
//! * Nothing is applied that was not stored before, but for settings on trial, which a restart forgets.
//! * Settings that are older than they should be close the node to the network; they never come back silently.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod access_point;
mod attached;
#[cfg(feature = "automation")]
mod automation;
#[cfg(not(feature = "automation"))]
mod automation {
    //! A board without automation says so.

    use crate::board::Board;
    use crate::console::Answer;
    use crate::node::Node;
    use obkmq_config::line::ErrorCode;

    impl<B: Board> Node<B> {
        pub(crate) fn run_openbeken(&mut self, _line: &str) -> Answer {
            Answer::refuse(ErrorCode::UnknownCommand, "this board has no automation")
        }

        pub(crate) fn list_channels(&self) -> Answer {
            Answer::refuse(ErrorCode::UnknownCommand, "this board has no automation")
        }
    }
}
mod board;
mod clock;
mod commands;
mod console;
#[cfg(feature = "discovery")]
mod discovery;
#[cfg(not(feature = "discovery"))]
mod discovery {
    //! A board without discovery says so.

    use crate::board::Board;
    use crate::console::Answer;
    use crate::node::Node;
    use obkmq_config::line::ErrorCode;

    impl<B: Board> Node<B> {
        pub(crate) fn list_devices(&self) -> Answer {
            Answer::refuse(ErrorCode::UnknownCommand, "this board does not look for devices")
        }

        pub(crate) fn set_device(&mut self, _name: &str, _key: &str, _value: &str) -> Answer {
            Answer::refuse(ErrorCode::UnknownCommand, "this board does not look for devices")
        }
    }
}
mod files;
mod improv;
mod journal;
mod limits;
mod node;
mod output;
mod radio;
mod report;
mod rights;
mod run_record;
#[cfg(feature = "scripts")]
mod scripts;
mod storage;
#[cfg(test)]
mod tests;
mod trial;
mod verifier;
mod wifi;

pub use attached::ConsoleId;
pub use board::{Action, Board, HeapUse, Identity, Regions};
pub use node::{AdoptError, Node};
pub use obkmq_broker::{Anonymous, Full, Instant, Limits, LinkId, RadioFigures, Want};
pub use obkmq_config::line::{FileInfo, FileName};
pub use obkmq_config::settings::{Capabilities, Capability};
pub use radio::{Credentials, JoinFailure, Network, Radio, StaticAddress, WifiLink};
pub use run_record::{RUN_RECORD_BYTES, Reset, RunRecord, Start, StartCause};
pub use storage::{FileError, StorageError, store_settings};
