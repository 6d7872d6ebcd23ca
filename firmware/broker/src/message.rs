//! Messages, stored once however many wait for them.

use alloc::boxed::Box;

use obkmq_mqtt::{Properties, Property, QoS, Sink};

use crate::memory::{Memory, OutOfMemory, Purpose, Reserved, extend_reserved};
use crate::slab::{Handle, Slab, chunk};
use crate::time::Moment;

/// What a message consists of, before it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// Those that are passed on are stored with the message; see [`Property::is_forwarded`].
    pub(crate) properties: Properties<'a>,
    pub(crate) qos: QoS,
    /// The retain flag it was published with.
    pub(crate) retain: bool,
    /// When it is worth nothing any more.
    pub(crate) expires_at: Moment,
}

/// Topic, properties and payload in one block, with a count of those who hold it.
#[derive(Debug)]
pub(crate) struct Message {
    body: Box<[u8]>,
    references: u32,
    property_bytes: u32,
    /// [`Moment::NEVER`] if it does not expire. In a will, which is not published yet, the interval in seconds.
    expires_at: Moment,
    topic_bytes: u16,
    qos: QoS,
    retain: bool,
}

impl Message {
    /// The bytes of a topic name.
    #[inline]
    pub(crate) fn topic(&self) -> &[u8] {
        self.body.get(..usize::from(self.topic_bytes)).unwrap_or_default()
    }

    /// Encoded properties that every receiver gets as they are.
    #[inline]
    pub(crate) fn properties(&self) -> &[u8] {
        let start = usize::from(self.topic_bytes);
        self.body.get(start..start + self.property_bytes as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn payload(&self) -> &[u8] {
        self.body.get(usize::from(self.topic_bytes) + self.property_bytes as usize..).unwrap_or_default()
    }

    pub(crate) const fn qos(&self) -> QoS {
        self.qos
    }

    pub(crate) const fn retain(&self) -> bool {
        self.retain
    }

    pub(crate) const fn expires_at(&self) -> Moment {
        self.expires_at
    }

    /// Bytes of topic, properties and payload.
    #[inline]
    pub(crate) fn bytes(&self) -> u32 {
        u32::try_from(self.body.len()).unwrap_or(u32::MAX)
    }

    /// Whether two messages of one topic are the same to whoever receives them.
    pub(crate) fn says_the_same(&self, other: &Message) -> bool {
        self.qos == other.qos && self.expires_at == other.expires_at && self.body == other.body
    }

    /// Whether storing the content would make the same message again.
    pub(crate) fn is(&self, content: &Content<'_>) -> bool {
        self.qos == content.qos
            && self.expires_at == content.expires_at
            && self.payload() == content.payload
            && self.topic() == content.topic
            && (self.property_bytes == 0 && content.properties.is_empty()
                || self.properties().len() == forwarded_bytes(content.properties)
                    && same_properties(self.properties(), content.properties))
    }
}

fn forwarded(properties: Properties<'_>) -> impl Iterator<Item = Property<'_>> {
    properties.iter().filter(Property::is_forwarded)
}

fn forwarded_bytes(properties: Properties<'_>) -> usize {
    if properties.is_empty() {
        0
    } else {
        forwarded(properties).map(|property| property.encoded_length()).sum()
    }
}

/// Compares what is stored with what would be.
fn same_properties(stored: &[u8], properties: Properties<'_>) -> bool {
    struct Compare<'a>(Option<&'a [u8]>);
    impl Sink for Compare<'_> {
        fn put(&mut self, bytes: &[u8]) {
            self.0 = self.0.and_then(|rest| rest.strip_prefix(bytes));
        }
    }
    let mut rest = Compare(Some(stored));
    forwarded(properties).for_each(|property| property.encode(&mut rest));
    rest.0 == Some(&[])
}

/// The arena of messages.
#[derive(Debug)]
pub(crate) struct Messages {
    slab: Slab<Message, { chunk::<Message>() }>,
    /// Those that expire.
    expiring: usize,
}

impl Messages {
    pub(crate) const fn new() -> Self {
        Messages { slab: Slab::new(), expiring: 0 }
    }

    /// Stores a message; the caller holds the first reference.
    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        content: &Content<'_>,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        let Content { topic, payload, properties, qos, retain, expires_at } = *content;
        let topic_bytes = u16::try_from(topic.len()).map_err(|_| OutOfMemory)?;
        let forwarded_bytes = forwarded_bytes(properties);
        let property_bytes = u32::try_from(forwarded_bytes).map_err(|_| OutOfMemory)?;
        let length = forwarded_bytes.checked_add(topic.len()).ok_or(OutOfMemory)?;
        let length = length.checked_add(payload.len()).ok_or(OutOfMemory)?;
        self.slab.reserve(memory, 1, purpose)?;
        let body = memory.write_block(length, purpose, |block| {
            extend_reserved(block, topic);
            if property_bytes > 0 {
                forwarded(properties).for_each(|property| property.encode(&mut Reserved(block)));
            }
            extend_reserved(block, payload);
        })?;
        let message = Message { body, references: 1, property_bytes, expires_at, topic_bytes, qos, retain };
        self.expiring += usize::from(expires_at != Moment::NEVER);
        self.slab.insert(memory, message, purpose)
    }

    /// Whether there are messages that expire.
    pub(crate) const fn some_expire(&self) -> bool {
        self.expiring > 0
    }

    /// Stores bytes that are no message of anybody: an answer's codes or properties, a topic.
    pub(crate) fn insert_bytes(
        &mut self,
        memory: &mut Memory,
        bytes: &[u8],
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        let body = memory.copy(bytes, purpose)?;
        self.insert_block(memory, body, purpose)
    }

    /// Stores a block likewise; it is given back if there is no room for it.
    pub(crate) fn insert_block(
        &mut self,
        memory: &mut Memory,
        body: Box<[u8]>,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        if let Err(error) = self.slab.reserve(memory, 1, purpose) {
            memory.release_block(body);
            return Err(error);
        }
        let message = Message {
            body,
            references: 1,
            property_bytes: 0,
            expires_at: Moment::NEVER,
            topic_bytes: 0,
            qos: QoS::AtMostOnce,
            retain: false,
        };
        self.slab.insert(memory, message, purpose)
    }

    /// Stores the topic of a message as a message without payload.
    pub(crate) fn insert_topic_of(
        &mut self,
        memory: &mut Memory,
        message: Handle<Message>,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        self.slab.reserve(memory, 1, purpose)?;
        let Message { topic_bytes, qos, retain, .. } = self.slab[message];
        let topic = self.slab[message].topic();
        let body = memory.write_block(topic.len(), purpose, |block| extend_reserved(block, topic))?;
        let expires_at = Moment::NEVER;
        let message =
            Message { body, references: 1, property_bytes: 0, expires_at, topic_bytes, qos, retain };
        self.slab.insert(memory, message, purpose)
    }

    /// Stores a payload of equal bytes, without a topic.
    pub(crate) fn insert_filled(
        &mut self,
        memory: &mut Memory,
        length: usize,
        byte: u8,
        purpose: Purpose,
    ) -> Result<Handle<Message>, OutOfMemory> {
        let body = memory.fill(length, byte, purpose)?;
        self.insert_block(memory, body, purpose)
    }

    /// Changes a byte of a payload.
    pub(crate) fn set_payload_byte(&mut self, handle: Handle<Message>, index: usize, byte: u8) {
        let message = &mut self.slab[handle];
        let start = usize::from(message.topic_bytes) + message.property_bytes as usize;
        if let Some(place) = message.body.get_mut(start + index) {
            *place = byte;
        }
    }

    /// Turns the interval of a will into the moment at which the message, published now, expires.
    pub(crate) fn start_expiry(&mut self, handle: Handle<Message>, now: Moment) {
        let message = &mut self.slab[handle];
        if message.expires_at != Moment::NEVER {
            message.expires_at = now.expiry_after(message.expires_at.as_interval_seconds());
        }
    }

    /// Takes the block of a message out, so that it can be read while everything else is being changed. It has to be
    /// brought back with [`Messages::return_body`].
    pub(crate) fn lend_body(&mut self, handle: Handle<Message>) -> Box<[u8]> {
        core::mem::take(&mut self.slab[handle].body)
    }

    /// Brings a block back.
    pub(crate) fn return_body(&mut self, handle: Handle<Message>, body: Box<[u8]>) {
        self.slab[handle].body = body;
    }

    #[inline]
    pub(crate) fn get(&self, handle: Handle<Message>) -> &Message {
        &self.slab[handle]
    }

    /// Another holder.
    #[inline]
    pub(crate) fn hold(&mut self, handle: Handle<Message>) {
        // As many holders as there are delivery records, which have 32-bit handles: this cannot overflow.
        self.slab[handle].references += 1;
    }

    /// A holder less; the last one frees the message. Returns its [bytes](Message::bytes).
    #[inline]
    pub(crate) fn release(&mut self, memory: &mut Memory, handle: Handle<Message>) -> u32 {
        let mut bytes = 0;
        let last = |message: &mut Message| {
            bytes = message.bytes();
            message.references -= 1;
            message.references == 0
        };
        if let Some(message) = self.slab.remove_if(handle, last) {
            self.expiring -= usize::from(message.expires_at != Moment::NEVER);
            memory.release_block(message.body);
        }
        bytes
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.slab.trim(memory);
    }

    pub(crate) const fn live(&self) -> usize {
        self.slab.live()
    }
}
