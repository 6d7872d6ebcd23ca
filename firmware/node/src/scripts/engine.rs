//! A script that runs: its machine, its callbacks, and which of them is called next.
//!
//! One callback runs at a time, a slice of steps in each turn of the node. Whatever happens meanwhile waits: messages in
//! the broker's queue for its reader, calls here, timers until they are looked at.

use alloc::vec::Vec;

use obkmq_berry::{Answer, Argument, Handle, Host, Limits, Narrow, Progress, Vm};
use obkmq_broker::{Instant, Origin, ReaderMessage};
use obkmq_mqtt::{TopicFilter, TopicName, matches};

use super::callbacks::{CallbackId, Callbacks};

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

/// A message on its way to those callbacks that it concerns.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    topic: Vec<u8>,
    payload: Vec<u8>,
    retained_for: Option<CallbackId>,
    depth: u8,
    /// The last callback that was called.
    last: CallbackId,
    /// The newest callback when it came: what is added by those that it calls does not concern it.
    newest: CallbackId,
}

impl Incoming {
    /// A copy, since what a callback does concerns the broker, too. `None` without memory for it.
    pub(crate) fn new(message: &ReaderMessage<'_>, newest: CallbackId) -> Option<Self> {
        let depth = match message.origin {
            Origin::Board { depth } => depth,
            Origin::Client(_) => 0,
        };
        let mut incoming = Self { retained_for: message.retained_for, depth, newest, ..Self::default() };
        incoming.topic.try_reserve_exact(message.topic.len()).ok()?;
        incoming.payload.try_reserve_exact(message.payload.len()).ok()?;
        incoming.topic.extend_from_slice(message.topic.as_bytes());
        incoming.payload.extend_from_slice(message.payload);
        Some(incoming)
    }

    fn concerns(&self, id: CallbackId, filter: &str) -> bool {
        if let Some(wanted) = self.retained_for {
            return wanted == id;
        }
        if id > self.newest {
            return false;
        }
        let topic = TopicName::from_utf8(&self.topic).ok();
        let filter = TopicFilter::new(filter).ok();
        topic.zip(filter).is_some_and(|(topic, filter)| matches(filter, topic))
    }
}

/// What is to run now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Next {
    Message(Handle),
    Timer(Handle),
}

pub(crate) struct Engine {
    pub(crate) vm: Vm<Narrow>,
    pub(crate) callbacks: Callbacks,
    pub(crate) run: Option<Run>,
    pub(crate) incoming: Option<Incoming>,
    /// Timers and messages take turns.
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
            let concerns = |id, filter: &str| incoming.concerns(id, filter);
            if let Some(callback) = self.callbacks.next_listener(incoming.last, concerns) {
                let found = (Next::Message(callback.function), run(callback.id, incoming.depth));
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
            (Next::Message(function), Some(incoming)) => {
                let arguments = [Argument::Text(&incoming.topic), Argument::Text(&incoming.payload)];
                vm.call(host, function, &arguments)
            }
            (Next::Message(function) | Next::Timer(function), _) => vm.call(host, function, &[]),
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
