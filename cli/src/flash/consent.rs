//! A last question before what cannot be undone.

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::prompt;

/// The option of every verb that asks.
#[derive(clap::Args)]
pub(crate) struct Consent {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Consent {
    /// Says what would be lost and asks whether to go on; `Err` if not.
    pub(crate) fn ask(&self, loss: &str, context: &Context) -> Result<(), Failure> {
        context.note(loss);
        if self.yes {
            return Ok(());
        }
        let refusal = |why: &str| {
            Failure::new(
                Exit::Usage,
                "Nothing was written.",
                why,
                "run the same command with --yes when you are sure",
            )
        };
        if !context.interactive {
            return Err(refusal("all that the board holds would be gone, and nobody is there to be asked"));
        }
        match prompt::agrees("Go on?") {
            Ok(true) => Ok(()),
            _ => Err(refusal("the answer was not yes")),
        }
    }
}
