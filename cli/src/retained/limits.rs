//! Sizes and times of carrying retained messages over.

use std::time::Duration;

/// Retained messages that are carried over at most, and their bytes: more than any board keeps.
pub(super) const RETAINED_LIMIT: usize = 20_000;
pub(super) const RETAINED_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// A retained message larger than this ends the connection to the old broker.
pub(super) const PACKET_LIMIT_BYTES: usize = 1024 * 1024;

/// No retained message for so long: those were all. Nothing in MQTT says that the last one has come.
pub(super) const RETAINED_QUIET: Duration = Duration::from_secs(2);

/// How long a broker may take for an answer.
pub(super) const ANSWER_PATIENCE: Duration = Duration::from_secs(15);

/// The end of reading where live traffic goes on without a pause: retained messages come first.
pub(super) const READING_LIMIT: Duration = Duration::from_secs(30);

/// Messages on their way to a broker without an answer. Small boards take few at a time.
pub(super) const WINDOW: u16 = 10;
