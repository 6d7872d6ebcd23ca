//! `obkmq config`: settings and users of a device, over its serial port.

mod change;
mod set_user;
mod settings;
mod users;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Read and change a device's settings and users
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set-user house --port /dev/ttyUSB0
  obkmq config list
  obkmq config set mqtt.port 1884
  obkmq config unset mqtt.port")]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    SetUser(set_user::SetUser),
    DelUser(users::DelUser),
    Get(settings::Get),
    Set(settings::Set),
    Unset(settings::Unset),
    List(settings::List),
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.action {
            Action::SetUser(action) => action.run(context),
            Action::DelUser(action) => action.run(context),
            Action::Get(action) => action.run(context),
            Action::Set(action) => action.run(context),
            Action::Unset(action) => action.run(context),
            Action::List(action) => action.run(context),
        }
    }
}
