//! Messages from clients (sections 3.3 and 4.3) and from the local publisher.

use alloc::boxed::Box;
use core::num::NonZeroU16;

use obkmq_mqtt::{
    AckKind, PacketId, Properties, Property, PropertyOwner, Publish, QoS, ReasonCode, TopicError, TopicName,
    Version,
};

use crate::delivery::Kind;
use crate::event::{Direction, Violation};
use crate::limits::Share;
use crate::link::{Alias, Link};
use crate::memory::{OutOfMemory, Purpose, push_reserved};
use crate::message::{Content, Message};
use crate::receive::Outcome;
use crate::retained::Retained;
use crate::rights::Access;
use crate::route::Patience;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::time::Moment;

/// Why a message of the local publisher, or a restored one, was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic is not one.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The message is longer than [`crate::Limits::max_packet_bytes`].
    #[error("message is too long")]
    TooLong,
    /// A retained message without a payload is none.
    #[error("retained message without payload")]
    EmptyRetained,
    /// What was stored cannot be read.
    #[error("stored form is damaged")]
    Damaged,
    /// There is no memory for it.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// What a PUBLISH says about its topic (section 3.3.2.3.4 of MQTT 5).
enum Naming {
    Plain,
    /// The topic gets a number.
    Set(NonZeroU16),
    /// The topic stands under a number: its message, and the body lent from there.
    Looked(Handle<Message>, Box<[u8]>),
}

impl Core {
    #[inline(always)]
    pub(crate) fn on_publish(
        &mut self,
        link: Handle<Link>,
        publish: &Publish<'_>,
    ) -> Result<Outcome, Violation> {
        let Some(session) = self.links[link].session else { return Ok(Outcome::Done) };
        if publish.properties.is_empty() {
            let outcome = self.publish_from(link, session, publish, topic_of(publish), Moment::NEVER);
            self.counters.messages_received += u64::from(matches!(outcome, Ok(Outcome::Done)));
            return outcome;
        }
        let naming = match self.naming(link, publish)? {
            Ok(naming) => naming,
            Err(OutOfMemory) => return Ok(Outcome::NoMemory),
        };
        let mut expires_at = Moment::NEVER;
        for property in publish.properties.iter() {
            if let Property::MessageExpiryInterval(seconds) = property {
                expires_at = self.now.expiry_after(seconds);
            }
        }
        let topic = match (&naming, publish.topic) {
            (Naming::Looked(_, body), _) => &body[..],
            (_, Some(topic)) => topic.as_bytes(),
            (_, None) => &[],
        };
        let outcome = self.publish_from(link, session, publish, topic, expires_at);
        match naming {
            Naming::Looked(message, body) => self.messages.return_body(message, body),
            Naming::Set(alias) if matches!(outcome, Ok(Outcome::Done)) => {
                // It was made sure that there is room.
                self.set_alias(link, alias, topic_of(publish));
            }
            Naming::Set(_) | Naming::Plain => {}
        }
        self.counters.messages_received += u64::from(matches!(outcome, Ok(Outcome::Done)));
        outcome
    }

    #[inline(always)]
    fn publish_from(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        publish: &Publish<'_>,
        topic: &[u8],
        expires_at: Moment,
    ) -> Result<Outcome, Violation> {
        let content = Content {
            topic,
            payload: publish.payload,
            properties: publish.properties,
            qos: publish.qos,
            retain: publish.retain,
            expires_at,
        };
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => Ok(self.publish_acknowledged(link, session, &content, id)),
            (QoS::ExactlyOnce, Some(id)) => self.publish_once(link, session, &content, id),
            _ => {
                // There is nobody to wait: what finds no memory has been counted.
                let _ = self.admit_message(link, session, &content, Patience::None);
                Ok(Outcome::Done)
            }
        }
    }

    /// Routes a message if its sender may publish there. Says what to answer.
    #[inline(always)]
    fn admit_message(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        content: &Content<'_>,
        patience: Patience,
    ) -> Result<ReasonCode, OutOfMemory> {
        let entry = self.sessions.get(session);
        // What begins with `$SYS` is for the broker alone.
        let may = !content.topic.starts_with(b"$SYS")
            && (entry.is.all(Marks::UNRESTRICTED)
                || self.rights.may(entry.user(), &entry.client_id, Access::Write, content.topic));
        if !may {
            self.counters.drops.not_authorized += 1;
            self.log_denied(link, Direction::Publish, content.topic);
            return Ok(ReasonCode::NotAuthorized);
        }
        Ok(match self.route(content, Some(session), patience)? {
            0 => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::Success,
        })
    }

    /// QoS 1: the answer goes out when the message is with those it concerns \[MQTT-4.3.2-2\].
    fn publish_acknowledged(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        content: &Content<'_>,
        id: PacketId,
    ) -> Outcome {
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        let Ok(reason) = self.admit_message(link, session, content, Patience::Sender) else {
            return Outcome::NoMemory;
        };
        let is_plain = reason == ReasonCode::Success || self.links[link].version != Version::V5;
        if !is_plain || !self.express_ack(link, AckKind::PubAck, id) {
            // Routing has reserved records of its own: the one for the answer is still there.
            self.answer(link, Kind::PubAck, Some(id), reason);
        }
        Outcome::Done
    }

    /// QoS 2: routed when it comes first, then its identifier is remembered until PUBREL (figure 4.3, method B).
    fn publish_once(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        content: &Content<'_>,
        id: PacketId,
    ) -> Result<Outcome, Violation> {
        if self.reserve_answer().is_err() {
            return Ok(Outcome::NoMemory);
        }
        let mut reason = ReasonCode::Success;
        let flow = self.sessions.flow(session);
        if !flow.is_some_and(|flow| flow.has_inbound(id)) {
            let held = flow.map_or(0, |flow| flow.inbound.len());
            if held >= usize::from(self.policy.limits.max_inbound_inflight) {
                return Err(Violation::TooManyInflight);
            }
            let reserved = self
                .store_express(session)
                .and_then(|()| self.sessions.need_flow(&mut self.memory, session, Purpose::Session))
                .and_then(|flow| self.memory.reserve(&mut flow.inbound, 1, Purpose::Session));
            let admitted =
                reserved.and_then(|()| self.admit_message(link, session, content, Patience::Sender));
            // The receiver may be the sender, whose flow may have been given back meanwhile.
            let flow = self
                .store_express(session)
                .and_then(|()| self.sessions.need_flow(&mut self.memory, session, Purpose::Session));
            match (admitted, flow) {
                (Ok(admitted), Ok(flow)) => {
                    reason = admitted;
                    // A refused one is over with its PUBREC [MQTT-4.3.3-9 of MQTT 5]; MQTT 3 cannot refuse.
                    let over = reason.is_error() && self.links[link].version == Version::V5;
                    if !over && self.memory.reserve(&mut flow.inbound, 1, Purpose::Session).is_ok() {
                        flow.add_inbound(id);
                    }
                }
                (Ok(admitted), Err(OutOfMemory)) => reason = admitted,
                (Err(OutOfMemory), _) => {
                    self.sessions.settle_flow(&mut self.memory, session);
                    return Ok(Outcome::NoMemory);
                }
            }
            self.sessions.settle_flow(&mut self.memory, session);
        }
        self.answer(link, Kind::PubRec, Some(id), reason);
        Ok(Outcome::Done)
    }

    pub(crate) fn on_pubrel(&mut self, link: Handle<Link>, id: PacketId) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        let memory = &mut self.memory;
        let known = self.sessions.flow_mut(session).is_some_and(|flow| flow.remove_inbound(memory, id));
        self.sessions.settle_flow(&mut self.memory, session);
        // An unknown identifier is answered as well [MQTT-4.3.3-2]: the PUBCOMP before may have been lost.
        let reason = if known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.answer(link, Kind::PubComp, Some(id), reason);
        Outcome::Done
    }

    pub(crate) fn on_pingreq(&mut self, link: Handle<Link>) -> Outcome {
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        self.answer(link, Kind::PingResp, None, ReasonCode::Success);
        Outcome::Done
    }

    /// Finds out what a topic alias means, and makes room for a new one.
    fn naming(
        &mut self,
        link: Handle<Link>,
        publish: &Publish<'_>,
    ) -> Result<Result<Naming, OutOfMemory>, Violation> {
        let mut alias = None;
        for property in publish.properties.iter() {
            match property {
                Property::TopicAlias(number) => alias = Some(number),
                // [MQTT-3.3.4-6 of MQTT 5]
                Property::SubscriptionIdentifier(_) => return Err(Violation::SubscriptionIdentifier),
                _ => {}
            }
        }
        let Some(alias) = alias else { return Ok(Ok(Naming::Plain)) };
        if alias.get() > self.policy.limits.max_topic_aliases {
            return Err(Violation::TopicAlias(alias.get()));
        }
        let extra = self.links.extra_mut(link).ok_or(Violation::TopicAlias(alias.get()))?;
        if publish.topic.is_some() {
            let room = self.memory.reserve(&mut extra.aliases, 1, Purpose::Session);
            return Ok(room.map(|()| Naming::Set(alias)));
        }
        let known = extra.aliases.iter().find(|known| known.alias == alias);
        let topic = known.ok_or(Violation::TopicAlias(alias.get()))?.topic;
        Ok(Ok(Naming::Looked(topic, self.messages.lend_body(topic))))
    }

    /// Remembers what a number stands for. Without memory for the topic the number means nothing from now on, which
    /// ends the link of a client that uses it all the same.
    fn set_alias(&mut self, link: Handle<Link>, alias: NonZeroU16, topic: &[u8]) {
        let stored = self.messages.insert_bytes(&mut self.memory, topic, Purpose::Keeping);
        let Some(extra) = self.links.extra_mut(link) else {
            if let Ok(stored) = stored {
                self.messages.release(&mut self.memory, stored);
            }
            return;
        };
        if let Some(index) = extra.aliases.iter().position(|known| known.alias == alias) {
            let former = extra.aliases.swap_remove(index);
            self.messages.release(&mut self.memory, former.topic);
        }
        if let Ok(topic) = stored {
            push_reserved(&mut extra.aliases, Alias { alias, topic });
        }
    }

    /// A message of the board itself.
    pub(crate) fn publish_local(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        let content = self.local_content(topic, payload, qos, retain)?;
        self.route(&content, None, Patience::Sender)?;
        self.counters.messages_received += 1;
        Ok(())
    }

    /// Takes a retained message back from where the journal's reader kept it.
    pub(crate) fn restore(&mut self, topic: &str, retained: &Retained<'_>) -> Result<(), PublishError> {
        let Retained { payload, qos, properties, expiry_seconds } = *retained;
        let properties =
            Properties::new(properties, PropertyOwner::Publish).map_err(|_| PublishError::Damaged)?;
        let expires_at = expiry_seconds.map_or(Moment::NEVER, |seconds| self.now.expiry_after(seconds));
        let content = Content { properties, expires_at, ..self.local_content(topic, payload, qos, true)? };
        if payload.is_empty() {
            return Err(PublishError::EmptyRetained);
        }
        let message = self.messages.insert(&mut self.memory, &content, Purpose::Keeping)?;
        let limit = self.policy.limits.max_retained;
        let kept =
            self.retained.set(&mut self.memory, &mut self.messages, message, limit, Share::LOCAL, false);
        self.messages.release(&mut self.memory, message);
        kept?;
        self.expire_by(expires_at);
        Ok(())
    }

    fn local_content<'a>(
        &self,
        topic: &'a str,
        payload: &'a [u8],
        qos: QoS,
        retain: bool,
    ) -> Result<Content<'a>, PublishError> {
        let topic = TopicName::new(topic)?.as_bytes();
        let body_bytes = Publish::body_bytes(topic.len(), QoS::AtLeastOnce, None, payload.len());
        let limit = self.policy.limits.max_packet_bytes.min(obkmq_mqtt::MAX_REMAINING_LENGTH);
        match u32::try_from(body_bytes) {
            Ok(bytes) if bytes <= limit => Ok(Content {
                topic,
                payload,
                properties: Properties::EMPTY,
                qos,
                retain,
                expires_at: Moment::NEVER,
            }),
            _ => Err(PublishError::TooLong),
        }
    }
}

fn topic_of<'a>(publish: &Publish<'a>) -> &'a [u8] {
    publish.topic.map_or(&[], TopicName::as_bytes)
}
