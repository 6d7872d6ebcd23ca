//! Adds what a plain Rust installation lacks: the libraries of other targets, and the standard library's source.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;
use crate::project::Project;

/// Makes sure that crates can be compiled for `target`.
pub(crate) fn ensure_target(project: &Project, target: &str) -> Result<()> {
    if sysroot(project)?.join("lib/rustlib").join(target).join("lib").is_dir() {
        return Ok(());
    }
    rustup(project, &["target", "add", target])
}

/// Makes sure that `-Zbuild-std` finds the source of the standard library.
pub(crate) fn ensure_library_source(project: &Project) -> Result<()> {
    if sysroot(project)?.join("lib/rustlib/src/rust/library/Cargo.lock").is_file() {
        return Ok(());
    }
    rustup(project, &["component", "add", "rust-src"])
}

/// Folder of the active toolchain.
pub(crate) fn sysroot(project: &Project) -> Result<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let path = process::output(Command::new(rustc).args(["--print", "sysroot"]).current_dir(project.root()))?;
    Ok(PathBuf::from(path.trim_end()))
}

fn rustup(project: &Project, arguments: &[&str]) -> Result<()> {
    process::run(Command::new("rustup").args(arguments).current_dir(project.root())).with_context(|| {
        format!("without rustup, install what `rustup {}` would add to this toolchain", arguments.join(" "))
    })
}
