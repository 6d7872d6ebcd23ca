//! What can be seen in a file of commands without executing it.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;

use super::table::{OpenBekenCommand, Verb};
use super::words::{Words, commands};

/// Something that will not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchProblem {
    /// In which line, from 1.
    pub line: usize,
    /// What.
    pub kind: BatchProblemKind,
}

/// What will not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchProblemKind {
    /// There is no such command, and no alias of this name above.
    #[error("`{0}` is no command that this firmware has")]
    Unknown(String),
    /// A command lacks arguments.
    #[error("`{name}` needs {least} arguments: {name} {arguments}")]
    Arguments {
        /// Its name.
        name: &'static str,
        /// Its arguments.
        arguments: &'static str,
        /// How many it needs.
        least: usize,
    },
    /// A `goto` to nowhere.
    #[error("there is no line `{0}:`")]
    Label(String),
}

/// Looks through a file of commands.
pub fn check_batch(text: &str) -> Vec<BatchProblem> {
    let mut batch = Batch { text, aliases: Vec::new(), line: 0, problems: Vec::new() };
    for (index, line) in text.lines().enumerate() {
        batch.line = index + 1;
        let line = line.trim();
        if !line.is_empty() && !line.starts_with("//") && !line.ends_with(':') {
            batch.command(line, 0);
        }
    }
    batch.problems
}

struct Batch<'a> {
    text: &'a str,
    aliases: Vec<String>,
    line: usize,
    problems: Vec<BatchProblem>,
}

/// How deep commands in commands are looked at; deeper ones are refused when they run.
const DEPTH: u8 = 8;

impl Batch<'_> {
    fn problem(&mut self, kind: BatchProblemKind) {
        self.problems.push(BatchProblem { line: self.line, kind });
    }

    fn command(&mut self, line: &str, depth: u8) {
        let mut words = Words::new(line);
        let Some(name) = words.next() else { return };
        if depth > DEPTH || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(&name)) {
            return;
        }
        let Some((command, _)) = OpenBekenCommand::find(&name) else {
            return self.problem(BatchProblemKind::Unknown(name.into_owned()));
        };
        let arguments = words.rest();
        if words.clone().count() < command.least {
            let OpenBekenCommand { name, arguments, least, .. } = *command;
            return self.problem(BatchProblemKind::Arguments { name, arguments, least });
        }
        // Where in the arguments another command begins.
        let behind = match command.verb {
            Verb::Backlog => {
                for command in commands(arguments) {
                    self.command(command, depth + 1);
                }
                return;
            }
            Verb::If => {
                if let Some((_, then, otherwise)) = super::words::branches(arguments) {
                    self.command(then, depth + 1);
                    self.command(otherwise.unwrap_or_default(), depth + 1);
                }
                return;
            }
            Verb::Alias => {
                if let Some(name) = words.next() {
                    self.aliases.push(name.into_owned());
                }
                0
            }
            Verb::Goto => {
                // Of another file the labels are not known.
                if words.clone().count() == 1
                    && let Some(label) = words.next()
                    && !has_label(self.text, &label)
                {
                    self.problem(BatchProblemKind::Label(label.into_owned()));
                }
                return;
            }
            Verb::AddEventHandler | Verb::AddRepeatingEvent => 2,
            Verb::AddChangeHandler | Verb::AddClockEvent | Verb::AddRepeatingEventId => 3,
            _ => return,
        };
        for _ in 0..behind {
            words.next();
        }
        let command = words.rest().to_owned();
        self.command(&command, depth + 1);
    }
}

fn has_label(text: &str, label: &str) -> bool {
    text.lines().any(|line| line.trim().strip_suffix(':') == Some(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString as _;
    use proptest::prelude::*;

    fn problems(text: &str) -> Vec<String> {
        check_batch(text).iter().map(|problem| format!("{}: {}", problem.line, problem.kind)).collect()
    }

    #[test]
    fn a_good_file_has_none() {
        let text = "// a comment\n\nstartDriver MQTTServer\r\nalias on backlog setChannel 1 1; echo \"a; b\"\n\
            again:\n\ton\n\tif $CH1==1 then goto again else if $CH2 then on else exit\n\tdelay_s 1\n\tgoto again\n\
            addEventHandler OnClick 1 backlog on; POWER2 TOGGLE\naddClockEvent 12:00 0xff 1 on\ngoto other.bat there\n";
        assert_eq!(problems(text), [""; 0]);
    }

    #[test]
    fn what_will_not_work_is_named_with_its_line() {
        let text = "frobnicate 1\nsetChannel 1\nbacklog echo x; led_dimmer 5\n\
            addEventHandler OnClick 1 blink\nif $CH1 then toggle else exit\ngoto nowhere\nalias a b\na\n\
            addChangeHandler Channel1 == 1 addClockEvent 12:00 0xff 1 wait\n";
        assert_eq!(
            problems(text),
            [
                "1: `frobnicate` is no command that this firmware has",
                "2: `setChannel` needs 2 arguments: setChannel CHANNEL VALUE",
                "3: `led_dimmer` is no command that this firmware has",
                "4: `blink` is no command that this firmware has",
                "5: `toggle` is no command that this firmware has",
                "6: there is no line `nowhere:`",
                "7: `b` is no command that this firmware has",
                "9: `wait` is no command that this firmware has",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_file_panics(text in "(if |then |else |backlog |alias |echo |goto |\"|;|a|:|\n| ){0,60}") {
            for problem in check_batch(&text) {
                prop_assert!(problem.line >= 1 && !problem.kind.to_string().is_empty());
            }
        }
    }
}
