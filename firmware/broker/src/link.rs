//! Links: one transport connection each, from its opening to its end.

use alloc::vec::Vec;

use crate::delivery::List;
use crate::message::Message;
use crate::policy::Peer;
use crate::session::Session;
use crate::slab::Handle;
use crate::time::Moment;

/// Names a link. An identifier is never given twice, so a stale one is never another link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl LinkId {
    /// A small number, the same for the link's whole life and free for another one after [`crate::Broker::closed`]: an
    /// index into the board's own table of connections.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// What a link needs from its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// There is something to send: fill, send and report until `fill` gives nothing or the transport is full.
    Write,
    /// A paused link may be read again.
    Read,
    /// The link is done: drop the connection and report it with `closed`.
    Close,
}

impl Want {
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Want::Write => 0x01,
            Want::Read => 0x02,
            Want::Close => 0x04,
        }
    }
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Waiting for CONNECT.
    Opened,
    /// CONNECT is in `partial`, its credentials wait for a verdict.
    Verifying,
    /// Accepted.
    Connected,
    /// Refused; the answer is on its way.
    Refusing,
    /// Over; waiting for the board to drop the connection.
    Closed,
}

/// Why a link is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Too many answers wait in the outbox.
    Replies,
    /// A packet found no memory.
    Memory,
}

/// One transport connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) generation: u32,
    pub(crate) peer: Peer,
    pub(crate) state: State,
    pub(crate) session: Option<Handle<Session>>,
    /// The outbox: packets in the order in which they go out, the first perhaps in part.
    pub(crate) wire: List,
    /// Bytes and number of the messages in it that count against the quota.
    pub(crate) wire_bytes: u32,
    pub(crate) wire_messages: u32,
    /// Answers and replayed messages in it.
    pub(crate) replies: u32,
    /// What the transport has taken of the first packet.
    pub(crate) offset_bytes: u32,
    /// The beginning of a packet whose end has not arrived; or the CONNECT that is being verified.
    pub(crate) partial: Vec<u8>,
    /// The will, with its retain flag beside it.
    pub(crate) will: Option<Handle<Message>>,
    pub(crate) will_retain: bool,
    pub(crate) keep_alive_seconds: u16,
    /// When it was opened, then when its last packet was complete, or when it was refused.
    pub(crate) received_at: Moment,
    /// When the transport last took something, or the outbox ceased to be empty.
    pub(crate) taken_at: Moment,
    /// Since when packets find no memory.
    pub(crate) stalled_at: Option<Moment>,
    pub(crate) pause: Option<Pause>,
    /// The board knows that there is something to send.
    pub(crate) writing: bool,
    /// Bits of [`Want`] that have not been fetched, and the place in the list of those that have any.
    pub(crate) wants: u8,
    pub(crate) next_wanting: Option<Handle<Link>>,
    pub(crate) next_verifying: Option<Handle<Link>>,
}

impl Link {
    pub(crate) fn new(generation: u32, peer: Peer, now: Moment) -> Self {
        Link {
            generation,
            peer,
            state: State::Opened,
            session: None,
            wire: List::default(),
            wire_bytes: 0,
            wire_messages: 0,
            replies: 0,
            offset_bytes: 0,
            partial: Vec::new(),
            will: None,
            will_retain: false,
            keep_alive_seconds: 0,
            received_at: now,
            taken_at: now,
            stalled_at: None,
            pause: None,
            writing: false,
            wants: 0,
            next_wanting: None,
            next_verifying: None,
        }
    }
}
