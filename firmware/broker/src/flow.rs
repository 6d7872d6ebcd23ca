//! What is under way between a session and its client: messages above QoS 0 in both directions, retained messages that
//! a new subscription still has to get, a will that is held back. Most sessions have nothing of it most of the time, so
//! it stands in a record of its own, which exists only while there is something in it.

use alloc::vec::Vec;

use obkmq_mqtt::PacketId;

use crate::delivery::List;
use crate::filters::Subscription;
use crate::memory::{Memory, push_reserved};
use crate::message::Message;
use crate::slab::Handle;
use crate::time::Moment;

/// A session's traffic above QoS 0.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Sent and not answered: messages of QoS 1 and 2, and PUBRELs, in the order in which they were sent. Those that have
    /// an identifier and are not sent yet are in the link's outbox, and come here when they are.
    pub(crate) inflight: List,
    /// Waiting for room in the window.
    pub(crate) waiting: List,
    pub(crate) waiting_bytes: u32,
    pub(crate) waiting_count: u32,
    /// Replayed messages in `waiting`, which the two above leave out.
    pub(crate) waiting_replays: u32,
    /// Messages of QoS 2 from this client that it has not released; each was routed once.
    pub(crate) inbound: Vec<PacketId>,
    /// The first and the last of the subscriptions whose retained messages have not all been sent.
    pub(crate) replay: Option<Handle<Replay>>,
    pub(crate) last_replay: Option<Handle<Replay>>,
    pub(crate) replay_count: u32,
    /// The will of a link that is gone, and when it is published.
    pub(crate) will: Option<Handle<Message>>,
    pub(crate) will_at: Moment,
    /// Messages and PUBRELs with an identifier, in `inflight` and in the outbox together.
    pub(crate) inflight_count: u16,
    /// The next identifier, and the first from there on that may be in use.
    pub(crate) next_id: PacketId,
    pub(crate) used_id: PacketId,
}

/// A subscription that is being shown the retained messages.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) subscription: Handle<Subscription>,
    /// Where the walk through the store goes on.
    pub(crate) index: u32,
    pub(crate) next: Option<Handle<Replay>>,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            inflight: List::default(),
            waiting: List::default(),
            waiting_bytes: 0,
            waiting_count: 0,
            waiting_replays: 0,
            inbound: Vec::new(),
            replay: None,
            last_replay: None,
            replay_count: 0,
            will: None,
            will_at: Moment::NEVER,
            inflight_count: 0,
            next_id: PacketId::FIRST,
            used_id: PacketId::FIRST,
        }
    }
}

impl Flow {
    /// Whether there is nothing in it.
    pub(crate) fn is_idle(&self) -> bool {
        self.inflight_count == 0
            && self.waiting.is_empty()
            && self.inbound.is_empty()
            && self.replay.is_none()
            && self.will.is_none()
    }

    /// Whether a message of QoS 2 has been received and not been released.
    pub(crate) fn has_inbound(&self, id: PacketId) -> bool {
        self.inbound.contains(&id)
    }

    /// Notes a message of QoS 2 for which [`Memory::reserve`] has made room.
    pub(crate) fn add_inbound(&mut self, id: PacketId) {
        push_reserved(&mut self.inbound, id);
    }

    /// Forgets a message of QoS 2, and gives the list back with the last one. Says whether it was known.
    pub(crate) fn remove_inbound(&mut self, memory: &mut Memory, id: PacketId) -> bool {
        let index = self.inbound.iter().position(|&known| known == id);
        if let Some(index) = index {
            self.inbound.swap_remove(index);
        }
        if self.inbound.is_empty() {
            memory.release(core::mem::take(&mut self.inbound));
        }
        index.is_some()
    }
}
