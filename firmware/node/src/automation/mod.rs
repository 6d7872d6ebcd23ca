//! Automation without a script: OpenBeken's commands, channels, handlers, timers, and files of commands.
//!
//! # Invariants
//! * Nothing waits: a delay is a state of its thread, and what an event leads to is queued and runs in a later turn.
//! * One turn executes one queued command and one line of each thread. A command of commands (`backlog`, `if`, aliases)
//!   is as long as its line may be, and as deep as [`COMMAND_DEPTH`](crate::limits::COMMAND_DEPTH).
//! * What leads to itself is cut: a queued command knows how many others have led to it.
//! * What is put off keeps the rank of who asked for it.

mod channels;
mod console;
mod events;
mod execute;
mod expression;
mod managed;
mod mqtt;
mod put_off;
mod start_up;
mod sun;
mod threads;
mod timers;
mod values;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use obkmq_broker::Instant;
use obkmq_config::settings::LogLevel;

use channels::Channels;
use events::Task;
use execute::Outcome;

pub(crate) use channels::Changed;
#[cfg(feature = "scripts")]
pub(crate) use channels::ChannelId;
#[cfg(feature = "scripts")]
pub(crate) use events::Relation;
pub(crate) use events::{Argument, Topic};
pub(crate) use execute::Caller;
#[cfg(feature = "scripts")]
pub(crate) use timers::{Look, Moment};

use crate::board::Board;
use crate::limits::{AUTOMATION_TEXT_BYTES, CASCADE_DEPTH, COMMANDS_QUEUED};
use crate::node::Node;
use events::Handlers;
use managed::PasswordTask;
use mqtt::MqttCommands;
use threads::Threads;
use timers::{Timers, longest_wait};

/// A command that waits for its turn.
#[derive(Debug)]
struct Queued {
    task: Task,
    /// How many commands and messages have led to it, one after the other.
    depth: u8,
}

/// The state of automation.
#[derive(Default)]
pub(crate) struct Automation {
    pub(crate) channels: Channels,
    handlers: Handlers,
    timers: Timers,
    threads: Threads,
    /// Names and commands.
    aliases: Vec<(Box<str>, Box<str>)>,
    queue: VecDeque<Queued>,
    /// How many commands the one at work may still lead to in this turn.
    commands_left: u16,
    /// Whether the queue was full since it was last empty.
    has_lost: bool,
    /// When the clock is to be looked at next.
    clock_due: Option<Instant>,
    /// Whether the time was known when it was last asked for.
    knows_time: bool,
    restart_at: Option<Instant>,
    /// The name that `ms_user` gave and no password has been given for.
    named: Option<String>,
    password: Option<PasswordTask>,
    mqtt: MqttCommands,
}

impl Automation {
    /// Whether so many bytes more may be kept for later.
    fn has_room_for(&self, bytes: usize) -> bool {
        let aliases: usize = self.aliases.iter().map(|(name, command)| name.len() + command.len()).sum();
        let kept = aliases + self.handlers.text_bytes() + self.timers.text_bytes();
        kept.saturating_add(bytes) <= AUTOMATION_TEXT_BYTES
    }

    /// Whether commands wait for their turn, or lines of files that wait for nothing else.
    #[cfg(feature = "scripts")]
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.threads.is_ready()
    }

    fn alias(&self, name: &str) -> Option<&str> {
        self.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, command)| &**command)
    }
}

impl<B: Board> Node<B> {
    /// Does what is due, in a bounded turn, and says when it wants to be called again at the latest.
    pub(crate) fn poll_automation(&mut self) -> Option<Instant> {
        let hashing = self.poll_managed_user();
        let restart = self.poll_restart();
        if !self.settings.automation_enabled() {
            return hashing.into_iter().chain(restart).min();
        }
        while let Some(task) = self.automation.timers.next_repeating(self.now) {
            self.queue(&task, 0);
        }
        let clock = self.poll_clock();
        if let Some(Queued { task, depth }) = self.automation.queue.pop_front() {
            let caller = Caller { rank: task.rank, thread: None, depth, nesting: 0 };
            let outcome = self.run_command(caller, &task.command);
            self.warn_of(&outcome, format_args!("`{}`", &*task.command));
        }
        let threads = self.poll_threads();
        self.poll_mqtt_commands();
        let queue = if self.automation.queue.is_empty() {
            self.automation.queue = VecDeque::new();
            self.automation.has_lost = false;
            None
        } else {
            Some(self.now)
        };
        let repeating = self.automation.timers.repeating_due();
        [hashing, restart, clock, threads, queue, repeating].into_iter().flatten().min()
    }

    /// Queues a command for a later turn.
    fn queue(&mut self, task: &Task, depth: u8) {
        if depth > CASCADE_DEPTH {
            return self.log(
                LogLevel::Warn,
                format_args!(
                    "`{}` is not executed: {CASCADE_DEPTH} commands led to it, one after the other; \
                    next: look for handlers that call each other",
                    &*task.command
                ),
            );
        }
        let queue = &mut self.automation.queue;
        if queue.len() < COMMANDS_QUEUED && queue.try_reserve(1).is_ok() {
            return queue.push_back(Queued { task: task.clone(), depth });
        }
        if !core::mem::replace(&mut self.automation.has_lost, true) {
            self.log(
                LogLevel::Warn,
                format_args!(
                    "commands are lost: {COMMANDS_QUEUED} wait already; next: let timers and handlers do less"
                ),
            );
        }
    }

    /// An event has happened: a button, or a state that somebody may wait for.
    pub(crate) fn happened(&mut self, topic: Topic, argument: &Argument, depth: u8) {
        if !self.settings.automation_enabled() {
            return;
        }
        #[cfg(feature = "scripts")]
        self.script_event(topic, argument, depth);
        self.automation.threads.happened(topic, argument);
        let tasks: Vec<Task> = self.automation.handlers.happened(topic, argument).cloned().collect();
        for task in tasks {
            self.queue(&task, depth.saturating_add(1));
        }
    }

    /// A channel has changed: tells everybody who listens.
    pub(crate) fn channel_changed(&mut self, changed: Option<Changed>, depth: u8) {
        let Some(changed) = changed else { return };
        self.publish_channel(changed, depth);
        if !self.settings.automation_enabled() {
            return;
        }
        #[cfg(feature = "scripts")]
        self.script_change(changed, depth);
        self.automation.threads.changed(changed);
        let tasks: Vec<Task> = self.automation.handlers.changed(changed).cloned().collect();
        for task in tasks {
            self.queue(&task, depth.saturating_add(1));
        }
        let number = Argument::Number(changed.channel.number().into());
        self.happened(Topic::ON_CHANNEL_CHANGE, &number, depth);
    }

    fn poll_restart(&mut self) -> Option<Instant> {
        let at = self.automation.restart_at?;
        if self.now < at {
            return Some(at);
        }
        self.automation.restart_at = None;
        self.restart();
        None
    }

    /// Looks at the clock when that is due.
    fn poll_clock(&mut self) -> Option<Instant> {
        let due = self.automation.clock_due;
        if let Some(due) = due
            && self.now < due
        {
            return Some(due);
        }
        let unix_s = self.board.unix_seconds();
        if unix_s.is_some() && !core::mem::replace(&mut self.automation.knows_time, true) {
            self.happened(Topic::NTP_STATE, &Argument::Number(1), 0);
        }
        let mut tasks: Vec<Task> = Vec::new();
        let wait_s = match unix_s {
            Some(unix_s) if self.automation.timers.has_clock_events() || self.has_script_clock() => {
                let place = self.place();
                let look = self.automation.timers.look(unix_s, place);
                let wait_s = self.automation.timers.run_clock(&look, |task| tasks.push(task.clone()));
                longest_wait([wait_s, self.script_clock(look)])
            }
            // A board that will know the time does not tell when it does.
            None if self.identity.capabilities.has(crate::Capability::Clock) => 1,
            _ => {
                self.automation.clock_due = None;
                return None;
            }
        };
        for task in tasks {
            self.queue(&task, 0);
        }
        let due = self.now.saturating_add_millis(u64::from(wait_s) * 1_000);
        self.automation.clock_due = Some(due);
        Some(due)
    }

    /// A time of day was added to those that are waited for.
    #[cfg(feature = "scripts")]
    pub(crate) fn look_at_clock_soon(&mut self) {
        self.automation.clock_due = None;
    }

    #[cfg(not(feature = "scripts"))]
    #[expect(clippy::unused_self, reason = "there are no scripts")]
    fn has_script_clock(&self) -> bool {
        false
    }

    #[cfg(not(feature = "scripts"))]
    #[expect(clippy::unused_self, reason = "there are no scripts")]
    fn script_clock(&mut self, _look: timers::Look) -> Option<i64> {
        None
    }

    /// Says on the log that a command failed.
    fn warn_of(&mut self, outcome: &Outcome, about: core::fmt::Arguments<'_>) {
        if !outcome.is_ok() {
            self.log(LogLevel::Warn, format_args!("{about}: {outcome}"));
        }
    }
}
