//! The journal: what should survive a power cut, told to the board change by change.
//!
//! It is a mark on each retained message and each session instead of a queue: however often something changes before
//! its change is fetched, it takes no more room, and the last state is never lost.

use core::num::NonZeroU32;

use obkmq_mqtt::{QoS, Sink, TopicFilter};

use crate::filters::{Filters, Options, Subscribed, Subscriptions};
use crate::limits::Share;
use crate::policy::Anonymous;
use crate::publish::PublishError;
use crate::retained::Retained;
use crate::session::{Marks, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::verifier::UserId;

/// A change that should survive a power cut.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A retained message is new or different.
    RetainedSet {
        /// Its topic; [`crate::Broker::retained`] finds it again later.
        topic: &'a str,
        /// The message as it is now.
        retained: Retained<'a>,
    },
    /// A retained message is gone, or is about to expire.
    RetainedCleared {
        /// Its topic.
        topic: &'a str,
    },
    /// A session that outlives its link is new or has other subscriptions.
    SessionSet {
        /// Its client, who is another one with each user.
        client_id: &'a str,
        /// The session as it is now.
        session: StoredSession<'a>,
    },
    /// A session is over.
    SessionCleared {
        /// Its client.
        client_id: &'a str,
        /// Whose it was; `None` is anonymous. The user may be gone too, see [`crate::Broker::revoke`].
        user: Option<UserId>,
    },
}

/// What is stored of a session: its subscriptions, but not the messages that wait for its client, which would wear the
/// flash down.
#[derive(Debug, Clone, Copy)]
pub struct StoredSession<'a> {
    /// Whose it is; `None` is anonymous.
    pub user: Option<UserId>,
    expiry_seconds: u32,
    count: u32,
    filters: &'a Filters,
    subscriptions: Subscriptions,
}

/// First byte of an encoded session.
const FORMAT: u8 = 1;

mod option {
    pub(super) const QOS: u8 = 0x03;
    pub(super) const NO_LOCAL: u8 = 0x04;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 0x08;
}

impl StoredSession<'_> {
    /// Writes everything but client and user: a format byte, the expiry in seconds (four bytes, least significant
    /// first, as all numbers), the number of subscriptions (four), and of each a byte of options (QoS in bits 0 and 1,
    /// No Local in bit 2, Retain As Published in bit 3), the subscription identifier or 0 (four), and the filter behind
    /// its length (two).
    pub fn encode(&self, sink: &mut impl Sink) {
        sink.put(&[FORMAT]);
        sink.put(&self.expiry_seconds.to_le_bytes());
        sink.put(&self.count.to_le_bytes());
        for (filter, options) in self.filters.of_session(self.subscriptions) {
            let mut bits = options.qos.bits();
            if options.no_local {
                bits |= option::NO_LOCAL;
            }
            if options.retain_as_published {
                bits |= option::RETAIN_AS_PUBLISHED;
            }
            sink.put(&[bits]);
            sink.put(&options.identifier.map_or(0, NonZeroU32::get).to_le_bytes());
            sink.put(&u16::try_from(filter.len()).unwrap_or(u16::MAX).to_le_bytes());
            sink.put(filter.as_bytes());
        }
    }
}

/// A session from before a restart.
#[derive(Debug, Clone, Copy)]
pub struct RestoredSession<'a> {
    /// Its client.
    pub client_id: &'a str,
    /// Whose it is.
    pub user: Option<UserId>,
    /// What [`StoredSession::encode`] wrote.
    pub state: &'a [u8],
}

/// How far the sessions have been told.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Some session may have changed.
    pending: bool,
    index: usize,
    /// A session that is over and has been told to be, to be removed before the journal goes on.
    told: Option<Handle<Session>>,
    /// Sessions that are stored.
    stored: usize,
    /// Others found no room.
    some_refused: bool,
}

impl Cursor {
    /// A session has begun, perhaps in the place of the one that was told to be over.
    pub(crate) fn begun(&mut self, session: Handle<Session>) {
        self.told.take_if(|told| *told == session);
    }
}

impl Core {
    /// Takes note that a session is different from what is stored of it.
    pub(crate) fn note_session_change(&mut self, session: Handle<Session>) {
        let entry = self.sessions.get_mut(session);
        if entry.expiry_seconds > 0 || entry.is.all(Marks::TOLD) {
            entry.is.set(Marks::CHANGED, true);
            self.journal.pending = true;
        }
    }

    pub(crate) fn tell_sessions_again(&mut self) {
        // Of those that are over, the last one that was told is still known.
        if let Some(told) = self.journal.told.take()
            && self.sessions.get(told).is.all(Marks::ENDED)
        {
            self.sessions.get_mut(told).is.set(Marks::TOLD, true);
            self.journal.stored += 1;
        }
        for index in 0..self.sessions.end() {
            if let Some(session) = self.sessions.handle_at(index) {
                self.note_session_change(session);
            }
        }
    }

    pub(crate) fn has_changes(&self) -> bool {
        self.retained.has_changes() || self.journal.pending || self.journal.told.is_some()
    }

    pub(crate) fn next_change(&mut self) -> Option<Change<'_>> {
        if let Some(told) = self.journal.told.take()
            && self.sessions.get(told).is.all(Marks::ENDED)
        {
            self.sessions.forget(&mut self.memory, told);
        }
        if self.retained.prepare_change(&mut self.memory, &mut self.messages) {
            return self.retained.next_change(&self.messages, self.now);
        }
        let session = self.next_changed_session()?;
        let entry = self.sessions.get(session);
        let client_id = core::str::from_utf8(&entry.client_id).unwrap_or_default();
        if !entry.is.all(Marks::TOLD) {
            return Some(Change::SessionCleared { client_id, user: entry.user() });
        }
        Some(Change::SessionSet {
            client_id,
            session: StoredSession {
                user: entry.user(),
                expiry_seconds: entry.expiry_seconds,
                count: entry.subscription_count,
                filters: &self.filters,
                subscriptions: entry.subscriptions,
            },
        })
    }

    /// The next session to tell about, marked as it will be when that is done.
    fn next_changed_session(&mut self) -> Option<Handle<Session>> {
        while core::mem::take(&mut self.journal.pending) {
            let end = self.sessions.end();
            let order = (self.journal.index..end).chain(0..self.journal.index.min(end));
            for index in order {
                let Some(session) = self.sessions.handle_at(index) else { continue };
                let entry = self.sessions.get_mut(session);
                if !entry.is.take(Marks::CHANGED) {
                    continue;
                }
                self.journal.index = index + 1;
                self.journal.pending = true;
                let ended = entry.is.all(Marks::ENDED);
                if ended || entry.expiry_seconds == 0 {
                    if ended {
                        self.journal.told = Some(session);
                    }
                    if entry.is.take(Marks::TOLD) {
                        self.journal.stored = self.journal.stored.saturating_sub(1);
                        self.tell_refused_again();
                        return Some(session);
                    }
                    continue;
                }
                if !entry.is.all(Marks::TOLD) {
                    let user = entry.user();
                    if !self.may_store(user) {
                        self.counters.drops.sessions_not_stored += 1;
                        self.journal.some_refused = true;
                        continue;
                    }
                    self.sessions.get_mut(session).is.set(Marks::TOLD, true);
                    self.journal.stored += 1;
                }
                return Some(session);
            }
        }
        None
    }

    /// Whether the journal has room for another session of a user.
    fn may_store(&self, user: Option<UserId>) -> bool {
        let is_own = |&session: &Handle<Session>| {
            let entry = self.sessions.get(session);
            entry.user() == user && entry.is.all(Marks::TOLD)
        };
        let limit = usize::from(self.policy.limits.max_stored_sessions);
        let own = || self.sessions.handles().filter(is_own).count();
        Share::new(user, self.others).admits(limit, self.journal.stored, own)
    }

    /// There may be room for sessions that found none.
    pub(crate) fn tell_refused_again(&mut self) {
        if !core::mem::take(&mut self.journal.some_refused) {
            return;
        }
        for index in 0..self.sessions.end() {
            if let Some(session) = self.sessions.handle_at(index)
                && !self.sessions.get(session).is.all(Marks::TOLD)
            {
                self.note_session_change(session);
            }
        }
    }

    pub(crate) fn restore_session(&mut self, restored: &RestoredSession<'_>) -> Result<(), PublishError> {
        let mut state = Bytes(restored.state);
        let (Some(FORMAT), Some(expiry_seconds), Some(count)) = (state.byte(), state.u32(), state.u32())
        else {
            return Err(PublishError::Damaged);
        };
        let client_id = restored.client_id.as_bytes();
        if client_id.is_empty() || self.sessions.find(restored.user, client_id).is_some() {
            return Err(PublishError::Damaged);
        }
        let session = self.sessions.insert(&mut self.memory, client_id, restored.user)?;
        self.journal.begun(session);
        let entry = self.sessions.get_mut(session);
        entry.expiry_seconds = expiry_seconds.min(self.policy.max_session_expiry_seconds);
        entry.leave(self.now);
        entry.is.set(Marks::TOLD, true);
        entry.is.set(Marks::UNRESTRICTED, self.rights.is_unrestricted(restored.user));
        self.journal.stored += 1;
        // Also if it comes back in part only: it must end as others do.
        self.wake_for_session(session);
        for _ in 0..count {
            if let Err(error) = self.restore_subscription(session, &mut state) {
                self.note_session_change(session);
                return Err(error);
            }
        }
        Ok(())
    }

    fn restore_subscription(
        &mut self,
        session: Handle<Session>,
        state: &mut Bytes<'_>,
    ) -> Result<(), PublishError> {
        let fields = (state.byte(), state.u32(), state.u16());
        let (Some(bits), Some(identifier), Some(length)) = fields else { return Err(PublishError::Damaged) };
        let text = state.take(usize::from(length)).ok_or(PublishError::Damaged)?;
        let text = core::str::from_utf8(text).map_err(|_| PublishError::Damaged)?;
        let filter = TopicFilter::new(text)?;
        let options = Options {
            qos: QoS::from_bits(bits & option::QOS).map_err(|_| PublishError::Damaged)?,
            no_local: bits & option::NO_LOCAL != 0,
            retain_as_published: bits & option::RETAIN_AS_PUBLISHED != 0,
            identifier: NonZeroU32::new(identifier),
        };
        let limits = &self.policy.limits;
        let entry = self.sessions.get_mut(session);
        let may_add = entry.subscription_count < limits.max_subscriptions;
        let list = &mut entry.subscriptions;
        let (_, added) = self
            .filters
            .subscribe(&mut self.memory, filter, session, list, options, may_add, limits, Share::LOCAL)
            .map_err(|_| PublishError::OutOfMemory(crate::memory::OutOfMemory))?;
        entry.subscription_count += u32::from(added == Subscribed::New);
        Ok(())
    }

    /// Asks the rules anew which sessions need them.
    pub(crate) fn apply_rights(&mut self) {
        for index in 0..self.sessions.end() {
            let Some(session) = self.sessions.handle_at(index) else { continue };
            let entry = self.sessions.get_mut(session);
            entry.is.set(Marks::UNRESTRICTED, self.rights.is_unrestricted(entry.user()));
        }
        self.count_users();
    }

    /// Takes note whether there are several users.
    pub(crate) fn count_users(&mut self) {
        let anonymous = usize::from(self.policy.anonymous != Anonymous::Never);
        self.others = self.rights.named_users() + anonymous > 1;
    }
}

/// Reads what was stored.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }
}
