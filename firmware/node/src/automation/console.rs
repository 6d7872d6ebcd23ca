//! What the console says to automation.

use alloc::string::ToString as _;

use obkmq_config::line::{ErrorCode, Fields};

use super::execute::{Caller, ResultWord};
use crate::board::Board;
use crate::console::Answer;
use crate::node::Node;

impl<B: Board> Node<B> {
    /// Executes a command of OpenBeken's for the owner.
    pub(crate) fn run_openbeken(&mut self, line: &str) -> Answer {
        let outcome = self.run_command(Caller::OWNER, line);
        let code = match outcome.word {
            ResultWord::Ok => {
                let fields = Fields::new().with("result", outcome.word.name());
                let answer = Some(outcome.text).filter(|text| !text.is_empty());
                return Answer::fields(match answer {
                    Some(answer) => fields.with("answer", answer),
                    None => fields,
                });
            }
            ResultWord::UnknownCommand => ErrorCode::UnknownCommand,
            ResultWord::NotEnoughArguments | ResultWord::EmptyString => ErrorCode::Syntax,
            ResultWord::BadArgument | ResultWord::Error => ErrorCode::BadValue,
        };
        Answer::refuse(code, outcome.to_string())
    }

    /// The channels in use.
    pub(crate) fn list_channels(&self) -> Answer {
        let channels = self.automation.channels.iter();
        Answer::rows(
            channels
                .map(|(id, value, kind, label)| {
                    Fields::new()
                        .with("channel", id.number())
                        .with("value", value)
                        .with("type", kind)
                        .with("label", label)
                })
                .collect(),
        )
    }
}
