//! Links: one transport connection each, from its opening to its end.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::num::NonZeroU16;

use obkmq_mqtt::Version;

use crate::delivery::List;
use crate::limits::{PARTIAL_CONNECTS_SHIFT, PARTIAL_PACKETS_SHIFT};
use crate::memory::{Memory, OutOfMemory, Purpose};
use crate::message::Message;
use crate::policy::Peer;
use crate::session::Session;
use crate::slab::{Handle, Slab, chunk};
use crate::time::Moment;

/// Names a link. An identifier is never given twice, so a stale one is never another link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl LinkId {
    /// A small number, the same for the link's whole life and free for another one after [`crate::Broker::closed`]: an
    /// index into the board's own table of connections.
    pub const fn slot(self) -> usize {
        self.slot as usize
    }
}

/// What a link needs from its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// There is something to send: fill, send and report until the transport is full or `fill` leaves room in the
    /// buffer, which means that it has given everything. What comes later is told anew.
    Write,
    /// A paused link may be read again.
    Read,
    /// The link is done: drop the connection and report it with `closed`.
    Close,
}

impl Want {
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Want::Write => 0x01,
            Want::Read => 0x02,
            Want::Close => 0x04,
        }
    }
}

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Waiting for CONNECT.
    Opened,
    /// CONNECT is in `partial`, its credentials wait for a verdict.
    Verifying,
    /// Accepted.
    Connected,
    /// Over, but for the last packet, which is on its way.
    Leaving,
    /// Over; waiting for the board to drop the connection.
    Closed,
}

/// Why a link is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Too many answers wait in the outbox.
    Replies,
    /// A packet found no memory.
    Memory,
}

/// One transport connection. What most links do not need most of the time stands in [`Extra`].
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) generation: u32,
    peer: StoredPeer,
    pub(crate) state: State,
    pub(crate) pause: Option<Pause>,
    pub(crate) version: Version,
    /// Bits of [`Want`] that have not been fetched, and the place in the list of those that have any.
    pub(crate) wants: u8,
    pub(crate) next_wanting: Option<Handle<Link>>,
    pub(crate) session: Option<Handle<Session>>,
    /// The outbox: packets in the order in which they go out, the first perhaps in part.
    pub(crate) wire: List,
    /// Bytes and number of the messages in it that count against the quota.
    pub(crate) wire_bytes: u32,
    pub(crate) wire_messages: u16,
    /// Answers and replayed messages in it.
    pub(crate) replies: u16,
    /// What the transport has taken of the first packet.
    pub(crate) offset_bytes: u32,
    pub(crate) extra: Option<Handle<Extra>>,
    /// What is published if the client goes without a goodbye.
    pub(crate) will: Option<Handle<Message>>,
    /// When it was opened, then when its last packet was complete, or when it began to leave.
    pub(crate) received_at: Moment,
    /// When the transport last took something, or the outbox ceased to be empty.
    pub(crate) taken_at: Moment,
    pub(crate) keep_alive_seconds: u16,
    /// The board knows that there is something to send.
    pub(crate) writing: bool,
    /// Bits of [`mark`].
    pub(crate) marks: u8,
}

/// What is true of a link, in bits.
pub(crate) mod mark {
    /// A refused publication or subscription of this link has been logged.
    pub(crate) const DENIED: u8 = 0x01;
    /// Its packets find no memory, since [`super::Link::received_at`], which stands still until one does. The note must
    /// not take memory itself.
    pub(crate) const STALLED: u8 = 0x02;
    /// Its client was let in.
    pub(crate) const ADMITTED: u8 = 0x04;
    /// A packet stands in front of its outbox; see `express.rs`.
    pub(crate) const EXPRESS: u8 = 0x08;
}

impl Link {
    fn new(generation: u32, peer: StoredPeer, now: Moment) -> Self {
        Link {
            generation,
            peer,
            state: State::Opened,
            pause: None,
            version: Version::V3_1_1,
            wants: 0,
            next_wanting: None,
            session: None,
            wire: List::default(),
            wire_bytes: 0,
            wire_messages: 0,
            replies: 0,
            offset_bytes: 0,
            extra: None,
            will: None,
            received_at: now,
            taken_at: now,
            keep_alive_seconds: 0,
            writing: false,
            marks: 0,
        }
    }
}

impl Link {
    /// Whether there is nothing to send.
    #[inline]
    pub(crate) const fn outbox_is_empty(&self) -> bool {
        self.wire.is_empty() && self.marks & mark::EXPRESS == 0
    }

    /// The name of a link with this handle.
    #[inline]
    pub(crate) const fn id(&self, handle: Handle<Link>) -> LinkId {
        LinkId { slot: handle.number() - 1, generation: self.generation }
    }
}

/// What only some links have: a packet in part, MQTT 5.
#[derive(Debug)]
pub(crate) struct Extra {
    /// The beginning of a packet whose end has not arrived; or the CONNECT that is being verified.
    pub(crate) partial: Vec<u8>,
    /// Since when, or since when it has been read again.
    pub(crate) partial_since: Moment,
    /// Topic aliases that the client has set (section 3.3.2.3.4 of MQTT 5).
    pub(crate) aliases: Vec<Alias>,
    /// The largest packet the client takes.
    pub(crate) max_packet_bytes: u32,
    /// The base of the remaining time that messages in the outbox are sent with: the same for as long as a packet is
    /// under way, since its bytes must come out the same again.
    pub(crate) told_at: Moment,
    /// For how long the will is held back.
    pub(crate) will_delay_seconds: u32,
    /// Messages above QoS 0 that the client takes at a time.
    pub(crate) receive_maximum: u16,
    /// Whether the client speaks MQTT 5 and so keeps its extra for good.
    pub(crate) is_v5: bool,
}

/// A topic alias and its topic, as a message without a payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alias {
    pub(crate) alias: NonZeroU16,
    pub(crate) topic: Handle<Message>,
}

impl Default for Extra {
    fn default() -> Self {
        Extra {
            partial: Vec::new(),
            partial_since: Moment::default(),
            aliases: Vec::new(),
            max_packet_bytes: u32::MAX,
            told_at: Moment::default(),
            will_delay_seconds: 0,
            receive_maximum: u16::MAX,
            is_v5: false,
        }
    }
}

impl Extra {
    fn is_needed(&self) -> bool {
        self.is_v5 || !self.partial.is_empty()
    }
}

/// An address in eight bytes; those of IPv6 stand elsewhere.
#[derive(Debug, Clone, Copy)]
enum StoredPeer {
    V4 { octets: [u8; 4], port: [u8; 2] },
    V6(Handle<SocketAddrV6>),
}

/// All links.
#[derive(Debug)]
pub(crate) struct Links {
    slab: Slab<Link, { chunk::<Link>() }>,
    extras: Slab<Extra, { chunk::<Extra>() }>,
    peers: Slab<SocketAddrV6, { chunk::<SocketAddrV6>() }>,
    generation: u32,
    partials: Partials,
}

/// Bytes that the beginnings of packets take up.
#[derive(Debug, Default)]
struct Partials {
    of_strangers: usize,
    of_clients: usize,
}

impl Links {
    pub(crate) const fn new() -> Self {
        Links {
            slab: Slab::new(),
            extras: Slab::new(),
            peers: Slab::new(),
            generation: 0,
            partials: Partials { of_strangers: 0, of_clients: 0 },
        }
    }

    pub(crate) const fn live(&self) -> usize {
        self.slab.live()
    }

    /// One more than the largest index in use.
    pub(crate) const fn end(&self) -> usize {
        self.slab.end()
    }

    /// Number of the last link.
    pub(crate) const fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn handle_at(&self, index: usize) -> Option<Handle<Link>> {
        self.slab.handle_at(index)
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = Handle<Link>> {
        self.slab.handles()
    }

    pub(crate) fn insert(
        &mut self,
        memory: &mut Memory,
        peer: Peer,
        now: Moment,
    ) -> Result<Handle<Link>, OutOfMemory> {
        let purpose = Purpose::Connection;
        self.slab.reserve(memory, 1, purpose)?;
        let peer = match peer.0 {
            SocketAddr::V4(address) => {
                StoredPeer::V4 { octets: address.ip().octets(), port: address.port().to_be_bytes() }
            }
            SocketAddr::V6(address) => StoredPeer::V6(self.peers.insert(memory, address, purpose)?),
        };
        self.generation = self.generation.wrapping_add(1);
        self.slab.insert(memory, Link::new(self.generation, peer, now), purpose)
    }

    /// Removes a link whose outbox, will, aliases and beginning of a packet have been taken from it.
    pub(crate) fn remove(&mut self, memory: &mut Memory, handle: Handle<Link>) {
        let Some(link) = self.slab.remove(handle) else { return };
        if let Some(extra) = link.extra.and_then(|extra| self.extras.remove(extra)) {
            debug_assert!(extra.partial.capacity() == 0, "the beginning of a packet left behind");
            memory.release(extra.partial);
            memory.release(extra.aliases);
        }
        if let StoredPeer::V6(peer) = link.peer {
            self.peers.remove(peer);
        }
    }

    pub(crate) fn trim(&mut self, memory: &mut Memory) {
        self.slab.trim(memory);
        self.extras.trim(memory);
        self.peers.trim(memory);
    }

    /// The link of an identifier, unless it is gone.
    #[inline]
    pub(crate) fn find(&self, id: LinkId) -> Option<Handle<Link>> {
        let handle = Handle::from_index(id.slot())?;
        (self.slab.get(handle)?.generation == id.generation).then_some(handle)
    }

    pub(crate) fn id_of(&self, link: Handle<Link>) -> LinkId {
        self.slab[link].id(link)
    }

    /// The other end.
    pub(crate) fn peer(&self, link: Handle<Link>) -> Peer {
        Peer(match self.slab[link].peer {
            StoredPeer::V4 { octets, port } => {
                SocketAddrV4::new(Ipv4Addr::from(octets), u16::from_be_bytes(port)).into()
            }
            StoredPeer::V6(peer) => match self.peers.get(peer) {
                Some(&peer) => peer.into(),
                None => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            },
        })
    }

    /// The extra of a link that has one.
    #[inline]
    pub(crate) fn extra(&self, link: Handle<Link>) -> Option<&Extra> {
        self.slab[link].extra.and_then(|extra| self.extras.get(extra))
    }

    #[inline]
    pub(crate) fn extra_mut(&mut self, link: Handle<Link>) -> Option<&mut Extra> {
        let extra = self.slab[link].extra?;
        Some(&mut self.extras[extra])
    }

    /// Takes the time as the base of what messages in the outbox have left to live; not while one is under way, whose
    /// bytes must come out the same again. Returns what the base is now.
    pub(crate) fn tell_time(&mut self, extra: Handle<Extra>, now: Moment, offset_bytes: u32) -> Moment {
        let extra = &mut self.extras[extra];
        if offset_bytes == 0 {
            extra.told_at = now;
        }
        extra.told_at
    }

    /// The extra of a link, made if need be.
    pub(crate) fn need_extra(
        &mut self,
        memory: &mut Memory,
        link: Handle<Link>,
        purpose: Purpose,
    ) -> Result<&mut Extra, OutOfMemory> {
        let extra = match self.slab[link].extra {
            Some(extra) => extra,
            None => {
                let extra = self.extras.insert(memory, Extra::default(), purpose)?;
                self.slab[link].extra = Some(extra);
                extra
            }
        };
        Ok(&mut self.extras[extra])
    }

    /// Gives the extra of a link back if there is nothing in it any more.
    pub(crate) fn settle_extra(&mut self, memory: &mut Memory, link: Handle<Link>) {
        if let Some(handle) = self.slab[link].extra
            && !self.extras[handle].is_needed()
        {
            // There may be room without anything in it.
            let room = self.lend_partial(link);
            memory.release(room);
            self.slab[link].extra = None;
            if let Some(extra) = self.extras.remove(handle) {
                memory.release(extra.partial);
                memory.release(extra.aliases);
            }
        }
    }

    /// The beginning of a packet.
    #[inline]
    pub(crate) fn partial(&self, link: Handle<Link>) -> &[u8] {
        self.extra(link).map_or(&[], |extra| &extra.partial)
    }

    /// Takes the beginning of a packet out.
    pub(crate) fn take_partial(&mut self, memory: &mut Memory, link: Handle<Link>) -> Vec<u8> {
        let partial = self.lend_partial(link);
        self.settle_extra(memory, link);
        partial
    }

    /// Takes it out, and keeps its place.
    pub(crate) fn lend_partial(&mut self, link: Handle<Link>) -> Vec<u8> {
        let partial = self.extra_mut(link).map_or(Vec::new(), |extra| core::mem::take(&mut extra.partial));
        let held = self.held_by_kind(link);
        debug_assert!(*held >= partial.capacity(), "more beginnings of packets taken than were put");
        *held = held.saturating_sub(partial.capacity());
        partial
    }

    /// Puts it back.
    pub(crate) fn return_partial(&mut self, link: Handle<Link>, partial: Vec<u8>) {
        *self.held_by_kind(link) += partial.capacity();
        if let Some(extra) = self.extra_mut(link) {
            extra.partial = partial;
        }
    }

    /// Makes the capacity for the beginning of a packet at least `capacity`, within the share of its kind. One alone may
    /// take what it needs.
    pub(crate) fn reserve_partial(
        &mut self,
        memory: &mut Memory,
        link: Handle<Link>,
        capacity: usize,
        purpose: Purpose,
    ) -> Result<(), OutOfMemory> {
        let before = self.need_extra(memory, link, purpose)?.partial.capacity();
        let growth = capacity.saturating_sub(before);
        let limit = memory.limit();
        let Partials { of_strangers, of_clients } = self.partials;
        let (own_kind, shared, share) = if self.slab[link].marks & mark::ADMITTED == 0 {
            (of_strangers, of_strangers, limit >> PARTIAL_CONNECTS_SHIFT)
        } else {
            (of_clients, of_clients.saturating_add(of_strangers), limit >> PARTIAL_PACKETS_SHIFT)
        };
        if own_kind > before && shared.saturating_add(growth) > share {
            return Err(OutOfMemory);
        }
        let partial = &mut self.need_extra(memory, link, purpose)?.partial;
        memory.reserve_exact(partial, capacity, purpose)?;
        let growth = partial.capacity() - before;
        *self.held_by_kind(link) += growth;
        Ok(())
    }

    fn held_by_kind(&mut self, link: Handle<Link>) -> &mut usize {
        if self.slab[link].marks & mark::ADMITTED == 0 {
            &mut self.partials.of_strangers
        } else {
            &mut self.partials.of_clients
        }
    }
}

impl core::ops::Index<Handle<Link>> for Links {
    type Output = Link;

    #[inline(always)]
    fn index(&self, handle: Handle<Link>) -> &Link {
        &self.slab[handle]
    }
}

impl core::ops::IndexMut<Handle<Link>> for Links {
    #[inline(always)]
    fn index_mut(&mut self, handle: Handle<Link>) -> &mut Link {
        &mut self.slab[handle]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_takes_sixty_four_bytes() {
        assert_eq!(size_of::<Link>(), 64);
    }

    #[test]
    fn addresses_of_both_kinds_come_back_as_they_were() {
        let mut memory = Memory::new(100_000);
        let mut links = Links::new();
        let peers = ["192.168.1.7:50123", "[fe80::1]:7", "[::ffff:10.0.0.1]:65535"];
        for peer in peers {
            let peer = Peer(peer.parse().unwrap());
            let link = links.insert(&mut memory, peer, Moment::default()).unwrap();
            assert_eq!(links.peer(link), peer);
            links.remove(&mut memory, link);
        }
        links.trim(&mut memory);
        assert_eq!(memory.used(), 0);
    }
}
