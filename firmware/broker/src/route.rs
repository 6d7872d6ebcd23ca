//! From a message to its receivers (section 3.3.5).
//!
//! Two passes over the matching subscriptions: the first marks each session once, with the highest QoS among its
//! filters, and threads the sessions into a list; the second delivers along the list. Between the two everything that
//! is needed has been counted and reserved, so that a message goes out as a whole or not at all.

use obkmq_mqtt::QoS;

use crate::event::{Event, LogText};
use crate::memory::{OutOfMemory, Purpose};
use crate::message::Message;
use crate::retained::Entry;
use crate::session::{Session, Sessions};
use crate::slab::Handle;
use crate::state::Core;
use crate::tree::Tree;

/// A message that has not been stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) topic: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

/// Who waits when there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Nobody: the message is dropped and counted.
    None,
    /// The sender keeps the message, if its QoS is above 0, and brings it again.
    Sender,
}

/// The sessions that a message concerns, threaded through [`Session::next_receiver`].
struct Receivers {
    first: Option<Handle<Session>>,
    count: usize,
}

impl Core {
    /// Stores a message as far as it is needed, keeps it if it is to be retained, and queues it for its receivers.
    ///
    /// An error means that nothing has changed.
    pub(crate) fn route(&mut self, message: &Incoming<'_>, patience: Patience) -> Result<(), OutOfMemory> {
        let Incoming { topic, payload, qos, retain } = *message;
        let receivers = receivers(&mut self.mark, &self.tree, &mut self.sessions, topic, qos);
        let keep = retain && !payload.is_empty();
        let former = if retain { self.retained.find(&self.messages, topic) } else { None };
        let same = former.and_then(|former| self.retained.message(former)).filter(|&former| {
            let former = self.messages.get(former);
            keep && former.qos() == qos && former.payload() == payload
        });
        let purpose = match qos {
            _ if receivers.count == 0 => Purpose::Keeping,
            QoS::AtMostOnce => Purpose::Delivery,
            _ => Purpose::Session,
        };
        let mut stored = None;
        if let Some(same) = same {
            // The retained message is this one: no second copy.
            self.messages.hold(same);
            stored = Some(same);
        } else if receivers.count > 0 || keep {
            stored = self.messages.insert(&mut self.memory, topic, payload, qos, purpose).ok();
        }
        if receivers.count > 0 {
            // One more than the receivers, for the answer to the sender.
            let records = receivers.count.saturating_add(1);
            let reserved =
                stored.is_some() && self.deliveries.reserve(&mut self.memory, records, purpose).is_ok();
            if !reserved {
                if let Some(stored) = stored.take() {
                    self.messages.release(&mut self.memory, stored);
                }
                if patience == Patience::Sender && qos != QoS::AtMostOnce {
                    return Err(OutOfMemory);
                }
                self.counters.drops.out_of_memory += receivers.count as u64;
            }
        }
        // What is kept already stays, even if nobody could be sent it.
        if retain && same.is_none() && !self.retain(former, stored, keep) {
            self.not_kept(LogText::from_bytes(topic));
        }
        if let Some(stored) = stored {
            self.deliver_to(&receivers, stored, qos);
            self.messages.release(&mut self.memory, stored);
        }
        Ok(())
    }

    /// Routes a will: a message that is in memory already, and goes out as far as there is room for it.
    pub(crate) fn route_will(&mut self, will: Handle<Message>, qos: QoS, retain: bool) {
        let topic = self.messages.get(will).topic();
        let receivers = receivers(&mut self.mark, &self.tree, &mut self.sessions, topic, qos);
        if retain {
            let former = self.retained.find(&self.messages, topic);
            let keep = !self.messages.get(will).payload().is_empty();
            if !self.retain(former, Some(will), keep) {
                self.not_kept(LogText::from_bytes(self.messages.get(will).topic()));
            }
        }
        self.deliver_to(&receivers, will, qos);
    }

    fn deliver_to(&mut self, receivers: &Receivers, message: Handle<Message>, qos: QoS) {
        let mut cursor = receivers.first;
        while let Some(session) = cursor {
            let entry = self.sessions.get(session);
            let effective = qos.min(entry.best);
            cursor = entry.next_receiver;
            // [MQTT-3.3.1-9]: the retain flag is for those who subscribe later.
            self.deliver(session, message, effective, 0);
        }
    }

    /// Keeps a message in place of its topic's former one, or deletes that. What does not fit is not kept, nor is what
    /// it would have replaced. Says whether what was to be kept is.
    fn retain(
        &mut self,
        former: Option<Handle<Entry>>,
        message: Option<Handle<Message>>,
        keep: bool,
    ) -> bool {
        let limit = self.policy.limits.max_retained;
        let kept = keep
            && message.is_some_and(|message| {
                self.is_retained(former, message)
                    || self.memory.permits(0, Purpose::Keeping)
                        && self
                            .retained
                            .set(&mut self.memory, &mut self.messages, message, limit, true)
                            .is_ok()
            });
        if !kept && let Some(former) = former {
            self.retained.clear(&mut self.memory, &mut self.messages, former);
        }
        kept || !keep
    }

    /// Whether a message is what its topic has already: then nothing changes, and the journal stays silent.
    fn is_retained(&self, former: Option<Handle<Entry>>, message: Handle<Message>) -> bool {
        former.and_then(|former| self.retained.message(former)).is_some_and(|former| {
            let (former, message) = (self.messages.get(former), self.messages.get(message));
            core::ptr::eq(former, message)
                || former.qos() == message.qos() && former.payload() == message.payload()
        })
    }

    fn not_kept(&mut self, topic: LogText) {
        self.counters.drops.retained_not_kept += 1;
        self.log(Event::RetainedNotKept { topic });
    }
}

/// The sessions with a matching subscription. Those that could get the message at QoS 0 only and have no link are left
/// out: for them it is not stored.
fn receivers(mark: &mut u32, tree: &Tree, sessions: &mut Sessions, topic: &[u8], qos: QoS) -> Receivers {
    *mark = mark.checked_add(1).unwrap_or_else(|| {
        sessions.forget_marks();
        1
    });
    let mut receivers = Receivers { first: None, count: 0 };
    tree.matching(topic, |subscription| {
        let session = sessions.get_mut(subscription.session());
        if session.link.is_none() && qos.min(subscription.qos()) == QoS::AtMostOnce {
            return;
        }
        if session.mark == *mark {
            session.best = session.best.max(subscription.qos());
            return;
        }
        session.mark = *mark;
        session.best = subscription.qos();
        session.next_receiver = receivers.first.replace(subscription.session());
        receivers.count += 1;
    });
    receivers
}
