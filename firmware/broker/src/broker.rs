//! The broker as its board sees it.

use obkmq_mqtt::QoS;

use crate::event::{Event, RefusedReason};
use crate::journal::{Change, RestoredSession};
use crate::link::{Link, LinkId, Want};
use crate::memory::{OutOfMemory, Purpose};
use crate::policy::{Peer, Policy};
use crate::publish::PublishError;
use crate::reader::{Heard, ListenError, ReaderId, ReaderMessage};
use crate::retained::Retained;
use crate::rights::Rights;
use crate::slab::Handle;
use crate::state::Core;
use crate::statistics::{RadioFigures, Statistics};
use crate::time::Instant;
use crate::verifier::{Progress, UserId, Verifier};

/// There is no room for another connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// [`crate::Limits::max_links`] are open.
    #[error("too many connections")]
    Links,
    /// The part of the budget that running sessions do not keep for themselves is used up.
    #[error("out of memory")]
    Memory,
}

/// An MQTT broker without sockets and without a clock.
///
/// The board tells it what happens to its connections and what time it is; the broker answers with bytes, wishes
/// ([`Want`]) and the time at which it must be asked again. After every call that can change something the board drains
/// [`Broker::next_want`].
#[derive(Debug)]
pub struct Broker<V> {
    core: Core,
    verifier: V,
}

impl<V: Verifier> Broker<V> {
    /// A broker without clients. `seed` keys the hash tables and should come from the board's entropy.
    pub fn new(policy: Policy, seed: u64, verifier: V) -> Self {
        Broker { core: Core::new(policy, seed), verifier }
    }

    /// Changes the policy. Anonymous clients that would not be let in any more are closed, and so are those that speak
    /// MQTT 5 where they were told of a limit that is lower now; what is over a new limit stays, and nothing is added to
    /// it.
    pub fn set_policy(&mut self, policy: Policy) {
        let former = core::mem::replace(&mut self.core.policy, policy).limits;
        self.core.memory.set_limit(policy.limits.memory_bytes);
        self.core.enforce_policy();
        self.core.enforce_lowered(&former);
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.core.policy
    }

    /// Says who may do what. Until then nobody may anything.
    ///
    /// Subscriptions that exist stay, and bring what their users may read.
    pub fn set_rights(&mut self, rights: Rights) {
        self.core.rights = rights;
        self.core.apply_rights();
    }

    /// The rights in force.
    pub fn rights(&self) -> &Rights {
        &self.core.rights
    }

    /// The judge of credentials.
    pub fn verifier(&self) -> &V {
        &self.verifier
    }

    /// The judge of credentials.
    pub fn verifier_mut(&mut self) -> &mut V {
        &mut self.verifier
    }

    /// Closes the links of a user that was deleted or has a new password, whose number nobody has any more, and ends
    /// its sessions.
    pub fn revoke(&mut self, now: Instant, user: UserId) {
        self.core.advance(now);
        self.core.revoke(user);
    }

    /// A transport connection was accepted. On an error the board drops it.
    pub fn opened(&mut self, now: Instant, peer: Peer) -> Result<LinkId, Full> {
        let core = &mut self.core;
        core.advance(now);
        let full = if core.links.live() >= usize::try_from(core.policy.limits.max_links).unwrap_or(usize::MAX)
        {
            Full::Links
        } else {
            match core.links.insert(&mut core.memory, peer, core.now) {
                Ok(link) if core.memory.permits(0, Purpose::Connection) => {
                    core.events.prepare(&mut core.memory, core.policy.limits.event_queue);
                    core.wake_for(link);
                    core.wake_by(core.figures_at);
                    return Ok(core.links.id_of(link));
                }
                Ok(link) => {
                    core.links.remove(&mut core.memory, link);
                    Full::Memory
                }
                Err(_) => Full::Memory,
            }
        };
        if full == Full::Memory {
            core.make_room();
        }
        core.counters.refused += 1;
        core.log(Event::Refused {
            peer,
            client_id: crate::event::LogText::new(""),
            user: None,
            reason: match full {
                Full::Links => RefusedReason::TooManyLinks,
                Full::Memory => RefusedReason::OutOfMemory,
            },
        });
        Err(full)
    }

    /// Bytes have arrived. Returns how many were taken; with fewer than given the link is paused: the board keeps the
    /// rest, reads no more, and brings the rest again after [`Want::Read`].
    #[inline]
    pub fn receive(&mut self, now: Instant, link: LinkId, bytes: &[u8]) -> usize {
        let mut taken = self.core.receive(now, link, bytes);
        // A CONNECT whose sender is known is let in at once, and what came behind it is read.
        while let Some(fresh) = self.core.fresh_attempt.take() {
            self.judge(now, fresh);
            self.core.refuse_beyond_queue(fresh);
            taken += self.core.receive(now, link, bytes.get(taken..).unwrap_or_default());
        }
        taken
    }

    fn judge(&mut self, now: Instant, link: Handle<Link>) {
        if let Some(attempt) = self.core.attempt(link) {
            let verdict = self.verifier.judge(now, &attempt);
            self.core.judged(link, verdict);
        }
    }

    /// Asks about all that wait, who has waited longest first: whatever is not known yet begins to be found out for
    /// that one.
    fn judge_all(&mut self, now: Instant) {
        if let Some(oldest) = self.core.oldest_attempt() {
            self.judge_waiting(now, oldest);
        }
        for index in 0..self.core.links.end() {
            if let Some(link) = self.core.links.handle_at(index) {
                self.judge_waiting(now, link);
            }
        }
    }

    fn judge_waiting(&mut self, now: Instant, link: Handle<Link>) {
        if self.core.attempt(link).is_some() {
            self.judge(now, link);
            self.core.end_wait(link);
        }
    }

    /// Writes what is to be sent into the transport's buffer, as many packets as fit. The same bytes come again until
    /// [`Broker::sent`] says that they were taken.
    pub fn fill(&mut self, link: LinkId, buffer: &mut [u8]) -> usize {
        self.core.fill(link, buffer)
    }

    /// The transport has taken this much of what [`Broker::fill`] gave; in the middle of a packet if need be.
    pub fn sent(&mut self, now: Instant, link: LinkId, bytes: usize) {
        self.core.sent(now, link, bytes);
    }

    /// The connection is gone, for whatever reason. A client that had not sent DISCONNECT has its will published.
    pub fn closed(&mut self, now: Instant, link: LinkId) {
        self.core.closed(now, link);
    }

    /// Runs what is due and one slice of verification. Returns when to be called again at the latest: at once if that
    /// is `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.core.advance(now);
        self.core.run_timers();
        match self.verifier.work(now) {
            Progress::Idle => {}
            Progress::Working => return Some(now),
            Progress::Finished => {
                self.judge_all(now);
                return Some(now);
            }
        }
        self.core.next_poll(now)
    }

    /// Takes note of how long the board's last turn took, in microseconds.
    pub fn note_turn(&mut self, micros: u32) {
        let maximum = &mut self.core.counters.turn_maximum_micros;
        *maximum = micros.max(*maximum);
    }

    /// Takes note of why the board has started, and of how many starts in a row have failed; it stands under `$SYS`.
    pub fn note_start(&mut self, cause: &'static str, failed: u8) {
        self.core.counters.start = Some((cause, failed));
    }

    /// Takes note of what the board's radio tells of itself; from now on it stands under `$SYS`, too.
    pub fn note_radio(&mut self, figures: RadioFigures) {
        self.core.counters.radio = Some(figures);
    }

    /// The longest turn that was noted lately, in microseconds; it is forgotten when the figures have told it.
    #[inline]
    pub fn turn_maximum_micros(&self) -> u32 {
        self.core.counters.turn_maximum_micros
    }

    /// The next wish, until there is none. Each is told once.
    pub fn next_want(&mut self) -> Option<(LinkId, Want)> {
        self.core.next_want()
    }

    /// Publishes a message of the board itself.
    pub fn publish(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        self.core.advance(now);
        self.core.publish_local(topic, payload, qos, retain)
    }

    /// Publishes a message of the board itself that `depth` others have led to, one after the other: readers are told
    /// ([`crate::Origin::Board`]), so that whoever answers its own answers can stop.
    pub fn publish_after(
        &mut self,
        now: Instant,
        depth: u8,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        self.core.readers.depth = depth;
        let published = self.publish(now, topic, payload, qos, retain);
        self.core.readers.depth = 0;
        published
    }

    /// A subscriber inside the firmware, for the broker's whole life.
    pub fn open_reader(&mut self) -> Result<ReaderId, OutOfMemory> {
        self.core.open_reader()
    }

    /// Lets a reader have what a filter matches, the retained messages first. `tag` is the reader's own number for it.
    pub fn listen(&mut self, reader: ReaderId, filter: &str, tag: u32) -> Result<(), ListenError> {
        self.core.listen(reader, filter, tag)
    }

    /// Takes the filter of a tag from a reader; says whether there was one. With the last one goes what it has not taken.
    pub fn stop_listening(&mut self, reader: ReaderId, tag: u32) -> bool {
        self.core.stop_listening(reader, tag)
    }

    /// Takes all filters from a reader, and what it has not taken. It may listen again.
    pub fn close_reader(&mut self, reader: ReaderId) {
        self.core.close_reader(reader);
    }

    /// Hands over a reader's next message. One step looks at a bounded number of retained messages.
    pub fn next_message(&mut self, reader: ReaderId, take: impl FnOnce(ReaderMessage<'_>)) -> Heard {
        self.core.next_message(reader, take)
    }

    /// Whether [`Broker::next_message`] is to be asked: a cheap question.
    pub fn is_reader_waiting(&self, reader: ReaderId) -> bool {
        self.core.is_waiting(reader)
    }

    /// The next happening for the log.
    pub fn next_event(&mut self) -> Option<Event> {
        self.core.next_event()
    }

    /// Whether there is an event or a change to fetch: a cheap question.
    #[inline]
    pub fn has_news(&self) -> bool {
        !self.core.events.is_empty() || self.core.has_changes()
    }

    /// Whether there may be a change to fetch: a cheap question.
    pub fn has_changes(&self) -> bool {
        self.core.has_changes()
    }

    /// The next change that should survive a power cut.
    ///
    /// Several changes of a topic come as one, with the last state. Changes wait for as long as they are not fetched,
    /// and a deleted topic takes memory meanwhile: a board without storage fetches and forgets them.
    pub fn next_change(&mut self) -> Option<Change<'_>> {
        self.core.next_change()
    }

    /// Tells the retained messages of some topics once more: they could not be stored, or are to be stored from now on.
    pub fn tell_retained_again(&mut self, concerns: impl FnMut(&str) -> bool) {
        let core = &mut self.core;
        core.retained.mark_again(&core.messages, concerns);
    }

    /// Tells all sessions once more: what was told could not be stored.
    pub fn tell_sessions_again(&mut self) {
        self.core.tell_sessions_again();
    }

    /// Puts a session back that was kept over a restart. Its client has been away since now.
    pub fn restore_session(&mut self, session: &RestoredSession<'_>) -> Result<(), PublishError> {
        self.core.restore_session(session)
    }

    /// Whether a user's client has a session that outlives its link.
    pub fn keeps_session(&self, client_id: &str, user: Option<UserId>) -> bool {
        let sessions = &self.core.sessions;
        let found = sessions.find(user, client_id.as_bytes());
        found.is_some_and(|session| sessions.get(session).expiry_seconds > 0)
    }

    /// The retained message of a topic.
    pub fn retained(&self, topic: &str) -> Option<Retained<'_>> {
        let core = &self.core;
        let entry = core.retained.find(&core.messages, topic.as_bytes())?;
        Some(Retained::of(core.messages.get(core.retained.message(entry)?), core.now))
    }

    /// Puts a retained message back that was kept over a restart. Nobody is told, the journal included. What it has left of
    /// its life begins now.
    pub fn restore_retained(&mut self, topic: &str, retained: &Retained<'_>) -> Result<(), PublishError> {
        self.core.restore(topic, retained)
    }

    /// Figures.
    pub fn statistics(&self) -> Statistics {
        self.core.statistics()
    }
}
