//! The queue of links that the board has to be told about. It runs through the links themselves, so that joining it
//! cannot fail.

use crate::link::{Link, Links};
use crate::slab::Handle;

/// A queue through [`Link::next_wanting`].
#[derive(Debug, Default)]
pub(crate) struct LinkQueue {
    head: Option<Handle<Link>>,
    tail: Option<Handle<Link>>,
}

impl LinkQueue {
    pub(crate) const fn front(&self) -> Option<Handle<Link>> {
        self.head
    }

    /// Adds a link that is not in the queue.
    pub(crate) fn push_back(&mut self, links: &mut Links, link: Handle<Link>) {
        debug_assert!(links[link].next_wanting.is_none(), "a link in the queue");
        match self.tail {
            Some(tail) => links[tail].next_wanting = Some(link),
            None => self.head = Some(link),
        }
        self.tail = Some(link);
    }

    pub(crate) fn pop_front(&mut self, links: &mut Links) -> Option<Handle<Link>> {
        let link = self.head?;
        self.head = links[link].next_wanting.take();
        if self.head.is_none() {
            self.tail = None;
        }
        Some(link)
    }

    /// Takes a link out, wherever it stands.
    pub(crate) fn remove(&mut self, links: &mut Links, link: Handle<Link>) {
        let mut previous = None;
        let mut cursor = self.head;
        while let Some(entry) = cursor {
            let next = links[entry].next_wanting;
            if entry == link {
                match previous {
                    Some(previous) => links[previous].next_wanting = next,
                    None => self.head = next,
                }
                if next.is_none() {
                    self.tail = previous;
                }
                links[entry].next_wanting = None;
                return;
            }
            previous = cursor;
            cursor = next;
        }
    }
}
