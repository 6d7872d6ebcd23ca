//! `obkmq man`: a manual page for every verb, for whoever packages the program.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use serde::Serialize;

use crate::CommandLine;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Write a manual page for every verb into a folder
#[derive(Args)]
#[command(after_help = "Example:\n  obkmq man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder; made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let failed = |error: std::io::Error| {
            Failure::new(
                Exit::Usage,
                format!("The manual pages cannot be written to {}.", self.folder.display()),
                error.to_string(),
                "choose another folder",
            )
        };
        #[derive(Serialize)]
        struct Page<'a> {
            path: &'a Path,
        }
        interrupt::arm("Some of the pages may not be written.", "run the same command again");
        fs::create_dir_all(&self.folder).map_err(failed)?;
        for (name, page) in pages()? {
            let path = self.folder.join(format!("{name}.1"));
            fs::write(&path, page).map_err(failed)?;
            if context.json {
                context.out_json("page", Page { path: &path })?;
            } else {
                context.out(path.display())?;
            }
        }
        Ok(())
    }
}

/// Name and content of the page of each verb, the program's own first.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = Vec::new();
    let mut command = CommandLine::command();
    command.build();
    add(&command, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_uppercase()).render(&mut page)?;
    pages.push((name, page));
    command.get_subcommands().filter(|verb| !verb.is_hide_set()).try_for_each(|verb| add(verb, pages))
}

#[cfg(test)]
mod tests {
    use clap_complete::{Shell, generate};

    use super::*;

    fn verbs(command: &Command, found: &mut Vec<Command>) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            found.push(verb.clone());
            verbs(verb, found);
        }
    }

    #[test]
    fn every_verb_has_help_with_an_example_a_manual_page_and_completion() {
        let mut command = CommandLine::command();
        command.build();
        let mut found = Vec::new();
        verbs(&command, &mut found);
        let pages = pages().unwrap();
        let mut script = Vec::new();
        generate(Shell::Fish, &mut CommandLine::command(), "obkmq", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(found.len() > 15, "{}", found.len());
        for verb in found {
            let name = verb.get_display_name().unwrap();
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains("obkmq "), "{name} has no example");
            assert!(verb.get_about().is_some(), "{name} does not say what it does");
            let (_, page) = pages.iter().find(|(page, _)| page == name).unwrap();
            let page = String::from_utf8(page.clone()).unwrap();
            assert!(
                page.starts_with(".ie") && page.contains(".SH SYNOPSIS") && page.contains("Example"),
                "{name}"
            );
            let completion = format!("-a \"{}\"", verb.get_name());
            assert!(script.contains(&completion), "{name} is not completed");
        }
    }
}
