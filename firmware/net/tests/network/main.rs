//! The stack and a whole node on one side of a network made of queues, devices with addresses of their own on the other,
//! in simulated time: what frames that are lost, devices that vanish and crowds that come at once do to both.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail, and the counting allocator is shared with others"
)]

mod board;
mod exchange;
#[path = "../../../broker/tests/heap/mod.rs"]
mod heap;
mod leaving;
mod loss;
mod neighbors;
mod packets;
mod reconnect;
mod refusal;
mod wire;
mod world;
