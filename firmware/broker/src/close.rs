//! How links and sessions end: refused before they were let in, closed for a reason, or left by the transport.

use obkmq_mqtt::ConnectReturnCode;

use crate::delivery::{Delivery, Kind, List, flag};
use crate::event::{DisconnectReason, Event, LogText, RefusedReason};
use crate::link::{Link, LinkId, State, Want};
use crate::memory::Purpose;
use crate::session::Session;
use crate::slab::Handle;
use crate::state::Core;
use crate::time::Instant;
use crate::verifier::UserId;

/// What is answered to a refused CONNECT, and who it came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) return_code: ConnectReturnCode,
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
}

impl Core {
    /// Refuses a client that has not been let in; with an answer if it sent a CONNECT that can be answered. Either way
    /// the link is over: there is one try a connection.
    pub(crate) fn refuse(&mut self, link: Handle<Link>, refusal: Option<Refusal<'_>>, reason: RefusedReason) {
        self.counters.refused += 1;
        self.log(Event::Refused {
            peer: self.links[link].peer,
            client_id: LogText::new(refusal.map_or("", |refusal| refusal.client_id)),
            user: refusal.and_then(|refusal| refusal.user_name).map(LogText::new),
            reason,
        });
        self.leave_verification(link);
        let room = self.deliveries.reserve(&mut self.memory, 1, Purpose::Session).is_ok();
        let entry = &mut self.links[link];
        self.memory.release(core::mem::take(&mut entry.partial));
        match refusal {
            Some(refusal) if room => {
                entry.state = State::Refusing;
                entry.received_at = self.now;
                let mut answer = Delivery::reply(Kind::ConnAck, None);
                answer.flags = refusal.return_code as u8;
                self.send(link, answer);
                self.wake_for(link);
            }
            _ => {
                entry.state = State::Closed;
                self.want(link, Want::Close);
            }
        }
    }

    pub(crate) fn refuse_version(&mut self, link: Handle<Link>, level: u8) {
        let return_code = ConnectReturnCode::UnacceptableProtocolVersion;
        let refusal = Refusal { return_code, client_id: "", user_name: None };
        self.refuse(link, Some(refusal), RefusedReason::UnsupportedVersion(level));
    }

    /// Ends a link that had been let in. Its will is published unless the client said goodbye \[MQTT-3.14.4-3\].
    pub(crate) fn disconnect(&mut self, link: Handle<Link>, reason: DisconnectReason) {
        let Some(session) = self.links[link].session.take() else { return };
        self.log(Event::Disconnected {
            peer: self.links[link].peer,
            client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
            reason,
        });
        self.links[link].state = State::Closed;
        self.keep_unsent(link, session);
        self.drop_outbox(link);
        self.memory.release(core::mem::take(&mut self.links[link].partial));
        self.want(link, Want::Close);
        let entry = self.sessions.get_mut(session);
        entry.link = None;
        entry.left_at = self.now;
        if entry.clean {
            self.end_session(session);
        }
        if let Some((will, qos, retain)) = self.take_will(link) {
            if reason != DisconnectReason::Disconnected {
                self.route_will(will, qos, retain);
            }
            self.messages.release(&mut self.memory, will);
        }
    }

    /// The transport is gone.
    pub(crate) fn closed(&mut self, now: Instant, id: LinkId) {
        self.advance(now);
        let Some(link) = self.find(id) else { return };
        match self.links[link].state {
            State::Connected => self.disconnect(link, DisconnectReason::ConnectionLost),
            State::Verifying => self.leave_verification(link),
            State::Opened | State::Refusing | State::Closed => {}
        }
        self.drop_outbox(link);
        if self.links[link].wants != 0 {
            self.wanting.remove(&mut self.links, link);
        }
        if let Some(link) = self.links.remove(link) {
            self.memory.release(link.partial);
        }
        if self.links.live() == 0 {
            self.trim();
        }
    }

    fn leave_verification(&mut self, link: Handle<Link>) {
        if self.links[link].state == State::Verifying {
            self.verifying.remove(&mut self.links, link);
            self.links[link].partial.fill(0);
        }
    }

    /// Ends a session that has no link: its subscriptions and all that waits for it.
    pub(crate) fn end_session(&mut self, session: Handle<Session>) {
        let entry = self.sessions.get_mut(session);
        self.tree.unsubscribe_all(&mut self.memory, &mut entry.subscriptions);
        for mut list in [core::mem::take(&mut entry.inflight), core::mem::take(&mut entry.waiting)] {
            while let Some(record) = list.pop_front(&mut self.deliveries) {
                self.counters.drops.link_closed += 1;
                self.discard(record);
            }
        }
        self.sessions.remove(&mut self.memory, session);
    }

    /// Ends the session of the client that has been away for longest, where a client that is there finds no memory: its
    /// next try may find some. MQTT 3.1.1 lets sessions wait for ever, and enough of them would keep everybody out as long.
    pub(crate) fn forget_absent(&mut self) {
        if let Some(session) = self.sessions.longest_absent() {
            self.end_session(session);
        }
    }

    /// Moves the messages of QoS 1 that an ending link has not sent behind those it has: the next link sends them all,
    /// in this order.
    fn keep_unsent(&mut self, link: Handle<Link>, session: Handle<Session>) {
        let begun = self.links[link].offset_bytes > 0;
        let mut wire = core::mem::take(&mut self.links[link].wire);
        let mut rest = List::default();
        let mut first = true;
        while let Some(record) = wire.pop_front(&mut self.deliveries) {
            if self.deliveries[record].kind == Kind::PublishQoS1 {
                if first && begun {
                    self.deliveries[record].flags |= flag::DUP;
                }
                let inflight = &mut self.sessions.get_mut(session).inflight;
                inflight.push_back(&mut self.deliveries, record);
            } else {
                rest.push_back(&mut self.deliveries, record);
            }
            first = false;
        }
        self.links[link].wire = rest;
    }

    fn drop_outbox(&mut self, link: Handle<Link>) {
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
    }

    /// Closes the links of a user whose rights have changed. Stored sessions stay: they need a new login.
    pub(crate) fn revoke(&mut self, user: UserId) {
        self.disconnect_where(|session, _| session.user == Some(user));
    }

    /// Closes the anonymous links that would not be let in any more.
    pub(crate) fn enforce_policy(&mut self) {
        let anonymous = self.policy.anonymous;
        self.disconnect_where(|session, link| session.user.is_none() && !anonymous.allows(link.peer));
    }

    fn disconnect_where(&mut self, concerns: impl Fn(&Session, &Link) -> bool) {
        for index in 0..self.links.end() {
            let Some(link) = self.links.handle_at(index) else { continue };
            let entry = &self.links[link];
            let session = entry.session.map(|session| self.sessions.get(session));
            if session.is_some_and(|session| concerns(session, entry)) {
                self.disconnect(link, DisconnectReason::Revoked);
            }
        }
    }
}
