//! `obkmq script run`: a script on this machine.

use std::path::PathBuf;

use clap::Args;
use obkmq_berry::{Limits, Narrow, Numbers, Scope, Vm, Wide};

use super::host::{self, ScriptError, Terminal};
use super::live;
use crate::context::{Context, Differs};
use crate::interrupt;
use crate::target::{NetworkOptions, Target};

/// Run a script here, without a board
#[derive(Args)]
#[command(after_help = "\
An error that the script does not catch is printed with its
traceback, and the exit code is 1.

With --host the script is started as a board starts its
autoexec.be, `init` included, and subscribes and publishes
at that broker until Ctrl-C, or until nothing is left to
wait for. Without it there are no messages and timers.

Examples:
  obkmq script run thermostat.be
  obkmq script run --chip autoexec.be
  obkmq script run mirror.be --host 192.168.1.5")]
pub(crate) struct Run {
    /// The script; its modules lie beside it
    file: PathBuf,
    /// 64-bit integers and double reals, unlike boards
    #[arg(long, conflicts_with = "chip")]
    wide: bool,
    /// The memory, steps and depth that a script has on a board
    #[arg(long)]
    chip: bool,
    #[command(flatten)]
    network: NetworkOptions,
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
        if self.network.host.is_some() {
            let target = Target::resolve(&self.network, context)?;
            return live::run::<N>(context, terminal, &target, source, limits);
        }
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
pub(super) fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0_u8)
}
