//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).

use core::num::NonZeroU32;

use obkmq_mqtt::{
    Property, QoS, ReasonCode, RetainHandling, Subscribe, Subscription, TopicFilter, Unsubscribe, Version,
};

use crate::delivery::{Delivery, Kind};
use crate::event::{Direction, Event, LogText};
use crate::filters::{Options, Refused, Subscribed};
use crate::limits::Share;
use crate::link::Link;
use crate::memory::Purpose;
use crate::receive::Outcome;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;

impl Core {
    pub(crate) fn on_subscribe(&mut self, link: Handle<Link>, subscribe: &Subscribe<'_>) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        // The answer is made first, all refusals, so that nothing is half done when there is no memory for it.
        let failure = ReasonCode::UnspecifiedError.byte();
        let answer = self.reserve_answer().and_then(|()| {
            let codes = subscribe.subscriptions.iter().count();
            self.messages.insert_filled(&mut self.memory, codes, failure, Purpose::Session)
        });
        let Ok(answer) = answer else { return Outcome::NoMemory };
        let identifier = subscribe.properties.iter().find_map(|property| match property {
            Property::SubscriptionIdentifier(identifier) => Some(identifier),
            _ => None,
        });
        let version = self.links[link].version;
        for (index, subscription) in subscribe.subscriptions.iter().enumerate() {
            let code = match self.subscribe(link, session, &subscription, identifier) {
                Ok(qos) => qos.bits(),
                Err(reason) if version == Version::V5 => reason.byte(),
                // MQTT 3.1 has no code for a refusal: a server "must therefore make a positive acknowledgement" (section 3.8),
                // as mosquitto does.
                Err(_) if version == Version::V3_1 => subscription.qos.bits(),
                Err(_) => failure,
            };
            self.messages.set_payload_byte(answer, index, code);
            if index == 0 && self.policy.log_details {
                let others = subscribe.subscriptions.iter().count().saturating_sub(1);
                self.log(Event::Subscribed {
                    client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
                    filter: LogText::new(subscription.filter.as_str()),
                    code,
                    others,
                });
            }
        }
        let mut suback = Delivery::reply(Kind::SubAck, Some(subscribe.packet_id), ReasonCode::Success);
        suback.message = Some(answer);
        self.send(link, suback);
        self.replay(session);
        Outcome::Done
    }

    fn subscribe(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        subscription: &Subscription<'_>,
        identifier: Option<NonZeroU32>,
    ) -> Result<QoS, ReasonCode> {
        let filter = subscription.filter;
        let entry = self.sessions.get_mut(session);
        let is_shared = filter.share().is_some();
        if !entry.is.all(Marks::UNRESTRICTED) {
            let inner = filter.share().map_or(filter, |(_, inner)| inner);
            if !self.rights.may_subscribe(entry.user(), &entry.client_id, inner) {
                self.log_denied(link, Direction::Subscribe, filter.as_str().as_bytes());
                return Err(ReasonCode::NotAuthorized);
            }
        }
        let options = Options {
            qos: subscription.qos,
            no_local: subscription.no_local,
            retain_as_published: subscription.retain_as_published,
            identifier,
        };
        let limits = &self.policy.limits;
        let share = Share::new(entry.user(), self.others);
        let may_add = entry.subscription_count < limits.max_subscriptions;
        let list = &mut entry.subscriptions;
        let (handle, outcome) = self
            .filters
            .subscribe(&mut self.memory, filter, session, list, options, may_add, limits, share)
            .map_err(|refused| match refused {
                Refused::OutOfMemory | Refused::TooMany | Refused::TooComplex => ReasonCode::QuotaExceeded,
            })?;
        entry.subscription_count += u32::from(outcome == Subscribed::New);
        if outcome != Subscribed::Same {
            self.note_session_change(session);
        }
        let wants_retained = match subscription.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => outcome == Subscribed::New,
            RetainHandling::Never => false,
        };
        // [MQTT-4.8.2] and table of section 3.8.4 of MQTT 5: a group gets no retained messages.
        if wants_retained && !is_shared {
            self.begin_replay(session, handle);
        }
        Ok(subscription.qos)
    }

    pub(crate) fn on_unsubscribe(&mut self, link: Handle<Link>, unsubscribe: &Unsubscribe<'_>) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        let answer = self.reserve_answer().and_then(|()| {
            // MQTT 3 answers without codes.
            let codes = match self.links[link].version {
                Version::V5 => unsubscribe.filters.iter().count(),
                Version::V3_1 | Version::V3_1_1 => 0,
            };
            let success = ReasonCode::Success.byte();
            self.messages.insert_filled(&mut self.memory, codes, success, Purpose::Session)
        });
        let Ok(answer) = answer else { return Outcome::NoMemory };
        for (index, filter) in unsubscribe.filters.iter().enumerate() {
            if index == 0 && self.policy.log_details {
                self.log(Event::Unsubscribed {
                    client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
                    filter: LogText::new(filter.as_str()),
                    others: unsubscribe.filters.iter().count().saturating_sub(1),
                });
            }
            if !self.unsubscribe(session, filter) {
                let code = ReasonCode::NoSubscriptionExisted.byte();
                self.messages.set_payload_byte(answer, index, code);
            }
        }
        // [MQTT-3.10.4-5]: answered whether or not there was something to remove.
        let mut unsuback = Delivery::reply(Kind::UnsubAck, Some(unsubscribe.packet_id), ReasonCode::Success);
        unsuback.message = Some(answer);
        self.send(link, unsuback);
        Outcome::Done
    }

    fn unsubscribe(&mut self, session: Handle<Session>, filter: TopicFilter<'_>) -> bool {
        let entry = self.sessions.get_mut(session);
        let removed = self.filters.unsubscribe(&mut self.memory, filter, session, &mut entry.subscriptions);
        entry.subscription_count = entry.subscription_count.saturating_sub(u32::from(removed));
        if removed {
            self.note_session_change(session);
        }
        removed
    }
}
