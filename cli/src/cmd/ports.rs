//! `obkmq ports`: the serial ports of this machine.

use clap::Args;

use crate::context::Context;
use crate::serial::ports;

/// List serial ports, the likeliest board first
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq ports --json | jq -r .path")]
pub(crate) struct Ports {}

impl Ports {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let ports = ports::list();
        if context.json {
            for port in &ports {
                context.out_json("port", port)?;
            }
            return Ok(());
        }
        if ports.is_empty() {
            context
                .note("No serial port. Plug a board in with a cable that carries data, or try `obkmq sim`.");
            return Ok(());
        }
        let width = ports.iter().map(|port| port.path.chars().count()).max().unwrap_or(0);
        for port in &ports {
            let id = port.usb_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
            context.out(format_args!("{:width$}  {}{id}", port.path, port.what))?;
            if let Some(reason) = &port.unusable {
                context.out(format_args!("{:width$}  unusable: {reason}", ""))?;
            }
        }
        Ok(())
    }
}
