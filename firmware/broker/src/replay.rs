//! The retained messages that a new subscription finds (section 3.3.1.3), a few at a time.
//!
//! A filter with wildcards has to be compared with every retained message. So each subscription that is owed some is in
//! a list of its session with the place in the store where its walk goes on; a step looks at
//! [`REPLAY_ENTRIES_PER_STEP`] entries at most, and rests while answers wait in the outbox. A message that is set while
//! a walk is on its way is delivered for what it is; perhaps the walk finds it once more.

use obkmq_mqtt::{QoS, TopicFilter, TopicName, matches};

use crate::delivering::Shipment;
use crate::delivery::flag;
use crate::filters::Subscription;
use crate::flow::Replay;
use crate::limits::REPLAY_ENTRIES_PER_STEP;
use crate::memory::Purpose;
use crate::message::Message;
use crate::rights::Access;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::sys;

impl Core {
    /// Takes note that a subscription is owed the retained messages. Without memory it gets none, which is counted.
    pub(crate) fn begin_replay(&mut self, session: Handle<Session>, subscription: Handle<Subscription>) {
        let purpose = Purpose::Keeping;
        // Each subscription is owed the messages once, and perhaps once more since the client has come back; a client
        // that asks again and again for what it does not take gets what it asked for last.
        let most = self.sessions.get(session).subscription_count.saturating_mul(2).saturating_add(64);
        if self.sessions.flow(session).is_some_and(|flow| flow.replay_count >= most) {
            self.end_replay(session);
        }
        if self.store_express(session).is_err()
            || self.sessions.need_flow(&mut self.memory, session, purpose).is_err()
        {
            self.counters.drops.out_of_memory += 1;
            return;
        }
        let replay = Replay { subscription, index: 0, next: None };
        match (self.replays.insert(&mut self.memory, replay, purpose), self.sessions.flow_mut(session)) {
            (Ok(record), Some(flow)) => {
                flow.replay_count += 1;
                match flow.last_replay.replace(record) {
                    None => flow.replay = Some(record),
                    Some(last) => self.replays[last].next = Some(record),
                }
            }
            _ => {
                self.counters.drops.out_of_memory += 1;
                self.sessions.settle_flow(&mut self.memory, session);
            }
        }
    }

    /// Removes the first of what a session is owed.
    fn end_replay(&mut self, session: Handle<Session>) {
        let Some(flow) = self.sessions.flow_mut(session) else { return };
        let Some(record) = flow.replay else { return };
        flow.replay = self.replays.remove(record).and_then(|replay| replay.next);
        flow.replay_count = flow.replay_count.saturating_sub(1);
        if flow.replay.is_none() {
            flow.last_replay = None;
        }
        self.sessions.settle_flow(&mut self.memory, session);
    }

    /// Ends all replays of a session.
    pub(crate) fn end_replays(&mut self, session: Handle<Session>) {
        while self.sessions.flow(session).is_some_and(|flow| flow.replay.is_some()) {
            self.end_replay(session);
        }
    }

    /// One step of what a session is owed, as far as its outbox has room.
    pub(crate) fn replay(&mut self, session: Handle<Session>) {
        let mut entries = REPLAY_ENTRIES_PER_STEP;
        while let Some(record) = self.sessions.flow(session).and_then(|flow| flow.replay) {
            let Some(link) = self.sessions.get(session).link() else { return };
            let waiting = self.sessions.flow(session).map_or(0, |flow| flow.waiting_replays);
            let half = self.policy.limits.max_replies / 2;
            if self.links[link].replies > half || waiting > u32::from(half) {
                // The transport's progress goes on with it.
                return;
            }
            if entries == 0 {
                self.replaying = true;
                return;
            }
            let Replay { subscription, index, .. } = self.replays[record];
            entries -= 1;
            // The subscription may be gone, or another one of this session in its place, which is no harm.
            let next = if self.filters.is_of(subscription, session) {
                self.replay_from(session, subscription, index as usize, &mut entries)
            } else {
                None
            };
            match next {
                Some(index) => self.replays[record].index = u32::try_from(index).unwrap_or(u32::MAX),
                None => self.end_replay(session),
            }
        }
    }

    /// Sends the first match at or behind an index. Returns where to go on, or nothing at the end of the store.
    fn replay_from(
        &mut self,
        session: Handle<Session>,
        subscription: Handle<Subscription>,
        index: usize,
        entries: &mut usize,
    ) -> Option<usize> {
        let text = self.filters.text(subscription);
        let Ok(filter) = TopicFilter::new(text) else { return None };
        if !filter.has_wildcard() {
            let found = self.retained.find(&self.messages, text.as_bytes());
            match found.and_then(|found| self.retained.message(found)) {
                Some(message) => self.replay_one(session, subscription, message),
                None => self.replay_figure(session, subscription, text_is(text)),
            }
            return None;
        }
        // The broker's own figures stand in front of the store, in which they are not.
        let figures = if text.starts_with('$') { sys::FIGURES.len() } else { 0 };
        let mut index = index;
        while index < figures {
            *entries = entries.saturating_sub(1);
            let figure = index;
            index += 1;
            if sys::matches(filter, figure) {
                self.replay_figure(session, subscription, Some(figure));
                return Some(index);
            }
            if *entries == 0 {
                return Some(index);
            }
        }
        while let Some((next, message)) = self.retained.next_from(index - figures, *entries) {
            *entries = entries.saturating_sub(next + figures - index);
            index = next + figures;
            let text =
                message.and_then(|message| core::str::from_utf8(self.messages.get(message).topic()).ok());
            let topic = text.and_then(|text| TopicName::new(text).ok());
            if let Some(message) = message.filter(|_| topic.is_some_and(|topic| matches(filter, topic))) {
                self.replay_one(session, subscription, message);
                return Some(index);
            }
            if *entries == 0 {
                return Some(index);
            }
        }
        None
    }

    /// Sends a retained message \[MQTT-3.3.1-6\] with the retain flag \[MQTT-3.3.1-8\].
    fn replay_one(
        &mut self,
        session: Handle<Session>,
        subscription: Handle<Subscription>,
        message: Handle<Message>,
    ) {
        let entry = self.sessions.get(session);
        let stored = self.messages.get(message);
        let may = entry.is.all(Marks::UNRESTRICTED)
            || self.rights.may(entry.user(), &entry.client_id, Access::Read, stored.topic());
        if !may || stored.expires_at() <= self.now {
            return;
        }
        let options = self.filters.options(subscription);
        let shipment = Shipment {
            message,
            qos: stored.qos().min(options.qos),
            flags: flag::RETAIN | flag::REPLAY,
            detail: options.identifier.map_or(0, core::num::NonZeroU32::get),
        };
        self.deliver(session, shipment);
    }

    /// Sends one of the broker's own figures.
    fn replay_figure(
        &mut self,
        session: Handle<Session>,
        subscription: Handle<Subscription>,
        figure: Option<usize>,
    ) {
        let Some(figure) = figure.filter(|_| self.policy.sys_interval_seconds > 0) else { return };
        let Some(value) = self.figure(figure) else { return };
        let content = value.content(true, QoS::AtMostOnce);
        if let Ok(message) = self.messages.insert(&mut self.memory, &content, Purpose::Keeping) {
            self.replay_one(session, subscription, message);
            self.messages.release(&mut self.memory, message);
        }
    }

    /// One step for each session that is owed something.
    pub(crate) fn run_replays(&mut self) {
        if !core::mem::take(&mut self.replaying) {
            return;
        }
        for index in 0..self.links.end() {
            let Some(link) = self.links.handle_at(index) else { continue };
            if let Some(session) = self.links[link].session {
                self.replay(session);
            }
        }
    }
}

/// The figure of exactly this name.
fn text_is(topic: &str) -> Option<usize> {
    sys::FIGURES.iter().position(|figure| figure.topic == topic)
}
