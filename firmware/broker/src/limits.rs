//! Every capacity and budget of the broker.

use crate::verifier::UserId;

/// What a broker may use. The board sets these to what it can spare; the defaults suit a PC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Transport connections at a time, in any state.
    pub max_links: u32,
    /// The largest packet a client may send, fixed header included. A longer one closes its link unread.
    pub max_packet_bytes: u32,
    /// The largest CONNECT: a client that has not been let in may not take up more.
    pub max_connect_bytes: u32,
    /// Longest client identifier in bytes. The specification demands 23.
    pub max_client_id_bytes: u16,
    /// Subscriptions of one session; further filters are refused in SUBACK.
    pub max_subscriptions: u32,
    /// Different shapes of filters with `+`, all sessions together: where the `+` stand, how many levels there are, and
    /// whether `#` ends it. Each is looked up for every message. Where there are several users, the last quarter is for
    /// those who have brought no more than a few.
    pub max_filter_shapes: u16,
    /// Retained messages, those included whose removal has not been fetched from the journal. Shared likewise.
    pub max_retained: u32,
    /// Bytes of messages that wait for one receiver: in its outbox, and again in its session's queue.
    pub max_queued_bytes: u32,
    /// Messages that wait for one receiver, counted likewise.
    pub max_queued_messages: u16,
    /// Messages above QoS 0 under way to one client without its acknowledgement.
    pub inflight_window: u16,
    /// Messages of QoS 2 from one client whose release is outstanding; one more closes the link. It is told to clients
    /// that speak MQTT 5 as Receive Maximum.
    pub max_inbound_inflight: u16,
    /// Answers and replayed retained messages that may stand in an outbox before its link is read no further.
    pub max_replies: u16,
    /// Topic aliases of one client that speaks MQTT 5.
    pub max_topic_aliases: u16,
    /// Sessions that are told to the journal. Shared likewise.
    pub max_stored_sessions: u16,
    /// Attempts to log in that wait for the verifier; one more is refused as "server unavailable".
    pub verify_queue: u16,
    /// Events that wait to be fetched; the oldest are lost and counted.
    pub event_queue: u16,
    /// Heap the broker may hold in bytes, allocator overhead estimated.
    pub memory_bytes: usize,
    /// A CONNECT must be complete this long after the connection was opened.
    pub connect_timeout_ms: u32,
    /// A packet must be complete this long after its beginning has arrived, or later by a second for each KiB that has.
    pub packet_timeout_ms: u32,
    /// A link that takes none of its outbox for this long is closed, if it has no keep-alive of its own.
    pub send_timeout_ms: u32,
    /// A link whose QoS 1 message finds no memory is paused, and closed after this time.
    pub stall_timeout_ms: u32,
    /// The answer to a refused CONNECT may take this long to leave.
    pub flush_timeout_ms: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_links: 10_000,
            max_packet_bytes: 1024 * 1024,
            max_connect_bytes: 128 * 1024,
            max_client_id_bytes: 256,
            max_subscriptions: 100_000,
            max_filter_shapes: 256,
            max_retained: 100_000,
            max_queued_bytes: 1024 * 1024,
            max_queued_messages: 10_000,
            inflight_window: 100,
            max_inbound_inflight: 100,
            max_replies: 256,
            max_topic_aliases: 32,
            max_stored_sessions: 1000,
            verify_queue: 256,
            event_queue: 64,
            memory_bytes: 256 * 1024 * 1024,
            connect_timeout_ms: 10_000,
            packet_timeout_ms: 30_000,
            send_timeout_ms: 60_000,
            stall_timeout_ms: 10_000,
            flush_timeout_ms: 2_000,
        }
    }
}

/// What things take of the budget where there are many of their kind, what an allocator adds to each block included.
impl Limits {
    /// A client that speaks MQTT 3, besides its identifier.
    pub const CLIENT_BYTES: usize = by_width(128, 152);
    /// What a client that speaks MQTT 5 takes more.
    pub const V5_CLIENT_BYTES: usize = by_width(52, 84);
    /// A subscription to a filter that nobody else has subscribed to, besides the filter.
    pub const SUBSCRIPTION_BYTES: usize = by_width(54, 78);
    /// A message, besides topic, properties and payload; however many wait for it.
    pub const MESSAGE_BYTES: usize = by_width(36, 52);
    /// A message on its way to one receiver.
    pub const DELIVERY_BYTES: usize = 18;
    /// What a retained message takes more than others.
    pub const RETAINED_BYTES: usize = by_width(16, 16);

    /// Values for a chip that can spare `memory_bytes` of heap.
    pub fn for_chip(memory_bytes: usize) -> Self {
        Limits {
            max_links: 48,
            max_packet_bytes: 16 * 1024,
            max_connect_bytes: 2 * 1024,
            max_client_id_bytes: 64,
            max_subscriptions: 64,
            max_filter_shapes: 64,
            max_retained: 512,
            max_queued_bytes: 16 * 1024,
            max_queued_messages: 64,
            inflight_window: 16,
            max_inbound_inflight: 32,
            max_replies: 32,
            max_topic_aliases: 8,
            max_stored_sessions: 16,
            verify_queue: 48,
            event_queue: 8,
            memory_bytes,
            ..Limits::default()
        }
    }
}

const fn by_width(on_32_bits: usize, on_64_bits: usize) -> usize {
    if size_of::<usize>() == 4 { on_32_bits } else { on_64_bits }
}

/// The user who asks for a part of something that all users have together.
///
/// Where there are others, the last quarter of it is for those who hold no more than a sixteenth: whoever has a login
/// cannot use up what the others need, and who is alone, or one of a few in a normal house, never notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    owner: u16,
    others: bool,
}

impl Share {
    /// The board itself, and what was stored: nobody is to be protected from them.
    pub(crate) const LOCAL: Share = Share { owner: u16::MAX, others: false };

    pub(crate) const fn new(user: Option<UserId>, others: bool) -> Self {
        Share { owner: Self::owner_of(user), others }
    }

    /// A number for each user; 0 are the anonymous clients.
    pub(crate) const fn owner_of(user: Option<UserId>) -> u16 {
        match user {
            Some(UserId(number)) => number.saturating_add(1),
            None => 0,
        }
    }

    pub(crate) const fn owner(self) -> u16 {
        self.owner
    }

    /// Whether the user may have one more where `held` of `limit` are taken. How many of them are `own` is asked only near
    /// the limit.
    pub(crate) fn admits(self, limit: usize, held: usize, own: impl FnOnce() -> usize) -> bool {
        let kept_back = if self.others { limit / 4 } else { 0 };
        held < limit - kept_back || held < limit && own() <= limit / 16
    }
}

/// Packet identifiers under way to one client are consecutive except for stragglers; half of the number space keeps
/// the newest from meeting the oldest.
pub(crate) const MAX_INFLIGHT_WINDOW: u16 = 0x7FFF;

/// What an allocator is assumed to add to each block.
pub(crate) const BLOCK_OVERHEAD_BYTES: usize = 2 * size_of::<usize>();

/// About as large are the blocks in which links, sessions, subscriptions and the like are allocated.
pub(crate) const SLAB_CHUNK_BYTES: usize = 512;

/// The longest message that can go the express way, as the packet that it becomes; see `express.rs`.
pub(crate) const EXPRESS_BYTES: usize = 256;

/// A reassembly buffer grows at least by this, or by half.
pub(crate) const REASSEMBLY_STEP_BYTES: usize = 128;

/// A packet that comes no slower than this is waited for.
pub(crate) const SLOWEST_PACKET_BYTES_PER_SECOND: u32 = 1024;

/// The part of the budget, as a power of two, that the beginnings of packets may take up, all links together.
pub(crate) const PARTIAL_PACKETS_SHIFT: u32 = 2;
/// The same of those who have not been let in, those whose credentials are being checked included.
pub(crate) const PARTIAL_CONNECTS_SHIFT: u32 = 3;

/// A connection gives way to a new one where memory is short only if it has had this long for its CONNECT.
pub(crate) const GRACE_FOR_CONNECT_MS: u64 = 1000;

/// What a link leaves empty is given back after this time.
pub(crate) const TRIM_DELAY_MS: u64 = 1000;

/// Retained messages that expire are looked for no oftener than this.
pub(crate) const EXPIRY_INTERVAL_SECONDS: u32 = 10;

/// Levels of a filter with wildcards.
pub(crate) const MAX_WILDCARD_LEVELS: usize = 32;

/// Groups that share one filter: each costs a look for every message that the filter matches.
pub(crate) const MAX_GROUPS_OF_FILTER: usize = 64;

/// Places of a filter's circle of subscriptions that each end of one looks at; see `filters.rs`.
pub(crate) const STEPS_FOR_EACH_END: usize = 16;

/// Members of a group that each of its messages may ask whether they can take it; see `filters/group.rs`.
pub(crate) const STEPS_FOR_EACH_TURN: u32 = 16;

/// What messages that needed fewer leave to those that need more, of all groups together.
pub(crate) const SPARE_TURN_STEPS: u32 = 4096;

/// Subscribers inside the firmware: scripts, rules, discovery, and what is to come. As many as a byte has bits.
pub(crate) const MAX_READERS: usize = 8;

/// Filters of one of them. Each is compared with the topic of every message.
pub(crate) const MAX_READER_FILTERS: usize = 64;

/// Retained messages that one step of a replay looks at.
pub(crate) const REPLAY_ENTRIES_PER_STEP: usize = 256;

/// Longest text that is put together without the heap: a figure, a reason in words, the properties of a CONNACK.
pub(crate) const LINE_BYTES: usize = 128;

/// Bytes of a client identifier, user name or topic that an event keeps.
pub(crate) const LOG_TEXT_BYTES: usize = 48;

/// The part of the budget, as a power of two, that each kind of growth leaves to those behind it.
pub(crate) const RESERVE_FOR_SESSIONS_SHIFT: u32 = 2;
/// See [`RESERVE_FOR_SESSIONS_SHIFT`].
pub(crate) const RESERVE_FOR_DELIVERY_SHIFT: u32 = 3;
/// See [`RESERVE_FOR_SESSIONS_SHIFT`].
pub(crate) const RESERVE_FOR_QOS_1_SHIFT: u32 = 4;

/// Rules of all users together.
pub(crate) const MAX_RIGHTS_RULES: usize = 4096;

/// Users with rights, the anonymous one included.
pub(crate) const MAX_RIGHTS_USERS: usize = 1024;
