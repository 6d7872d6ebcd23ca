//! `obkmq doctor`: looks at everything that could be wrong, and says what to do.

use clap::Args;

use crate::context::{Context, DIM, RED, YELLOW};
use crate::doctor::{Finding, Verdict, device, machine, network};
use crate::failure::{Exit, Failure};
use crate::serial::connect::DeviceOption;
use crate::target::NetworkOptions;

/// Look for what could be wrong, and say what to do about it
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq doctor
  obkmq doctor --port /dev/ttyUSB0 -H 192.168.1.30 --user house

It changes nothing. Opening its port resets some boards. The exit code is 0 when nothing is broken (warnings are allowed), \
else that of the first problem, as the README lists them.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    network: NetworkOptions,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut findings = Vec::new();
        let mut add = |finding: Finding| -> anyhow::Result<()> {
            print(&finding, context)?;
            findings.push(finding);
            Ok(())
        };
        add(machine::program())?;
        add(machine::clock())?;
        add(machine::profile(context))?;
        machine::ports().into_iter().try_for_each(&mut add)?;
        machine::images().into_iter().try_for_each(&mut add)?;
        device::look(&self.device, context).into_iter().try_for_each(&mut add)?;
        add(network::look(&self.network, context))?;

        let mut problems = findings.iter().filter(|finding| finding.verdict == Verdict::Problem);
        let Some(first) = problems.next() else {
            context.note("Nothing is broken.");
            return Ok(());
        };
        let more = problems.count();
        let what = match more {
            0 => "One problem was found.".to_owned(),
            _ => format!("{} problems were found; this is the first.", more.saturating_add(1)),
        };
        let exit = first.exit.unwrap_or(Exit::Internal);
        Err(Failure::new(exit, what, first.what.as_str(), first.next.as_str()).into())
    }
}

fn print(finding: &Finding, context: &Context) -> anyhow::Result<()> {
    if context.json {
        return context.out_json("finding", finding);
    }
    let (word, colour) = match finding.verdict {
        Verdict::Ok => ("ok", None),
        Verdict::Skipped => ("-", Some(DIM)),
        Verdict::Warning => ("warning", Some(YELLOW)),
        Verdict::Problem => ("problem", Some(RED)),
    };
    let word = format!("{word:7}");
    let word = colour.map_or_else(|| word.clone(), |colour| context.paint(colour, &word));
    context.out(format_args!("{word}  {:8}  {}", finding.check, finding.what))?;
    for (label, text) in [("why", &finding.why), ("next", &finding.next)] {
        if !text.is_empty() {
            context.out(format_args!("{label:>17}: {text}"))?;
        }
    }
    Ok(())
}
