//! Berry scripts on the board: `autoexec.be` is imported at the start, and its callbacks are called from then on.
//!
//! # Invariants
//! * A turn of the node runs one slice of one callback ([`SCRIPT_STEPS_PER_TURN`]); clients wait for no more than that.
//! * What a script does is queued: a publication never calls a callback from within another one.
//! * A run that takes too much memory or too many steps ends, and so does one whose exception nobody catches; the log
//!   says why and where. A callback that fails again and again is switched off.
//! * A script that is replaced leaves nothing behind: machine, callbacks, timers and subscriptions end with it.

mod callbacks;
mod channels;
mod engine;
mod functions;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use obkmq_berry::{Limits, Narrow, Progress};
use obkmq_broker::{Heard, Instant, ReaderId};
use obkmq_config::line::{Fields, FileName};
use obkmq_config::settings::{LogLevel, Settings};

use crate::automation::{Argument, Changed, Look, Topic};
use crate::board::Board;
use crate::limits::{
    SCRIPT_EVENTS_WAITING, SCRIPT_FAILURES, SCRIPT_LINE_BYTES, SCRIPT_LINES, SCRIPT_START_TURNS,
    SCRIPT_STEPS_PER_TURN,
};
use crate::node::{Node, write_log};
use callbacks::{CallbackId, Callbacks, Waits};
use engine::{Engine, Incoming, Run, Subject, What};
use functions::Surroundings;

/// The module that is imported at the start.
const BOOT_MODULE: &str = "autoexec";
const SUFFIX: &str = ".be";

/// The part of the settings that a script starts with.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Terms {
    enabled: bool,
    heap_bytes: u32,
    steps: u32,
}

impl Terms {
    fn of(settings: &Settings) -> Self {
        Self {
            enabled: settings.automation_enabled(),
            heap_bytes: settings.automation_heap_bytes(),
            steps: settings.automation_max_steps(),
        }
    }
}

/// The scripts of a node.
#[derive(Default)]
pub(crate) struct Scripts {
    /// The script that runs, if there is one: in the heap, since most boards have none.
    engine: Vec<Engine>,
    reader: Option<ReaderId>,
    /// They are to be started, or started anew.
    start_due: bool,
    terms: Option<Terms>,
    /// Callbacks that wait for events, channels or the clock.
    watchers: usize,
    /// What has happened and waits for them, with what has led to it.
    happened: VecDeque<(What, u8)>,
    /// What found no room.
    lost: u32,
    /// Turns in which the start has waited for the start-up file of commands.
    turns_waited: u8,
}

impl Scripts {
    /// Something has happened.
    fn note(&mut self, what: What, depth: u8) {
        if self.watchers == 0 {
            return;
        }
        if self.happened.len() >= SCRIPT_EVENTS_WAITING || self.happened.try_reserve(1).is_err() {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.happened.push_back((what, depth));
    }
}

impl<B: Board> Node<B> {
    /// Settings are in use: what concerns scripts starts them anew.
    pub(crate) fn apply_to_scripts(&mut self, settings: &Settings) {
        let terms = (!self.locked).then(|| Terms::of(settings));
        if self.scripts.terms != terms {
            self.scripts.terms = terms;
            self.scripts.start_due = true;
        }
    }

    /// A file was put or removed.
    pub(crate) fn note_script_file(&mut self, name: &FileName) {
        self.scripts.start_due |= name.as_str().ends_with(SUFFIX);
    }

    /// Runs what is due, one slice of it.
    pub(crate) fn poll_scripts(&mut self) -> Option<Instant> {
        if self.scripts.start_due {
            // What the start-up file of commands does at once is done before, as with OpenBeken.
            let waits = self.automation.is_busy() && self.scripts.turns_waited < SCRIPT_START_TURNS;
            if waits {
                self.scripts.turns_waited += 1;
                return Some(self.now);
            }
            self.scripts.start_due = false;
            self.start_scripts();
        } else {
            // Taken out, because what it runs changes the node.
            let mut engine = core::mem::take(&mut self.scripts.engine);
            if let Some(engine) = engine.first_mut() {
                self.run_scripts(engine);
            }
            self.scripts.engine = engine;
        }
        self.scripts.engine.first()?.due(self.now)
    }

    /// Whether something waits for a callback, and nothing else runs.
    pub(crate) fn has_script_messages(&self) -> bool {
        let is_free = self.scripts.engine.first().is_some_and(|engine| engine.run.is_none());
        let has_message = || self.scripts.reader.is_some_and(|reader| self.broker.is_reader_waiting(reader));
        is_free && (!self.scripts.happened.is_empty() || has_message())
    }

    /// An event has happened.
    pub(crate) fn script_event(&mut self, topic: Topic, argument: &Argument, depth: u8) {
        self.scripts.note(What::Event { topic, argument: argument.clone() }, depth);
    }

    /// A channel has changed.
    pub(crate) fn script_change(&mut self, changed: Changed, depth: u8) {
        self.scripts.note(What::Change(changed), depth);
    }

    /// Whether a script waits for a time of day.
    pub(crate) fn has_script_clock(&self) -> bool {
        self.scripts.engine.first().is_some_and(|engine| engine.callbacks.clock().next().is_some())
    }

    /// The clock was looked at; seconds until a script wants it to be again.
    pub(crate) fn script_clock(&mut self, look: Look) -> Option<i64> {
        let callbacks = &self.scripts.engine.first()?.callbacks;
        let is_met = callbacks.clock().any(|(moment, weekdays)| look.meets(moment, weekdays));
        let wait_s = callbacks.clock().filter_map(|(moment, _)| look.wait_s(moment)).min();
        if is_met {
            self.scripts.note(What::Clock(look), 0);
        }
        wait_s
    }

    fn start_scripts(&mut self) {
        if !core::mem::take(&mut self.scripts.engine).is_empty() {
            self.log(LogLevel::Info, format_args!("script: stopped"));
        }
        if let Some(reader) = self.scripts.reader {
            self.broker.close_reader(reader);
        }
        (self.scripts.watchers, self.scripts.happened) = (0, VecDeque::new());
        let Some(terms) = self.scripts.terms.filter(|terms| terms.enabled) else { return };
        let is_there = self.files().any(|file| file.name.as_str().strip_suffix(SUFFIX) == Some(BOOT_MODULE));
        if !is_there {
            return;
        }
        if self.board.is_safe_mode() {
            return self.log(
                LogLevel::Error,
                format_args!(
                    "script: {BOOT_MODULE}{SUFFIX} is not started, since several starts in a row have failed; next: put a \
                     better one, then reboot"
                ),
            );
        }
        let mut place = Vec::new();
        if place.try_reserve_exact(1).is_err() {
            return self
                .log(LogLevel::Error, format_args!("script: no memory to start {BOOT_MODULE}{SUFFIX}"));
        }
        self.log(LogLevel::Info, format_args!("script: {BOOT_MODULE}{SUFFIX} starts"));
        let mut seed = [0; 8];
        self.board.fill_random(&mut seed);
        let heap_bytes = usize::try_from(terms.heap_bytes).unwrap_or(usize::MAX);
        let limits = Limits { heap_bytes, steps: terms.steps, slice: SCRIPT_STEPS_PER_TURN, ..Limits::CHIP };
        place.push(Engine::new(limits, u64::from_le_bytes(seed)));
        if let Some(engine) = place.first_mut() {
            self.import_script(engine);
        }
        self.scripts.engine = place;
    }

    fn import_script(&mut self, engine: &mut Engine) {
        let run = Run { subject: Subject::Boot, depth: 0, sleeps_until: None };
        let mut host = self.surroundings(&mut engine.callbacks, run);
        let progress = engine.vm.import(&mut host, BOOT_MODULE);
        let sleep_ms = host.sleep_ms;
        self.after_slice(engine, run, progress, sleep_ms);
    }

    fn surroundings<'a>(&'a mut self, callbacks: &'a mut Callbacks, run: Run) -> Surroundings<'a, B> {
        Surroundings { node: self, callbacks, depth: run.depth, sleep_ms: None }
    }

    /// Goes on with what runs, or begins what is to run next.
    fn run_scripts(&mut self, engine: &mut Engine) {
        if let Some(run) = engine.run {
            if run.sleeps_until.is_some_and(|until| until > self.now) {
                return;
            }
            let mut host = self.surroundings(&mut engine.callbacks, run);
            let progress = Engine::proceed(&mut engine.vm, &mut host);
            let sleep_ms = host.sleep_ms;
            return self.after_slice(engine, run, progress, sleep_ms);
        }
        self.take_incoming(engine);
        let Some((next, run)) = engine.next(self.now) else { return };
        let mut host = self.surroundings(&mut engine.callbacks, run);
        let progress = Engine::call(&mut engine.vm, &mut host, next, engine.incoming.as_ref());
        let sleep_ms = host.sleep_ms;
        self.after_slice(engine, run, progress, sleep_ms);
    }

    /// Takes what has happened, or the next message out of the broker, if the one before has reached all that it concerns.
    fn take_incoming(&mut self, engine: &mut Engine) {
        if engine.incoming.is_some() {
            return;
        }
        let newest = engine.callbacks.last_id();
        let lost = core::mem::take(&mut self.scripts.lost);
        if lost > 0 {
            self.log(LogLevel::Warn, format_args!("script: {lost} events were lost: the script is too slow"));
        }
        if let Some((what, depth)) = self.scripts.happened.pop_front() {
            engine.incoming = Some(Incoming::new(what, depth, newest));
            return;
        }
        let Some(reader) = self.scripts.reader else { return };
        let mut incoming = None;
        let heard =
            self.broker.next_message(reader, |message| incoming = Some(Incoming::message(&message, newest)));
        match incoming {
            Some(Some(incoming)) => engine.incoming = Some(incoming),
            Some(None) => self.log(LogLevel::Error, format_args!("script: no memory for a message")),
            None => debug_assert!(heard != Heard::Message, "a message was not handed over"),
        }
    }

    fn after_slice(
        &mut self,
        engine: &mut Engine,
        mut run: Run,
        progress: Result<Progress<Narrow>, obkmq_berry::Error>,
        sleep_ms: Option<u32>,
    ) {
        engine.run = None;
        match progress {
            Ok(Progress::Paused) => {
                run.sleeps_until = None;
                engine.run = Some(run);
            }
            Ok(Progress::Suspended) => {
                run.sleeps_until = sleep_ms.map(|millis| self.now.saturating_add_millis(millis.into()));
                engine.run = Some(run);
            }
            Ok(Progress::Done(_)) => self.after_run(engine, run.subject, None),
            Err(error) => self.after_run(engine, run.subject, Some(&error)),
        }
        for function in core::mem::take(&mut engine.callbacks.dropped) {
            engine.vm.release(function);
        }
    }

    fn after_run(&mut self, engine: &mut Engine, subject: Subject, error: Option<&obkmq_berry::Error>) {
        if let Some(error) = error {
            self.log_script_lines(LogLevel::Error, &error.text);
        }
        let Subject::Callback(id) = subject else { return };
        if engine.callbacks.note(id, error.is_some()) {
            self.remove_callback(&mut engine.callbacks, id);
            self.log(
                LogLevel::Error,
                format_args!(
                    "script: this callback has failed {SCRIPT_FAILURES} times in a row and is switched off; next: mend \
                     the script and put it again"
                ),
            );
        }
    }

    /// The script's place in the broker; `None` without memory for it.
    fn script_reader(&mut self) -> Option<ReaderId> {
        if self.scripts.reader.is_none() {
            self.scripts.reader = self.broker.open_reader().ok();
        }
        self.scripts.reader
    }

    fn remove_callback(&mut self, callbacks: &mut Callbacks, id: CallbackId) {
        match callbacks.remove(id) {
            Some(Waits::Messages { .. }) => {
                if let Some(reader) = self.scripts.reader {
                    self.broker.stop_listening(reader, id);
                }
            }
            Some(Waits::Event { .. } | Waits::Change { .. } | Waits::Clock { .. }) => {
                self.scripts.watchers = self.scripts.watchers.saturating_sub(1);
            }
            Some(Waits::Time { .. }) | None => {}
        }
    }

    /// What a script prints stands on every console, whatever is logged otherwise.
    fn script_says(&mut self, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n').take(SCRIPT_LINES) {
            let Self { console, attached, settings, now, .. } = self;
            write_log(console, attached, settings, *now, format_args!("script: {}", Plain(line)));
        }
    }

    fn log_script_lines(&mut self, level: LogLevel, text: &[u8]) {
        for line in text.split(|&byte| byte == b'\n').take(SCRIPT_LINES) {
            self.log(level, format_args!("script: {}", Plain(line)));
        }
    }

    /// What a script takes: beside its machine's heap, and of that.
    #[cfg(test)]
    pub(crate) fn script_bytes(&self) -> Option<(usize, usize)> {
        let engine = self.scripts.engine.first()?;
        Some((size_of::<Engine>() + engine.callbacks.bytes(), engine.vm.used_bytes()))
    }

    /// How scripts are doing, for `info`.
    pub(crate) fn script_figures(&self) -> Option<Fields> {
        let engine = self.scripts.engine.first()?;
        Some(
            Fields::new()
                .with("script_callbacks", engine.callbacks.len())
                .with("script_callback_bytes", engine.callbacks.bytes())
                .with("script_memory_bytes", engine.vm.used_bytes())
                .with("script_memory_peak_bytes", engine.vm.peak_bytes())
                .with("script_memory_limit_bytes", self.settings.automation_heap_bytes()),
        )
    }
}

/// A line of a script on the console: its beginning, without what would be more than text there.
struct Plain<'a>(&'a [u8]);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let (line, is_cut) = match self.0.get(..SCRIPT_LINE_BYTES) {
            Some(beginning) if self.0.len() > SCRIPT_LINE_BYTES => (beginning, true),
            _ => (self.0, false),
        };
        for chunk in line.utf8_chunks() {
            for char in chunk.valid().chars() {
                formatter.write_char(if char.is_control() && char != '\t' { '\u{fffd}' } else { char })?;
            }
            if !chunk.invalid().is_empty() {
                formatter.write_char('\u{fffd}')?;
            }
        }
        if is_cut { formatter.write_str(" …") } else { Ok(()) }
    }
}
