//! Who is let in (section 3.1.4): the checks of a CONNECT, the wait for the verifier, the take-over of a client
//! identifier, and what the new link finds of its session.
//!
//! While credentials are checked, the CONNECT itself waits in the link's reassembly buffer and is read again when the
//! verdict is there: nothing is stored twice. What the client sent behind it stays with the board.

use obkmq_mqtt::{Connect, ConnectReturnCode};

use crate::close::Refusal;
use crate::delivery::{Delivery, Kind, flag};
use crate::event::{DisconnectReason, Event, LogText, RefusedReason};
use crate::link::{Link, State, Want};
use crate::memory::{OutOfMemory, Purpose, extend_reserved};
use crate::session::Session;
use crate::slab::Handle;
use crate::state::Core;
use crate::verifier::{Attempt, UserId, Verdict};

/// An assigned client identifier is this and sixteen hexadecimal digits.
const ASSIGNED_ID_PREFIX: &[u8; 6] = b"obkmq-";
const ASSIGNED_ID_BYTES: usize = ASSIGNED_ID_PREFIX.len() + 16;

impl Core {
    /// Judges a CONNECT as far as that is possible at once. `body` is what it was read from.
    pub(crate) fn on_connect(&mut self, link: Handle<Link>, connect: &Connect<'_>, body: &[u8]) {
        let refusal = match self.judge(link, connect) {
            Ok(Admission::Anonymous) => {
                self.accept(link, connect, None);
                return;
            }
            Ok(Admission::Verify) => match self.enqueue_attempt(link, body) {
                Ok(()) => return,
                Err(OutOfMemory) => (ConnectReturnCode::ServerUnavailable, RefusedReason::OutOfMemory),
            },
            Err(refusal) => refusal,
        };
        self.refuse_connect(link, connect, refusal);
    }

    fn judge(
        &self,
        link: Handle<Link>,
        connect: &Connect<'_>,
    ) -> Result<Admission, (ConnectReturnCode, RefusedReason)> {
        let client_id = connect.client_id.as_str();
        // [MQTT-3.1.3-8]
        if client_id.is_empty() && !connect.clean_session {
            return Err((ConnectReturnCode::IdentifierRejected, RefusedReason::ClientIdEmpty));
        }
        if client_id.len() > usize::from(self.policy.limits.max_client_id_bytes) {
            return Err((ConnectReturnCode::IdentifierRejected, RefusedReason::ClientIdTooLong));
        }
        // Whoever brings credentials is checked, also where nobody has to. A name alone proves nothing.
        if connect.user_name.is_some() && connect.password.is_some() {
            if self.verifying.len() >= usize::from(self.policy.limits.verify_queue) {
                return Err((ConnectReturnCode::ServerUnavailable, RefusedReason::VerifierBusy));
            }
            return Ok(Admission::Verify);
        }
        if self.policy.anonymous.allows(self.links[link].peer) {
            return Ok(Admission::Anonymous);
        }
        Err(match connect.user_name {
            Some(_) => (ConnectReturnCode::BadUserNameOrPassword, RefusedReason::PasswordMissing),
            None => (ConnectReturnCode::NotAuthorized, RefusedReason::AnonymousNotAllowed),
        })
    }

    fn enqueue_attempt(&mut self, link: Handle<Link>, body: &[u8]) -> Result<(), OutOfMemory> {
        let partial = &mut self.links[link].partial;
        debug_assert!(partial.is_empty(), "the packet before has been taken out");
        self.memory.reserve_exact(partial, body.len(), Purpose::Connection)?;
        extend_reserved(partial, body);
        self.links[link].state = State::Verifying;
        self.verifying.push_back(&mut self.links, link);
        Ok(())
    }

    /// The oldest attempt that waits for a verdict.
    pub(crate) fn attempt(&self) -> Option<Attempt<'_>> {
        let link = self.verifying.front()?;
        let entry = &self.links[link];
        // It was read before, so it can be read again.
        let connect = Connect::decode(&entry.partial).ok()?;
        Some(Attempt {
            link: self.id_of(link),
            peer: entry.peer,
            user: connect.user_name?.as_str(),
            password: connect.password?.as_bytes(),
        })
    }

    /// Acts on the verdict about the oldest attempt.
    pub(crate) fn judged(&mut self, verdict: Verdict) {
        if verdict == Verdict::Pending {
            return;
        }
        let Some(link) = self.verifying.pop_front(&mut self.links) else { return };
        let mut packet = core::mem::take(&mut self.links[link].partial);
        self.links[link].state = State::Opened;
        if let Ok(connect) = Connect::decode(&packet) {
            match verdict {
                Verdict::Accepted(user) => self.accept(link, &connect, Some(user)),
                Verdict::Refused | Verdict::Pending => {
                    let refusal = (ConnectReturnCode::BadUserNameOrPassword, RefusedReason::BadCredentials);
                    self.refuse_connect(link, &connect, refusal);
                }
            }
        }
        packet.fill(0);
        self.memory.release(packet);
        // What came behind the CONNECT, or would have, may come now.
        if self.links[link].state == State::Connected {
            self.want(link, Want::Read);
        }
    }

    fn refuse_connect(
        &mut self,
        link: Handle<Link>,
        connect: &Connect<'_>,
        (return_code, reason): (ConnectReturnCode, RefusedReason),
    ) {
        let client_id = connect.client_id.as_str();
        let user_name = connect.user_name.map(|name| name.as_str());
        self.refuse(link, Some(Refusal { return_code, client_id, user_name }), reason);
    }

    /// Lets a client in.
    fn accept(&mut self, link: Handle<Link>, connect: &Connect<'_>, user: Option<UserId>) {
        if self.try_accept(link, connect, user).is_err() {
            if let Some((will, ..)) = self.take_will(link) {
                self.messages.release(&mut self.memory, will);
            }
            self.forget_absent();
            let refusal = (ConnectReturnCode::ServerUnavailable, RefusedReason::OutOfMemory);
            self.refuse_connect(link, connect, refusal);
        }
    }

    fn try_accept(
        &mut self,
        link: Handle<Link>,
        connect: &Connect<'_>,
        user: Option<UserId>,
    ) -> Result<(), OutOfMemory> {
        if let Some(will) = connect.will {
            let (topic, payload) = (will.topic.as_str().as_bytes(), will.payload.as_bytes());
            let purpose = Purpose::Connection;
            let message = self.messages.insert(&mut self.memory, topic, payload, will.qos, purpose)?;
            self.links[link].will = Some(message);
            self.links[link].will_retain = will.retain;
        }
        let assigned;
        let client_id = match connect.client_id.as_str().as_bytes() {
            [] => {
                assigned = self.assign_client_id();
                &assigned[..]
            }
            given => given,
        };
        // [MQTT-3.1.4-2]: an older link of the same client is closed. Its session may end with it.
        if let Some(holder) =
            self.sessions.find(client_id).and_then(|session| self.sessions.get(session).link)
        {
            self.disconnect(holder, DisconnectReason::TakenOver);
        }
        let mut stored = self.sessions.find(client_id);
        if let Some(session) = stored {
            // [MQTT-3.1.2-6]; and what was stored for one user is not given to another.
            if connect.clean_session || self.sessions.get(session).user != user {
                self.end_session(session);
                stored = None;
            }
        }
        // Not before: the will of the older link may have used what was reserved.
        self.reserve_answer()?;
        let session = match stored {
            Some(session) => session,
            None => {
                let insert = |core: &mut Core| {
                    core.sessions.insert(&mut core.memory, client_id, connect.clean_session, user)
                };
                insert(self).or_else(|OutOfMemory| {
                    self.forget_absent();
                    insert(self)
                })?
            }
        };
        self.begin(link, session, connect, stored.is_some());
        Ok(())
    }

    /// Joins a link and its session; a record for the answer has been reserved.
    fn begin(
        &mut self,
        link: Handle<Link>,
        session: Handle<Session>,
        connect: &Connect<'_>,
        session_present: bool,
    ) {
        self.sessions.get_mut(session).link = Some(link);
        let entry = &mut self.links[link];
        entry.state = State::Connected;
        entry.session = Some(session);
        entry.keep_alive_seconds = connect.keep_alive_seconds;
        entry.received_at = self.now;
        let event = Event::Connected {
            peer: entry.peer,
            client_id: LogText::from_bytes(&self.sessions.get(session).client_id),
            user: self.sessions.get(session).user,
            session_present,
        };
        let mut answer = Delivery::reply(Kind::ConnAck, None);
        if session_present {
            answer.flags |= flag::SESSION_PRESENT;
        }
        // [MQTT-3.2.0-1]: nothing precedes the answer.
        self.send(link, answer);
        self.wake_for(link);
        self.log(event);
        self.redeliver(session, link);
    }

    /// A client identifier that no session has, which tells nothing about the others.
    fn assign_client_id(&mut self) -> [u8; ASSIGNED_ID_BYTES] {
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
            if self.sessions.find(&id).is_none() {
                return id;
            }
        }
    }
}

/// How a client may be let in.
enum Admission {
    Anonymous,
    Verify,
}
