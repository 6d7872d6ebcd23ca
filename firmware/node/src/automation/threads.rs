//! Files of commands that run line by line: `autoexec.bat`, and what `startScript` begins.
//!
//! Each is a thread with its place in the file. Waiting is a state, so that nothing ever blocks.

use alloc::string::String;
use alloc::vec::Vec;

use obkmq_broker::Instant;
use obkmq_config::openbeken::Rank;

use super::channels::Changed;
use super::events::{Argument, Relation, Topic};
use crate::limits::THREADS;

/// A file of commands in memory, for as long as a thread runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Batch {
    /// The place behind a label, or of the beginning for `*`.
    pub(crate) fn find(&self, label: &str) -> Option<Place> {
        let mut place = Place::default();
        if label == "*" {
            return Some(place);
        }
        while let Some(line) = self.next_line(&mut place) {
            if line.strip_suffix(':') == Some(label) {
                return Some(place);
            }
        }
        None
    }

    /// The line at a place, without blanks around it, and the place behind it.
    fn next_line(&self, place: &mut Place) -> Option<&str> {
        let rest = self.text.get(place.at..).filter(|rest| !rest.is_empty())?;
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        place.at += end;
        place.line += 1;
        rest.get(..end).map(str::trim)
    }
}

/// One of the files in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchId(usize);

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// In bytes.
    at: usize,
    /// The number of the last line that was read, from 1.
    pub(crate) line: u32,
}

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Happens(Topic, Argument),
    Becomes(Topic, Relation, i32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Ready,
    Sleeping(Instant),
    Waiting(Condition),
    Ended,
}

#[derive(Debug)]
pub(crate) struct Thread {
    /// By which it can be stopped; 0 if it was not given one.
    pub(crate) id: i32,
    pub(crate) batch: BatchId,
    pub(crate) place: Place,
    pub(crate) state: State,
    pub(crate) rank: Rank,
}

/// All threads.
#[derive(Debug, Default)]
pub(crate) struct Threads {
    threads: Vec<Thread>,
    /// Those that a thread runs, and gaps.
    batches: Vec<Option<Batch>>,
}

impl Threads {
    /// Begins a thread, if there is room for one more.
    pub(crate) fn start(&mut self, id: i32, batch: BatchId, place: Place, rank: Rank) -> bool {
        let has_room = self.threads.len() < THREADS && self.threads.try_reserve(1).is_ok();
        if has_room {
            self.threads.push(Thread { id, batch, place, state: State::Ready, rank });
        } else {
            self.sweep();
        }
        has_room
    }

    pub(crate) fn len(&self) -> usize {
        self.threads.len()
    }

    /// Whether some line may be executed now.
    #[cfg(feature = "scripts")]
    pub(crate) fn is_ready(&self) -> bool {
        self.threads.iter().any(|thread| thread.state == State::Ready)
    }

    pub(crate) fn get_mut(&mut self, at: usize) -> Option<&mut Thread> {
        self.threads.get_mut(at)
    }

    /// The next line of a thread that is a command; `None` at the end.
    pub(crate) fn next_command(&mut self, at: usize) -> Option<&str> {
        let Self { threads, batches } = self;
        let thread = threads.get_mut(at)?;
        let batch = batches.get(thread.batch.0)?.as_ref()?;
        loop {
            let line = batch.next_line(&mut thread.place)?;
            if !line.is_empty() && !line.starts_with("//") && !line.ends_with(':') {
                return Some(line);
            }
        }
    }

    pub(crate) fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches.get(id.0)?.as_ref()
    }

    /// The file that a thread runs.
    pub(crate) fn batch_of(&self, at: usize) -> Option<&Batch> {
        self.batch(self.threads.get(at)?.batch)
    }

    /// A file that is in memory already.
    pub(crate) fn find_batch(&self, name: &str) -> Option<BatchId> {
        let is_it = |batch: &Option<Batch>| batch.as_ref().is_some_and(|batch| batch.name == name);
        self.batches.iter().position(is_it).map(BatchId)
    }

    /// Takes a file into memory, for a thread that is to run it; the next sweep drops it otherwise.
    pub(crate) fn add_batch(&mut self, batch: Batch) -> BatchId {
        let gap = self.batches.iter().position(Option::is_none);
        let at = gap.unwrap_or(self.batches.len());
        match self.batches.get_mut(at) {
            Some(gap) => *gap = Some(batch),
            None => self.batches.push(Some(batch)),
        }
        BatchId(at)
    }

    /// Ends threads, but for the one at `except`; how many.
    pub(crate) fn stop(&mut self, id: Option<i32>, except: Option<usize>) -> usize {
        let mut stopped = 0;
        for (at, thread) in self.threads.iter_mut().enumerate() {
            if id.is_none_or(|id| thread.id == id) && except != Some(at) {
                thread.state = State::Ended;
                stopped += 1;
            }
        }
        stopped
    }

    /// Ends one.
    pub(crate) fn stop_at(&mut self, at: usize) {
        if let Some(thread) = self.threads.get_mut(at) {
            thread.state = State::Ended;
        }
    }

    /// Forgets those that have ended, and the files that none runs.
    pub(crate) fn sweep(&mut self) {
        self.threads.retain(|thread| thread.state != State::Ended);
        for (at, batch) in self.batches.iter_mut().enumerate() {
            if !self.threads.iter().any(|thread| thread.batch == BatchId(at)) {
                *batch = None;
            }
        }
        if self.threads.is_empty() {
            *self = Self::default();
        }
    }

    /// Wakes those that slept long enough, and says when the next one does; now, if one is ready.
    pub(crate) fn wake(&mut self, now: Instant) -> Option<Instant> {
        let mut due: Option<Instant> = None;
        for thread in &mut self.threads {
            let at = match thread.state {
                State::Sleeping(until) if until <= now => {
                    thread.state = State::Ready;
                    now
                }
                State::Sleeping(until) => until,
                State::Ready | State::Ended => now,
                State::Waiting(_) => continue,
            };
            due = Some(due.map_or(at, |due| due.min(at)));
        }
        due
    }

    /// Wakes those that wait for an event.
    pub(crate) fn happened(&mut self, topic: Topic, argument: &Argument) {
        self.wake_if(|condition| match condition {
            Condition::Happens(wanted, value) => *wanted == topic && value.is(argument),
            Condition::Becomes(..) => false,
        });
    }

    /// Wakes those that wait for a channel.
    pub(crate) fn changed(&mut self, changed: Changed) {
        self.wake_if(|condition| match condition {
            Condition::Becomes(topic, relation, value) => {
                *topic == Topic::Channel(changed.channel) && relation.holds(changed.to, *value)
            }
            Condition::Happens(..) => false,
        });
    }

    fn wake_if(&mut self, holds: impl Fn(&Condition) -> bool) {
        for thread in &mut self.threads {
            if let State::Waiting(condition) = &thread.state
                && holds(condition)
            {
                thread.state = State::Ready;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automation::channels::ChannelId;

    fn batch(text: &str) -> Batch {
        Batch { name: "test.bat".into(), text: text.into() }
    }

    fn threads(text: &str, count: usize) -> Threads {
        let mut threads = Threads::default();
        for id in 0..count {
            let batch = threads.find_batch("test.bat").unwrap_or_else(|| threads.add_batch(batch(text)));
            let started = threads.start(i32::try_from(id).unwrap(), batch, Place::default(), Rank::Owner);
            assert_eq!(started, id < THREADS);
        }
        threads
    }

    #[test]
    fn lines_come_without_what_is_no_command() {
        let mut threads = threads("// first\r\n\r\n  one  \nlabel:\n\ttwo\nthree", 1);
        let mut commands = Vec::new();
        while let Some(command) = threads.next_command(0).map(String::from) {
            commands.push((threads.get_mut(0).unwrap().place.line, command));
        }
        assert_eq!(commands, [(3, "one".into()), (5, "two".into()), (6, "three".into())]);
        assert_eq!(threads.next_command(0), None);
    }

    #[test]
    fn labels_are_found_and_what_is_none_is_not() {
        let batch = batch("one\nhere: \nlabel:two\nthere:\nlast");
        let next = |label| {
            let mut place = batch.find(label)?;
            batch.next_line(&mut place)
        };
        assert_eq!(next("*"), Some("one"));
        assert_eq!(next("here"), Some("label:two"));
        assert_eq!(next("there"), Some("last"));
        assert_eq!((next("label"), next("one"), next("")), (None, None, None));
    }

    #[test]
    fn a_file_is_in_memory_for_as_long_as_a_thread_runs_it() {
        let mut threads = threads("x", 2);
        let other = threads.add_batch(Batch { name: "other.bat".into(), text: "y".into() });
        assert!(threads.start(9, other, Place::default(), Rank::Owner));
        threads.stop(Some(0), None);
        threads.stop(Some(1), None);
        threads.sweep();
        assert_eq!((threads.find_batch("test.bat"), threads.find_batch("other.bat")), (None, Some(other)));
        assert_eq!(threads.batch_of(0).map(|batch| batch.text.as_str()), Some("y"));
        threads.add_batch(batch("z"));
        threads.sweep();
        assert_eq!(threads.find_batch("test.bat"), None, "nobody runs it");
        threads.stop(None, None);
        threads.sweep();
        assert_eq!((threads.len(), threads.batches.len()), (0, 0));
    }

    #[test]
    fn threads_are_bounded_stopped_and_swept() {
        let mut threads = threads("x", THREADS + 1);
        assert_eq!(threads.stop(Some(1), Some(1)), 0, "not the one that says it");
        assert_eq!(threads.stop(Some(1), None), 1);
        threads.sweep();
        assert_eq!(threads.len(), THREADS - 1);
        assert_eq!(threads.stop(None, Some(0)), THREADS - 2);
        threads.sweep();
        assert_eq!(threads.len(), 1);
    }

    #[test]
    fn sleepers_wake_in_time_and_those_who_wait_when_it_happens() {
        let at = Instant::from_millis;
        let mut threads = threads("x", 3);
        assert_eq!(threads.wake(at(5)), Some(at(5)));
        let channel = ChannelId::new(1).unwrap();
        let click = Topic::parse("OnClick").unwrap();
        let state = |threads: &mut Threads, index: usize| threads.get_mut(index).unwrap().state.clone();
        threads.get_mut(0).unwrap().state = State::Sleeping(at(100));
        threads.get_mut(1).unwrap().state =
            State::Waiting(Condition::Becomes(Topic::Channel(channel), Relation::Above, 5));
        threads.get_mut(2).unwrap().state = State::Waiting(Condition::Happens(click, Argument::Number(3)));
        assert_eq!(threads.wake(at(99)), Some(at(100)));
        assert_eq!(threads.wake(at(100)), Some(at(100)));
        assert_eq!(state(&mut threads, 0), State::Ready);
        threads.stop(Some(0), None);
        threads.sweep();
        assert_eq!(threads.wake(at(100)), None);
        threads.changed(Changed { channel, from: 0, to: 5 });
        threads.happened(click, &Argument::Number(4));
        assert_eq!(threads.wake(at(100)), None);
        threads.changed(Changed { channel: ChannelId::new(2).unwrap(), from: 5, to: 6 });
        assert_eq!(threads.wake(at(100)), None);
        threads.changed(Changed { channel, from: 5, to: 6 });
        assert_eq!(state(&mut threads, 0), State::Ready);
        threads.happened(click, &Argument::Number(3));
        assert_eq!(state(&mut threads, 1), State::Ready);
    }
}
