//! The functions that scripts have handed over, and when each is called.

use alloc::boxed::Box;
use alloc::vec::Vec;

use obkmq_berry::Handle;
use obkmq_broker::Instant;

use crate::automation::{Argument, ChannelId, Moment, Relation, Topic};
use crate::limits::{SCRIPT_CALLBACKS, SCRIPT_FAILURES};

/// Names a callback; never another one's while a script runs. Scripts see it as an integer. 0 is nobody's.
pub(crate) type CallbackId = u32;

/// What a callback waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Messages that this filter matches.
    Messages { filter: Box<str> },
    /// An event, with this argument or with any.
    Event { topic: Topic, argument: Option<Argument> },
    /// A channel whose value becomes one for which this did not hold before; or any other value.
    Change { channel: ChannelId, until: Option<(Relation, i32)> },
    /// A time of day on these weekdays.
    Clock { moment: Moment, weekdays: u8 },
    /// A time, and if it comes again, the milliseconds in between.
    Time { due: Instant, every_ms: Option<u32> },
}

#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) id: CallbackId,
    pub(crate) function: Handle,
    pub(crate) waits: Waits,
    /// Failures in a row.
    failures: u8,
}

/// All callbacks, in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Callbacks {
    all: Vec<Callback>,
    last_id: CallbackId,
    /// Functions of callbacks that are gone: the machine may run one of them and is told afterwards.
    pub(crate) dropped: Vec<Handle>,
}

impl Callbacks {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Bytes that they take, but for their functions.
    pub(crate) fn bytes(&self) -> usize {
        let filters = self.all.iter().map(|callback| match &callback.waits {
            Waits::Messages { filter } => filter.len(),
            _ => 0,
        });
        self.all.capacity() * size_of::<Callback>() + filters.sum::<usize>()
    }

    /// Adds a callback; `None` if there are as many as there may be. Its function is then dropped.
    pub(crate) fn add(&mut self, function: Handle, waits: Waits) -> Option<CallbackId> {
        // Scripts have 31 bits for it.
        let has_room = self.all.len() < SCRIPT_CALLBACKS && self.last_id < CallbackId::MAX / 2;
        if !has_room || self.all.try_reserve(1).is_err() {
            self.drop_function(function);
            return None;
        }
        let id = self.last_id.saturating_add(1);
        self.last_id = id;
        self.all.push(Callback { id, function, waits, failures: 0 });
        Some(id)
    }

    /// The number of the newest callback.
    pub(crate) const fn last_id(&self) -> CallbackId {
        self.last_id
    }

    fn drop_function(&mut self, function: Handle) {
        // Without memory for the note it stays held until the script ends: more cannot be done.
        if self.dropped.try_reserve(1).is_ok() {
            self.dropped.push(function);
        }
    }

    fn place(&self, id: CallbackId) -> Option<usize> {
        self.all.binary_search_by_key(&id, |callback| callback.id).ok()
    }

    pub(crate) fn get(&self, id: CallbackId) -> Option<&Callback> {
        self.all.get(self.place(id)?)
    }

    /// Takes a callback away; what it waited for.
    pub(crate) fn remove(&mut self, id: CallbackId) -> Option<Waits> {
        let callback = self.all.remove(self.place(id)?);
        self.drop_function(callback.function);
        Some(callback.waits)
    }

    /// The first callback behind a number that something concerns.
    pub(crate) fn next_behind(
        &self,
        after: CallbackId,
        concerns: impl Fn(&Callback) -> bool,
    ) -> Option<&Callback> {
        let behind = self.all.partition_point(|callback| callback.id <= after);
        self.all.get(behind..).unwrap_or_default().iter().find(|callback| concerns(callback))
    }

    /// The times of day that somebody waits for.
    pub(crate) fn clock(&self) -> impl Iterator<Item = (Moment, u8)> {
        self.all.iter().filter_map(|callback| match callback.waits {
            Waits::Clock { moment, weekdays } => Some((moment, weekdays)),
            _ => None,
        })
    }

    /// The timer that is due first, and when.
    pub(crate) fn next_timer(&self) -> Option<(Instant, CallbackId)> {
        let timers = self.all.iter().filter_map(|callback| match callback.waits {
            Waits::Time { due, .. } => Some((due, callback.id)),
            _ => None,
        });
        timers.min()
    }

    /// A timer fires: its function. One that comes again is due later; what it has missed is not made up for.
    pub(crate) fn fire(&mut self, id: CallbackId, now: Instant) -> Option<Handle> {
        let place = self.place(id)?;
        let callback = self.all.get_mut(place)?;
        let function = callback.function;
        match &mut callback.waits {
            Waits::Time { due, every_ms: Some(every_ms) } => {
                let next = due.saturating_add_millis(u64::from(*every_ms));
                *due = if next > now { next } else { now.saturating_add_millis(u64::from(*every_ms)) };
            }
            Waits::Time { every_ms: None, .. } => {
                self.remove(id);
            }
            _ => {}
        }
        Some(function)
    }

    /// A call went well, or failed. Whether the callback has failed too often.
    pub(crate) fn note(&mut self, id: CallbackId, failed: bool) -> bool {
        let place = self.place(id);
        let Some(callback) = place.and_then(|place| self.all.get_mut(place)) else { return false };
        callback.failures = if failed { callback.failures.saturating_add(1) } else { 0 };
        callback.failures >= SCRIPT_FAILURES
    }
}
