//! From a receiver to its outbox: what may wait for it and where, the window of messages that await its answer, and the
//! answers (section 4.3).

use obkmq_mqtt::{PacketId, QoS, ReasonCode};

use crate::delivery::{Delivery, Kind, List, detail, flag};
use crate::encode::encoded_bytes;
use crate::link::Link;
use crate::memory::Purpose;
use crate::message::Message;
use crate::outbox::{Size, bytes_of};
use crate::receive::Outcome;
use crate::session::Session;
use crate::slab::Handle;
use crate::state::Core;

/// A message on its way to one receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shipment {
    pub(crate) message: Handle<Message>,
    /// What message and subscription allow.
    pub(crate) qos: QoS,
    /// Of [`flag`].
    pub(crate) flags: u8,
    /// See [`Delivery::detail`]; a list in it is held.
    pub(crate) detail: u32,
}

/// Why a message does not reach a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drop {
    SlowReader,
    QueueFull,
    OutOfMemory,
    TooLarge,
    /// Nobody is there to take it, and it is not of a kind that waits.
    Absent,
}

impl Core {
    /// Queues a message for a receiver.
    ///
    /// Replayed messages are exempt from the quotas, since the store holds them anyway and no more than
    /// [`crate::Limits::max_replies`] of them are queued at a time.
    #[inline]
    pub(crate) fn deliver(&mut self, session: Handle<Session>, shipment: Shipment) {
        let Err(drop) = self.try_deliver(session, shipment) else { return };
        self.not_delivered(shipment, drop);
    }

    #[cold]
    fn not_delivered(&mut self, shipment: Shipment, drop: Drop) {
        let drops = &mut self.counters.drops;
        match drop {
            Drop::SlowReader => drops.slow_reader += 1,
            Drop::QueueFull => drops.queue_full += 1,
            Drop::OutOfMemory => drops.out_of_memory += 1,
            Drop::TooLarge => drops.too_large += 1,
            Drop::Absent => {}
        }
        let delivery = Delivery {
            message: None,
            next: None,
            packet_id: None,
            kind: Kind::of(shipment.qos),
            flags: shipment.flags,
            detail: shipment.detail,
        };
        if let Some(list) = delivery.identifier_list() {
            self.messages.release(&mut self.memory, list);
        }
    }

    #[inline]
    fn try_deliver(&mut self, session: Handle<Session>, shipment: Shipment) -> Result<(), Drop> {
        let Shipment { message, qos, flags, detail } = shipment;
        let is_replay = flags & flag::REPLAY != 0;
        let bytes = self.messages.get(message).bytes();
        let link = self.sessions.get(session).link();
        let delivery = Delivery {
            message: Some(message),
            next: None,
            packet_id: None,
            kind: Kind::of(qos),
            flags,
            detail,
        };
        if let Some(link) = link {
            let entry = &self.links[link];
            if entry.extra.is_some() && !self.fits(link, &delivery) {
                return Err(Drop::TooLarge);
            }
            if qos == QoS::AtMostOnce
                && !is_replay
                && self.is_full(entry.wire_messages.into(), entry.wire_bytes, bytes)
            {
                return Err(Drop::SlowReader);
            }
        }
        if qos == QoS::AtMostOnce {
            let link = link.ok_or(Drop::Absent)?;
            let purpose = if is_replay { Purpose::Keeping } else { Purpose::Delivery };
            let size = Size::with(&delivery, bytes);
            let record = self.insert_delivery(delivery, purpose)?;
            self.enqueue(link, record, size);
            return Ok(());
        }
        self.store_express(session).map_err(|_| Drop::OutOfMemory)?;
        let flow = self.sessions.flow(session);
        let waits = flow.is_some_and(|flow| !flow.waiting.is_empty()) || !self.may_promote(session);
        if !is_replay
            && waits
            && let Some(flow) = flow
            && self.is_full(flow.waiting_count, flow.waiting_bytes, bytes)
        {
            return Err(Drop::QueueFull);
        }
        let purpose = if link.is_none() || is_replay { Purpose::Keeping } else { Purpose::Session };
        self.sessions.need_flow(&mut self.memory, session, purpose).map_err(|_| Drop::OutOfMemory)?;
        let record = match self.insert_delivery(delivery, purpose) {
            Ok(record) => record,
            Err(drop) => {
                self.sessions.settle_flow(&mut self.memory, session);
                return Err(drop);
            }
        };
        match link.filter(|_| !waits) {
            Some(link) => self.ship(session, link, record),
            None => {
                if let Some(flow) = self.sessions.flow_mut(session) {
                    flow.waiting.push_back(&mut self.deliveries, record);
                    if is_replay {
                        flow.waiting_replays = flow.waiting_replays.saturating_add(1);
                    } else {
                        flow.waiting_count = flow.waiting_count.saturating_add(1);
                        flow.waiting_bytes = flow.waiting_bytes.saturating_add(bytes);
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a queue takes no more. One message fits always, however large it is.
    pub(crate) fn is_full(&self, messages: u32, held_bytes: u32, bytes: u32) -> bool {
        let limits = &self.policy.limits;
        messages >= u32::from(limits.max_queued_messages)
            || messages > 0 && held_bytes.saturating_add(bytes) > limits.max_queued_bytes
    }

    #[inline]
    fn insert_delivery(&mut self, delivery: Delivery, purpose: Purpose) -> Result<Handle<Delivery>, Drop> {
        let message = delivery.message;
        match self.deliveries.insert(&mut self.memory, delivery, purpose) {
            Ok(record) if self.memory.permits(0, purpose) => {
                if let Some(message) = message {
                    self.messages.hold(message);
                }
                Ok(record)
            }
            refused => {
                if let Ok(record) = refused {
                    self.deliveries.remove(record);
                }
                Err(Drop::OutOfMemory)
            }
        }
    }

    /// Whether the client takes packets of that size \[MQTT-3.1.2-24\].
    #[inline]
    pub(crate) fn fits(&self, link: Handle<Link>, delivery: &Delivery) -> bool {
        let Some(extra) = self.links.extra(link).filter(|extra| extra.max_packet_bytes != u32::MAX) else {
            return true;
        };
        let bytes = encoded_bytes(delivery, &self.messages, self.dialect(link));
        u32::try_from(bytes).is_ok_and(|bytes| bytes <= extra.max_packet_bytes)
    }

    /// Whether window and outbox have room for another message above QoS 0.
    pub(crate) fn may_promote(&self, session: Handle<Session>) -> bool {
        let limits = &self.policy.limits;
        let Some(link) = self.sessions.get(session).link() else { return false };
        let receive_maximum = self.links.extra(link).map_or(u16::MAX, |extra| extra.receive_maximum);
        let window = limits.inflight_window.clamp(1, crate::limits::MAX_INFLIGHT_WINDOW).min(receive_maximum);
        self.links[link].wire_bytes < limits.max_queued_bytes
            && self.sessions.flow(session).is_none_or(|flow| flow.inflight_count < window)
    }

    /// Moves waiting messages into the outbox, as many as the client's window and the outbox allow.
    pub(crate) fn promote(&mut self, session: Handle<Session>) {
        while self.sessions.flow(session).is_some_and(|flow| !flow.waiting.is_empty())
            && self.may_promote(session)
        {
            let Some(link) = self.sessions.get(session).link() else { break };
            let Some(flow) = self.sessions.flow_mut(session) else { break };
            let Some(record) = flow.waiting.pop_front(&mut self.deliveries) else { break };
            let delivery = &self.deliveries[record];
            if delivery.is_reply() {
                flow.waiting_replays = flow.waiting_replays.saturating_sub(1);
            } else {
                flow.waiting_count = flow.waiting_count.saturating_sub(1);
                flow.waiting_bytes = flow.waiting_bytes.saturating_sub(bytes_of(delivery, &self.messages));
            }
            let expires_at = delivery.message.map(|message| self.messages.get(message).expires_at());
            if delivery.flags & flag::DUP == 0 && expires_at.is_some_and(|moment| moment <= self.now) {
                self.counters.drops.expired += 1;
                self.discard(record);
                continue;
            }
            if !self.fits(link, &self.deliveries[record]) {
                self.counters.drops.too_large += 1;
                self.discard(record);
                continue;
            }
            self.ship(session, link, record);
        }
        self.sessions.settle_flow(&mut self.memory, session);
    }

    /// Puts a message above QoS 0 into the outbox, for which the window has room.
    fn ship(&mut self, session: Handle<Session>, link: Handle<Link>, record: Handle<Delivery>) {
        // Those that are sent again have their identifier.
        let id = self.deliveries[record].packet_id.or_else(|| self.take_packet_id(session));
        self.deliveries[record].packet_id = id;
        if let Some(flow) = self.sessions.flow_mut(session) {
            flow.inflight_count += 1;
        }
        self.push(link, record);
    }

    /// An identifier that nothing under way to the client has.
    ///
    /// They are taken in turn; which of those ahead is in use is looked up only when the last look-up is used up.
    fn take_packet_id(&mut self, session: Handle<Session>) -> Option<PacketId> {
        let flow = self.sessions.flow(session)?;
        let (mut next, mut used) = (flow.next_id, flow.used_id);
        if flow.inflight_count == 0 {
            used = advance(next, PACKET_IDS - 1);
        }
        while next == used {
            let wire = self.sessions.get(session).link().and_then(|link| self.links[link].wire.head());
            let mut nearest = None;
            for list in [flow.inflight.head(), wire] {
                let mut cursor = list;
                while let Some(record) = cursor {
                    let delivery = &self.deliveries[record];
                    if let Some(id) = delivery.packet_id.filter(|_| delivery.is_tracked()) {
                        let distance = distance(next, id);
                        nearest = Some(nearest.map_or(distance, |nearest: u16| nearest.min(distance)));
                    }
                    cursor = delivery.next;
                }
            }
            match nearest {
                // Fewer are under way than there are numbers, so this ends.
                Some(0) => (next, used) = (next.next(), next.next()),
                Some(distance) => used = advance(next, distance),
                None => used = advance(next, PACKET_IDS - 1),
            }
        }
        let flow = self.sessions.flow_mut(session)?;
        flow.next_id = next.next();
        flow.used_id = used;
        Some(next)
    }

    /// Sends again what the session's former links have sent without an answer \[MQTT-4.4.0-1\], then what waits.
    pub(crate) fn redeliver(&mut self, session: Handle<Session>, link: Handle<Link>) {
        let Some(flow) = self.sessions.flow_mut(session) else { return };
        let mut unanswered = core::mem::take(&mut flow.inflight);
        let mut again = List::default();
        let mut releases = List::default();
        while let Some(record) = unanswered.pop_front(&mut self.deliveries) {
            let delivery = &self.deliveries[record];
            if !delivery.is_message() {
                releases.push_back(&mut self.deliveries, record);
                continue;
            }
            // Back to where they wait for room in the window, which may be smaller now, in front of the others.
            flow.inflight_count = flow.inflight_count.saturating_sub(1);
            if delivery.is_reply() {
                flow.waiting_replays = flow.waiting_replays.saturating_add(1);
            } else {
                flow.waiting_count = flow.waiting_count.saturating_add(1);
                let bytes = bytes_of(delivery, &self.messages);
                flow.waiting_bytes = flow.waiting_bytes.saturating_add(bytes);
            }
            again.push_back(&mut self.deliveries, record);
        }
        again.append(&mut self.deliveries, core::mem::take(&mut flow.waiting));
        flow.waiting = again;
        while let Some(record) = releases.pop_front(&mut self.deliveries) {
            self.push(link, record);
        }
        self.promote(session);
    }

    /// A message of QoS 1 has arrived, or one of QoS 2 is done with; the next one may go.
    pub(crate) fn on_final_ack(&mut self, link: Handle<Link>, id: PacketId, of: Kind) -> Outcome {
        // An identifier that is not under way is no harm: the answer may have crossed a reconnection.
        let Some(session) = self.links[link].session else { return Outcome::Done };
        if !(of == Kind::PublishQoS1 && self.end_express(session, id))
            && let Some(record) = self.take_inflight(session, id, of)
        {
            self.finish(session, record);
        }
        Outcome::Done
    }

    /// A message of QoS 2 has arrived: it is not needed any more, but its identifier is (figure 4.3).
    pub(crate) fn on_pubrec(&mut self, link: Handle<Link>, id: PacketId, reason: ReasonCode) -> Outcome {
        let Some(session) = self.links[link].session else { return Outcome::Done };
        if let Some(record) = self.take_inflight(session, id, Kind::PublishQoS2) {
            if reason.is_error() {
                // [MQTT-4.3.3-4] of MQTT 5: the client does not want it.
                self.finish(session, record);
                return Outcome::Done;
            }
            self.release_contents(record);
            let delivery = &mut self.deliveries[record];
            delivery.kind = Kind::PubRel;
            delivery.flags = ReasonCode::Success.byte();
            self.push(link, record);
            return Outcome::Done;
        }
        if let Some(record) = self.take_inflight(session, id, Kind::PubRel) {
            // The client asks again.
            self.push(link, record);
            return Outcome::Done;
        }
        if reason.is_error() || self.is_released(link, id) {
            return Outcome::Done;
        }
        if self.reserve_answer().is_err() {
            return Outcome::NoMemory;
        }
        // Its record is gone, but the client may still wait for the second half.
        let mut answer = Delivery::reply(Kind::PubRel, Some(id), ReasonCode::PacketIdentifierNotFound);
        answer.detail = detail::UNTRACKED;
        self.send(link, answer);
        Outcome::Done
    }

    /// Whether a PUBREL with this identifier stands in the outbox.
    fn is_released(&self, link: Handle<Link>, id: PacketId) -> bool {
        let mut cursor = self.links[link].wire.head();
        while let Some(record) = cursor {
            let delivery = &self.deliveries[record];
            if delivery.kind == Kind::PubRel && delivery.packet_id == Some(id) {
                return true;
            }
            cursor = delivery.next;
        }
        false
    }

    fn take_inflight(
        &mut self,
        session: Handle<Session>,
        id: PacketId,
        kind: Kind,
    ) -> Option<Handle<Delivery>> {
        let flow = self.sessions.flow_mut(session)?;
        flow.inflight.remove(&mut self.deliveries, id, kind)
    }

    fn finish(&mut self, session: Handle<Session>, record: Handle<Delivery>) {
        self.discard(record);
        if let Some(flow) = self.sessions.flow_mut(session) {
            flow.inflight_count = flow.inflight_count.saturating_sub(1);
        }
        self.promote(session);
    }
}

/// How many packet identifiers there are.
const PACKET_IDS: u16 = u16::MAX;

/// How many steps lead from an identifier to another one.
fn distance(from: PacketId, to: PacketId) -> u16 {
    let (from, to) = (from.get() - 1, to.get() - 1);
    if to >= from { to - from } else { PACKET_IDS - (from - to) }
}

/// The identifier that many steps on.
fn advance(id: PacketId, steps: u16) -> PacketId {
    let number = (u32::from(id.get() - 1) + u32::from(steps)) % u32::from(PACKET_IDS) + 1;
    u16::try_from(number).ok().and_then(PacketId::new).unwrap_or(PacketId::FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_round_without_zero() {
        let id = |number| PacketId::new(number).unwrap();
        assert_eq!(distance(id(1), id(1)), 0);
        assert_eq!(distance(id(65_535), id(1)), 1);
        assert_eq!(distance(id(2), id(1)), 65_534);
        for (from, steps, to) in [(1, 0, 1), (65_535, 1, 1), (65_534, 3, 2), (1, 65_534, 65_535)] {
            assert_eq!(advance(id(from), steps), id(to));
            assert_eq!(distance(id(from), id(to)), steps);
        }
    }
}
