//! What the log should know: a bounded queue of happenings, with bounded copies of the texts they name.

use alloc::collections::VecDeque;
use core::fmt;

use obkmq_mqtt::{DecodeError, PacketType, ReasonCode, Version};

use crate::limits::LOG_TEXT_BYTES;
use crate::memory::{Memory, Purpose};
use crate::policy::Peer;
use crate::verifier::UserId;

/// A text from outside, made fit for a log: control characters are replaced by `?`, a long text ends in `…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogText {
    bytes: [u8; LOG_TEXT_BYTES],
    length: u8,
}

impl LogText {
    const ELLIPSIS: &'static str = "…";

    /// A copy of as much of the text as there is room for.
    pub fn new(text: &str) -> Self {
        let mut copy = LogText { bytes: [0; LOG_TEXT_BYTES], length: 0 };
        for character in text.chars() {
            let character = if character.is_control() { '?' } else { character };
            let mut buffer = [0; 4];
            let room = LOG_TEXT_BYTES - Self::ELLIPSIS.len();
            let encoded = character.encode_utf8(&mut buffer);
            if usize::from(copy.length) + encoded.len() > room {
                copy.append(Self::ELLIPSIS);
                break;
            }
            copy.append(encoded);
        }
        copy
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        LogText::new(core::str::from_utf8(bytes).unwrap_or_default())
    }

    fn append(&mut self, text: &str) {
        let start = usize::from(self.length);
        if let Some(room) = self.bytes.get_mut(start..start + text.len()) {
            room.copy_from_slice(text.as_bytes());
            self.length = u8::try_from(start + text.len()).unwrap_or(u8::MAX);
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.length))
            .and_then(|text| core::str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl fmt::Debug for LogText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

impl fmt::Display for LogText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(formatter)
    }
}

/// A happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A client was let in.
    Connected {
        /// Where it is.
        peer: Peer,
        /// Who it says it is.
        client_id: LogText,
        /// As which user; `None` is anonymous.
        user: Option<UserId>,
        /// The protocol it speaks.
        version: Version,
        /// Whether it continues a stored session.
        session_present: bool,
        /// The keep-alive in force; 0 is none.
        keep_alive_seconds: u16,
        /// For how long its session outlives it; `u32::MAX` is for ever.
        expiry_seconds: u32,
        /// Whether it left a will.
        has_will: bool,
    },
    /// A client has subscribed; told if [`crate::Policy::log_details`] is set.
    Subscribed {
        /// Who it is.
        client_id: LogText,
        /// The first filter of its packet.
        filter: LogText,
        /// What was answered for that: the QoS, or a reason code of 0x80 or above.
        code: u8,
        /// Other filters in the packet.
        others: usize,
    },
    /// A client wants no more of some filters; told likewise.
    Unsubscribed {
        /// Who it is.
        client_id: LogText,
        /// The first filter of its packet.
        filter: LogText,
        /// Other filters in the packet.
        others: usize,
    },
    /// A client that had been let in is gone.
    Disconnected {
        /// Where it was.
        peer: Peer,
        /// Who it was.
        client_id: LogText,
        /// Why it is gone.
        reason: DisconnectReason,
    },
    /// A connection ended before its client was let in.
    Refused {
        /// Where it came from.
        peer: Peer,
        /// Who it said it was; empty if it did not come to that.
        client_id: LogText,
        /// The user name it gave.
        user: Option<LogText>,
        /// Why it was refused.
        reason: RefusedReason,
    },
    /// A client did what its user may not. Told once a connection.
    Denied {
        /// Who it was.
        client_id: LogText,
        /// What it tried.
        direction: Direction,
        /// The topic or filter.
        topic: LogText,
    },
    /// A retained message was delivered but could not be kept; an older one of its topic is gone.
    RetainedNotKept {
        /// Its topic.
        topic: LogText,
    },
}

/// What a client wanted of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To publish to it.
    Publish,
    /// To subscribe to it.
    Subscribe,
}

/// What a client did that the protocol forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Its bytes are not a packet.
    #[error("malformed packet: {0}")]
    Malformed(#[from] DecodeError),
    /// A packet of more than [`crate::Limits::max_packet_bytes`].
    #[error("packet of {bytes} bytes is over the limit")]
    PacketTooLarge {
        /// Its length as announced.
        bytes: u32,
    },
    /// A packet that has no place here: no CONNECT at the beginning, a second one, or one that only servers send.
    #[error("unexpected {0:?}")]
    UnexpectedPacket(PacketType),
    /// More messages of QoS 2 at a time than [`crate::Limits::max_inbound_inflight`].
    #[error("too many unreleased messages of QoS 2")]
    TooManyInflight,
    /// A topic alias that was not set, or is above [`crate::Limits::max_topic_aliases`].
    #[error("topic alias {0} is not valid")]
    TopicAlias(u16),
    /// A subscription identifier in a message from a client.
    #[error("subscription identifier in a message from a client")]
    SubscriptionIdentifier,
    /// A server reference from a client.
    #[error("server reference from a client")]
    ServerReference,
    /// A reason in DISCONNECT that only servers give.
    #[error("{0:?} as the reason for a client's DISCONNECT")]
    ReasonOfServer(ReasonCode),
    /// A session that was to end with its link was to be made to last in DISCONNECT.
    #[error("session expiry in DISCONNECT after none in CONNECT")]
    SessionExpiry,
}

impl Violation {
    /// What a client that speaks MQTT 5 is told.
    pub fn code(&self) -> ReasonCode {
        match self {
            Violation::Malformed(error) => error.reason(),
            Violation::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Violation::UnexpectedPacket(_)
            | Violation::SubscriptionIdentifier
            | Violation::ServerReference
            | Violation::ReasonOfServer(_)
            | Violation::SessionExpiry => ReasonCode::ProtocolError,
            Violation::TooManyInflight => ReasonCode::ReceiveMaximumExceeded,
            Violation::TopicAlias(_) => ReasonCode::TopicAliasInvalid,
        }
    }
}

/// Why a client that had been let in is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// It said goodbye.
    #[error("client disconnected")]
    Disconnected,
    /// It said goodbye and asked for its will.
    #[error("client disconnected and asked for its will")]
    DisconnectedWithWill,
    /// The transport ended without a DISCONNECT.
    #[error("connection lost")]
    ConnectionLost,
    /// Nothing was heard of it for one and a half times its keep-alive.
    #[error("keep-alive expired")]
    KeepAlive,
    /// Another link of the same user brought the same client identifier.
    #[error("taken over by another connection with the same client id")]
    TakenOver,
    /// It broke the protocol.
    #[error("{0}")]
    Violation(Violation),
    /// It sent the beginning of a packet and not the rest, see [`crate::Limits::packet_timeout_ms`].
    #[error("packet not complete in time")]
    PacketIncomplete,
    /// It took nothing of what was sent to it.
    #[error("client does not read")]
    NotReading,
    /// Its messages found no memory for too long.
    #[error("out of memory")]
    OutOfMemory,
    /// It was told of limits that the owner has lowered since.
    #[error("limits were lowered")]
    LimitsLowered,
    /// Its user was deleted or changed, or anonymous clients are not allowed any more.
    #[error("access revoked")]
    Revoked,
}

impl DisconnectReason {
    /// What a client that speaks MQTT 5 is told, if there is anybody to be told.
    pub fn code(&self) -> Option<ReasonCode> {
        match self {
            DisconnectReason::Disconnected
            | DisconnectReason::DisconnectedWithWill
            | DisconnectReason::ConnectionLost
            | DisconnectReason::NotReading => None,
            DisconnectReason::KeepAlive => Some(ReasonCode::KeepAliveTimeout),
            DisconnectReason::PacketIncomplete => Some(ReasonCode::UnspecifiedError),
            DisconnectReason::TakenOver => Some(ReasonCode::SessionTakenOver),
            DisconnectReason::Violation(violation) => Some(violation.code()),
            DisconnectReason::OutOfMemory => Some(ReasonCode::QuotaExceeded),
            DisconnectReason::LimitsLowered | DisconnectReason::Revoked => {
                Some(ReasonCode::AdministrativeAction)
            }
        }
    }
}

/// Why a client was not let in. What its owner can do about it is for the reader of the log to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// As many links as allowed are open.
    #[error("too many connections")]
    TooManyLinks,
    /// There is no memory for another client.
    #[error("out of memory")]
    OutOfMemory,
    /// No CONNECT came in time.
    #[error("no CONNECT in time")]
    ConnectTimeout,
    /// What came was not a proper CONNECT.
    #[error("{0}")]
    Violation(Violation),
    /// MQTT of this protocol level is not spoken here.
    #[error("protocol level {0} is not supported")]
    UnsupportedVersion(u8),
    /// An empty client identifier with a session that is to be kept.
    #[error("empty client id with a persistent session")]
    ClientIdEmpty,
    /// A client identifier longer than [`crate::Limits::max_client_id_bytes`].
    #[error("client id too long")]
    ClientIdTooLong,
    /// Neither user name nor password, which is not allowed from there.
    #[error("anonymous access is not allowed")]
    AnonymousNotAllowed,
    /// A user name without a password.
    #[error("user name without password")]
    PasswordMissing,
    /// The verifier does not accept the credentials.
    #[error("wrong user name or password")]
    BadCredentials,
    /// Enhanced authentication (section 4.12 of MQTT 5) is not spoken here.
    #[error("enhanced authentication is not supported")]
    EnhancedAuthentication,
    /// Too many wrong passwords for this user from there lately.
    #[error("too many failed logins; wait before the next")]
    BackOff,
    /// The will's topic is not one that the user may publish to.
    #[error("not allowed to publish the will's topic")]
    WillNotAuthorized,
    /// Too many others wait for the verifier.
    #[error("too many logins at a time")]
    VerifierBusy,
    /// It speaks MQTT 5 and takes no packet as large as the answer.
    #[error("client takes no packet as large as the answer")]
    AnswerTooLarge,
}

/// Events that have not been fetched.
#[derive(Debug)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    /// Events that found no room, and old ones that made room for new ones.
    pub(crate) lost: u64,
}

impl Events {
    pub(crate) const fn new() -> Self {
        Events { queue: VecDeque::new(), lost: 0 }
    }

    /// Takes the storage while there is memory: events matter most when there is none.
    pub(crate) fn prepare(&mut self, memory: &mut Memory, limit: u16) {
        // Without it events are lost and counted, which is no reason to refuse a client.
        let _ = memory.reserve_queue(&mut self.queue, usize::from(limit), Purpose::Connection);
    }

    /// Adds an event; the oldest goes when there are `limit` already.
    pub(crate) fn push(&mut self, memory: &mut Memory, limit: u16, event: Event) {
        if self.queue.len() >= usize::from(limit) && self.queue.pop_front().is_some() {
            self.lost += 1;
        }
        if limit == 0 || memory.enqueue(&mut self.queue, event, Purpose::Keeping).is_err() {
            self.lost += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        memory.release_queue(&mut self.queue);
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddr};

    use super::*;

    #[test]
    fn log_texts_are_bounded_and_harmless() {
        assert_eq!(LogText::new("plain").as_str(), "plain");
        assert_eq!(LogText::new("a\r\nb\x1b[31m\u{85}").as_str(), "a??b?[31m?");
        let long = LogText::new(&"ä".repeat(100));
        assert!(long.as_str().ends_with("ä…"));
        assert!(long.as_str().len() <= LOG_TEXT_BYTES);
    }

    #[test]
    fn the_oldest_events_are_lost_and_counted() {
        let mut memory = Memory::new(100_000);
        let mut events = Events::new();
        for port in 1..=5 {
            let peer = Peer(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
            let event = Event::Disconnected {
                peer,
                client_id: LogText::new("c"),
                reason: DisconnectReason::ConnectionLost,
            };
            events.push(&mut memory, 3, event);
        }
        assert_eq!(events.lost, 2);
        let Some(Event::Disconnected { peer, .. }) = events.pop() else { panic!("no event") };
        assert_eq!(peer.0.port(), 3);
    }
}
