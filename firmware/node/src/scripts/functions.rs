//! What scripts can call besides what the language has: messages, timers, the time, the console.
//!
//! Names and results are OpenBeken's, so that its scripts run as they are. What a function cannot do it answers with
//! `nil`, as there, and the log says why; a wrong type is an exception.

use alloc::vec::Vec;
use core::fmt;

use obkmq_berry::{Answer, Call, Host, HostError, Narrow};
use obkmq_broker::QoS;
use obkmq_config::line::FileName;
use obkmq_config::settings::LogLevel;

use super::callbacks::{CallbackId, Callbacks, Waits};
use super::channels::Change;
use crate::board::Board;
use crate::limits::{
    SCRIPT_CASCADE, SCRIPT_INTERVAL_MS, SCRIPT_MESSAGE_STEPS, SCRIPT_SLEEP_MS, SCRIPT_SOURCE_BYTES,
};
use crate::node::Node;

/// Declares the functions: the names that scripts know them by.
macro_rules! functions {
    ($($variant:ident = $name:literal,)*) => {
        #[derive(Clone, Copy)]
        enum Function { $($variant),* }

        const FUNCTIONS: &[(&str, Function)] = &[$(($name, Function::$variant)),*];
    };
}

functions! {
    Subscribe = "ms_subscribe",
    Unsubscribe = "ms_unsubscribe",
    Publish = "ms_publish",
    SetTimeout = "setTimeout",
    SetInterval = "setInterval",
    ScriptDelayMs = "scriptDelayMs",
    Cancel = "cancel",
    Echo = "echo",
    Gmtime = "gmtime",
    DelayMs = "rtosDelayMs",
    DelayUs = "delayUs",
    SetChannel = "setChannel",
    GetChannel = "getChannel",
    AddChannel = "addChannel",
    SetStartValue = "setStartValue",
    SetChannelType = "setChannelType",
    SetChannelLabel = "setChannelLabel",
    AddEventHandler = "addEventHandler",
    AddChangeHandler = "addChangeHandler",
    AddClockEvent = "addClockEvent",
    RemoveClockEvent = "removeClockEvent",
    RunCmd = "runCmd",
    GetVar = "getVar",
}

/// The node as a script sees it.
pub(crate) struct Surroundings<'a, B: Board> {
    pub(crate) node: &'a mut Node<B>,
    pub(crate) callbacks: &'a mut Callbacks,
    /// Messages and events that have led to this run.
    pub(crate) depth: u8,
    /// How long the script wants to sleep.
    pub(crate) sleep_ms: Option<u32>,
}

impl<B: Board> Host<Narrow> for Surroundings<'_, B> {
    fn print(&mut self, line: &[u8]) {
        self.node.script_says(line);
    }

    fn function(&self, name: &str) -> Option<u16> {
        let place = FUNCTIONS.iter().position(|&(known, _)| known == name)?;
        u16::try_from(place).ok()
    }

    fn call(&mut self, function: u16, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        let Some(&(_, function)) = FUNCTIONS.get(usize::from(function)) else {
            return Err(HostError::new("internal_error", "no such function"));
        };
        match function {
            Function::Subscribe => self.subscribe(call),
            Function::Unsubscribe => {
                let id = callback_id(call)?;
                Ok(Answer::Bool(self.remove(id, |waits| matches!(waits, Waits::Messages { .. }))))
            }
            Function::Publish => self.publish(call),
            Function::SetTimeout => self.set_timer(call, 0, 1, false),
            Function::SetInterval => self.set_timer(call, 0, 1, true),
            Function::ScriptDelayMs => self.set_timer(call, 1, 0, false),
            Function::Cancel | Function::RemoveClockEvent => {
                let id = callback_id(call)?;
                self.remove(id, |waits| !matches!(waits, Waits::Messages { .. }));
                Ok(Answer::Nil)
            }
            Function::Echo => {
                let text = call.shown(0)?;
                self.node.script_says(&text);
                Ok(Answer::Nil)
            }
            Function::Gmtime => self.gmtime(call),
            Function::DelayMs => self.sleep(call.int(0)?),
            Function::DelayUs => {
                let micros = call.int(0)?;
                self.sleep(micros.saturating_add(999) / 1000)
            }
            Function::SetChannel => self.change_channel(call, Change::Set),
            Function::GetChannel => self.get_channel(call),
            Function::AddChannel => self.change_channel(call, Change::Add),
            Function::SetStartValue => self.change_channel(call, Change::Start),
            Function::SetChannelType => self.name_channel(call, false),
            Function::SetChannelLabel => self.name_channel(call, true),
            Function::AddEventHandler => self.add_event_handler(call),
            Function::AddChangeHandler => self.add_change_handler(call),
            Function::AddClockEvent => self.add_clock_event(call),
            Function::RunCmd => self.run_cmd(call),
            Function::GetVar => self.get_var(call),
        }
    }

    fn module(&mut self, name: &str) -> Option<Vec<u8>> {
        self.node.script_source(name)
    }
}

fn callback_id(call: &Call<'_, Narrow>) -> Result<CallbackId, HostError> {
    // What no callback can have is no error: scripts cancel what may not be there.
    if call.is_nil(0) {
        return Ok(0);
    }
    Ok(CallbackId::try_from(call.int(0)?).unwrap_or(0))
}

impl<B: Board> Surroundings<'_, B> {
    pub(super) fn add(
        &mut self,
        call: &mut Call<'_, Narrow>,
        place: usize,
        waits: Waits,
    ) -> Result<Option<CallbackId>, HostError> {
        let function = call.function(place)?;
        let id = self.callbacks.add(function, waits);
        if id.is_none() {
            self.warn(format_args!(
                "there are {} callbacks and timers already; one more was not added",
                self.callbacks.len()
            ));
        }
        Ok(id)
    }

    /// `ms_subscribe(filter, function)`: the number of the subscription, or `nil`.
    fn subscribe(&mut self, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        let filter = alloc::boxed::Box::<str>::from(call.text(0)?);
        let Some(reader) = self.node.script_reader() else {
            self.warn(format_args!("no memory to subscribe to {filter}"));
            return Ok(Answer::Nil);
        };
        let waits = Waits::Messages { filter: filter.clone() };
        let Some(id) = self.add(call, 1, waits)? else { return Ok(Answer::Nil) };
        if let Err(error) = self.node.broker.listen(reader, &filter, id) {
            self.callbacks.remove(id);
            self.warn(format_args!("cannot subscribe to {filter}: {error}"));
            return Ok(Answer::Nil);
        }
        Ok(Answer::Int(id.into()))
    }

    /// Takes a callback away, if it is of this kind.
    fn remove(&mut self, id: CallbackId, is_wanted: impl FnOnce(&Waits) -> bool) -> bool {
        if !self.callbacks.get(id).is_some_and(|callback| is_wanted(&callback.waits)) {
            return false;
        }
        self.node.remove_callback(self.callbacks, id);
        true
    }

    /// `ms_publish(topic, payload[, retain[, qos]])`: whether it was done. It is queued for its receivers; callbacks of this
    /// script that it concerns are called later.
    fn publish(&mut self, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        let retain = !call.is_nil(2) && call.bool(2)?;
        let qos = match if call.is_nil(3) { 0 } else { call.int(3)? } {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            2 => QoS::ExactlyOnce,
            _ => return Err(HostError::new("value_error", "the quality of service is 0, 1 or 2")),
        };
        let payload = match call.bytes(1) {
            Ok(bytes) => {
                let mut copy = Vec::new();
                copy.try_reserve_exact(bytes.len())
                    .map_err(|_| HostError::new("memory_error", "no memory for the payload"))?;
                copy.extend_from_slice(bytes);
                copy
            }
            // Numbers and the like, as they print.
            Err(_) => call.shown(1)?,
        };
        call.spend(SCRIPT_MESSAGE_STEPS.saturating_add(payload.len() / 8));
        let topic = call.text(0)?;
        let depth = self.depth.saturating_add(1);
        let now = self.node.now;
        let published = if depth > SCRIPT_CASCADE {
            Err(None)
        } else {
            self.node.broker.publish_after(now, depth, topic, &payload, qos, retain).map_err(Some)
        };
        match published {
            Ok(()) => return Ok(Answer::Bool(true)),
            Err(Some(error)) => self.warn(format_args!("cannot publish to {topic}: {error}")),
            Err(None) => self.warn(format_args!(
                "not published to {topic}: {SCRIPT_CASCADE} messages in a row have led to it; next: look for two \
                 callbacks that answer each other"
            )),
        }
        Ok(Answer::Bool(false))
    }

    fn set_timer(
        &mut self,
        call: &mut Call<'_, Narrow>,
        function: usize,
        time: usize,
        again: bool,
    ) -> Result<Answer, HostError> {
        let millis = u32::try_from(call.int(time)?.max(0)).unwrap_or(u32::MAX);
        let millis = millis.max(if again { SCRIPT_INTERVAL_MS } else { 1 });
        let due = self.node.now.saturating_add_millis(millis.into());
        let id = self.add(call, function, Waits::Time { due, every_ms: again.then_some(millis) })?;
        Ok(id.map_or(Answer::Nil, |id| Answer::Int(id.into())))
    }

    /// `gmtime([fields])`: a list of integers, one for each letter of `YMDhmsw`; zeros while the time is not known.
    fn gmtime(&mut self, call: &mut Call<'_, Narrow>) -> Result<Answer, HostError> {
        let time = self.node.local_time();
        let fields = if call.is_nil(0) { "YMDhmsw" } else { call.text(0)? };
        let mut list = Vec::new();
        for field in fields.bytes().take(16) {
            let value = time.map_or(0, |time| match field {
                b'Y' => i64::from(time.date.year),
                b'M' => time.date.month.into(),
                b'D' => time.date.day.into(),
                b'h' => time.hour().into(),
                b'm' => time.minute().into(),
                b's' => time.second().into(),
                b'w' => time.date.weekday().into(),
                _ => 0,
            });
            list.push(Answer::Int(value));
        }
        Ok(Answer::List(list))
    }

    /// The script waits; nothing else does.
    fn sleep(&mut self, millis: i64) -> Result<Answer, HostError> {
        self.sleep_ms = Some(u32::try_from(millis.max(0)).unwrap_or(u32::MAX).min(SCRIPT_SLEEP_MS));
        Ok(Answer::Suspend)
    }

    pub(super) fn warn(&mut self, text: fmt::Arguments<'_>) {
        self.node.log(LogLevel::Warn, format_args!("script: {text}"));
    }
}

impl<B: Board> Node<B> {
    /// The source of a module: a file of that name.
    pub(crate) fn script_source(&mut self, name: &str) -> Option<Vec<u8>> {
        let name = FileName::new(&alloc::format!("{name}.be")).ok()?;
        let bytes = usize::try_from(self.files.info(&name)?.bytes).ok()?;
        let mut source = Vec::new();
        let read = if bytes > SCRIPT_SOURCE_BYTES {
            Err("it is too large".into())
        } else if source.try_reserve_exact(bytes).is_err() {
            Err("there is no memory for it".into())
        } else {
            source.resize(bytes, 0);
            let read = self.files.read(self.board.flash(), &name, 0, &mut source);
            read.map_err(|error| alloc::string::ToString::to_string(&error))
        };
        match read {
            Ok(read) if read == bytes => Some(source),
            Ok(_) => None,
            Err(why) => {
                self.log(LogLevel::Error, format_args!("script: {name} cannot be read: {why}"));
                None
            }
        }
    }
}
