//! `obkmq config`: settings and users of a device, by its console.

mod apply;
mod change;
mod del_user;
mod export;
#[cfg(test)]
mod fault_tests;
mod given;
mod pack;
mod path;
mod set_user;
mod set_wifi;
mod settings;
mod state;
mod trial;
mod wanted;

use clap::{Args, Subcommand};

use crate::context::Context;

/// Read and change a device's settings and users
#[derive(Args)]
#[command(after_help = "\
Examples:
  obkmq config set-wifi --port /dev/ttyUSB0
  obkmq config set-user house
  obkmq config list
  obkmq config set mqtt.port 1884
  obkmq config export > house.toml
  obkmq config apply house.toml")]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    SetUser(set_user::SetUser),
    SetWifi(set_wifi::SetWifi),
    DelUser(del_user::DelUser),
    Get(settings::Get),
    Set(settings::Set),
    Unset(settings::Unset),
    List(settings::List),
    Apply(apply::Apply),
    Diff(apply::Diff),
    Export(export::Export),
    Confirm(trial::Confirm),
    Rollback(trial::Rollback),
    Path(path::Path),
    Pack(pack::Pack),
}

impl Config {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        match self.action {
            Action::SetUser(action) => action.run(context),
            Action::SetWifi(action) => action.run(context),
            Action::DelUser(action) => action.run(context),
            Action::Get(action) => action.run(context),
            Action::Set(action) => action.run(context),
            Action::Unset(action) => action.run(context),
            Action::List(action) => action.run(context),
            Action::Apply(action) => action.run(context),
            Action::Diff(action) => action.run(context),
            Action::Export(action) => action.run(context),
            Action::Confirm(action) => action.run(context),
            Action::Rollback(action) => action.run(context),
            Action::Path(action) => action.run(context),
            Action::Pack(action) => action.run(context),
        }
    }
}
