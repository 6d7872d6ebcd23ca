//! The broker's behaviour on simulated time, over transports in memory.
//!
//! Tests that cover a normative statement of MQTT 3.1.1 carry its number in their name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::disallowed_types,
    clippy::cast_possible_truncation,
    reason = "a test may fail"
)]

mod backpressure;
mod budget;
mod changes;
mod connect;
mod express;
mod five;
mod framing;
mod hostile;
mod journal;
mod journal_again;
mod model;
mod model_steps;
mod network;
mod openbeken;
mod partial;
mod publish;
mod qos2;
mod readers;
mod regression;
mod retained;
mod rights;
mod rights_in_use;
mod session_journal;
mod sessions;
mod shares;
mod subscribe;
mod sys;
mod timeouts;
mod v31;
mod v5_connect;
mod v5_expiry;
mod v5_protocol;
mod v5_publish;
mod v5_sessions;
mod v5_shared;
mod v5_subscribe;
mod v5_wills;
mod versions;
mod wills;
