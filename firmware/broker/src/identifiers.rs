//! The subscription identifiers that a message takes along (section 3.3.4 of MQTT 5).
//!
//! They are noted while the message's receivers are searched, so that they cost as much as there are matches, however
//! many other subscriptions a receiver has. The list lives no longer than the message takes to be queued.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::memory::{Memory, Purpose, push_reserved};
use crate::session::Session;
use crate::slab::Handle;

#[derive(Debug, Clone, Copy)]
struct Match {
    session: Handle<Session>,
    identifier: NonZeroU32,
}

/// The matches with an identifier that the last search has found.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    matches: Vec<Match>,
    /// One found no memory.
    is_incomplete: bool,
}

impl Identifiers {
    pub(crate) const fn new() -> Self {
        Identifiers { matches: Vec::new(), is_incomplete: false }
    }

    pub(crate) const fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    /// Notes a match.
    pub(crate) fn note(&mut self, memory: &mut Memory, session: Handle<Session>, identifier: NonZeroU32) {
        match memory.reserve(&mut self.matches, 1, Purpose::Session) {
            Ok(()) => push_reserved(&mut self.matches, Match { session, identifier }),
            Err(_) => self.is_incomplete = true,
        }
    }

    /// The search is over.
    pub(crate) fn sort(&mut self) {
        self.matches.sort_unstable_by_key(|found| (found.session.number(), found.identifier));
    }

    /// The identifiers for a session, each as often as it matches, after [`Identifiers::sort`].
    pub(crate) fn of(&self, session: Handle<Session>) -> impl Iterator<Item = NonZeroU32> + Clone {
        let number = session.number();
        let start = self.matches.partition_point(|found| found.session.number() < number);
        let rest = self.matches.get(start..).unwrap_or_default();
        rest.iter().take_while(move |found| found.session.number() == number).map(|found| found.identifier)
    }

    /// Forgets them all.
    pub(crate) fn clear(&mut self, memory: &mut Memory) {
        self.is_incomplete = false;
        if self.matches.capacity() > 0 {
            memory.release(core::mem::take(&mut self.matches));
        }
    }
}
