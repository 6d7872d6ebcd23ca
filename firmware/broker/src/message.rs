//! Messages, stored once however many wait for them.

use alloc::boxed::Box;

use obkmq_mqtt::QoS;

use crate::memory::{Memory, OutOfMemory, Purpose};
use crate::slab::{Handle, Slab};

/// Topic and payload in one block, with a count of those who hold it.
#[derive(Debug)]
pub(crate) struct Message {
    body: Box<[u8]>,
    references: u32,
    topic_bytes: u16,
    qos: QoS,
}

impl Message {
    /// The bytes of a topic name.
    #[inline]
    pub(crate) fn topic(&self) -> &[u8] {
        self.body.get(..usize::from(self.topic_bytes)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn payload(&self) -> &[u8] {
        self.body.get(usize::from(self.topic_bytes)..).unwrap_or_default()
    }

    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }

    /// Bytes of topic and payload.
    pub(crate) fn bytes(&self) -> u32 {
        u32::try_from(self.body.len()).unwrap_or(u32::MAX)
    }
}

/// The arena of messages.
#[derive(Debug)]
pub(crate) struct Messages {
    slab: Slab<Message>,
}

impl Messages {
    pub(crate) const fn new() -> Self {
        Messages { slab: Slab::new() }
    }

    /// Stores a message; the caller holds the first reference.
    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        topic: &[u8],
        payload: &[u8],
        qos: QoS,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        let topic_bytes = u16::try_from(topic.len()).map_err(|_| OutOfMemory)?;
        self.slab.reserve(memory, 1, purpose)?;
        let body = memory.join([topic, payload], purpose)?;
        self.slab.insert(memory, Message { body, references: 1, topic_bytes, qos }, purpose)
    }

    /// Stores the topic of a message as a message without payload.
    pub(crate) fn insert_topic_of(
        &mut self,
        memory: &mut Memory,
        message: Handle<Message>,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        self.slab.reserve(memory, 1, purpose)?;
        let Message { topic_bytes, qos, .. } = self.slab[message];
        let body = memory.join([self.slab[message].topic(), b""], purpose)?;
        self.slab.insert(memory, Message { body, references: 1, topic_bytes, qos }, purpose)
    }

    /// Stores a payload of equal bytes, without a topic.
    pub(crate) fn insert_filled(
        &mut self,
        memory: &mut Memory,
        length: usize,
        byte: u8,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        self.slab.reserve(memory, 1, purpose)?;
        let body = memory.fill(length, byte, purpose)?;
        let message = Message { body, references: 1, topic_bytes: 0, qos: QoS::AtMostOnce };
        self.slab.insert(memory, message, purpose)
    }

    /// Changes a byte of a payload.
    pub(crate) fn set_payload_byte(&mut self, handle: Handle<Message>, index: usize, byte: u8) {
        let message = &mut self.slab[handle];
        if let Some(place) = message.body.get_mut(usize::from(message.topic_bytes) + index) {
            *place = byte;
        }
    }

    #[inline]
    pub(crate) fn get(&self, handle: Handle<Message>) -> &Message {
        &self.slab[handle]
    }

    /// Another holder.
    pub(crate) fn hold(&mut self, handle: Handle<Message>) {
        // As many holders as there are delivery records, which have 32-bit handles: this cannot overflow.
        self.slab[handle].references += 1;
    }

    /// A holder less; the last one frees the message.
    pub(crate) fn release(&mut self, memory: &mut Memory, handle: Handle<Message>) {
        let message = &mut self.slab[handle];
        message.references -= 1;
        if message.references == 0
            && let Some(message) = self.slab.remove(handle)
        {
            memory.release_block(message.body);
        }
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.slab.trim(memory);
    }

    pub(crate) const fn live(&self) -> usize {
        self.slab.live()
    }
}
