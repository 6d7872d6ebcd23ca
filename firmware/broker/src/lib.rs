//! An MQTT broker in a hard memory budget: sessions, subscriptions, routing, retained messages, wills.
//!
//! Sans-IO: bytes and time go in ([`Broker::receive`], [`Broker::poll`]), bytes and a next deadline come out
//! ([`Broker::fill`]). Nothing blocks, nothing sleeps, nothing prints. What the broker cannot know itself, whether a
//! password is right, it asks a [`Verifier`].
//!
//! # How a message walks
//!
//! `receive` cuts packets out of the board's own buffer. A message is stored once, in an arena; each receiver's outbox
//! gets a delivery record of sixteen bytes. `fill` turns records into packets, straight into the transport's buffer. A
//! lone message for a reader that has nothing to wait for needs none of that: it becomes a packet at once, in a place
//! that is always there (`express.rs`).
//!
//! # Invariants
//!
//! * Every growth is charged to [`Limits::memory_bytes`] and may be refused: first new connections, then what is kept
//!   for nobody in particular, then QoS 0, and last QoS 1 and 2. See `memory.rs`, the only place that allocates.
//! * A slow reader costs its own messages only. A client that does not read what it asked for is not read either.
//! * A malformed packet ends its link and nothing else. A packet whose end does not come is not waited for for ever, and
//!   all beginnings of packets together have a share of the memory, those of clients not let in yet a smaller one.
//! * No atomics: the crate builds for ARMv5TE.
//!
//! # Scope
//!
//! MQTT 3.1, 3.1.1 and 5.0 as a server, with QoS 0, 1 and 2 both ways. Left out where the specifications allow it:
//! enhanced authentication is refused, topic aliases are taken but not given, messages of QoS 0 do not wait for absent
//! clients.
//!
//! Where a message above QoS 0 finds its receiver's queue full, it is dropped for that receiver and counted
//! ([`Drops::queue_full`]). Where there is no memory to store a message above QoS 0 at all, its sender's link is
//! paused, and closed after [`Limits::stall_timeout_ms`].
//!
//! A session belongs to a user and a client identifier. The same identifier under another user, anonymous clients being
//! one user, is another client: neither ends the link of the other nor gets its session. [MQTT-3.1.4-3] has the
//! identifier alone decide, which would let whoever has a login of his own, and knows what a device is called, throw it
//! out and read what waits for it. (mosquitto offers `use_username_as_clientid` against that.)
//!
//! The firmware around it publishes ([`Broker::publish`]) and listens ([`Broker::open_reader`]) as well: a reader has a
//! queue of its own inside the budget, so what it does with a message happens outside of the routing.
//!
//! A session outlives its link for as long as its client asked for, the owner allows and there is memory: where a new
//! client finds none, the session of the client that has been away for longest is given up, of one user's clients if
//! more than half of those away are.
//!
//! Retained messages, shapes of filters and stored sessions have limits that all users share. Where there are several
//! users, the last quarter of each is for those who hold few.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

extern crate alloc;

mod broker;
mod close;
mod connect;
mod delivering;
mod delivery;
mod encode;
mod event;
mod express;
mod filters;
mod flow;
mod hash;
mod holdings;
mod identifiers;
mod journal;
mod levels;
mod limits;
mod link;
mod link_queue;
mod memory;
mod message;
mod outbox;
mod policy;
mod publish;
mod reader;
mod receive;
mod replay;
mod retained;
mod rights;
mod route;
mod session;
mod slab;
mod state;
mod statistics;
mod subscribe;
mod sys;
mod text;
mod time;
mod timers;
mod verifier;

pub use obkmq_mqtt::{QoS, Sink, Version};

pub use crate::broker::{Broker, Full};
pub use crate::event::{Direction, DisconnectReason, Event, LogText, RefusedReason, Violation};
pub use crate::journal::{Change, RestoredSession, StoredSession};
pub use crate::limits::Limits;
pub use crate::link::{LinkId, Want};
pub use crate::memory::OutOfMemory;
pub use crate::policy::{Anonymous, Peer, Policy};
pub use crate::publish::PublishError;
pub use crate::reader::{Heard, ListenError, Origin, ReaderId, ReaderMessage};
pub use crate::retained::Retained;
pub use crate::rights::{Access, Rights, RightsError, Scope};
pub use crate::statistics::{Drops, RadioFigures, Statistics};
pub use crate::time::Instant;
pub use crate::verifier::{Attempt, Progress, UserId, Verdict, Verifier};
