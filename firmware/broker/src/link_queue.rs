//! Queues of links that run through the links themselves, so that joining one cannot fail.

use crate::link::Link;
use crate::slab::{Handle, Slab};

/// A queue through one of the fields of a link.
#[derive(Debug)]
pub(crate) struct LinkQueue {
    head: Option<Handle<Link>>,
    tail: Option<Handle<Link>>,
    length: usize,
    next: fn(&mut Link) -> &mut Option<Handle<Link>>,
}

impl LinkQueue {
    pub(crate) const fn new(next: fn(&mut Link) -> &mut Option<Handle<Link>>) -> Self {
        LinkQueue { head: None, tail: None, length: 0, next }
    }

    pub(crate) const fn front(&self) -> Option<Handle<Link>> {
        self.head
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Adds a link that is not in the queue.
    pub(crate) fn push_back(&mut self, links: &mut Slab<Link>, link: Handle<Link>) {
        *(self.next)(&mut links[link]) = None;
        match self.tail {
            Some(tail) => *(self.next)(&mut links[tail]) = Some(link),
            None => self.head = Some(link),
        }
        self.tail = Some(link);
        self.length += 1;
    }

    pub(crate) fn pop_front(&mut self, links: &mut Slab<Link>) -> Option<Handle<Link>> {
        let link = self.head?;
        self.head = (self.next)(&mut links[link]).take();
        if self.head.is_none() {
            self.tail = None;
        }
        self.length -= 1;
        Some(link)
    }

    /// Takes a link out, wherever it stands.
    pub(crate) fn remove(&mut self, links: &mut Slab<Link>, link: Handle<Link>) {
        let mut previous = None;
        let mut cursor = self.head;
        while let Some(entry) = cursor {
            let next = *(self.next)(&mut links[entry]);
            if entry == link {
                match previous {
                    Some(previous) => *(self.next)(&mut links[previous]) = next,
                    None => self.head = next,
                }
                if next.is_none() {
                    self.tail = previous;
                }
                *(self.next)(&mut links[entry]) = None;
                self.length -= 1;
                return;
            }
            previous = cursor;
            cursor = next;
        }
    }
}
