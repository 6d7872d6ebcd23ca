//! Every bound and time limit of the bench.

use std::time::Duration;

/// Most clients in one run; their number must fit in four digits of a 23-byte client id (MQTT 3.1.1, section
/// 3.1.3.1).
pub(crate) const CLIENTS_MAX: u32 = 4_000;

/// Most messages per second and client.
pub(crate) const RATE_MAX: u32 = 100_000;

/// Most deliveries in one run: the ledger keeps one bit for each.
pub(crate) const DELIVERIES_MAX: u64 = 400_000_000;

/// Largest payload offered: far beyond what a microcontroller takes, far below MQTT's own limit.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Room for topic and headers beside the payload in one packet.
pub(crate) const PACKET_OVERHEAD_BYTES: usize = 128;

/// Connections being opened at the same time. A chip that hashes a password per connection would otherwise
/// time the last ones out.
pub(crate) const OPENING_AT_ONCE: usize = 16;

/// From the start of the TCP connection to CONNACK. The client library also bounds each flush with it.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// From SUBSCRIBE to SUBACK.
pub(crate) const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long all connections together may take to say goodbye.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Keep-alive of every client: long, since pings would be load of another kind.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Unacknowledged QoS 1 messages per client. Large, so that the client library does not close the loop.
pub(crate) const INFLIGHT: u16 = 1_000;

/// Messages between the pacer and one connection.
pub(crate) const REQUEST_QUEUE: usize = 256;

/// From "all clients are subscribed" to the first intended send time.
pub(crate) const LEAD: Duration = Duration::from_millis(50);

/// How long the pacer leaves a connection alone whose queue is full.
pub(crate) const RETRY: Duration = Duration::from_micros(500);

/// Longest sleep of the pacer between two looks at its stop flag.
pub(crate) const SLEEP_MAX: Duration = Duration::from_millis(20);

/// How often the run looks around: progress, end of settling.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// A message that was handed over later than this after its intended time was sent late.
pub(crate) const LATE: Duration = Duration::from_millis(10);

/// The generator was the bottleneck when it issued more than one message in this many late by its own fault …
pub(crate) const LATE_ONE_IN: u64 = 1_000;

/// … or when its event loop was busy for more than this share of the time.
pub(crate) const BUSY_SHARE_MAX: f64 = 0.9;

/// Slowest latency the histogram tells apart (ten minutes, in microseconds).
pub(crate) const LATENCY_MAX_US: u64 = 600_000_000;

/// How long an interrupted run waits for messages that are on their way, so that they do not look lost.
pub(crate) const SETTLE_INTERRUPTED: Duration = Duration::from_millis(500);
