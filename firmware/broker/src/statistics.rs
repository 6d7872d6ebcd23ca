//! Figures for `info`, panels and tests.

/// What the broker has and what it has done since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Transport connections, in any state.
    pub links: usize,
    /// Clients that have been let in and are there.
    pub clients: usize,
    /// The most there have been at a time.
    pub clients_maximum: usize,
    /// Sessions that ended because their clients did not come back in time.
    pub sessions_expired: u64,
    /// Seconds since the board started.
    pub uptime_seconds: u32,
    /// The longest turn of the board's loop lately, in microseconds; see [`crate::Broker::note_turn`].
    pub turn_maximum_micros: u32,
    /// Why the board has started, and how many starts before failed in a row; see [`crate::Broker::note_start`].
    pub start: Option<(&'static str, u8)>,
    /// The board's radio, where it has one; see [`crate::Broker::note_radio`].
    pub radio: Option<RadioFigures>,
    /// Sessions, those without a client included.
    pub sessions: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Topics with a retained message.
    pub retained: usize,
    /// Messages in memory: retained, under way, waiting, wills.
    pub messages_stored: usize,
    /// Connections that were refused, those without a proper CONNECT in time included.
    pub refused: u64,
    /// Messages from clients and from the local publisher.
    pub messages_received: u64,
    /// Messages that the transports have taken, for each receiver.
    pub messages_sent: u64,
    /// Bytes taken from transports.
    pub bytes_received: u64,
    /// Bytes that transports have taken.
    pub bytes_sent: u64,
    /// Messages and events that were lost.
    pub drops: Drops,
    /// Heap held, in bytes.
    pub memory_used_bytes: usize,
    /// The most it has been.
    pub memory_peak_bytes: usize,
    /// The most it may be.
    pub memory_limit_bytes: usize,
}

/// What a board's radio tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RadioFigures {
    /// How strong the joined network is, in dBm; `None` while there is none.
    pub rssi_dbm: Option<i8>,
    /// How often it was joined again after it had been lost.
    pub reconnects: u32,
}

/// Losses by cause, each counted once for every receiver concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drops {
    /// QoS 0 to a client whose outbox was full.
    pub slow_reader: u64,
    /// Above QoS 0 to a session whose queue was full, or to a group all of whose queues were.
    pub queue_full: u64,
    /// There was no memory for the message.
    pub out_of_memory: u64,
    /// QoS 0 in the outbox of a link that ended, and everything still queued for a clean session then.
    pub link_closed: u64,
    /// Longer than the receiver takes.
    pub too_large: u64,
    /// Out of date before its receiver could be sent it.
    pub expired: u64,
    /// Published where the user may not.
    pub not_authorized: u64,
    /// Retained messages that were delivered and not kept.
    pub retained_not_kept: u64,
    /// Changes of sessions that are not told to the journal, which has [`crate::Limits::max_stored_sessions`] already.
    pub sessions_not_stored: u64,
    /// Events that nobody fetched in time.
    pub events: u64,
}

impl Drops {
    /// Messages that did not reach somebody whom they were for.
    pub fn messages(&self) -> u64 {
        [
            self.slow_reader,
            self.queue_full,
            self.out_of_memory,
            self.link_closed,
            self.too_large,
            self.expired,
            self.not_authorized,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}
