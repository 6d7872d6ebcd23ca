//! Subscribers inside the firmware: scripts, rules, discovery.
//!
//! A reader has no link, no session and no rights to ask for. It has filters, and a queue of the messages that any of
//! them matches: a message once, however many match. The board takes them out when it has time
//! ([`crate::Broker::next_message`]), so what it does with one never happens within the routing of another. Whoever
//! shares a reader between several functions compares the topic with their filters once more.
//!
//! A new filter finds the retained messages that are there. They come before what is in the queue and carry the
//! filter's tag, since they concern that filter only.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use obkmq_mqtt::{TopicError, TopicFilter, TopicName, matches};

use crate::limits::{MAX_READER_FILTERS, MAX_READERS, REPLAY_ENTRIES_PER_STEP};
use crate::memory::{Memory, OutOfMemory, Purpose, push_reserved};
use crate::message::{Message, Messages};
use crate::slab::Handle;
use crate::state::Core;
use crate::verifier::UserId;

/// Names a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderId(u8);

/// Who published a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client of this user, or an anonymous one; its will included.
    Client(Option<UserId>),
    /// The board itself. `depth` counts the messages that led to this one; see [`crate::Broker::publish_after`].
    Board {
        /// 0 if no message did.
        depth: u8,
    },
}

/// A message that a reader gets.
#[derive(Debug, Clone, Copy)]
pub struct ReaderMessage<'a> {
    /// Where it was published.
    pub topic: &'a str,
    /// All of it.
    pub payload: &'a [u8],
    /// It was there when the filter came: the filter's tag.
    pub retained_for: Option<u32>,
    /// Who published it. Of a retained one that is not known: the board.
    pub origin: Origin,
}

/// What [`crate::Broker::next_message`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A message was handed over.
    Message,
    /// None yet, and there is more to look at: ask again.
    More,
    /// There is none.
    Nothing,
}

/// Why a reader does not get what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// The filter is not one.
    #[error(transparent)]
    Filter(#[from] TopicError),
    /// A group shares its messages with clients; a reader is no member.
    #[error("a shared subscription is for clients")]
    Shared,
    /// The reader has as many filters as it may.
    #[error("there are {MAX_READER_FILTERS} filters already")]
    TooMany,
    /// There is no memory for it.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

#[derive(Debug)]
struct Filter {
    text: Box<[u8]>,
    /// How many bytes stand before the first wildcard: most topics differ there, and nothing else is looked at.
    literal: u16,
    tag: u32,
    /// Where the walk over the retained messages goes on, until it has ended.
    replay: Option<u32>,
}

impl Filter {
    /// Whether a topic begins as this does, up to the first wildcard.
    #[inline]
    fn may_match(&self, topic: &[u8]) -> bool {
        let literal = self.text.get(..usize::from(self.literal)).unwrap_or_default();
        // `a/#` matches `a` too.
        topic.starts_with(literal) || literal.strip_suffix(b"/") == Some(topic)
    }

    fn matches(&self, topic: TopicName<'_>) -> bool {
        let text = core::str::from_utf8(&self.text).ok();
        text.and_then(|text| TopicFilter::new(text).ok()).is_some_and(|filter| matches(filter, topic))
    }
}

#[derive(Debug, Clone, Copy)]
struct Queued {
    message: Handle<Message>,
    origin: Origin,
}

#[derive(Debug, Default)]
struct Reader {
    filters: Vec<Filter>,
    queue: VecDeque<Queued>,
    queued_bytes: u32,
}

/// All readers.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    all: Vec<Reader>,
    /// First bytes of the topics that somebody may want, a bit each: most messages need no closer look.
    firsts: [u32; 8],
    /// Of what the board publishes now.
    pub(crate) depth: u8,
}

/// Readers that a message concerns, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interested(u8);

impl Interested {
    pub(crate) const fn is_nobody(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    fn places(self) -> impl Iterator<Item = usize> {
        (0..MAX_READERS).filter(move |place| self.0 & 1 << place != 0)
    }
}

impl Readers {
    pub(crate) const fn new() -> Self {
        Readers { all: Vec::new(), firsts: [0; 8], depth: 0 }
    }

    /// Who wants a topic's messages.
    #[inline]
    pub(crate) fn interested(&self, topic: &[u8]) -> Interested {
        let Some(&first) = topic.first() else { return Interested(0) };
        let bits = self.firsts[usize::from(first >> 5)];
        if bits >> (first & 31) & 1 == 0 { Interested(0) } else { self.search(topic) }
    }

    /// The filters have changed.
    fn note_firsts(&mut self) {
        self.firsts = [0; 8];
        for filter in self.all.iter().flat_map(|reader| &reader.filters) {
            match filter.text.first().filter(|_| filter.literal > 0) {
                Some(first) => self.firsts[usize::from(first >> 5)] |= 1 << (first & 31),
                None => self.firsts = [u32::MAX; 8],
            }
        }
    }

    fn search(&self, topic: &[u8]) -> Interested {
        let may_match = |reader: &Reader| reader.filters.iter().any(|filter| filter.may_match(topic));
        if !self.all.iter().any(may_match) {
            return Interested(0);
        }
        self.search_whole(topic)
    }

    #[cold]
    fn search_whole(&self, topic: &[u8]) -> Interested {
        let name = core::str::from_utf8(topic).ok().and_then(|topic| TopicName::new(topic).ok());
        let Some(name) = name else { return Interested(0) };
        let mut found = 0;
        for (place, reader) in self.all.iter().enumerate() {
            if reader.filters.iter().any(|filter| filter.matches(name)) {
                found |= 1 << place;
            }
        }
        Interested(found)
    }
}

impl Reader {
    /// The first filter whose walk has not ended.
    fn walking(&self) -> Option<(usize, u32)> {
        self.filters.iter().enumerate().find_map(|(place, filter)| Some((place, filter.replay?)))
    }

    fn take(&mut self, memory: &mut Memory, messages: &Messages) -> Option<Queued> {
        let queued = self.queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(messages.get(queued.message).bytes());
        if self.queue.is_empty() {
            memory.release_queue(&mut self.queue);
        }
        Some(queued)
    }
}

impl Core {
    pub(crate) fn open_reader(&mut self) -> Result<ReaderId, OutOfMemory> {
        let all = &mut self.readers.all;
        let place = u8::try_from(all.len()).unwrap_or(u8::MAX);
        if all.len() >= MAX_READERS {
            return Err(OutOfMemory);
        }
        self.memory.reserve_exact(all, all.len() + 1, Purpose::Connection)?;
        push_reserved(all, Reader::default());
        Ok(ReaderId(place))
    }

    pub(crate) fn listen(&mut self, id: ReaderId, filter: &str, tag: u32) -> Result<(), ListenError> {
        let filter = TopicFilter::new(filter)?;
        if filter.share().is_some() {
            return Err(ListenError::Shared);
        }
        let Some(reader) = self.readers.all.get_mut(usize::from(id.0)) else {
            return Err(OutOfMemory.into());
        };
        if reader.filters.len() >= MAX_READER_FILTERS {
            return Err(ListenError::TooMany);
        }
        self.memory.reserve(&mut reader.filters, 1, Purpose::Connection)?;
        let text = self.memory.copy(filter.as_str().as_bytes(), Purpose::Connection)?;
        let literal = text.iter().position(|byte| matches!(byte, b'+' | b'#')).unwrap_or(text.len());
        let literal = u16::try_from(literal).unwrap_or(u16::MAX);
        push_reserved(&mut reader.filters, Filter { text, literal, tag, replay: Some(0) });
        self.readers.note_firsts();
        Ok(())
    }

    pub(crate) fn stop_listening(&mut self, id: ReaderId, tag: u32) -> bool {
        let Some(reader) = self.readers.all.get_mut(usize::from(id.0)) else { return false };
        let Some(place) = reader.filters.iter().position(|filter| filter.tag == tag) else { return false };
        let filter = reader.filters.remove(place);
        self.memory.release_block(filter.text);
        if reader.filters.is_empty() {
            self.memory.release(core::mem::take(&mut reader.filters));
            self.forget_queue(id);
        }
        self.readers.note_firsts();
        true
    }

    /// Drops what a reader has not taken.
    fn forget_queue(&mut self, id: ReaderId) {
        let Some(reader) = self.readers.all.get_mut(usize::from(id.0)) else { return };
        while let Some(queued) = reader.take(&mut self.memory, &self.messages) {
            self.messages.release(&mut self.memory, queued.message);
        }
    }

    pub(crate) fn close_reader(&mut self, id: ReaderId) {
        let Some(reader) = self.readers.all.get_mut(usize::from(id.0)) else { return };
        for filter in reader.filters.drain(..) {
            self.memory.release_block(filter.text);
        }
        self.memory.release(core::mem::take(&mut reader.filters));
        self.readers.note_firsts();
        self.forget_queue(id);
    }

    /// Queues a message for the readers it concerns. `None`: it found no memory, which is counted for each.
    pub(crate) fn queue_for_readers(
        &mut self,
        interested: Interested,
        message: Option<Handle<Message>>,
        origin: Origin,
    ) {
        for place in interested.places() {
            let Some(message) = message else {
                self.counters.drops.out_of_memory += 1;
                continue;
            };
            let bytes = self.messages.get(message).bytes();
            let Some(reader) = self.readers.all.get(place) else { continue };
            let waiting = u32::try_from(reader.queue.len()).unwrap_or(u32::MAX);
            if self.is_full(waiting, reader.queued_bytes, bytes) {
                self.counters.drops.slow_reader += 1;
                continue;
            }
            let Some(reader) = self.readers.all.get_mut(place) else { continue };
            let queued = Queued { message, origin };
            if self.memory.enqueue(&mut reader.queue, queued, Purpose::Delivery).is_err() {
                self.counters.drops.out_of_memory += 1;
                continue;
            }
            reader.queued_bytes = reader.queued_bytes.saturating_add(bytes);
            self.messages.hold(message);
        }
    }

    /// Hands over a reader's next message.
    pub(crate) fn next_message(&mut self, id: ReaderId, take: impl FnOnce(ReaderMessage<'_>)) -> Heard {
        let Some(reader) = self.readers.all.get(usize::from(id.0)) else { return Heard::Nothing };
        if let Some((place, index)) = reader.walking() {
            return self.next_retained(id, place, index, take);
        }
        let Some(reader) = self.readers.all.get_mut(usize::from(id.0)) else { return Heard::Nothing };
        let Some(Queued { message, origin }) = reader.take(&mut self.memory, &self.messages) else {
            return Heard::Nothing;
        };
        let stored = self.messages.get(message);
        let is_late = stored.expires_at() <= self.now;
        if is_late {
            self.counters.drops.expired += 1;
        } else {
            let topic = core::str::from_utf8(stored.topic()).unwrap_or_default();
            take(ReaderMessage { topic, payload: stored.payload(), retained_for: None, origin });
        }
        self.messages.release(&mut self.memory, message);
        if is_late { Heard::More } else { Heard::Message }
    }

    /// One step of a filter's walk over the retained messages.
    fn next_retained(
        &mut self,
        id: ReaderId,
        place: usize,
        index: u32,
        take: impl FnOnce(ReaderMessage<'_>),
    ) -> Heard {
        let reader = self.readers.all.get_mut(usize::from(id.0));
        let Some(filter) = reader.and_then(|reader| reader.filters.get_mut(place)) else {
            return Heard::Nothing;
        };
        let mut index = usize::try_from(index).unwrap_or(usize::MAX);
        let mut places = REPLAY_ENTRIES_PER_STEP;
        while let Some((next, message)) = self.retained.next_from(index, places) {
            places = places.saturating_sub(next - index);
            index = next;
            if let Some(message) = message.map(|message| self.messages.get(message))
                && message.expires_at() > self.now
                && let Some(topic) = core::str::from_utf8(message.topic()).ok()
                && TopicName::new(topic).is_ok_and(|name| filter.matches(name))
            {
                filter.replay = Some(u32::try_from(index).unwrap_or(u32::MAX));
                take(ReaderMessage {
                    topic,
                    payload: message.payload(),
                    retained_for: Some(filter.tag),
                    origin: Origin::Board { depth: 0 },
                });
                return Heard::Message;
            }
            if places == 0 {
                filter.replay = Some(u32::try_from(index).unwrap_or(u32::MAX));
                return Heard::More;
            }
        }
        filter.replay = None;
        Heard::More
    }

    /// Whether a reader has something to take or to look at.
    pub(crate) fn is_waiting(&self, id: ReaderId) -> bool {
        let reader = self.readers.all.get(usize::from(id.0));
        reader.is_some_and(|reader| !reader.queue.is_empty() || reader.walking().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_look_overlooks_nobody() {
        let filters =
            ["#", "+", "+/b", "a", "a/#", "a/b", "a/b/#", "a/+", "ab/+", "/", "/#", "$x/#", "\u{e4}/+"];
        let topics = ["a", "a/b", "a/b/c", "ab", "ab/c", "b", "/", "/b", "$x", "$x/y", "\u{e4}/b", "\u{e4}"];
        let mut core = Core::new(crate::Policy::default(), 1);
        let reader = core.open_reader().unwrap();
        for filter in filters {
            core.listen(reader, filter, 7).unwrap();
            for topic in topics {
                let name = TopicName::new(topic).unwrap();
                let expected = matches(TopicFilter::new(filter).unwrap(), name);
                let found = !core.readers.interested(topic.as_bytes()).is_nobody();
                assert_eq!(found, expected, "{filter} {topic}");
            }
            assert!(core.stop_listening(reader, 7));
            assert!(topics.iter().all(|topic| core.readers.interested(topic.as_bytes()).is_nobody()));
        }
    }
}
