//! MQTT control packets: borrowed views in, encoders out.
//!
//! This crate knows the wire and nothing else: no state, no policy, no allocation. A stream is cut into packets with
//! [`FixedHeader::decode`], which works on whatever has arrived so far; the body of a whole packet becomes a
//! [`Packet`] whose texts and payloads borrow from it. Everything a field may not contain is refused there, so code
//! behind [`Packet::decode`] cannot meet a malformed value.
//!
//! Encoders write through a [`Sink`]. The sink [`Window`] shows only a part of a packet, which is how a packet is sent
//! in pieces, as a transport takes them, without ever standing in memory as a whole.
//!
//! Every packet has both directions, so that clients, tests and fuzzers speak through the same code as the broker.
//!
//! # Scope
//!
//! MQTT 3.1, 3.1.1 and 5.0 (protocol levels 3 to 5). Versions are data ([`Version`]), not copies of the types: what a
//! version does not have is empty ([`Properties`]) or fixed ([`ReasonCode::Success`]) in its packets, and is not written.
//! A CONNECT of another version is reported as [`DecodeError::UnsupportedVersion`] so that a server can answer it
//! properly. Sections and statements are numbered as in 3.1.1, or as in 5.0 where 3.1.1 has none.
#![no_std]
#![forbid(unsafe_code)]

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod filter;
mod header;
mod packet;
mod packet_id;
mod ping;
mod properties;
mod property;
mod publish;
mod qos;
mod reader;
mod reason;
mod sink;
mod suback;
mod subscribe;
mod text;
mod topic;
mod unsuback;
mod unsubscribe;
mod variable;
mod version;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::{DecodeError, EncodeError};
pub use filter::{TopicFilter, matches};
pub use header::{
    FixedHeader, HeaderProgress, MAX_HEADER_BYTES, MAX_REMAINING_LENGTH, PacketType, remaining_length_bytes,
};
pub use packet::Packet;
pub use packet_id::PacketId;
pub use ping::{PingReq, PingResp};
pub use properties::{Properties, PropertyOwner};
pub use property::Property;
pub use publish::{Publish, StoredPublish};
pub use qos::QoS;
pub use reader::Reader;
pub use reason::ReasonCode;
pub use sink::{Count, Sink, Window};
pub use suback::SubAck;
pub use subscribe::{RetainHandling, Subscribe, Subscription, Subscriptions};
pub use text::{Binary, Text, TextError};
pub use topic::{TopicError, TopicName};
pub use unsuback::UnsubAck;
pub use unsubscribe::{Filters, Unsubscribe};
pub use version::Version;
