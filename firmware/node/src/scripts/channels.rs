//! What scripts can call of automation: channels, events, the clock, and OpenBeken's commands.

use alloc::string::String;

use obkmq_berry::{Answer, Call, HostError, Narrow};

use super::callbacks::Waits;
use super::functions::Surroundings;
use crate::automation::{Argument, Caller, ChannelId, Moment, Relation, Topic};
use crate::board::Board;
use crate::limits::SCRIPT_CASCADE;

type Result = core::result::Result<Answer, HostError>;

fn number(call: &Call<'_, Narrow>, place: usize) -> core::result::Result<i32, HostError> {
    // Scripts have 32 bits.
    call.int(place)
        .map(|number| i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX }))
}

impl<B: Board> Surroundings<'_, B> {
    fn channel(&mut self, call: &Call<'_, Narrow>) -> core::result::Result<Option<ChannelId>, HostError> {
        let number = number(call, 0)?;
        let channel = ChannelId::new(number);
        if channel.is_none() {
            self.warn(format_args!("there is no channel {number}"));
        }
        Ok(channel)
    }

    /// `getChannel(channel)`; 0 for one that is not there.
    pub(super) fn get_channel(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let channel = self.channel(call)?;
        Ok(Answer::Int(channel.map_or(0, |channel| self.node.automation.channels.get(channel).into())))
    }

    /// `setChannel(channel, value)`, `addChannel(channel, delta)`, `setStartValue(channel, value)`
    pub(super) fn change_channel(&mut self, call: &mut Call<'_, Narrow>, how: Change) -> Result {
        let (channel, value) = (self.channel(call)?, number(call, 1)?);
        let Some(channel) = channel else { return Ok(Answer::Nil) };
        let depth = self.depth.saturating_add(1);
        if depth > SCRIPT_CASCADE {
            self.warn(format_args!(
                "channel {} is left as it is: {SCRIPT_CASCADE} events in a row have led to this; next: look for two \
                 callbacks that answer each other",
                channel.number()
            ));
            return Ok(Answer::Nil);
        }
        let channels = &mut self.node.automation.channels;
        let changed = match how {
            Change::Start if channels.is_used(channel) => None,
            Change::Set | Change::Start => channels.set(channel, value),
            Change::Add => channels.add(channel, value),
        };
        self.node.channel_changed(changed, depth);
        Ok(Answer::Nil)
    }

    /// `setChannelLabel(channel, text)`, `setChannelType(channel, name)`
    pub(super) fn name_channel(&mut self, call: &mut Call<'_, Narrow>, is_label: bool) -> Result {
        let Some(channel) = self.channel(call)? else { return Ok(Answer::Nil) };
        let text = call.text(1)?;
        let channels = &mut self.node.automation.channels;
        let fits =
            if is_label { channels.set_label(channel, text) } else { channels.set_kind(channel, text) };
        if !fits {
            self.warn(format_args!("a text for channel {} is too long", channel.number()));
        }
        Ok(Answer::Nil)
    }

    fn watch(&mut self, call: &mut Call<'_, Narrow>, function: usize, waits: Waits) -> Result {
        let id = self.add(call, function, waits)?;
        let Some(id) = id else { return Ok(Answer::Nil) };
        self.node.scripts.watchers = self.node.scripts.watchers.saturating_add(1);
        Ok(Answer::Int(id.into()))
    }

    fn topic(&mut self, call: &Call<'_, Narrow>) -> core::result::Result<Option<Topic>, HostError> {
        let name = call.text(0)?;
        let topic = Topic::parse(name);
        if topic.is_none() {
            self.warn(format_args!("there is no event {name:.40}"));
        }
        Ok(topic)
    }

    /// `addEventHandler(event[, argument], function)`: a number, or `nil`.
    pub(super) fn add_event_handler(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let Some(topic) = self.topic(call)? else { return Ok(Answer::Nil) };
        let has_argument = call.count() > 2;
        let argument = match call.text(1) {
            _ if !has_argument => None,
            Ok(text) => Some(Argument::Text(text.into())),
            Err(_) => Some(Argument::Number(number(call, 1)?)),
        };
        let waits = match topic {
            Topic::Channel(channel) => Waits::Change { channel, until: None },
            Topic::Event(_) => Waits::Event { topic, argument },
        };
        self.watch(call, if has_argument { 2 } else { 1 }, waits)
    }

    /// `addChangeHandler(channel, relation, value, function)`: a number, or `nil`.
    pub(super) fn add_change_handler(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let Some(topic) = self.topic(call)? else { return Ok(Answer::Nil) };
        let relation = call.text(1)?;
        let relation = Relation::parse(if relation == "=" { "==" } else { relation });
        let value = number(call, 2)?;
        let waits = match (topic, relation) {
            (Topic::Channel(channel), Some(relation)) => {
                Waits::Change { channel, until: Some((relation, value)) }
            }
            (Topic::Event(_), Some(Relation::Equal)) => {
                Waits::Event { topic, argument: Some(Argument::Number(value)) }
            }
            (_, None) => {
                self.warn(format_args!("a relation is =, !=, <, >, <= or >="));
                return Ok(Answer::Nil);
            }
            (Topic::Event(_), Some(_)) => {
                self.warn(format_args!("only channels have values here: Channel0 to Channel63"));
                return Ok(Answer::Nil);
            }
        };
        self.watch(call, 3, waits)
    }

    /// `addClockEvent(time, weekdays, function)`: a number, or `nil`. The time is `HH:mm`, `HH:mm:ss`, `sunrise`, `sunset`,
    /// or seconds after midnight.
    pub(super) fn add_clock_event(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let time: String = match call.text(0) {
            Ok(text) => text.into(),
            Err(_) => alloc::format!("{}", number(call, 0)?),
        };
        let weekdays = number(call, 1)?;
        let Some(moment) = Moment::parse(&time) else {
            self.warn(format_args!("{time:.40} is no time of day"));
            return Ok(Answer::Nil);
        };
        if matches!(moment, Moment::Sun(_)) && self.node.settings.position().is_none() {
            self.warn(format_args!("where the board is is not known; next: set location.position"));
            return Ok(Answer::Nil);
        }
        let Ok(weekdays) = u8::try_from(weekdays) else {
            self.warn(format_args!("the weekdays are not 0 to 0xff"));
            return Ok(Answer::Nil);
        };
        self.node.look_at_clock_soon();
        // OpenBeken's command has a number before what is to be done.
        let function = if call.count() > 3 { 3 } else { 2 };
        self.watch(call, function, Waits::Clock { moment, weekdays })
    }

    /// `runCmd(text)`: the answer of a command, or OpenBeken's word for how it went.
    pub(super) fn run_cmd(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let line: String = call.text(0)?.into();
        call.spend(line.len());
        let caller = Caller { depth: self.depth.saturating_add(1), ..Caller::OWNER };
        let outcome = self.node.run_command(caller, &line);
        if !outcome.is_ok() {
            // Only its first word: the rest may be a password.
            let name = line.split_whitespace().next().unwrap_or_default();
            self.warn(format_args!("`{name:.40}`: {outcome}"));
        }
        let text = if outcome.is_ok() && !outcome.text.is_empty() {
            outcome.text.as_str()
        } else {
            outcome.word.name()
        };
        Ok(Answer::Text(text.as_bytes().into()))
    }

    /// `getVar(name)`: the value of one of OpenBeken's constants, such as `$CH5` or `$hour`, or `nil`.
    pub(super) fn get_var(&mut self, call: &mut Call<'_, Narrow>) -> Result {
        let name: String = call.text(0)?.into();
        Ok(self.node.value_of(&name).map_or(Answer::Nil, |value| Answer::Real(value.into())))
    }
}

/// How a channel changes.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Set,
    Add,
    /// Only if it was never set.
    Start,
}
