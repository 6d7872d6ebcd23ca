//! `config export`: what a device has, as a settings file without secrets.

use clap::Args;
use serde::Serialize;

use super::state::State;
use crate::context::Context;
use crate::serial::connect::DeviceOption;
use crate::serial::session;

/// Write a device's settings as a file, without secrets
#[derive(Args)]
#[command(after_help = "\
Example:
  obkmq config export --port /dev/ttyUSB0 > house.toml

Passwords do not come out of a device: the file says \"keep\" for each, so that applying it to the same device changes \
nothing. For another device, write where each of them is: \"env:NAME\" or \"file:PATH\".")]
pub(crate) struct Export {
    #[command(flatten)]
    device: DeviceOption,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        #[derive(Serialize)]
        struct File {
            toml: String,
        }
        let mut session = session::open(&self.device, context)?;
        let state = session.work(|session| Ok(State::read(session)?))?;
        let entries = state.settings.iter().filter_map(|setting| setting.entry());
        let users = state.users.iter().map(|user| (user.name.as_str(), user.rights.as_str()));
        let mut toml = obkmq_config::toml::export(entries, users);
        let unknown = state.settings.iter().filter(|setting| setting.entry().is_none() && !setting.default);
        for (index, setting) in unknown.enumerate() {
            if index == 0 {
                toml.push_str(
                    "\n# Settings of newer firmware, which this obkmq does not know and leaves alone:\n",
                );
            }
            toml.push_str(&format!("# {} = {}\n", setting.key, setting.value.replace('\n', " ")));
        }
        if context.json { context.out_json("settings", File { toml }) } else { context.out(toml.trim_end()) }
    }
}
