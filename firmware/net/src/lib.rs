//! TCP for boards without an operating system: [smoltcp]'s sockets on one side, the node's links on the other.
//!
//! A board gives a network device (smoltcp's [`Device`](smoltcp::phy::Device)) and the time, and calls in each turn
//! of its loop [`Stack::receive`], then [`Node::poll`](obkmq_node::Node::poll), then [`Stack::send`], which says how
//! long the board may sleep.
//!
//! # Memory
//! smoltcp's set of sockets cannot refuse to grow, so its table is allocated once, for [`Capacities::sockets`]. The
//! buffers, which are most of a socket, come with a connection and go with it. All of it is allocated fallibly: where
//! there is no memory for one more listener, newcomers are refused by TCP (RST) until somebody has left.
//!
//! # Invariants
//! * One socket listens as long as there is a place for it. It becomes the connection of whoever knocks first, and
//!   another one takes its place before the next frame is looked at, since smoltcp has no backlog.
//! * Nothing is copied between: the node reads from the receive buffer and writes into the send buffer.
//! * A half-open connection, and one that has ended on our side, have a deadline of their own; those that have ended
//!   give way to newcomers before.
//!
//! # What a network needs beside TCP
//! With the feature `services`, the module of that name asks for an address, gives addresses, answers for names, and asks for the
//! time. [`Station`] decides when a Wi-Fi radio tries again.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod limits;
mod neighbors;
mod place;
#[cfg(feature = "services")]
pub mod services;
mod stack;
mod station;

pub use limits::Capacities;
/// The library, for its trait `Device`.
pub use smoltcp;
pub use stack::{NoMemory, Setup, Stack};
pub use station::{Station, Step};
