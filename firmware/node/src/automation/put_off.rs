//! Commands that keep a command for later: aliases, handlers, timers; and those that move a thread.

use alloc::borrow::Cow;

use obkmq_config::openbeken::{OpenBekenCommand, Rank, Verb, Words};

use super::events::{Argument, Relation, Task, Topic, When};
use super::execute::{Caller, Outcome, bounded, event};
use super::threads::{Condition, State};
use super::timers::Moment;
use crate::board::Board;
use crate::limits::{ALIASES, AUTOMATION_TEXT_BYTES, CLOCK_EVENTS, HANDLERS, REPEATING_EVENTS};
use crate::node::Node;

/// The number of repeating events that were not given one.
const UNNAMED_REPEATING: i32 = 255;

impl<B: Board> Node<B> {
    pub(super) fn put_off(
        &mut self,
        caller: Caller,
        verb: Verb,
        mut words: Words<'_>,
    ) -> Result<Outcome, Outcome> {
        let rank = caller.rank;
        match verb {
            Verb::Alias => {
                let name = words.next().unwrap_or_default();
                return self.add_alias(&name, words.rest());
            }
            Verb::AddEventHandler => {
                let topic = event(words.next())?;
                let argument = Argument::parse(&words.next().unwrap_or_default());
                let task = self.task(rank, words)?;
                let added = self.automation.handlers.add(topic, When::Happens(Some(argument)), task);
                return room(added, HANDLERS, "handlers");
            }
            Verb::AddChangeHandler => {
                let topic = event(words.next())?;
                if !matches!(topic, Topic::Channel(_)) {
                    return Err(Outcome::bad_argument(format_args!(
                        "only channels have values here: Channel0 to Channel63"
                    )));
                }
                let relation = relation(words.next())?;
                let value = self.whole_number(words.next())?;
                let task = self.task(rank, words)?;
                let added = self.automation.handlers.add(topic, When::Becomes(relation, value), task);
                return room(added, HANDLERS, "handlers");
            }
            Verb::ClearAllHandlers => self.automation.handlers.clear(),
            Verb::AddRepeatingEvent | Verb::AddRepeatingEventId => {
                let seconds = self.whole_number(words.next())?;
                let seconds = u32::try_from(seconds)
                    .map_err(|_| Outcome::bad_argument(format_args!("the seconds are below 0")))?;
                // A negative number is for ever.
                let times = u32::try_from(self.whole_number(words.next())?).ok();
                let id = match verb {
                    Verb::AddRepeatingEventId => self.whole_number(words.next())?,
                    _ => UNNAMED_REPEATING,
                };
                let task = self.task(rank, words)?;
                let added = self.automation.timers.add_repeating(self.now, id, seconds, times, task);
                return room(added, REPEATING_EVENTS, "repeating events");
            }
            Verb::CancelRepeatingEvent => {
                let id = self.whole_number(words.next())?;
                return ended(self.automation.timers.cancel_repeating(id), "repeating event", id);
            }
            Verb::ClearRepeatingEvents => self.automation.timers.clear_repeating(),
            Verb::AddClockEvent => {
                let time = words.next().unwrap_or_default();
                let moment = Moment::parse(&time).ok_or_else(|| {
                    Outcome::bad_argument(format_args!(
                        "`{time:.40}` is not HH:mm, HH:mm:ss, a second of the day, sunrise or sunset"
                    ))
                })?;
                if matches!(moment, Moment::Sun(_)) && self.settings.position().is_none() {
                    return Err(Outcome::error(format_args!(
                        "where the board is is not known; next: set location.position"
                    )));
                }
                let weekdays = u8::try_from(self.whole_number(words.next())?)
                    .map_err(|_| Outcome::bad_argument(format_args!("the weekdays are not 0 to 0xff")))?;
                let id = self.whole_number(words.next())?;
                let task = self.task(rank, words)?;
                self.automation.clock_due = None;
                let added = self.automation.timers.add_clock(id, moment, weekdays, task);
                return room(added, CLOCK_EVENTS, "clock events");
            }
            Verb::RemoveClockEvent => {
                let id = self.whole_number(words.next())?;
                return ended(self.automation.timers.remove_clock(id), "clock event", id);
            }
            Verb::ClearClockEvents => self.automation.timers.clear_clock(),
            _ => return Err(Outcome::error(format_args!("nothing is put off by it"))),
        }
        Ok(Outcome::ok())
    }

    /// What is left of a line, as something to do later.
    fn task(&self, rank: Rank, words: Words<'_>) -> Result<Task, Outcome> {
        let command = bounded(words.rest())?;
        if !self.automation.has_room_for(command.len()) {
            return Err(no_room());
        }
        Ok(Task { command: command.into(), rank })
    }

    fn add_alias(&mut self, name: &str, command: &str) -> Result<Outcome, Outcome> {
        let command = bounded(command)?;
        if OpenBekenCommand::find(name).is_some() {
            return Err(Outcome::bad_argument(format_args!("{name:.40} is a command already")));
        }
        if !self.automation.has_room_for(name.len().saturating_add(command.len())) {
            return Err(no_room());
        }
        let aliases = &mut self.automation.aliases;
        if let Some((_, former)) = aliases.iter_mut().find(|(alias, _)| alias.eq_ignore_ascii_case(name)) {
            *former = command.into();
            return Ok(Outcome::ok());
        }
        let has_room = aliases.len() < ALIASES && aliases.try_reserve(1).is_ok();
        if has_room {
            aliases.push((name.into(), command.into()));
        }
        room(has_room, ALIASES, "aliases")
    }

    /// Gives the caller's thread another state.
    pub(super) fn set_state(&mut self, caller: Caller, state: State) -> Result<(), Outcome> {
        let thread = caller.thread.and_then(|at| self.automation.threads.get_mut(at));
        let thread =
            thread.ok_or_else(|| Outcome::error(format_args!("that works only in a file of commands")))?;
        thread.state = state;
        Ok(())
    }

    /// `waitFor EVENT [RELATION] ARGUMENT`
    pub(super) fn wait_for(&mut self, caller: Caller, mut words: Words<'_>) -> Result<Outcome, Outcome> {
        let topic = event(words.next())?;
        let word = words.next().unwrap_or_default();
        let (relation, word) = match Relation::parse(&word) {
            Some(relation) => (relation, words.next().unwrap_or_default()),
            None => (Relation::Equal, word),
        };
        let condition = match topic {
            Topic::Channel(channel) => {
                let value = self.whole_number(Some(word))?;
                if relation.holds(self.automation.channels.get(channel), value) {
                    return Ok(Outcome::ok());
                }
                Condition::Becomes(topic, relation, value)
            }
            // What is so already is not waited for: the broker is here, and the time may be known.
            Topic::MQTT_STATE if &*word == "1" => return Ok(Outcome::ok()),
            Topic::NTP_STATE if &*word == "1" && self.board.unix_seconds().is_some() => {
                return Ok(Outcome::ok());
            }
            Topic::Event(_) => Condition::Happens(topic, Argument::parse(&word)),
        };
        self.set_state(caller, State::Waiting(condition))?;
        Ok(Outcome::ok())
    }

    /// `goto [FILE] LABEL`
    pub(super) fn go_to(&mut self, caller: Caller, mut words: Words<'_>) -> Result<Outcome, Outcome> {
        let first = words.next().unwrap_or_default();
        let (file, label) = match words.next() {
            Some(label) => (Some(first), label),
            None => (None, first),
        };
        let running = caller.thread.and_then(|at| self.automation.threads.batch_of(at));
        let running = running.map(|batch| batch.name.clone());
        let Some(running) = running else {
            return Err(Outcome::error(format_args!("that works only in a file of commands")));
        };
        let file = file.as_deref().filter(|file| *file != "this").unwrap_or(&running);
        let (batch, place) = self.find_label(file, &label)?;
        if let Some(thread) = caller.thread.and_then(|at| self.automation.threads.get_mut(at)) {
            (thread.batch, thread.place) = (batch, place);
        }
        Ok(Outcome::ok())
    }

    /// `startScript FILE [LABEL [ID]]`
    pub(super) fn start_script(&mut self, caller: Caller, mut words: Words<'_>) -> Result<Outcome, Outcome> {
        let file = words.next().unwrap_or_default();
        let label = words.next().unwrap_or(Cow::Borrowed("*"));
        let id = if words.is_empty() { 0 } else { self.whole_number(words.next())? };
        let running = caller.thread.and_then(|at| self.automation.threads.batch_of(at));
        let running = running.map(|batch| batch.name.clone());
        let file = match running {
            Some(running) if file == "this" => running,
            _ => file.into_owned(),
        };
        Ok(self.start_thread(&file, &label, id, caller.rank))
    }
}

fn relation(word: Option<Cow<'_, str>>) -> Result<Relation, Outcome> {
    let word = word.unwrap_or_default();
    Relation::parse(&word)
        .ok_or_else(|| Outcome::bad_argument(format_args!("`{word:.40}` is not ==, !=, <, >, <= or >=")))
}

fn room(added: bool, most: usize, what: &str) -> Result<Outcome, Outcome> {
    if added {
        Ok(Outcome::ok())
    } else {
        Err(Outcome::error(format_args!("there are {most} {what} already")))
    }
}

fn no_room() -> Outcome {
    Outcome::error(format_args!(
        "commands that wait take {AUTOMATION_TEXT_BYTES} bytes already; next: let handlers call aliases or files"
    ))
}

fn ended(count: usize, what: &str, id: i32) -> Result<Outcome, Outcome> {
    if count > 0 {
        Ok(Outcome::ok())
    } else {
        Err(Outcome::bad_argument(format_args!("there is no {what} {id}")))
    }
}
