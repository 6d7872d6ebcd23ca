//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10), and the retained messages that a new subscription finds.
//!
//! QoS 2 towards clients is not offered: a subscription that asks for it is granted QoS 1, as \[MQTT-3.8.4-6\] allows.

use obkmq_mqtt::{QoS, Subscribe, SubscribeReturnCode, TopicFilter, TopicName, Unsubscribe, matches};

use crate::delivery::{Delivery, Kind, flag};
use crate::link::Link;
use crate::memory::{OutOfMemory, Purpose};
use crate::receive::Outcome;
use crate::session::Session;
use crate::slab::Handle;
use crate::state::Core;

/// The most a subscription is granted.
const MAX_GRANTED: QoS = QoS::AtLeastOnce;

impl Core {
    pub(crate) fn on_subscribe(&mut self, link: Handle<Link>, subscribe: &Subscribe<'_>) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        // The answer is made first, all refusals, so that nothing is half done when there is no memory for it.
        let failure = SubscribeReturnCode::Failure.byte();
        let answer = self.reserve_answer().and_then(|()| {
            let codes = subscribe.subscriptions.iter().count();
            self.messages.insert_filled(&mut self.memory, codes, failure, Purpose::Session)
        });
        let Ok(answer) = answer else { return Outcome::NoMemory };
        let mut wildcards = 0_u32;
        for (index, subscription) in subscribe.subscriptions.iter().enumerate() {
            wildcards += u32::from(subscription.filter.has_wildcard());
            if subscription.filter.has_wildcard()
                && wildcards > self.policy.limits.max_wildcards_per_subscribe.into()
            {
                continue;
            }
            let granted = subscription.qos.min(MAX_GRANTED);
            if self.subscribe(session, subscription.filter, granted).is_ok() {
                let code = SubscribeReturnCode::Granted(granted).byte();
                self.messages.set_payload_byte(answer, index, code);
            }
        }
        let mut suback = Delivery::reply(Kind::SubAck, Some(subscribe.packet_id));
        suback.message = Some(answer);
        // Held here as well, since the codes are still needed.
        self.messages.hold(answer);
        self.send(link, suback);
        for (index, subscription) in subscribe.subscriptions.iter().enumerate() {
            if self.messages.get(answer).payload().get(index).is_some_and(|&code| code != failure) {
                self.replay(session, subscription.filter, subscription.qos.min(MAX_GRANTED));
            }
        }
        self.messages.release(&mut self.memory, answer);
        Outcome::Done
    }

    fn subscribe(
        &mut self,
        session: Handle<Session>,
        filter: TopicFilter<'_>,
        qos: QoS,
    ) -> Result<(), OutOfMemory> {
        let entry = self.sessions.get_mut(session);
        let may_add = entry.subscription_count < self.policy.limits.max_subscriptions;
        let list = &mut entry.subscriptions;
        let added = self.tree.subscribe(&mut self.memory, filter, session, list, qos, may_add)?;
        entry.subscription_count += u32::from(added);
        Ok(())
    }

    /// Sends the retained messages that a new subscription matches \[MQTT-3.3.1-6\], with the retain flag
    /// \[MQTT-3.3.1-8\].
    fn replay(&mut self, session: Handle<Session>, filter: TopicFilter<'_>, granted: QoS) {
        let flags = flag::RETAIN | flag::REPLAY;
        if !filter.has_wildcard() {
            let entry = self.retained.find(&self.messages, filter.as_str().as_bytes());
            if let Some(message) = entry.and_then(|entry| self.retained.message(entry)) {
                let qos = self.messages.get(message).qos().min(granted);
                self.deliver(session, message, qos, flags);
            }
            return;
        }
        let mut index = 0;
        while let Some((next, message)) = self.retained.next_from(index) {
            index = next;
            let entry = self.messages.get(message);
            let topic = core::str::from_utf8(entry.topic()).ok().and_then(|topic| TopicName::new(topic).ok());
            if topic.is_some_and(|topic| matches(filter, topic)) {
                let qos = entry.qos().min(granted);
                self.deliver(session, message, qos, flags);
            }
        }
    }

    pub(crate) fn on_unsubscribe(&mut self, link: Handle<Link>, unsubscribe: &Unsubscribe<'_>) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        for filter in unsubscribe.filters.iter() {
            let entry = self.sessions.get_mut(session);
            let memory = &mut self.memory;
            if self.tree.unsubscribe(memory, filter, session, &mut entry.subscriptions) {
                entry.subscription_count = entry.subscription_count.saturating_sub(1);
            }
        }
        // [MQTT-3.10.4-5]: answered whether or not there was something to remove.
        self.answer(link, Kind::UnsubAck, Some(unsubscribe.packet_id));
        Outcome::Done
    }
}
