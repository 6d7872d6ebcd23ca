//! The table of commands.

use alloc::format;
use alloc::string::String;

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is explained by the `help` of its row")]
pub enum Verb {
    AddChannel,
    AddChangeHandler,
    AddClockEvent,
    AddEventHandler,
    AddRepeatingEvent,
    AddRepeatingEventId,
    Alias,
    Backlog,
    CancelRepeatingEvent,
    ClampChannel,
    ClearAllHandlers,
    ClearClockEvents,
    ClearRepeatingEvents,
    DelayMs,
    DelayS,
    Echo,
    Event,
    Exit,
    GetChannel,
    Goto,
    If,
    MsPass,
    MsPort,
    MsPublish,
    MsUser,
    Power,
    RemoveClockEvent,
    Restart,
    SetChannel,
    SetChannelLabel,
    SetChannelPrivate,
    SetChannelType,
    SetStartValue,
    StartDriver,
    StartScript,
    StopAllScripts,
    StopDriver,
    StopScript,
    ToggleChannel,
    WaitFor,
}

/// Over which ways a command may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Whoever may publish it over MQTT, and everybody below.
    Client,
    /// A user with the right `admin`, over MQTT too.
    Admin,
    /// Console, panel, start-up files and scripts; never over MQTT.
    Owner,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenBekenCommand {
    /// Its name, of which capital letters do not matter.
    pub name: &'static str,
    /// Its arguments; those in brackets may be left out.
    pub arguments: &'static str,
    /// How many it needs.
    pub least: usize,
    /// Over which ways it may come.
    pub who: Rank,
    /// What it does.
    pub verb: Verb,
    /// The same in words.
    pub help: &'static str,
}

macro_rules! commands {
    ($($name:literal $arguments:literal $least:literal $who:ident $verb:ident $help:literal;)*) => {
        /// Every command, in the order of the reference page.
        pub const COMMANDS: &[OpenBekenCommand] = &[$(OpenBekenCommand {
            name: $name,
            arguments: $arguments,
            least: $least,
            who: Rank::$who,
            verb: Verb::$verb,
            help: $help,
        }),*];
    };
}

commands! {
    "setChannel" "CHANNEL VALUE" 2 Client SetChannel "set a channel (0 to 63) to a whole number";
    "addChannel" "CHANNEL DELTA [MIN MAX [WRAP]]" 2 Client AddChannel
        "add to a channel; it stays from MIN to MAX, or comes in again at the other end if WRAP is 1";
    "toggleChannel" "CHANNEL" 1 Client ToggleChannel "set a channel that is 0 to 1, and any other to 0";
    "clampChannel" "CHANNEL MIN MAX [WRAP]" 3 Client ClampChannel "bring a channel into a range";
    "getChannel" "CHANNEL" 1 Client GetChannel "answer the value of a channel";
    "POWER" "[ON|OFF|TOGGLE]" 0 Client Power
        "switch channel 1, or that of the number behind the word (`POWER2`), as Tasmota does; without a word: answer it";
    "backlog" "COMMAND; COMMAND; …" 1 Client Backlog "execute several commands; a semicolon in quotation marks is text";
    "if" "CONDITION then COMMAND [else COMMAND]" 3 Client If
        "execute a command if a condition holds, such as `$CH5>=10` or `$hour<6||MQTTOn`";
    "alias" "NAME COMMAND" 2 Admin Alias "give a command a name of its own";
    "echo" "TEXT" 1 Admin Echo "log a text; `$CH5` and `${CH5}` in it become values";
    "event" "EVENT [ARGUMENT]" 1 Admin Event "let an event happen, such as `OnClick 1`";
    "addEventHandler" "EVENT ARGUMENT COMMAND" 3 Admin AddEventHandler
        "execute a command when an event happens; ARGUMENT is a pin's number or a text";
    "addChangeHandler" "ChannelN ==|!=|>|<|>=|<= VALUE COMMAND" 4 Admin AddChangeHandler
        "execute a command when the relation begins to hold";
    "clearAllHandlers" "" 0 Admin ClearAllHandlers "forget all handlers";
    "addRepeatingEvent" "SECONDS COUNT COMMAND" 3 Admin AddRepeatingEvent
        "execute a command every so many seconds, COUNT times; -1 is for ever";
    "addRepeatingEventID" "SECONDS COUNT ID COMMAND" 4 Admin AddRepeatingEventId
        "the same with a number by which it can be cancelled";
    "cancelRepeatingEvent" "ID" 1 Admin CancelRepeatingEvent "end repeating events by their number";
    "clearRepeatingEvents" "" 0 Admin ClearRepeatingEvents "end all repeating events";
    "addClockEvent" "TIME WEEKDAYS ID COMMAND" 4 Admin AddClockEvent
        "execute a command at `HH:mm[:ss]`, a second of the day, `sunrise` or `sunset`; bit 0 of WEEKDAYS is Sunday, 0xff every day";
    "removeClockEvent" "ID" 1 Admin RemoveClockEvent "end clock events by their number";
    "clearClockEvents" "" 0 Admin ClearClockEvents "end all clock events";
    "setStartValue" "CHANNEL VALUE" 2 Admin SetStartValue
        "set a channel that has not been set since the start: to be put into `autoexec.bat`";
    "setChannelType" "CHANNEL TYPE" 2 Admin SetChannelType "say what a channel is, such as `Toggle`";
    "setChannelLabel" "CHANNEL TEXT" 2 Admin SetChannelLabel "name a channel";
    "setChannelPrivate" "CHANNEL 0|1" 2 Admin SetChannelPrivate "do not publish a channel's changes";
    "ms_publish" "TOPIC PAYLOAD" 2 Admin MsPublish "publish a message; `$CH5` and `${CH5}` in it become values";
    "restart" "[SECONDS]" 0 Admin Restart "restart the board, now or after a while";
    "reboot" "[SECONDS]" 0 Admin Restart "the same";
    "delay_s" "SECONDS" 1 Admin DelayS "in a file: wait, such as 0.25";
    "delay_ms" "MILLISECONDS" 1 Admin DelayMs "in a file: wait";
    "waitFor" "EVENT [<|>|!] ARGUMENT" 2 Admin WaitFor
        "in a file: wait until an event happens, or until `ChannelN` is so";
    "goto" "[FILE] LABEL" 1 Admin Goto "in a file: go on at a label";
    "exit" "" 0 Admin Exit "in a file: end";
    "return" "" 0 Admin Exit "in a file: end";
    "startScript" "FILE [LABEL [ID]]" 1 Owner StartScript
        "run a file of commands beside what runs, from a label or `*`; `this` is the file that says it";
    "stopScript" "ID [1]" 1 Owner StopScript "end what runs with this number, but for the file that says it if the second is 1";
    "stopAllScripts" "[1]" 0 Owner StopAllScripts "end all that run, but for the file that says it if the argument is 1";
    "startDriver" "MQTTServer" 1 Owner StartDriver "let clients connect again";
    "stopDriver" "MQTTServer" 1 Owner StopDriver "let no further client connect until a restart or `startDriver`";
    "ms_user" "[NAME]" 0 Owner MsUser "name the one user that these commands manage, or answer its name";
    "ms_pass" "[PASSWORD]" 0 Owner MsPass "give that user a password, or answer whether it has one";
    "ms_port" "[PORT]" 0 Owner MsPort "set the broker's TCP port, or answer it";
}

impl OpenBekenCommand {
    /// The command of a name, and the number behind it (`POWER2`).
    #[must_use]
    pub fn find(name: &str) -> Option<(&'static Self, Option<u8>)> {
        let by_name = |name: &str| COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name));
        if let Some(command) = by_name(name) {
            return Some((command, None));
        }
        let letters = name.trim_end_matches(|character: char| character.is_ascii_digit());
        let command = by_name(letters).filter(|command| command.verb == Verb::Power)?;
        let number = name.get(letters.len()..)?.parse().ok()?;
        Some((command, Some(number)))
    }
}

/// The table of the reference page.
#[must_use]
pub fn markdown_table() -> String {
    let mut page = String::from("| command | over MQTT | what it does |\n|---|---|---|\n");
    for command in COMMANDS {
        let usage = format!("{} {}", command.name, command.arguments);
        let who = match command.who {
            Rank::Client => "yes",
            Rank::Admin => "`admin`",
            Rank::Owner => "no",
        };
        let usage = usage.trim_end().replace('|', "\\|");
        page.push_str(&format!("| `{usage}` | {who} | {} |\n", command.help.replace('|', "\\|")));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_capitals_and_once() {
        for (at, command) in COMMANDS.iter().enumerate() {
            let (found, number) = OpenBekenCommand::find(&command.name.to_uppercase()).unwrap();
            assert_eq!((found, number), (command, None));
            assert!(COMMANDS.iter().skip(at + 1).all(|other| !other.name.eq_ignore_ascii_case(command.name)));
            let needed =
                command.arguments.split(' ').filter(|word| !word.is_empty() && !word.starts_with('['));
            let optional_inside = command.arguments.contains('[');
            assert!(optional_inside || needed.count() >= command.least, "{}", command.name);
        }
        assert_eq!(OpenBekenCommand::find("power12").map(|(_, number)| number), Some(Some(12)));
        for none in ["power256", "echo1", "", "12", "setchannels"] {
            assert_eq!(OpenBekenCommand::find(none), None, "{none}");
        }
    }

    #[test]
    fn the_reference_page_has_this_table() {
        let page = include_str!("../../COMMANDS.md");
        assert!(page.contains(&markdown_table()), "put this into COMMANDS.md:\n{}", markdown_table());
    }
}
