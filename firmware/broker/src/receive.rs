//! From bytes to packets: whatever the transport has split or joined is cut by remaining length.
//!
//! Whole packets are read where they stand, in the board's buffer. A copy exists only of a packet whose end has not
//! arrived, and grows with what does arrive: an announced length costs nothing.
//!
//! A packet that cannot be handled now (too many unread answers, no memory) stays with the board: `receive` takes
//! fewer bytes than it was given, and [`Want::Read`] asks for them again.

use obkmq_mqtt::{
    Ack, AckKind, Connect, DecodeError, FixedHeader, HeaderProgress, Packet, PacketType, Publish, Version,
};

use crate::delivery::Kind;
use crate::event::{DisconnectReason, RefusedReason, Violation};
use crate::limits::REASSEMBLY_STEP_BYTES;
use crate::link::{Link, LinkId, Pause, State, Want, mark};
use crate::memory::{OutOfMemory, Purpose, extend_reserved};
use crate::slab::Handle;
use crate::state::Core;
use crate::time::Instant;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Nothing has changed; it must be brought again.
    NoMemory,
}

/// What a step took of the bytes, and whether the link must rest now.
enum Step {
    Took(usize),
    NoMemory,
}

impl Core {
    pub(crate) fn receive(&mut self, now: Instant, id: LinkId, bytes: &[u8]) -> usize {
        self.advance(now);
        let Some(link) = self.links.find(id) else { return bytes.len() };
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let entry = &self.links[link];
            let Link { state, version, .. } = *entry;
            match state {
                State::Connected | State::Opened => {}
                State::Verifying => break,
                State::Leaving | State::Closed => {
                    // The rest of what a client sent that is not listened to any more.
                    taken = bytes.len();
                    break;
                }
            }
            if entry.pause.is_some() {
                break;
            }
            // At least one, or nothing would be in the outbox whose departure ends the pause.
            if entry.replies >= self.policy.limits.max_replies.max(1) {
                self.links[link].pause = Some(Pause::Replies);
                break;
            }
            let step = if entry.extra.is_some() && !self.links.partial(link).is_empty() {
                self.continue_partial(link, rest)
            } else {
                self.step(link, state, version, rest)
            };
            match step {
                Ok(Step::Took(count)) => {
                    taken += count;
                    self.end_stall(link);
                }
                Ok(Step::NoMemory) => {
                    self.stall(link);
                    break;
                }
                Err(violation) => self.violate(link, violation),
            }
        }
        self.counters.bytes_received += taken as u64;
        taken
    }

    /// Takes one packet, or a part of one, from the front of what has arrived.
    #[inline]
    fn step(
        &mut self,
        link: Handle<Link>,
        state: State,
        version: Version,
        rest: &[u8],
    ) -> Result<Step, Violation> {
        let HeaderProgress::Complete { header, header_bytes } = FixedHeader::decode(rest, version)? else {
            return Ok(self.keep(link, rest, None));
        };
        let total = self.admit(state, &header, header_bytes)?;
        let Some(packet) = rest.get(..total) else { return Ok(self.keep(link, rest, Some(total))) };
        let body = packet.get(header_bytes..).unwrap_or_default();
        match self.handle(link, state, version, header, body)? {
            Outcome::Done => Ok(Step::Took(total)),
            Outcome::NoMemory => Ok(Step::NoMemory),
        }
    }

    /// Judges a packet by its header, before its body is waited for. Returns its length.
    #[inline]
    fn admit(&self, state: State, header: &FixedHeader, header_bytes: usize) -> Result<usize, Violation> {
        let first = state == State::Opened;
        // [MQTT-3.1.0-1], [MQTT-3.1.0-2]
        if first != (header.packet_type == PacketType::Connect) {
            return Err(Violation::UnexpectedPacket(header.packet_type));
        }
        let bytes = header.packet_bytes();
        let too_large = Violation::PacketTooLarge { bytes: u32::try_from(bytes).unwrap_or(u32::MAX) };
        let limits = &self.policy.limits;
        // Who has not been let in yet may not take up as much memory.
        let limit = if first { limits.max_connect_bytes } else { limits.max_packet_bytes };
        let limit = usize::try_from(limit.min(limits.max_packet_bytes)).unwrap_or(usize::MAX);
        if bytes > limit {
            return Err(too_large);
        }
        // A length may be written with more bytes than it needs.
        let body_bytes = usize::try_from(header.remaining_length).map_err(|_| too_large)?;
        body_bytes.checked_add(header_bytes).ok_or(too_large)
    }

    /// Keeps the beginning of a packet, whose length is known once its header is complete.
    fn keep(&mut self, link: Handle<Link>, bytes: &[u8], total: Option<usize>) -> Step {
        match self.append(link, bytes, total) {
            Ok(()) => Step::Took(bytes.len()),
            Err(OutOfMemory) => Step::NoMemory,
        }
    }

    fn append(&mut self, link: Handle<Link>, bytes: &[u8], total: Option<usize>) -> Result<(), OutOfMemory> {
        let purpose = match self.links[link].state {
            State::Opened => Purpose::Connection,
            _ => Purpose::Session,
        };
        let partial = &self.links.need_extra(&mut self.memory, link, purpose)?.partial;
        let (is_new, capacity) = (partial.is_empty(), partial.capacity());
        let needed = partial.len() + bytes.len();
        if needed > capacity {
            let step = REASSEMBLY_STEP_BYTES.max(capacity / 2);
            let generous = (capacity + step).min(total.unwrap_or(usize::MAX)).max(needed);
            let (links, memory) = (&mut self.links, &mut self.memory);
            let room = links
                .reserve_partial(memory, link, generous, purpose)
                .or_else(|_| links.reserve_partial(memory, link, needed, purpose));
            if room.is_err() {
                links.settle_extra(memory, link);
                return room;
            }
        }
        let now = self.now;
        if let Some(extra) = self.links.extra_mut(link) {
            extend_reserved(&mut extra.partial, bytes);
            if is_new {
                extra.partial_since = now;
                self.wake_by(now.after_millis(self.policy.limits.packet_timeout_ms.into()));
            }
        }
        Ok(())
    }

    /// Adds to a partial packet: its header a byte at a time, since only the header tells where the packet ends.
    fn continue_partial(&mut self, link: Handle<Link>, rest: &[u8]) -> Result<Step, Violation> {
        let Link { state, version, .. } = self.links[link];
        let progress = FixedHeader::decode(self.links.partial(link), version)?;
        let (piece, total) = match progress {
            HeaderProgress::NeedMore => (rest.get(..1).unwrap_or_default(), None),
            HeaderProgress::Complete { header, header_bytes } => {
                let total = self.admit(state, &header, header_bytes)?;
                let missing = total.saturating_sub(self.links.partial(link).len());
                (rest.get(..missing).unwrap_or(rest), Some(total))
            }
        };
        if self.append(link, piece, total).is_err() {
            return Ok(Step::NoMemory);
        }
        let partial = self.links.partial(link);
        let HeaderProgress::Complete { header, header_bytes } = FixedHeader::decode(partial, version)? else {
            return Ok(Step::Took(piece.len()));
        };
        let total = self.admit(state, &header, header_bytes)?;
        if partial.len() < total {
            return Ok(Step::Took(piece.len()));
        }
        // The place stays taken, so that the packet can be put back.
        let mut packet = self.links.lend_partial(link);
        let body = packet.get(header_bytes..).unwrap_or_default();
        let outcome = self.handle(link, state, version, header, body);
        if outcome == Ok(Outcome::NoMemory) {
            // The last piece goes back to the board, and comes again with `Want::Read`.
            packet.truncate(packet.len() - piece.len());
            self.links.return_partial(link, packet);
            return Ok(Step::NoMemory);
        }
        if header.packet_type == PacketType::Connect {
            packet.fill(0);
        }
        self.memory.release(packet);
        self.links.settle_extra(&mut self.memory, link);
        outcome.map(|_| Step::Took(piece.len()))
    }

    /// Acts on a whole packet.
    #[inline(always)]
    fn handle(
        &mut self,
        link: Handle<Link>,
        state: State,
        version: Version,
        header: FixedHeader,
        body: &[u8],
    ) -> Result<Outcome, Violation> {
        // Nearly all packets are messages and acknowledgements.
        let outcome = if header.packet_type == PacketType::Publish {
            self.on_publish(link, &Publish::decode(header.flags, body, version)?)?
        } else if state == State::Opened {
            match Connect::decode(body) {
                Ok(connect) => self.on_connect(link, &connect, body),
                Err(DecodeError::UnsupportedVersion(level)) => self.refuse_version(link, level),
                Err(error) => return Err(error.into()),
            }
            return Ok(Outcome::Done);
        } else {
            self.handle_other(link, version, header, body)?
        };
        if outcome == Outcome::Done {
            self.links[link].received_at = self.now;
        }
        Ok(outcome)
    }

    fn handle_other(
        &mut self,
        link: Handle<Link>,
        version: Version,
        header: FixedHeader,
        body: &[u8],
    ) -> Result<Outcome, Violation> {
        if header.packet_type == PacketType::PubAck {
            let ack = Ack::decode(AckKind::PubAck, body, version)?;
            return Ok(self.on_final_ack(link, ack.packet_id, Kind::PublishQoS1));
        }
        Ok(match Packet::decode(header, body, version)? {
            Packet::Ack(ack) => match ack.kind {
                AckKind::PubAck => self.on_final_ack(link, ack.packet_id, Kind::PublishQoS1),
                AckKind::PubRec => self.on_pubrec(link, ack.packet_id, ack.reason),
                AckKind::PubRel => self.on_pubrel(link, ack.packet_id),
                AckKind::PubComp => self.on_final_ack(link, ack.packet_id, Kind::PubRel),
            },
            Packet::Subscribe(subscribe) => self.on_subscribe(link, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.on_unsubscribe(link, &unsubscribe),
            Packet::PingReq(_) => self.on_pingreq(link),
            Packet::Disconnect(disconnect) => {
                self.on_disconnect(link, &disconnect)?;
                Outcome::Done
            }
            Packet::Publish(_)
            | Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp(_)
            | Packet::Auth(_) => return Err(Violation::UnexpectedPacket(header.packet_type)),
        })
    }

    fn violate(&mut self, link: Handle<Link>, violation: Violation) {
        match self.links[link].state {
            State::Connected => self.disconnect(link, DisconnectReason::Violation(violation)),
            _ => self.refuse(link, None, RefusedReason::Violation(violation)),
        }
    }

    /// Lets a link rest whose packet found no memory. A client that has not been let in yet is refused instead.
    fn stall(&mut self, link: Handle<Link>) {
        if self.links[link].state != State::Connected {
            self.refuse(link, None, RefusedReason::OutOfMemory);
            return;
        }
        let now = self.now;
        let entry = &mut self.links[link];
        if entry.marks & mark::STALLED == 0 {
            entry.marks |= mark::STALLED;
            entry.received_at = now;
        }
        self.links[link].pause = Some(Pause::Memory);
        self.starved = true;
        self.wake_by(now.after_millis(u64::from(self.policy.limits.stall_timeout_ms)));
    }

    /// A packet was taken: what stalled before does not any more.
    #[inline]
    fn end_stall(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        if entry.marks & mark::STALLED != 0 {
            entry.marks &= !mark::STALLED;
            entry.received_at = self.now;
        }
    }

    /// Ends a pause. The keep-alive, which stood still, begins anew, and so does the time for a packet in part.
    pub(crate) fn resume(&mut self, link: Handle<Link>) {
        let entry = &mut self.links[link];
        entry.pause = None;
        if entry.marks & mark::STALLED == 0 {
            entry.received_at = self.now;
        }
        let now = self.now;
        if let Some(extra) = self.links.extra_mut(link) {
            extra.partial_since = now;
        }
        self.want(link, Want::Read);
        self.wake_for(link);
    }
}
