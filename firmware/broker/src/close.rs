//! How links and sessions end: refused before they were let in, closed for a reason, or left by the transport.

use core::fmt::{self, Write};

use obkmq_mqtt::{Disconnect, Property, ReasonCode, Text, Version};

use crate::delivery::{Delivery, Kind, List, flag};
use crate::event::{Direction, DisconnectReason, Event, LogText, RefusedReason, Violation};
use crate::limits::{GRACE_FOR_CONNECT_MS, Limits, TRIM_DELAY_MS};
use crate::link::{Link, LinkId, State, Want, mark};
use crate::memory::Purpose;
use crate::message::Message;
use crate::policy::{Anonymous, Peer};
use crate::rights::Access;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::text::Line;
use crate::time::{Instant, Moment};
use crate::verifier::UserId;

/// What is answered to a refused CONNECT, and who it came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) reason_code: ReasonCode,
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
}

impl Core {
    /// Refuses a client that has not been let in; with an answer if it sent a CONNECT that can be answered. Either way
    /// the link is over: there is one try a connection.
    pub(crate) fn refuse(&mut self, link: Handle<Link>, refusal: Option<Refusal<'_>>, reason: RefusedReason) {
        self.counters.refused += 1;
        self.log(Event::Refused {
            peer: self.links.peer(link),
            client_id: LogText::new(refusal.map_or("", |refusal| refusal.client_id)),
            user: refusal.and_then(|refusal| refusal.user_name).map(LogText::new),
            reason,
        });
        self.leave_verification(link);
        let partial = self.links.take_partial(&mut self.memory, link);
        self.release_secret(partial);
        match refusal {
            Some(refusal) => self.say_last(link, Kind::ConnAck, refusal.reason_code, &reason),
            None => self.close_link(link),
        }
    }

    pub(crate) fn refuse_version(&mut self, link: Handle<Link>, level: u8) {
        let reason_code = ReasonCode::UnsupportedProtocolVersion;
        let refusal = Refusal { reason_code, client_id: "", user_name: None };
        self.refuse(link, Some(refusal), RefusedReason::UnsupportedVersion(level));
    }

    /// Sends the last packet of a link, if there is memory for it, and lets the link leave. CONNACK and DISCONNECT are the
    /// only packets with a reason in words, which a client that does not want them has to bear there (section 3.1.2.11.7
    /// of MQTT 5).
    fn say_last(
        &mut self,
        link: Handle<Link>,
        kind: Kind,
        reason_code: ReasonCode,
        words: &dyn fmt::Display,
    ) {
        if self.deliveries.reserve(&mut self.memory, 1, Purpose::Session).is_err() {
            self.close_link(link);
            return;
        }
        let mut last = Delivery::reply(kind, None, reason_code);
        if self.links[link].version == Version::V5 {
            let limit = self.links.extra(link).map_or(u32::MAX, |extra| extra.max_packet_bytes);
            last.message = self.reason_string(words, limit);
        }
        let entry = &mut self.links[link];
        entry.state = State::Leaving;
        entry.received_at = self.now;
        self.send(link, last);
        self.wake_for(link);
    }

    /// The reason in words, as a property, if the client takes a packet that long.
    fn reason_string(&mut self, words: &dyn fmt::Display, limit: u32) -> Option<Handle<Message>> {
        let mut text = Line::default();
        let _ = write!(text, "{words}");
        let mut property = Line::default();
        Property::ReasonString(Text::new(text.as_str()).ok()?).encode(&mut property);
        let bytes = property.as_bytes();
        // Header, acknowledge flags, reason code and property length.
        if bytes.is_empty() || u32::try_from(bytes.len() + 5).ok()? > limit {
            return None;
        }
        self.messages.insert_bytes(&mut self.memory, bytes, Purpose::Keeping).ok()
    }

    pub(crate) fn close_link(&mut self, link: Handle<Link>) {
        self.links[link].state = State::Closed;
        self.want(link, Want::Close);
    }

    /// A client says goodbye (section 3.14).
    pub(crate) fn on_disconnect(
        &mut self,
        link: Handle<Link>,
        disconnect: &Disconnect<'_>,
    ) -> Result<(), Violation> {
        let mut expiry = None;
        for property in disconnect.properties.iter() {
            match property {
                Property::SessionExpiryInterval(seconds) => expiry = Some(seconds),
                // Section 3.14.2.2.5 of MQTT 5: only a server names another server.
                Property::ServerReference(_) => return Err(Violation::ServerReference),
                _ => {}
            }
        }
        // [MQTT-3.14.2-1 of MQTT 5], table of section 3.14.2.1.
        if is_of_server(disconnect.reason) {
            return Err(Violation::ReasonOfServer(disconnect.reason));
        }
        if let Some(session) = self.links[link].session
            && let Some(seconds) = expiry
        {
            let ceiling = self.policy.max_session_expiry_seconds;
            let entry = self.sessions.get_mut(session);
            // Section 3.14.2.2.2 of MQTT 5: what was to end with its link cannot be made to last.
            if entry.expiry_seconds == 0 && seconds != 0 {
                return Err(Violation::SessionExpiry);
            }
            entry.expiry_seconds = seconds.min(ceiling);
            self.note_session_change(session);
        }
        let reason = match disconnect.reason {
            ReasonCode::Success => DisconnectReason::Disconnected,
            _ => DisconnectReason::DisconnectedWithWill,
        };
        self.disconnect(link, reason);
        Ok(())
    }

    /// Ends a link that had been let in. Its will is published unless the client said goodbye \[MQTT-3.14.4-3\]. A client
    /// that speaks MQTT 5 is told the reason, unless it is in the middle of another packet.
    pub(crate) fn disconnect(&mut self, link: Handle<Link>, reason: DisconnectReason) {
        let Some(session) = self.links[link].session.take() else { return };
        self.online = self.online.saturating_sub(1);
        self.log(Event::Disconnected {
            peer: self.links.peer(link),
            client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
            reason,
        });
        let whole = self.links[link].offset_bytes == 0 && !self.express.is_begun(link);
        self.keep_express(link, session);
        self.keep_unsent(link, session);
        // [MQTT-3.2.0-1]: nothing precedes the answer to CONNECT, not even the last word.
        let wire = &mut self.links[link].wire;
        let connack = wire.head().filter(|&first| self.deliveries[first].kind == Kind::ConnAck && whole);
        if connack.is_some() {
            wire.pop_front(&mut self.deliveries);
        }
        self.drop_outbox(link);
        let partial = self.links.take_partial(&mut self.memory, link);
        self.memory.release(partial);
        let code = reason.code().filter(|_| whole && self.links[link].version == Version::V5);
        match (code, connack) {
            (Some(code), connack) => {
                if let Some(connack) = connack {
                    self.push(link, connack);
                }
                self.say_last(link, Kind::Disconnect, code, &reason);
            }
            (None, connack) => {
                if let Some(connack) = connack {
                    self.discard(connack);
                }
                self.close_link(link);
            }
        }
        let will = self.links[link].will.take();
        let delay_seconds = self.links.extra(link).map_or(0, |extra| extra.will_delay_seconds);
        let entry = self.sessions.get_mut(session);
        entry.leave(self.now);
        let expiry_seconds = entry.expiry_seconds;
        if let Some(will) = will {
            if reason == DisconnectReason::Disconnected {
                self.messages.release(&mut self.memory, will);
            } else {
                self.will_due(session, will, delay_seconds.min(expiry_seconds));
            }
        }
        if expiry_seconds == 0 {
            self.end_session(session);
        } else {
            self.wake_for_session(session);
        }
    }

    /// Publishes a will, or holds it back for its delay.
    fn will_due(&mut self, session: Handle<Session>, will: Handle<Message>, delay_seconds: u32) {
        if delay_seconds > 0
            && self.store_express(session).is_ok()
            && let Ok(flow) = self.sessions.need_flow(&mut self.memory, session, Purpose::Session)
        {
            flow.will = Some(will);
            flow.will_at = self.now.after_seconds(delay_seconds);
            return;
        }
        self.publish_will(session, will);
    }

    /// Publishes a will if its client may still publish there.
    pub(crate) fn publish_will(&mut self, session: Handle<Session>, will: Handle<Message>) {
        let entry = self.sessions.get(session);
        let topic = self.messages.get(will).topic();
        let may = entry.is.all(Marks::UNRESTRICTED)
            || self.rights.may(entry.user(), &entry.client_id, Access::Write, topic);
        if may {
            self.route_stored(will, Some(session));
        } else {
            self.counters.drops.not_authorized += 1;
        }
        self.messages.release(&mut self.memory, will);
    }

    /// The client is back in time.
    pub(crate) fn cancel_will(&mut self, session: Handle<Session>) {
        if let Some(will) = self.sessions.flow_mut(session).and_then(|flow| flow.will.take()) {
            self.messages.release(&mut self.memory, will);
            self.sessions.settle_flow(&mut self.memory, session);
        }
    }

    /// The transport is gone.
    pub(crate) fn closed(&mut self, now: Instant, id: LinkId) {
        self.advance(now);
        let Some(link) = self.links.find(id) else { return };
        match self.links[link].state {
            State::Connected => self.disconnect(link, DisconnectReason::ConnectionLost),
            State::Verifying => self.leave_verification(link),
            State::Opened | State::Leaving | State::Closed => {}
        }
        self.drop_outbox(link);
        if self.links[link].wants != 0 {
            self.wanting.remove(&mut self.links, link);
        }
        self.release_aliases(link);
        let partial = self.links.take_partial(&mut self.memory, link);
        self.release_secret(partial);
        self.links.remove(&mut self.memory, link);
        if self.links.live() == 0 {
            self.trim();
        } else {
            // Others give back what it leaves empty, soon and together.
            self.wake_by(self.now.after_millis(TRIM_DELAY_MS));
        }
    }

    fn release_aliases(&mut self, link: Handle<Link>) {
        let Some(extra) = self.links.extra_mut(link) else { return };
        for alias in &extra.aliases {
            self.messages.release(&mut self.memory, alias.topic);
        }
        extra.aliases.clear();
    }

    /// Gives back a packet that may hold a password.
    fn release_secret(&mut self, mut packet: alloc::vec::Vec<u8>) {
        packet.fill(0);
        self.memory.release(packet);
    }

    fn leave_verification(&mut self, link: Handle<Link>) {
        if self.links[link].state == State::Verifying {
            self.verifying -= 1;
            self.links[link].state = State::Closed;
        }
    }

    /// Ends a session that has no link: its subscriptions and all that waits for it. A will that was held back is
    /// published now \[MQTT-3.1.3-9 of MQTT 5\].
    pub(crate) fn end_session(&mut self, session: Handle<Session>) {
        self.end_replays(session);
        self.forget_express(session);
        let entry = self.sessions.get_mut(session);
        self.filters.unsubscribe_all(&mut self.memory, &mut entry.subscriptions);
        entry.subscription_count = 0;
        let will = match self.sessions.flow_mut(session) {
            Some(flow) => {
                let mut list = core::mem::take(&mut flow.inflight);
                list.append(&mut self.deliveries, core::mem::take(&mut flow.waiting));
                flow.inflight_count = 0;
                self.memory.release(core::mem::take(&mut flow.inbound));
                let will = flow.will.take();
                while let Some(record) = list.pop_front(&mut self.deliveries) {
                    self.counters.drops.link_closed += 1;
                    self.discard(record);
                }
                will
            }
            None => None,
        };
        self.sessions.settle_flow(&mut self.memory, session);
        if let Some(will) = will {
            self.publish_will(session, will);
        }
        self.note_session_change(session);
        self.sessions.remove(&mut self.memory, session);
    }

    /// Ends the session of the client that has been away for longest, where a client that is there finds no memory: its
    /// next try may find some. Sessions may be meant to wait for ever, and enough of them would keep everybody out as
    /// long.
    pub(crate) fn forget_absent(&mut self) {
        if let Some(session) = self.sessions.longest_absent() {
            self.end_session(session);
        }
    }

    /// A new connection found no memory: the one that has waited for its CONNECT for longest gives way, or where nobody
    /// does, an absent session. Those who only knock cannot end sessions as long as they can be shown out.
    pub(crate) fn make_room(&mut self) {
        let is_waiting = |&link: &Handle<Link>| self.links[link].state == State::Opened;
        let longest =
            self.links.handles().filter(is_waiting).min_by_key(|&link| self.links[link].received_at);
        match longest {
            Some(link) if self.links[link].received_at.after_millis(GRACE_FOR_CONNECT_MS) <= self.now => {
                self.refuse(link, None, RefusedReason::OutOfMemory);
            }
            None if self.links.live() == self.online => self.forget_absent(),
            _ => {}
        }
    }

    /// Moves the messages above QoS 0 that an ending link has not sent behind those it has: the next link sends them
    /// all, in this order.
    fn keep_unsent(&mut self, link: Handle<Link>, session: Handle<Session>) {
        let begun = self.links[link].offset_bytes > 0;
        let mut wire = core::mem::take(&mut self.links[link].wire);
        let mut rest = List::default();
        let mut first = true;
        while let Some(record) = wire.pop_front(&mut self.deliveries) {
            let flow = self.sessions.flow_mut(session).filter(|_| self.deliveries[record].is_tracked());
            if let Some(flow) = flow {
                if first && begun && self.deliveries[record].is_message() {
                    self.deliveries[record].flags |= flag::DUP;
                }
                flow.inflight.push_back(&mut self.deliveries, record);
            } else {
                rest.push_back(&mut self.deliveries, record);
            }
            first = false;
        }
        self.links[link].wire = rest;
    }

    fn drop_outbox(&mut self, link: Handle<Link>) {
        // Other packets may come into the place of those that it gave.
        self.filled = None;
        self.drop_express(link);
        let mut wire = core::mem::take(&mut self.links[link].wire);
        while let Some(record) = wire.pop_front(&mut self.deliveries) {
            if self.deliveries[record].kind == Kind::PublishQoS0 {
                self.counters.drops.link_closed += 1;
            }
            self.discard(record);
        }
        let entry = &mut self.links[link];
        entry.wire_bytes = 0;
        entry.wire_messages = 0;
        entry.replies = 0;
        entry.offset_bytes = 0;
        entry.pause = None;
    }

    /// Takes note, once a link, of what its user may not do.
    pub(crate) fn log_denied(&mut self, link: Handle<Link>, direction: Direction, topic: &[u8]) {
        let marks = &mut self.links[link].marks;
        if *marks & mark::DENIED != 0 {
            return;
        }
        *marks |= mark::DENIED;
        let Some(session) = self.links[link].session else { return };
        self.log(Event::Denied {
            client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
            direction,
            topic: LogText::from_bytes(topic),
        });
    }

    /// Closes the links of a user who is not one any more, and ends the sessions that nobody can come back to.
    pub(crate) fn revoke(&mut self, user: UserId) {
        self.disconnect_where(DisconnectReason::Revoked, |session, _| session.user() == Some(user));
        self.end_absent_sessions_of(Some(user));
    }

    fn end_absent_sessions_of(&mut self, user: Option<UserId>) {
        for index in 0..self.sessions.end() {
            let Some(session) = self.sessions.handle_at(index) else { continue };
            let entry = self.sessions.get(session);
            if entry.user() == user && entry.link().is_none() && !entry.is.all(Marks::ENDED) {
                self.end_session(session);
            }
        }
    }

    /// Closes the anonymous links that would not be let in any more, ends the sessions that nobody can come back to, and
    /// lets a shorter interval of the figures hold from now on.
    pub(crate) fn enforce_policy(&mut self) {
        let interval_seconds = self.policy.sys_interval_seconds;
        if interval_seconds > 0 && self.links.live() > 0 {
            self.figures_at = self.figures_at.min(self.now.after_seconds(interval_seconds));
            self.wake_by(self.figures_at);
        }
        self.count_users();
        self.tell_refused_again();
        let anonymous = self.policy.anonymous;
        let revoked = DisconnectReason::Revoked;
        self.disconnect_where(revoked, |session, link| {
            session.user().is_none() && !anonymous.allows(link.peer)
        });
        if anonymous == Anonymous::Never {
            self.end_absent_sessions_of(None);
        }
    }

    /// Closes the links of clients that speak MQTT 5 where they could not know that they may send less than they were told
    /// in CONNACK: nobody is to break a limit by keeping to it (section 3.2.2.3 of MQTT 5).
    pub(crate) fn enforce_lowered(&mut self, former: &Limits) {
        let limits = &self.policy.limits;
        if limits.max_inbound_inflight < former.max_inbound_inflight
            || limits.max_packet_bytes < former.max_packet_bytes
            || limits.max_topic_aliases < former.max_topic_aliases
        {
            self.disconnect_where(DisconnectReason::LimitsLowered, |_, link| link.version == Version::V5);
        }
    }

    fn disconnect_where(&mut self, reason: DisconnectReason, concerns: impl Fn(&Session, Told) -> bool) {
        for index in 0..self.links.end() {
            let Some(link) = self.links.handle_at(index) else { continue };
            let Some(session) = self.links[link].session else { continue };
            let told = Told { peer: self.links.peer(link), version: self.links[link].version };
            if concerns(self.sessions.get(session), told) {
                self.disconnect(link, reason);
            }
        }
    }

    /// Ends an absent session whose time is up, or publishes its will. Returns when to look again.
    pub(crate) fn run_session(&mut self, session: Handle<Session>) -> Option<Moment> {
        let ends_at = self.session_ends_at(session);
        if ends_at <= self.now {
            self.counters.sessions_expired += 1;
            self.end_session(session);
            return None;
        }
        if self.sessions.flow(session).is_some_and(|flow| flow.will.is_some() && flow.will_at <= self.now)
            && let Some(will) = self.sessions.flow_mut(session).and_then(|flow| flow.will.take())
        {
            self.sessions.settle_flow(&mut self.memory, session);
            self.publish_will(session, will);
        }
        self.next_session_due(session)
    }
}

/// What is asked about a link.
struct Told {
    peer: Peer,
    version: Version,
}

/// Whether only servers give this reason for a DISCONNECT.
const fn is_of_server(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::NotAuthorized
            | ReasonCode::ServerBusy
            | ReasonCode::ServerShuttingDown
            | ReasonCode::KeepAliveTimeout
            | ReasonCode::SessionTakenOver
            | ReasonCode::TopicFilterInvalid
            | ReasonCode::RetainNotSupported
            | ReasonCode::QoSNotSupported
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved
            | ReasonCode::SharedSubscriptionsNotSupported
            | ReasonCode::ConnectionRateExceeded
            | ReasonCode::MaximumConnectTime
            | ReasonCode::SubscriptionIdentifiersNotSupported
            | ReasonCode::WildcardSubscriptionsNotSupported
    )
}
