//! Deadlines: no timer wheel where a pass over the links and sessions will do, as long as it is made only when one is
//! due.
//!
//! The earliest deadline is remembered as a lower bound. Traffic only moves deadlines away, so it need not touch it;
//! what brings a deadline nearer says so with [`Core::wake_for`].

use crate::event::{DisconnectReason, RefusedReason};
use crate::limits::{EXPIRY_INTERVAL_SECONDS, Limits, SLOWEST_PACKET_BYTES_PER_SECOND};
use crate::link::{Extra, Link, Pause, State, mark};
use crate::session::{Marks, NEVER_EXPIRES, Session};
use crate::slab::Handle;
use crate::state::Core;
use crate::time::{Instant, Moment};

/// What happens when a link's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    NoConnect,
    KeepAlive,
    Packet,
    NotReading,
    NoMemory,
    Left,
}

impl Core {
    /// Closes the links whose time is up, ends the sessions that nobody came back to, and lets those try again that
    /// waited for memory.
    #[inline]
    pub(crate) fn run_timers(&mut self) {
        if self.starved || self.replaying || self.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.run_due();
        }
    }

    fn run_due(&mut self) {
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.deadline = None;
            for index in 0..self.links.end() {
                let Some(link) = self.links.handle_at(index) else { continue };
                match self.next_due(link) {
                    Some((moment, due)) if moment <= self.now => self.expire(link, due),
                    Some((moment, _)) => self.wake_by(moment),
                    None => {}
                }
            }
            for index in 0..self.sessions.end() {
                let Some(session) = self.sessions.handle_at(index) else { continue };
                match self.next_session_due(session) {
                    Some(moment) if moment <= self.now => {
                        if let Some(moment) = self.run_session(session) {
                            self.wake_by(moment);
                        }
                    }
                    Some(moment) => self.wake_by(moment),
                    None => {}
                }
            }
            self.forget_expired();
            self.run_figures();
            self.trim();
        }
        if self.starved && self.retried_at < self.now && self.memory.take_freed() {
            self.retried_at = self.now;
            self.starved = false;
            for index in 0..self.links.end() {
                let Some(link) = self.links.handle_at(index) else { continue };
                if self.links[link].pause == Some(Pause::Memory) {
                    self.resume(link);
                }
            }
        }
        self.run_replays();
    }

    /// When [`crate::Broker::poll`] has something to do again.
    pub(crate) fn next_poll(&self, now: Instant) -> Option<Instant> {
        if self.replaying {
            return Some(now);
        }
        let retry = self.starved.then(|| self.now.next());
        let deadline = match (self.deadline, retry) {
            (Some(deadline), Some(retry)) => Some(deadline.min(retry)),
            (deadline, retry) => deadline.or(retry),
        };
        deadline.map(|deadline| deadline.to_instant().max(now))
    }

    /// Takes note that a link has a new deadline.
    pub(crate) fn wake_for(&mut self, link: Handle<Link>) {
        if let Some((moment, _)) = self.next_due(link) {
            self.wake_by(moment);
        }
    }

    /// Takes note that a session has a new deadline.
    pub(crate) fn wake_for_session(&mut self, session: Handle<Session>) {
        if let Some(moment) = self.next_session_due(session) {
            self.wake_by(moment);
        }
    }

    /// When a session without a link ends.
    pub(crate) fn session_ends_at(&self, session: Handle<Session>) -> Moment {
        let entry = self.sessions.get(session);
        if entry.link().is_some() || entry.is.all(Marks::ENDED) || entry.expiry_seconds == NEVER_EXPIRES {
            return Moment::NEVER;
        }
        entry.left_at().after_seconds(entry.expiry_seconds)
    }

    /// When there is something to do about a session without a link.
    pub(crate) fn next_session_due(&self, session: Handle<Session>) -> Option<Moment> {
        if self.sessions.get(session).link().is_some() {
            return None;
        }
        let flow = self.sessions.flow(session).filter(|flow| flow.will.is_some());
        let will_at = flow.map_or(Moment::NEVER, |flow| flow.will_at);
        Some(self.session_ends_at(session).min(will_at)).filter(|&moment| moment != Moment::NEVER)
    }

    /// Takes note that a retained message expires.
    pub(crate) fn expire_by(&mut self, moment: Moment) {
        if moment < self.expiry_at {
            // Those that expire one after the other are deleted together.
            self.expiry_at = moment.max(self.now.after_seconds(EXPIRY_INTERVAL_SECONDS));
            self.wake_by(self.expiry_at);
        }
    }

    /// Deletes retained messages that have expired. Until then nobody is sent them any more.
    fn forget_expired(&mut self) {
        if self.expiry_at <= self.now {
            let mut next = Moment::NEVER;
            for index in 0..self.retained.end() {
                match self.retained.expiry_of(&self.messages, index) {
                    Some((entry, moment)) if moment <= self.now => {
                        self.retained.clear(&mut self.memory, &mut self.messages, entry);
                    }
                    Some((_, moment)) => next = next.min(moment),
                    None => {}
                }
            }
            self.expiry_at = Moment::NEVER;
            self.expire_by(next);
        } else if self.expiry_at != Moment::NEVER {
            self.wake_by(self.expiry_at);
        }
    }

    fn next_due(&self, link: Handle<Link>) -> Option<(Moment, Due)> {
        let entry = &self.links[link];
        let limits = &self.policy.limits;
        let after = |moment: Moment, millis: u32| moment.after_millis(u64::from(millis));
        match entry.state {
            State::Opened => Some((after(entry.received_at, limits.connect_timeout_ms), Due::NoConnect)),
            State::Leaving => Some((after(entry.received_at, limits.flush_timeout_ms), Due::Left)),
            State::Verifying | State::Closed => None,
            State::Connected => {
                let keep_alive_ms = keep_alive_ms(entry);
                let is_stalled = entry.marks & mark::STALLED != 0;
                let silent = (keep_alive_ms != 0 && entry.pause.is_none() && !is_stalled)
                    .then(|| (after(entry.received_at, keep_alive_ms), Due::KeepAlive));
                let stuck = (!entry.outbox_is_empty()).then(|| (entry.stuck_at(limits), Due::NotReading));
                let stalled =
                    is_stalled.then(|| (after(entry.received_at, limits.stall_timeout_ms), Due::NoMemory));
                let partial = self
                    .links
                    .extra(link)
                    .filter(|extra| !extra.partial.is_empty() && entry.pause.is_none() && !is_stalled)
                    .map(|extra| (packet_due(extra, limits.packet_timeout_ms), Due::Packet));
                [silent, partial, stuck, stalled].into_iter().flatten().min_by_key(|(moment, _)| *moment)
            }
        }
    }

    fn expire(&mut self, link: Handle<Link>, due: Due) {
        match due {
            Due::NoConnect => self.refuse(link, None, RefusedReason::ConnectTimeout),
            Due::KeepAlive => self.disconnect(link, DisconnectReason::KeepAlive),
            Due::Packet => self.disconnect(link, DisconnectReason::PacketIncomplete),
            Due::NotReading => self.disconnect(link, DisconnectReason::NotReading),
            Due::NoMemory => self.disconnect(link, DisconnectReason::OutOfMemory),
            Due::Left => self.close_link(link),
        }
    }
}

impl Link {
    /// When a client is given up that takes nothing.
    #[inline]
    pub(crate) fn stuck_at(&self, limits: &Limits) -> Moment {
        // Whoever promises to be heard of often is found to be gone as soon.
        let timeout_ms = match keep_alive_ms(self) {
            0 => limits.send_timeout_ms,
            keep_alive_ms => limits.send_timeout_ms.min(keep_alive_ms),
        };
        self.taken_at.after_millis(timeout_ms.into())
    }
}

/// For how long a client may be silent [MQTT-3.1.2-24].
const fn keep_alive_ms(entry: &Link) -> u32 {
    entry.keep_alive_seconds as u32 * 1500
}

/// When the packet must be complete whose beginning is there.
fn packet_due(extra: &Extra, timeout_ms: u32) -> Moment {
    let bytes = u64::try_from(extra.partial.len()).unwrap_or(u64::MAX);
    let slack_ms = bytes.saturating_mul(1000) / u64::from(SLOWEST_PACKET_BYTES_PER_SECOND);
    extra.partial_since.after_millis(slack_ms.saturating_add(timeout_ms.into()))
}
