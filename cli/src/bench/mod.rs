//! Measuring an MQTT broker from outside.
//!
//! The load is **open loop**: every message has an intended send time that is fixed before the run starts,
//! and latency is counted from that time, not from the moment the generator got round to it. A broker that
//! stalls for a second therefore shows up in the percentiles of every message that should have been sent in
//! that second (no coordinated omission).
//!
//! | file | concept |
//! |---|---|
//! | [`scenario`] | who publishes what and who hears whom |
//! | [`schedule`] | when each message is due |
//! | [`payload`]  | what each message carries, so that a receiver can judge it |
//! | [`pacer`]    | the thread that issues messages when they are due |
//! | [`connection`] | one MQTT client: open, subscribe, read until the end |
//! | [`ledger`]   | which message arrived where, how often and in which order |
//! | [`measure`]  | what the connections write down while the clock runs |
//! | [`run`]      | the course of a run: open all, start the clock, settle, close |
//! | [`report`], [`table`] | the result as data (JSON) and as text for people |
//! | [`live`]     | the line on the terminal while it runs |
//!
//! Invariants: the bench publishes nothing retained, opens clean sessions and has no will, so a run that is
//! killed at any point leaves nothing behind in the broker. Nothing here prints, but for [`live`], which
//! draws on a terminal only.

pub(crate) mod connection;
#[cfg(test)]
mod faulty_broker;
pub(crate) mod ledger;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod measure;
pub(crate) mod pacer;
pub(crate) mod payload;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod scenario;
pub(crate) mod schedule;
pub(crate) mod table;
pub(crate) mod trouble;
