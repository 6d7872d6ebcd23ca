//! Messages from clients (sections 3.3 and 4.3), from the local publisher, and wills.

use obkmq_mqtt::{PacketId, Publish, QoS, TopicError, TopicName};

use crate::delivery::Kind;
use crate::event::Violation;
use crate::link::Link;
use crate::memory::{OutOfMemory, Purpose};
use crate::receive::Outcome;
use crate::route::{Incoming, Patience};
use crate::slab::Handle;
use crate::state::Core;

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
    /// There is no memory for it.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

impl Core {
    pub(crate) fn on_publish(
        &mut self,
        link: Handle<Link>,
        publish: &Publish<'_>,
    ) -> Result<Outcome, Violation> {
        let incoming = Incoming {
            topic: publish.topic.as_str().as_bytes(),
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
        };
        let outcome = match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => self.publish_acknowledged(link, &incoming, id),
            (QoS::ExactlyOnce, Some(id)) => self.publish_once(link, &incoming, id)?,
            _ => self.route(&incoming, Patience::None).map(|()| Outcome::Done).unwrap_or(Outcome::NoMemory),
        };
        if outcome == Outcome::Done {
            self.counters.messages_received += 1;
        }
        Ok(outcome)
    }

    /// QoS 1: the answer goes out when the message is with those it concerns \[MQTT-4.3.2-2\].
    fn publish_acknowledged(&mut self, link: Handle<Link>, message: &Incoming<'_>, id: PacketId) -> Outcome {
        if self.reserve_answer().is_err() || self.route(message, Patience::Sender).is_err() {
            return Outcome::NoMemory;
        }
        // Routing has reserved records of its own: the one for the answer is still there.
        self.answer(link, Kind::PubAck, Some(id));
        Outcome::Done
    }

    /// QoS 2: routed when it comes first, then its identifier is remembered until PUBREL (figure 4.3, method B).
    fn publish_once(
        &mut self,
        link: Handle<Link>,
        message: &Incoming<'_>,
        id: PacketId,
    ) -> Result<Outcome, Violation> {
        let Some(session) = self.links[link].session else { return Ok(Outcome::Done) };
        if self.reserve_answer().is_err() {
            return Ok(Outcome::NoMemory);
        }
        let entry = self.sessions.get_mut(session);
        if !entry.has_inbound(id) {
            if entry.inbound.len() >= usize::from(self.policy.limits.max_inbound_inflight) {
                return Err(Violation::TooManyInflight);
            }
            if self.memory.reserve(&mut entry.inbound, 1, Purpose::Session).is_err()
                || self.route(message, Patience::Sender).is_err()
            {
                return Ok(Outcome::NoMemory);
            }
            self.sessions.get_mut(session).add_inbound(id);
        }
        self.answer(link, Kind::PubRec, Some(id));
        Ok(Outcome::Done)
    }

    pub(crate) fn on_puback(&mut self, link: Handle<Link>, id: PacketId) -> Outcome {
        if let Some(session) = self.links[link].session {
            self.acknowledged(session, id);
        }
        Outcome::Done
    }

    pub(crate) fn on_pubrel(&mut self, link: Handle<Link>, id: PacketId) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        self.sessions.get_mut(session).remove_inbound(&mut self.memory, id);
        // An unknown identifier is answered as well [MQTT-4.3.3-2]: the PUBCOMP before may have been lost.
        self.answer(link, Kind::PubComp, Some(id));
        Outcome::Done
    }

    pub(crate) fn on_pingreq(&mut self, link: Handle<Link>) -> Outcome {
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        self.answer(link, Kind::PingResp, None);
        Outcome::Done
    }

    /// A message of the board itself.
    pub(crate) fn publish_local(
        &mut self,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        let topic = self.check(topic, payload)?.as_str().as_bytes();
        self.route(&Incoming { topic, payload, qos, retain }, Patience::Sender)?;
        self.counters.messages_received += 1;
        Ok(())
    }

    /// Takes a retained message back from where the journal's reader kept it.
    pub(crate) fn restore(&mut self, topic: &str, payload: &[u8], qos: QoS) -> Result<(), PublishError> {
        let topic = self.check(topic, payload)?.as_str().as_bytes();
        if payload.is_empty() {
            return Err(PublishError::EmptyRetained);
        }
        let message = self.messages.insert(&mut self.memory, topic, payload, qos, Purpose::Keeping)?;
        let limit = self.policy.limits.max_retained;
        let kept = self.retained.set(&mut self.memory, &mut self.messages, message, limit, false);
        self.messages.release(&mut self.memory, message);
        Ok(kept?)
    }

    fn check<'a>(&self, topic: &'a str, payload: &[u8]) -> Result<TopicName<'a>, PublishError> {
        let topic = TopicName::new(topic)?;
        let body_bytes = Publish::body_bytes(topic.as_str().len(), QoS::AtLeastOnce, payload.len());
        let limit = self.policy.limits.max_packet_bytes.min(obkmq_mqtt::MAX_REMAINING_LENGTH);
        match u32::try_from(body_bytes) {
            Ok(bytes) if bytes <= limit => Ok(topic),
            _ => Err(PublishError::TooLong),
        }
    }
}
