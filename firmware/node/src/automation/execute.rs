//! One command: who says it, what it does, and OpenBeken's word for how it went.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use core::fmt;

use obkmq_broker::QoS;
use obkmq_config::openbeken::{OpenBekenCommand, Rank, Verb, Words, branches, commands};
use obkmq_config::settings::LogLevel;

use super::channels::{AtEnd, ChannelId};
use super::events::{Argument, Topic};
use super::expression::whole;
use super::threads::State;
use crate::board::{Action, Board};
use crate::limits::{COMMAND_BYTES, COMMAND_DEPTH, COMMANDS_AT_ONCE};
use crate::node::Node;

/// Who executes a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) rank: Rank,
    /// The thread whose line it is.
    pub(crate) thread: Option<usize>,
    /// How many commands and messages have led to it, one after the other.
    pub(crate) depth: u8,
    /// How many commands it stands in.
    pub(crate) nesting: u8,
}

impl Caller {
    /// Somebody at the console.
    pub(crate) const OWNER: Self = Self { rank: Rank::Owner, thread: None, depth: 0, nesting: 0 };

    fn inner(self) -> Self {
        Self { nesting: self.nesting.saturating_add(1), ..self }
    }
}

/// OpenBeken's result words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultWord {
    Ok,
    UnknownCommand,
    NotEnoughArguments,
    EmptyString,
    BadArgument,
    Error,
}

impl ResultWord {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::UnknownCommand => "UNKNOWN_COMMAND",
            Self::NotEnoughArguments => "NOT_ENOUGH_ARGUMENTS",
            Self::EmptyString => "EMPTY_STRING",
            Self::BadArgument => "BAD_ARGUMENT",
            Self::Error => "ERROR",
        }
    }
}

/// How a command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) word: ResultWord,
    /// The answer of one that went well, which may be empty; else why not.
    pub(crate) text: String,
}

impl Outcome {
    pub(crate) fn ok() -> Self {
        Self { word: ResultWord::Ok, text: String::new() }
    }

    pub(crate) fn answer(text: impl fmt::Display) -> Self {
        Self { word: ResultWord::Ok, text: text.to_string() }
    }

    pub(crate) fn bad_argument(text: fmt::Arguments<'_>) -> Self {
        Self { word: ResultWord::BadArgument, text: text.to_string() }
    }

    pub(crate) fn error(text: fmt::Arguments<'_>) -> Self {
        Self { word: ResultWord::Error, text: text.to_string() }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.word == ResultWord::Ok
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word.name())?;
        if !self.text.is_empty() {
            write!(formatter, ": {}", self.text)?;
        }
        Ok(())
    }
}

impl<B: Board> Node<B> {
    /// Executes a line.
    pub(crate) fn run_command(&mut self, caller: Caller, line: &str) -> Outcome {
        let mut words = Words::new(line);
        let Some(name) = words.next() else {
            return Outcome { word: ResultWord::EmptyString, text: String::new() };
        };
        if caller.nesting > COMMAND_DEPTH {
            return Outcome::error(format_args!("more than {COMMAND_DEPTH} commands stand in each other"));
        }
        if caller.nesting == 0 {
            self.automation.commands_left = COMMANDS_AT_ONCE;
        }
        let Some(left) = self.automation.commands_left.checked_sub(1) else {
            return Outcome::error(format_args!("more than {COMMANDS_AT_ONCE} commands are in one"));
        };
        self.automation.commands_left = left;
        let Some((command, number)) = OpenBekenCommand::find(&name) else {
            return self.run_alias(caller, &name, words.rest());
        };
        if caller.rank < command.who {
            let who = match command.who {
                Rank::Client | Rank::Admin => "a user with the right `admin`",
                Rank::Owner => "the owner: console, start-up files and scripts",
            };
            return Outcome::error(format_args!("{} is for {who}", command.name));
        }
        if words.clone().count() < command.least {
            let OpenBekenCommand { name, arguments, least, .. } = command;
            let text = format!("{name} {arguments} needs {least}");
            return Outcome { word: ResultWord::NotEnoughArguments, text };
        }
        self.run_verb(caller, command.verb, number, words).unwrap_or_else(|outcome| outcome)
    }

    fn run_alias(&mut self, caller: Caller, name: &str, arguments: &str) -> Outcome {
        match self.automation.alias(name) {
            Some(command) => {
                let line = format!("{command} {arguments}");
                self.run_command(caller.inner(), &line)
            }
            // Its arguments are not repeated: one may be a password.
            None => Outcome {
                word: ResultWord::UnknownCommand,
                text: format!("{name:.40} is not one of this firmware; next: look for it in `help`"),
            },
        }
    }

    /// `Err` is only the shorter way out.
    fn run_verb(
        &mut self,
        caller: Caller,
        verb: Verb,
        number: Option<u8>,
        mut words: Words<'_>,
    ) -> Result<Outcome, Outcome> {
        match verb {
            Verb::SetChannel => {
                let (channel, value) = (self.channel(words.next())?, self.whole_number(words.next())?);
                let changed = self.automation.channels.set(channel, value);
                self.channel_changed(changed, caller.depth);
            }
            Verb::AddChannel => {
                let (channel, delta) = (self.channel(words.next())?, self.whole_number(words.next())?);
                if words.is_empty() {
                    let changed = self.automation.channels.add(channel, delta);
                    self.channel_changed(changed, caller.depth);
                } else {
                    self.add_within(caller, channel, delta, words)?;
                }
            }
            Verb::ClampChannel => {
                let channel = self.channel(words.next())?;
                self.add_within(caller, channel, 0, words)?;
            }
            Verb::ToggleChannel => {
                let channel = self.channel(words.next())?;
                let changed = self.automation.channels.toggle(channel);
                self.channel_changed(changed, caller.depth);
            }
            Verb::GetChannel => {
                let channel = self.channel(words.next())?;
                return Ok(Outcome::answer(self.automation.channels.get(channel)));
            }
            Verb::Power => return self.power(caller, number.unwrap_or(1), words.next()),
            Verb::Backlog => return Ok(self.run_backlog(caller, words.rest())),
            Verb::If => return self.run_if(caller, words.rest()),
            Verb::Echo => {
                let text = self.expand(&words.text());
                self.log(LogLevel::Info, format_args!("{text}"));
            }
            Verb::Event => {
                let topic = event(words.next())?;
                let argument = Argument::parse(&words.next().unwrap_or(Cow::Borrowed("0")));
                self.happened(topic, &argument, caller.depth);
            }
            Verb::MsPublish => return self.ms_publish(caller, words),
            Verb::SetStartValue => {
                let (channel, value) = (self.channel(words.next())?, self.whole_number(words.next())?);
                if !self.automation.channels.is_used(channel) {
                    let changed = self.automation.channels.set(channel, value);
                    self.channel_changed(changed, caller.depth);
                }
            }
            Verb::SetChannelType => {
                let channel = self.channel(words.next())?;
                let kind = words.next().unwrap_or_default();
                if !self.automation.channels.set_kind(channel, &kind) {
                    return Err(Outcome::bad_argument(format_args!("the type is too long")));
                }
            }
            Verb::SetChannelLabel => {
                let channel = self.channel(words.next())?;
                let label = words.next().unwrap_or_default();
                if !self.automation.channels.set_label(channel, &label) {
                    return Err(Outcome::bad_argument(format_args!("the label is too long")));
                }
            }
            Verb::SetChannelPrivate => {
                let (channel, on) = (self.channel(words.next())?, self.whole_number(words.next())?);
                self.automation.channels.set_private(channel, on != 0);
            }
            Verb::Restart => {
                let seconds = if words.is_empty() { 0 } else { self.whole_number(words.next())? };
                let millis = u64::try_from(seconds).unwrap_or_default() * 1_000;
                self.automation.restart_at = Some(self.now.saturating_add_millis(millis));
            }
            Verb::StartDriver | Verb::StopDriver => return self.driver(verb, words.next()),
            Verb::MsUser => return Ok(self.ms_user(words.next().as_deref())),
            Verb::MsPass => return Ok(self.ms_pass(words.next().as_deref())),
            Verb::MsPort => return Ok(self.ms_port(words.next().as_deref())),
            Verb::DelayS | Verb::DelayMs => {
                let factor = if verb == Verb::DelayS { 1_000.0 } else { 1.0 };
                let millis = self.real_number(words.next())? * factor;
                let until = self.now.saturating_add_millis(u64::try_from(whole(millis)).unwrap_or_default());
                self.set_state(caller, State::Sleeping(until))?;
            }
            Verb::WaitFor => return self.wait_for(caller, words),
            Verb::Goto => return self.go_to(caller, words),
            Verb::Exit => self.set_state(caller, State::Ended)?,
            Verb::StartScript => return self.start_script(caller, words),
            Verb::StopScript | Verb::StopAllScripts => {
                let id = if verb == Verb::StopScript { Some(self.whole_number(words.next())?) } else { None };
                let spares_caller = !words.is_empty() && self.whole_number(words.next())? != 0;
                let except = caller.thread.filter(|_| spares_caller);
                self.automation.threads.stop(id, except);
            }
            Verb::Alias
            | Verb::AddEventHandler
            | Verb::AddChangeHandler
            | Verb::ClearAllHandlers
            | Verb::AddRepeatingEvent
            | Verb::AddRepeatingEventId
            | Verb::CancelRepeatingEvent
            | Verb::ClearRepeatingEvents
            | Verb::AddClockEvent
            | Verb::RemoveClockEvent
            | Verb::ClearClockEvents => return self.put_off(caller, verb, words),
        }
        Ok(Outcome::ok())
    }

    fn add_within(
        &mut self,
        caller: Caller,
        channel: ChannelId,
        delta: i32,
        mut words: Words<'_>,
    ) -> Result<(), Outcome> {
        let (min, max) = (self.whole_number(words.next())?, self.whole_number(words.next())?);
        let wraps = !words.is_empty() && self.whole_number(words.next())? != 0;
        let at_end = if wraps { AtEnd::Wrap } else { AtEnd::Stay };
        let changed = self.automation.channels.add_within(channel, delta, min, max, at_end);
        self.channel_changed(changed, caller.depth);
        Ok(())
    }

    fn power(&mut self, caller: Caller, number: u8, word: Option<Cow<'_, str>>) -> Result<Outcome, Outcome> {
        let channel = ChannelId::new(number.into());
        let channel =
            channel.ok_or_else(|| Outcome::bad_argument(format_args!("there is no channel {number}")))?;
        let channels = &mut self.automation.channels;
        let changed = match word.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("on" | "1" | "true") => channels.set(channel, 1),
            Some("off" | "0" | "false") => channels.set(channel, 0),
            Some("toggle" | "2") => channels.toggle(channel),
            None => {
                return Ok(Outcome::answer(if channels.get(channel) == 0 { "OFF" } else { "ON" }));
            }
            Some(_) => return Err(Outcome::bad_argument(format_args!("it is not ON, OFF or TOGGLE"))),
        };
        self.channel_changed(changed, caller.depth);
        Ok(Outcome::ok())
    }

    /// Executes one command after the other; the outcome of the first that fails, or of the last.
    fn run_backlog(&mut self, caller: Caller, text: &str) -> Outcome {
        let mut result = Outcome::ok();
        for command in commands(text) {
            let outcome = self.run_command(caller.inner(), command);
            if result.is_ok() {
                result = outcome;
            }
        }
        result
    }

    fn run_if(&mut self, caller: Caller, text: &str) -> Result<Outcome, Outcome> {
        let Some((condition, then, otherwise)) = branches(text) else {
            return Err(Outcome::bad_argument(format_args!("`then` is missing")));
        };
        let value =
            self.evaluate(condition).map_err(|error| Outcome::bad_argument(format_args!("{error}")))?;
        let command = if value == 0.0 { otherwise } else { Some(then) };
        Ok(command.map_or_else(Outcome::ok, |command| self.run_command(caller.inner(), command)))
    }

    fn ms_publish(&mut self, caller: Caller, mut words: Words<'_>) -> Result<Outcome, Outcome> {
        let topic = words.next().unwrap_or_default();
        let topic = self.expand(&topic);
        let payload = self.expand(&words.text());
        let depth = caller.depth.saturating_add(1);
        self.broker
            .publish_after(self.now, depth, &topic, payload.as_bytes(), QoS::AtMostOnce, false)
            .map(|()| Outcome::ok())
            .map_err(|error| Outcome::error(format_args!("{error}")))
    }

    fn driver(&mut self, verb: Verb, name: Option<Cow<'_, str>>) -> Result<Outcome, Outcome> {
        let name = name.unwrap_or_default();
        if !name.eq_ignore_ascii_case("MQTTServer") {
            return Err(Outcome::bad_argument(format_args!(
                "there is no driver {name:.40}; the only one is MQTTServer"
            )));
        }
        let port = self.settings.mqtt_port();
        if verb == Verb::StopDriver {
            self.actions.push_back(Action::StopListening);
        } else if self.locked {
            return Err(Outcome::error(format_args!("the stored settings are damaged; look at them first")));
        } else {
            self.actions.push_back(Action::Listen { port });
        }
        Ok(Outcome::ok())
    }

    pub(super) fn channel(&mut self, word: Option<Cow<'_, str>>) -> Result<ChannelId, Outcome> {
        let number = self.whole_number(word)?;
        ChannelId::new(number)
            .ok_or_else(|| Outcome::bad_argument(format_args!("there is no channel {number}")))
    }

    pub(super) fn whole_number(&mut self, word: Option<Cow<'_, str>>) -> Result<i32, Outcome> {
        self.real_number(word).map(whole)
    }

    pub(super) fn evaluate_whole(&mut self, text: &str) -> Result<i32, Outcome> {
        self.whole_number(Some(Cow::Borrowed(text)))
    }

    fn real_number(&mut self, word: Option<Cow<'_, str>>) -> Result<f32, Outcome> {
        let word = word.unwrap_or_default();
        self.evaluate(&word).map_err(|error| Outcome::bad_argument(format_args!("`{word:.40}`: {error}")))
    }
}

/// The event of a name.
pub(super) fn event(word: Option<Cow<'_, str>>) -> Result<Topic, Outcome> {
    let word = word.unwrap_or_default();
    Topic::parse(&word).ok_or_else(|| Outcome::bad_argument(format_args!("there is no event {word:.40}")))
}

/// A line that is short enough to be kept or executed.
pub(super) fn bounded(command: &str) -> Result<&str, Outcome> {
    if command.is_empty() {
        return Err(Outcome::bad_argument(format_args!("there is no command")));
    }
    if command.len() > COMMAND_BYTES {
        return Err(Outcome::bad_argument(format_args!("a command has at most {COMMAND_BYTES} bytes")));
    }
    Ok(command)
}
