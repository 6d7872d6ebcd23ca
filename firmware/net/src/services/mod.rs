//! What a network needs beside TCP. Each service is a part of a [`Stack`](crate::Stack) that the board polls once a turn;
//! what it makes of a message is a function of bytes and time, tested without a network.
//!
//! Everything that comes in is hostile: what cannot be read is dropped, and nothing grows by it.

mod captive;
mod dhcp_client;
mod dhcp_server;
mod dns;
mod mdns;
mod sntp;
#[cfg(test)]
mod tests;
mod udp;

pub use captive::{CaptiveNames, captive_answer};
pub use dhcp_client::{DhcpClient, Lease};
pub use dhcp_server::{DhcpServer, Leases, Offer};
pub use mdns::{For, Host, Mdns, Responder, Service};
pub use sntp::{Sntp, read_time};
