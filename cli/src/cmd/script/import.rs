//! `obkmq script import`: the scripts of an OpenBeken device onto this machine.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use obkmq_config::line::FileName;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::quiet::Quietly;

/// How long the device may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest listing, and the largest file.
const LIMIT_BYTES: u64 = 256 * 1024;
/// The most files.
const FILES_LIMIT: usize = 64;
/// Where devices keep them, and what there is on those that list nothing.
const FILES: &str = "api/lfs/";
const KNOWN: [&str; 3] = ["autoexec.be", "autoexec.bat", "early.bat"];

/// Fetch the scripts of an OpenBeken device
#[derive(Args)]
#[command(after_help = "\
Files ending in .be and .bat come into the folder; those
there already stay as they are unless --overwrite is given.
Nothing changes on the device.

Example:
  obkmq script import http://192.168.1.40 --into lamp")]
pub(crate) struct Import {
    /// The device's address, as in a browser
    #[arg(value_name = "http://DEVICE", value_parser = Quietly(device))]
    device: String,
    /// The folder (default: the current one)
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    into: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    overwrite: bool,
}

/// The address with a slash behind it.
fn device(text: &str) -> Result<String, String> {
    let rest = match text.split_once("://") {
        Some(("http", rest)) => rest,
        Some((scheme, _)) => return Err(format!("write http://DEVICE; {scheme}:// is not spoken here")),
        None => text,
    };
    if rest.contains('@') {
        return Err("write http://DEVICE, without a user".to_owned());
    }
    let host = rest.trim_end_matches('/');
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err("write http://DEVICE: a name or an address, and a port if need be".to_owned());
    }
    Ok(format!("http://{host}/"))
}

/// What a device says of a folder.
#[derive(Deserialize)]
struct Listing {
    content: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// 1 is a file.
    #[serde(rename = "type")]
    kind: u32,
}

#[derive(Serialize)]
struct Imported<'a> {
    file: &'a str,
    bytes: usize,
    /// `stored`, or `there` if it was there already and stays.
    state: &'static str,
}

/// Why there is no file.
enum Missing {
    /// The device says so.
    NotThere,
    Failed(Failure),
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .http_status_as_error(false)
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let names = self.names(&agent, context)?;
        std::fs::create_dir_all(&self.into).map_err(|error| self.not_stored(&self.into.clone(), &error))?;
        let mut found = 0_usize;
        for name in names {
            let contents = match self.fetch(&agent, name.as_str()) {
                Ok(contents) => contents,
                Err(Missing::NotThere) => continue,
                Err(Missing::Failed(failure)) => return Err(failure.into()),
            };
            found += 1;
            let state = self.store(name.as_str(), &contents)?;
            if context.json {
                context
                    .out_json("imported", Imported { file: name.as_str(), bytes: contents.len(), state })?;
            } else {
                let what = if state == "there" { "there already, left as it is" } else { "stored" };
                context.out(format_args!("{name}: {what}, {} bytes", contents.len()))?;
            }
        }
        if found == 0 {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} has no scripts.", self.device),
                "it has no file that ends in .be or .bat",
                "look at its files in a browser: Launch Web Application, then Filesystem",
            )
            .into());
        }
        context.note("next: obkmq script check FILE…, then obkmq script put FILE…");
        Ok(())
    }

    /// The names of its scripts; what no board of ours could store is left out.
    fn names(&self, agent: &ureq::Agent, context: &Context) -> anyhow::Result<Vec<FileName>> {
        let listing = match self.fetch(agent, "") {
            Ok(listing) => serde_json::from_slice::<Listing>(&listing).ok(),
            Err(Missing::NotThere) => None,
            Err(Missing::Failed(failure)) => return Err(failure.into()),
        };
        let Some(listing) = listing else {
            // Older firmware lists nothing.
            return Ok(KNOWN.iter().filter_map(|name| FileName::new(name).ok()).collect());
        };
        let is_script =
            |entry: &Entry| entry.kind == 1 && (entry.name.ends_with(".be") || entry.name.ends_with(".bat"));
        let mut names = Vec::new();
        for entry in listing.content.iter().filter(|entry| is_script(entry)).take(FILES_LIMIT) {
            match FileName::new(&entry.name) {
                Ok(name) => names.push(name),
                Err(error) => context.warn(format_args!("{:?} is left out: {error}", entry.name)),
            }
        }
        Ok(names)
    }

    fn fetch(&self, agent: &ureq::Agent, name: &str) -> Result<Vec<u8>, Missing> {
        let failed = |why: String| {
            let what = format!("{} cannot be read from.", self.device);
            let next = "see whether it opens in a browser on this computer";
            Missing::Failed(Failure::new(Exit::Network, what, why, next))
        };
        let mut answer = agent
            .get(format!("{}{FILES}{name}", self.device))
            .call()
            .map_err(|error| failed(error.to_string()))?;
        match answer.status().as_u16() {
            200 => {}
            401 | 403 => return Err(failed("it wants a password, which is not given here".to_owned())),
            404 => return Err(Missing::NotThere),
            other => return Err(failed(format!("it answers with HTTP status {other}"))),
        }
        let mut contents = Vec::new();
        let read = answer.body_mut().as_reader().take(LIMIT_BYTES + 1).read_to_end(&mut contents);
        read.map_err(|error| failed(error.to_string()))?;
        if contents.len() as u64 > LIMIT_BYTES {
            return Err(failed(format!("{name} has more than {LIMIT_BYTES} bytes")));
        }
        Ok(contents)
    }

    fn store(&self, name: &str, contents: &[u8]) -> anyhow::Result<&'static str> {
        let path = self.into.join(name);
        let mut options = std::fs::OpenOptions::new();
        options.write(true);
        let options =
            if self.overwrite { options.create(true).truncate(true) } else { options.create_new(true) };
        match options.open(&path).and_then(|mut file| file.write_all(contents)) {
            Ok(()) => Ok("stored"),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok("there"),
            Err(error) => Err(self.not_stored(&path, &error).into()),
        }
    }

    #[expect(clippy::unused_self, reason = "it is about this verb")]
    fn not_stored(&self, path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::new(
            Exit::Usage,
            format!("{} cannot be written.", path.display()),
            error.to_string(),
            "choose another folder with --into",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_in_a_browser() {
        for (text, url) in [
            ("http://192.168.1.40", "http://192.168.1.40/"),
            ("http://lamp.local:8080/", "http://lamp.local:8080/"),
            ("lamp", "http://lamp/"),
            ("http://[fe80::1]", "http://[fe80::1]/"),
        ] {
            assert_eq!(device(text).as_deref(), Ok(url));
        }
        for bad in
            ["", "http://", "https://lamp", "http://user:secret@lamp", "http://lamp/index", "http://a b"]
        {
            let why = device(bad).unwrap_err();
            assert!(!why.contains("secret"), "{bad}: {why}");
        }
    }
}
