//! A script that runs: its machine, its callbacks, and which of them is called next.
//!
//! One callback runs at a time, a slice of steps in each turn of the node. Whatever happens meanwhile waits: messages in
//! the broker's queue for its reader, calls here, timers until they are looked at.

use alloc::vec::Vec;

use obkmq_berry::{Answer, Argument as Given, Handle, Host, Limits, Narrow, Progress, Vm};
use obkmq_broker::{Instant, Origin, ReaderMessage};
use obkmq_mqtt::{TopicFilter, TopicName, matches};

use super::callbacks::{Callback, CallbackId, Callbacks, Waits};
use crate::automation::{Argument, Changed, Look, Relation, Topic};

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The start-up script.
    Boot,
    Callback(CallbackId),
}

/// A run that has not ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) subject: Subject,
    /// Messages that have led to it, one after the other.
    pub(crate) depth: u8,
    /// The script wants to sleep until then; otherwise it goes on in the next turn.
    pub(crate) sleeps_until: Option<Instant>,
}

/// Something that happened, on its way to those callbacks that it concerns.
#[derive(Debug)]
pub(crate) struct Incoming {
    what: What,
    /// Messages and events that have led to it, one after the other.
    depth: u8,
    /// The last callback that was called.
    last: CallbackId,
    /// The newest callback when it came: what is added by those that it calls does not concern it.
    newest: CallbackId,
}

#[derive(Debug)]
pub(crate) enum What {
    Message { topic: Vec<u8>, payload: Vec<u8>, retained_for: Option<CallbackId> },
    Event { topic: Topic, argument: Argument },
    Change(Changed),
    Clock(Look),
}

impl Incoming {
    pub(crate) fn new(what: What, depth: u8, newest: CallbackId) -> Self {
        Self { what, depth, last: 0, newest }
    }

    /// A copy of a message, since what a callback does concerns the broker, too. `None` without memory for it.
    pub(crate) fn message(message: &ReaderMessage<'_>, newest: CallbackId) -> Option<Self> {
        let depth = match message.origin {
            Origin::Board { depth } => depth,
            Origin::Client(_) => 0,
        };
        let (mut topic, mut payload) = (Vec::new(), Vec::new());
        topic.try_reserve_exact(message.topic.len()).ok()?;
        payload.try_reserve_exact(message.payload.len()).ok()?;
        topic.extend_from_slice(message.topic.as_bytes());
        payload.extend_from_slice(message.payload);
        let retained_for = message.retained_for;
        Some(Self::new(What::Message { topic, payload, retained_for }, depth, newest))
    }

    fn concerns(&self, callback: &Callback) -> bool {
        match (&self.what, &callback.waits) {
            (What::Message { retained_for: Some(wanted), .. }, _) => *wanted == callback.id,
            _ if callback.id > self.newest => false,
            (What::Message { topic, .. }, Waits::Messages { filter }) => {
                let topic = TopicName::from_utf8(topic).ok();
                let filter = TopicFilter::new(filter).ok();
                topic.zip(filter).is_some_and(|(topic, filter)| matches(filter, topic))
            }
            (What::Event { topic, argument }, Waits::Event { topic: of, argument: wanted }) => {
                topic == of && wanted.as_ref().is_none_or(|wanted| wanted.is(argument))
            }
            (What::Change(changed), Waits::Change { channel, until }) => {
                let begins = |(relation, value): (Relation, i32)| {
                    relation.holds(changed.to, value) && !relation.holds(changed.from, value)
                };
                changed.channel == *channel && until.is_none_or(begins)
            }
            (What::Clock(look), Waits::Clock { moment, weekdays }) => look.meets(*moment, *weekdays),
            _ => false,
        }
    }

    /// Calls a function with what is known of it.
    fn call(
        &self,
        vm: &mut Vm<Narrow>,
        host: &mut dyn Host<Narrow>,
        function: Handle,
    ) -> Result<Progress<Narrow>, obkmq_berry::Error> {
        match &self.what {
            What::Message { topic, payload, .. } => {
                vm.call(host, function, &[Given::Text(topic), Given::Text(payload)])
            }
            What::Event { argument: Argument::Number(number), .. } => {
                vm.call(host, function, &[Given::Int((*number).into())])
            }
            What::Event { argument: Argument::Text(text), .. } => {
                vm.call(host, function, &[Given::Text(text.as_bytes())])
            }
            What::Change(changed) => vm.call(host, function, &[Given::Int(changed.to.into())]),
            What::Clock(_) => vm.call(host, function, &[]),
        }
    }
}

/// What is to run now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    Incoming(Handle),
    Timer(Handle),
}

pub(crate) struct Engine {
    pub(crate) vm: Vm<Narrow>,
    pub(crate) callbacks: Callbacks,
    pub(crate) run: Option<Run>,
    pub(crate) incoming: Option<Incoming>,
    /// Timers take turns with the rest.
    timer_was_last: bool,
}

impl Engine {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            vm: Vm::new(limits, seed),
            callbacks: Callbacks::default(),
            run: None,
            incoming: None,
            timer_was_last: false,
        }
    }

    /// What is to run now, if nothing runs. `depth` and the callback go into the run that begins.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Next, Run)> {
        let run = |id, depth| Run { subject: Subject::Callback(id), depth, sleeps_until: None };
        let timer = self.callbacks.next_timer().filter(|&(due, _)| due <= now);
        if let Some(incoming) = &mut self.incoming
            && (timer.is_none() || self.timer_was_last)
        {
            if let Some(callback) = self.callbacks.next_behind(incoming.last, |one| incoming.concerns(one)) {
                let found = (Next::Incoming(callback.function), run(callback.id, incoming.depth));
                incoming.last = callback.id;
                self.timer_was_last = false;
                return Some(found);
            }
            self.incoming = None;
        }
        let (_, id) = timer?;
        let function = self.callbacks.fire(id, now)?;
        self.timer_was_last = true;
        Some((Next::Timer(function), run(id, 0)))
    }

    /// Begins a call.
    pub(crate) fn call(
        vm: &mut Vm<Narrow>,
        host: &mut dyn Host<Narrow>,
        next: Next,
        incoming: Option<&Incoming>,
    ) -> Result<Progress<Narrow>, obkmq_berry::Error> {
        match (next, incoming) {
            (Next::Incoming(function), Some(incoming)) => incoming.call(vm, host, function),
            (Next::Incoming(function) | Next::Timer(function), _) => vm.call(host, function, &[]),
        }
    }

    /// Goes on with a run.
    pub(crate) fn proceed(
        vm: &mut Vm<Narrow>,
        host: &mut dyn Host<Narrow>,
    ) -> Result<Progress<Narrow>, obkmq_berry::Error> {
        if vm.is_suspended() { vm.resume(host, Answer::Nil) } else { vm.proceed(host) }
    }

    /// When this is to be asked again, messages aside.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.run {
            Some(run) => Some(run.sleeps_until.unwrap_or(now)),
            None if self.incoming.is_some() => Some(now),
            None => self.callbacks.next_timer().map(|(due, _)| due),
        }
    }
}
