//! `obkmq script run`: a script on this machine.

use std::path::PathBuf;

use clap::Args;
use obkmq_berry::{Limits, Narrow, Numbers, Scope, Vm, Wide};

use super::host::{self, ScriptError, Terminal};
use crate::context::{Context, Differs};
use crate::interrupt;

/// Run a script here; it can print and import, but has no board
#[derive(Args)]
#[command(after_help = "\
An error that the script does not catch is printed with its
traceback, and the exit code is 1.

Examples:
  obkmq script run thermostat.be
  obkmq script run --chip autoexec.be")]
pub(crate) struct Run {
    /// The script; its modules lie beside it
    file: PathBuf,
    /// 64-bit integers and double reals, unlike boards
    #[arg(long, conflicts_with = "chip")]
    wide: bool,
    /// The memory, steps and depth that a script has on a board
    #[arg(long)]
    chip: bool,
}

impl Run {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        if self.wide { self.run_with::<Wide>(context) } else { self.run_with::<Narrow>(context) }
    }

    fn run_with<N: Numbers>(&self, context: &Context) -> anyhow::Result<()> {
        let source = host::read(&self.file)?;
        interrupt::arm(
            "The script was ended.",
            "run it again; on a board, a limit of steps ends one that does not",
        );
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let limits = if self.chip { Limits::CHIP } else { Limits::PC };
        let mut terminal = Terminal::new(context, &self.file);
        let mut vm = Vm::<N>::new(limits, seed());
        let outcome = vm.run_source(&mut terminal, &name, &source, Scope::Global);
        if let Some(error) = terminal.closed {
            return Err(error);
        }
        context.detail(format_args!(
            "{} steps, at most {} bytes",
            limits.steps - vm.steps_left(),
            vm.peak_bytes()
        ));
        match outcome {
            Ok(_) => Ok(()),
            Err(error) if context.json => {
                context.out_json("script-error", ScriptError::new(&error))?;
                Err(Differs.into())
            }
            Err(error) => {
                context.out(error)?;
                Err(Differs.into())
            }
        }
    }
}

/// Something that differs from run to run.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8)
}
