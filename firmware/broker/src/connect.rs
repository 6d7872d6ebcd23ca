//! Who is let in (section 3.1.4): the checks of a CONNECT, the wait for the verifier, the take-over of a client's
//! session, and what the new link finds of its session.
//!
//! While credentials are checked, the CONNECT itself waits in the link's reassembly buffer and is read again when the
//! verdict is there: nothing is stored twice. What the client sent behind it stays with the board.

use core::num::{NonZeroU16, NonZeroU32};

use obkmq_mqtt::{Connect, Property, ReasonCode, Text, Version, Will};

use crate::close::Refusal;
use crate::delivery::{Delivery, Kind, detail};
use crate::event::{DisconnectReason, Event, LogText, RefusedReason};
use crate::link::{Link, State, Want, mark};
use crate::memory::{OutOfMemory, Purpose, extend_reserved};
use crate::message::{Content, Message};
use crate::rights::Access;
use crate::session::{Marks, NEVER_EXPIRES, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::text::Line;
use crate::time::Moment;
use crate::verifier::{Attempt, UserId, Verdict};

/// An assigned client identifier is this and sixteen hexadecimal digits.
const ASSIGNED_ID_PREFIX: &[u8; 6] = b"obkmq-";
const ASSIGNED_ID_BYTES: usize = ASSIGNED_ID_PREFIX.len() + 16;

/// What a CONNECT asks for, whatever its version.
#[derive(Debug, Clone, Copy)]
struct Wishes {
    /// As asked for; the owner may allow less.
    expiry_seconds: u32,
    receive_maximum: u16,
    max_packet_bytes: u32,
}

impl Wishes {
    fn of(connect: &Connect<'_>) -> Self {
        let forever = connect.version != Version::V5 && !connect.clean_start;
        let mut wishes = Wishes {
            expiry_seconds: if forever { NEVER_EXPIRES } else { 0 },
            receive_maximum: u16::MAX,
            max_packet_bytes: u32::MAX,
        };
        for property in connect.properties.iter() {
            match property {
                Property::SessionExpiryInterval(seconds) => wishes.expiry_seconds = seconds,
                Property::ReceiveMaximum(maximum) => wishes.receive_maximum = maximum.get(),
                Property::MaximumPacketSize(bytes) => wishes.max_packet_bytes = bytes.get(),
                _ => {}
            }
        }
        wishes
    }
}

impl Core {
    /// Judges a CONNECT as far as that is possible at once. `body` is what it was read from.
    pub(crate) fn on_connect(&mut self, link: Handle<Link>, connect: &Connect<'_>, body: &[u8]) {
        self.links[link].version = connect.version;
        if connect.version == Version::V5 && self.begin_v5(link, connect).is_err() {
            self.refuse(link, None, RefusedReason::OutOfMemory);
            return;
        }
        let refusal = match self.judge(link, connect) {
            Ok(Admission::Anonymous) => {
                self.accept(link, connect, None);
                return;
            }
            Ok(Admission::Verify) => match self.enqueue_attempt(link, body) {
                Ok(()) => return,
                Err(OutOfMemory) => (ReasonCode::ServerUnavailable, RefusedReason::OutOfMemory),
            },
            Err(refusal) => refusal,
        };
        self.refuse_connect(link, connect, refusal);
    }

    /// Takes note of how a client that speaks MQTT 5 wants to be spoken to, the refusal included.
    fn begin_v5(&mut self, link: Handle<Link>, connect: &Connect<'_>) -> Result<(), OutOfMemory> {
        let wishes = Wishes::of(connect);
        let extra = self.links.need_extra(&mut self.memory, link, Purpose::Connection)?;
        extra.is_v5 = true;
        extra.receive_maximum = wishes.receive_maximum;
        extra.max_packet_bytes = wishes.max_packet_bytes;
        extra.will_delay_seconds = connect.will.as_ref().map_or(0, will_delay_seconds);
        Ok(())
    }

    fn judge(
        &self,
        link: Handle<Link>,
        connect: &Connect<'_>,
    ) -> Result<Admission, (ReasonCode, RefusedReason)> {
        let client_id = connect.client_id.as_str();
        let is_enhanced = |property| matches!(property, Property::AuthenticationMethod(_));
        if connect.properties.iter().any(is_enhanced) {
            return Err((ReasonCode::BadAuthenticationMethod, RefusedReason::EnhancedAuthentication));
        }
        // [MQTT-3.1.3-8]; MQTT 3.1 knows no empty identifier at all, and MQTT 5 gives one to any client.
        let may_be_empty = match connect.version {
            Version::V3_1 => false,
            Version::V3_1_1 => connect.clean_start,
            Version::V5 => true,
        };
        if client_id.is_empty() && !may_be_empty {
            return Err((ReasonCode::ClientIdentifierNotValid, RefusedReason::ClientIdEmpty));
        }
        if client_id.len() > usize::from(self.policy.limits.max_client_id_bytes) {
            return Err((ReasonCode::ClientIdentifierNotValid, RefusedReason::ClientIdTooLong));
        }
        // Whoever brings credentials is checked, also where nobody has to. A name alone proves nothing, nor does a
        // password alone.
        if connect.user_name.is_some() && connect.password.is_some() {
            return Ok(Admission::Verify);
        }
        if self.policy.anonymous.allows(self.links.peer(link)) {
            return Ok(Admission::Anonymous);
        }
        Err(match connect.user_name {
            Some(_) => (ReasonCode::BadUserNameOrPassword, RefusedReason::PasswordMissing),
            None => (ReasonCode::NotAuthorized, RefusedReason::AnonymousNotAllowed),
        })
    }

    fn enqueue_attempt(&mut self, link: Handle<Link>, body: &[u8]) -> Result<(), OutOfMemory> {
        debug_assert!(self.links.partial(link).is_empty(), "the packet before has been taken out");
        let purpose = Purpose::Connection;
        if let Err(error) = self.links.reserve_partial(&mut self.memory, link, body.len(), purpose) {
            self.links.settle_extra(&mut self.memory, link);
            return Err(error);
        }
        if let Some(extra) = self.links.extra_mut(link) {
            extend_reserved(&mut extra.partial, body);
        }
        self.links[link].state = State::Verifying;
        self.verifying += 1;
        self.fresh_attempt = Some(link);
        Ok(())
    }

    /// What a link that waits for a verdict has brought.
    pub(crate) fn attempt(&self, link: Handle<Link>) -> Option<Attempt<'_>> {
        if self.links[link].state != State::Verifying {
            return None;
        }
        // It was read before, so it can be read again.
        let connect = Connect::decode(self.links.partial(link)).ok()?;
        Some(Attempt {
            link: self.links.id_of(link),
            peer: self.links.peer(link),
            user: connect.user_name?.as_str(),
            password: connect.password?.as_bytes(),
        })
    }

    /// Refuses an attempt that has to wait while too many do. Not before it was judged, so that those who are known get
    /// in also while others flood the queue.
    pub(crate) fn refuse_beyond_queue(&mut self, link: Handle<Link>) {
        let is_waiting = self.links[link].state == State::Verifying;
        if !is_waiting || self.verifying <= usize::from(self.policy.limits.verify_queue) {
            return;
        }
        let mut packet = self.links.take_partial(&mut self.memory, link);
        self.verifying -= 1;
        self.links[link].state = State::Opened;
        if let Ok(connect) = Connect::decode(&packet) {
            self.refuse_connect(link, &connect, (ReasonCode::ServerBusy, RefusedReason::VerifierBusy));
        }
        packet.fill(0);
        self.memory.release(packet);
    }

    /// Lets the board read again what the client has sent while its attempt was judged.
    pub(crate) fn end_wait(&mut self, link: Handle<Link>) {
        if self.links[link].state == State::Connected {
            self.want(link, Want::Read);
        }
    }

    /// The link that has waited longest for a verdict.
    pub(crate) fn oldest_attempt(&self) -> Option<Handle<Link>> {
        let newest = self.links.generation();
        let is_waiting = |&link: &Handle<Link>| self.links[link].state == State::Verifying;
        let age = |&link: &Handle<Link>| newest.wrapping_sub(self.links[link].generation);
        self.links.handles().filter(is_waiting).max_by_key(age)
    }

    /// Acts on the verdict about a link's attempt.
    pub(crate) fn judged(&mut self, link: Handle<Link>, verdict: Verdict) {
        if verdict == Verdict::Pending || self.links[link].state != State::Verifying {
            return;
        }
        let mut packet = self.links.take_partial(&mut self.memory, link);
        self.verifying -= 1;
        self.links[link].state = State::Opened;
        if let Ok(connect) = Connect::decode(&packet) {
            match verdict {
                Verdict::Accepted(user) => self.accept(link, &connect, Some(user)),
                Verdict::Refused | Verdict::Pending => {
                    let refusal = (ReasonCode::BadUserNameOrPassword, RefusedReason::BadCredentials);
                    self.refuse_connect(link, &connect, refusal);
                }
                Verdict::Busy => {
                    self.refuse_connect(link, &connect, (ReasonCode::ServerBusy, RefusedReason::BackOff));
                }
            }
        }
        packet.fill(0);
        self.memory.release(packet);
    }

    fn refuse_connect(
        &mut self,
        link: Handle<Link>,
        connect: &Connect<'_>,
        (reason_code, reason): (ReasonCode, RefusedReason),
    ) {
        let refusal = Refusal {
            reason_code,
            client_id: connect.client_id.as_str(),
            user_name: connect.user_name.map(|name| name.as_str()),
        };
        self.refuse(link, Some(refusal), reason);
    }

    fn accept(&mut self, link: Handle<Link>, connect: &Connect<'_>, user: Option<UserId>) {
        let refusal = match self.try_accept(link, connect, user) {
            Ok(()) => return,
            Err(Rejected::OutOfMemory) => (ReasonCode::ServerUnavailable, RefusedReason::OutOfMemory),
            Err(Rejected::WillNotAuthorized) => (ReasonCode::NotAuthorized, RefusedReason::WillNotAuthorized),
            Err(Rejected::AnswerTooLarge) => (ReasonCode::PacketTooLarge, RefusedReason::AnswerTooLarge),
        };
        if let Some(will) = self.links[link].will.take() {
            self.messages.release(&mut self.memory, will);
        }
        self.refuse_connect(link, connect, refusal);
    }

    fn try_accept(
        &mut self,
        link: Handle<Link>,
        connect: &Connect<'_>,
        user: Option<UserId>,
    ) -> Result<(), Rejected> {
        let assigned;
        let client_id = match connect.client_id.as_str().as_bytes() {
            [] => {
                assigned = self.assign_client_id(user);
                &assigned[..]
            }
            given => given,
        };
        let wishes = Wishes::of(connect);
        let found = self.sessions.find(user, client_id);
        let holder = found.and_then(|session| self.sessions.get(session).link());
        if let Some(will) = &connect.will {
            let will = self.store_will(will, client_id, user)?;
            self.links[link].will = Some(will);
        }
        // [MQTT-3.1.4-2]: an older link of the same client, which another user's never is, is closed. Its session may end
        // with it.
        if let Some(holder) = holder {
            self.disconnect(holder, DisconnectReason::TakenOver);
        }
        let mut stored = self.sessions.find(user, client_id);
        if let Some(session) = stored {
            // [MQTT-3.1.2-6]
            if connect.clean_start {
                self.end_session(session);
                stored = None;
            } else {
                self.cancel_will(session);
                // It could not be stored when its link ended.
                self.store_express(session)?;
            }
        }
        let answer = self.connack(connect, &wishes, client_id, stored.is_some())?;
        // Without it the client would not know what it has to keep to, nor perhaps its name.
        if !self.fits(link, &answer) {
            self.release_answer(&answer);
            return Err(Rejected::AnswerTooLarge);
        }
        // Not before: the will of the older link may have used what was reserved.
        if let Err(error) = self.reserve_answer() {
            self.release_answer(&answer);
            return Err(error.into());
        }
        let session = match stored {
            Some(session) => session,
            None => {
                let insert = |core: &mut Core| core.sessions.insert(&mut core.memory, client_id, user);
                let inserted = insert(self).or_else(|OutOfMemory| {
                    self.forget_absent();
                    insert(self)
                });
                match inserted {
                    Ok(session) => {
                        self.journal.begun(session);
                        session
                    }
                    Err(error) => {
                        self.release_answer(&answer);
                        return Err(error.into());
                    }
                }
            }
        };
        let entry = self.sessions.get_mut(session);
        let expiry_seconds = wishes.expiry_seconds.min(self.policy.max_session_expiry_seconds);
        let former = core::mem::replace(&mut entry.expiry_seconds, expiry_seconds);
        entry.is.set(Marks::UNRESTRICTED, self.rights.is_unrestricted(user));
        if stored.is_none() || former != expiry_seconds {
            self.note_session_change(session);
        }
        self.begin(link, session, connect, stored.is_some(), answer);
        Ok(())
    }

    /// Joins a link and its session; a record for the answer has been reserved.
    fn begin(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        connect: &Connect<'_>,
        session_present: bool,
        answer: Delivery,
    ) {
        self.sessions.get_mut(session).arrive(link);
        let keep_alive_seconds = self.keep_alive(connect);
        let peer = self.links.peer(link);
        let entry = &mut self.links[link];
        entry.state = State::Connected;
        entry.session = Some(session);
        entry.marks |= mark::ADMITTED;
        entry.keep_alive_seconds = keep_alive_seconds;
        entry.received_at = self.now;
        let event = Event::Connected {
            peer,
            client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
            user: self.sessions.get(session).user(),
            version: connect.version,
            session_present,
            keep_alive_seconds,
            expiry_seconds: self.sessions.get(session).expiry_seconds,
            has_will: connect.will.is_some(),
        };
        // [MQTT-3.2.0-1]: nothing precedes the answer.
        self.send(link, answer);
        self.wake_for(link);
        self.log(event);
        self.online += 1;
        self.counters.clients_maximum = self.counters.clients_maximum.max(self.online);
        self.redeliver(session, link);
        self.replay(session);
    }

    /// The keep-alive in force: MQTT 5 lets the owner set a ceiling.
    fn keep_alive(&self, connect: &Connect<'_>) -> u16 {
        let ceiling = self.policy.max_keep_alive_seconds;
        let wished = connect.keep_alive_seconds;
        if connect.version == Version::V5 && ceiling > 0 && (wished == 0 || wished > ceiling) {
            ceiling
        } else {
            wished
        }
    }

    /// The answer to an accepted CONNECT, with what a client of MQTT 5 has to know (section 3.2.2.3).
    fn connack(
        &mut self,
        connect: &Connect<'_>,
        wishes: &Wishes,
        client_id: &[u8],
        session_present: bool,
    ) -> Result<Delivery, OutOfMemory> {
        let mut answer = Delivery::reply(Kind::ConnAck, None, ReasonCode::Success);
        if session_present {
            answer.detail |= detail::SESSION_PRESENT;
        }
        if connect.version != Version::V5 {
            return Ok(answer);
        }
        let limits = &self.policy.limits;
        let expiry_seconds = wishes.expiry_seconds.min(self.policy.max_session_expiry_seconds);
        let keep_alive = self.keep_alive(connect);
        let assigned = core::str::from_utf8(client_id).ok().and_then(|id| Text::new(id).ok());
        let properties = [
            (expiry_seconds != wishes.expiry_seconds)
                .then_some(Property::SessionExpiryInterval(expiry_seconds)),
            NonZeroU16::new(limits.max_inbound_inflight).map(Property::ReceiveMaximum),
            NonZeroU32::new(limits.max_packet_bytes).map(Property::MaximumPacketSize),
            (limits.max_topic_aliases > 0).then_some(Property::TopicAliasMaximum(limits.max_topic_aliases)),
            (keep_alive != connect.keep_alive_seconds).then_some(Property::ServerKeepAlive(keep_alive)),
            assigned
                .filter(|_| connect.client_id.as_str().is_empty())
                .map(Property::AssignedClientIdentifier),
        ];
        let mut bytes = Line::default();
        properties.into_iter().flatten().for_each(|property| property.encode(&mut bytes));
        answer.message =
            Some(self.messages.insert_bytes(&mut self.memory, bytes.as_bytes(), Purpose::Connection)?);
        Ok(answer)
    }

    fn release_answer(&mut self, answer: &Delivery) {
        if let Some(message) = answer.message {
            self.messages.release(&mut self.memory, message);
        }
    }

    fn store_will(
        &mut self,
        will: &Will<'_>,
        client_id: &[u8],
        user: Option<UserId>,
    ) -> Result<Handle<Message>, Rejected> {
        let topic = will.topic.as_str().as_bytes();
        let unrestricted = self.rights.is_unrestricted(user);
        if topic.starts_with(b"$SYS")
            || !unrestricted && !self.rights.may(user, client_id, Access::Write, topic)
        {
            return Err(Rejected::WillNotAuthorized);
        }
        // The time runs from its publication on (section 3.1.3.2.4 of MQTT 5).
        let interval = will.properties.iter().find_map(|property| match property {
            Property::MessageExpiryInterval(seconds) => Some(Moment::interval_seconds(seconds)),
            _ => None,
        });
        let content = Content {
            topic,
            payload: will.payload.as_bytes(),
            properties: will.properties,
            qos: will.qos,
            retain: will.retain,
            expires_at: interval.unwrap_or(Moment::NEVER),
        };
        Ok(self.messages.insert(&mut self.memory, &content, Purpose::Connection)?)
    }

    /// A client identifier that no session has, which tells nothing about the others.
    fn assign_client_id(&mut self, user: Option<UserId>) -> [u8; ASSIGNED_ID_BYTES] {
        loop {
            self.assigned_ids = self.assigned_ids.wrapping_add(1);
            let low = self.hasher.hash(self.assigned_ids, b"client id") & 0xFFFF_FFFF;
            let number = low << 32 | u64::from(self.assigned_ids);
            let mut id = [0; ASSIGNED_ID_BYTES];
            let (prefix, digits) = id.split_at_mut(ASSIGNED_ID_PREFIX.len());
            prefix.copy_from_slice(ASSIGNED_ID_PREFIX);
            for (index, digit) in digits.iter_mut().enumerate() {
                let nibble = (number >> (60 - 4 * index)) & 0xF;
                *digit = b"0123456789abcdef"[nibble as usize & 0xF];
            }
            if self.sessions.find(user, &id).is_none() {
                return id;
            }
        }
    }
}

fn will_delay_seconds(will: &Will<'_>) -> u32 {
    will.properties
        .iter()
        .find_map(|property| match property {
            Property::WillDelayInterval(seconds) => Some(seconds),
            _ => None,
        })
        .unwrap_or(0)
}

/// How a client may be let in.
enum Admission {
    Anonymous,
    Verify,
}

/// Why a client is not let in although its credentials are good.
enum Rejected {
    OutOfMemory,
    WillNotAuthorized,
    AnswerTooLarge,
}

impl From<OutOfMemory> for Rejected {
    fn from(_: OutOfMemory) -> Self {
        Rejected::OutOfMemory
    }
}
