//! Deadlines: no timer wheel where a pass over the links will do, as long as it is made only when one is due.
//!
//! The earliest deadline is remembered as a lower bound. Traffic only moves deadlines away, so it need not touch it;
//! what brings a deadline nearer says so with [`Core::wake_for`].

use crate::event::{DisconnectReason, RefusedReason};
use crate::link::{Link, Pause, State, Want};
use crate::slab::Handle;
use crate::state::Core;
use crate::time::{Instant, Moment};

/// What happens when a link's time is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    NoConnect,
    KeepAlive,
    NotReading,
    NoMemory,
    Flushed,
}

impl Core {
    /// Closes the links whose time is up, and lets those try again that waited for memory.
    pub(crate) fn run_timers(&mut self) {
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
    }

    /// When [`crate::Broker::poll`] has something to do again.
    pub(crate) fn next_poll(&self, now: Instant) -> Option<Instant> {
        if self.verifying.front().is_some() {
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

    fn next_due(&self, link: Handle<Link>) -> Option<(Moment, Due)> {
        let entry = &self.links[link];
        let limits = &self.policy.limits;
        let after = |moment: Moment, millis: u32| moment.after_millis(u64::from(millis));
        match entry.state {
            State::Opened => Some((after(entry.received_at, limits.connect_timeout_ms), Due::NoConnect)),
            State::Refusing => Some((after(entry.received_at, limits.flush_timeout_ms), Due::Flushed)),
            State::Verifying | State::Closed => None,
            State::Connected => {
                // [MQTT-3.1.2-24]
                let keep_alive_ms = u32::from(entry.keep_alive_seconds) * 1500;
                let send_timeout_ms = if keep_alive_ms == 0 { limits.send_timeout_ms } else { keep_alive_ms };
                let silent = (keep_alive_ms != 0 && entry.pause.is_none())
                    .then(|| (after(entry.received_at, keep_alive_ms), Due::KeepAlive));
                let stuck = (!entry.wire.is_empty())
                    .then(|| (after(entry.taken_at, send_timeout_ms), Due::NotReading));
                let stalled =
                    entry.stalled_at.map(|since| (after(since, limits.stall_timeout_ms), Due::NoMemory));
                [silent, stuck, stalled].into_iter().flatten().min_by_key(|(moment, _)| *moment)
            }
        }
    }

    fn expire(&mut self, link: Handle<Link>, due: Due) {
        match due {
            Due::NoConnect => self.refuse(link, None, RefusedReason::ConnectTimeout),
            Due::KeepAlive => self.disconnect(link, DisconnectReason::KeepAlive),
            Due::NotReading => self.disconnect(link, DisconnectReason::NotReading),
            Due::NoMemory => self.disconnect(link, DisconnectReason::OutOfMemory),
            Due::Flushed => {
                self.links[link].state = State::Closed;
                self.want(link, Want::Close);
            }
        }
    }
}
