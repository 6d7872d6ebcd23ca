//! The settings file that comes of a configuration.

use std::fmt::Write as _;
use std::path::Path;

use obkmq_config::toml;

use super::convert::Imported;
use super::{Finding, Kind};

/// The file: what was not carried over as comments, the settings, and the users whose password is still to come.
pub(crate) fn write(conf: &Path, imported: &Imported) -> String {
    let mut text = format!("# Made from {} by `obkmq import mosquitto`.\n", conf.display());
    text.push_str("# It holds password hashes: keep it to yourself.\n");
    for (kind, headline) in [(Kind::Lost, "Not carried over:"), (Kind::Moot, "Without meaning here:")] {
        let mut findings = imported.findings.of(kind).peekable();
        if findings.peek().is_some() {
            let _ = write!(text, "#\n# {headline}\n");
        }
        for finding in findings {
            let _ = writeln!(text, "#   {}", line(finding));
        }
    }
    text.push('\n');
    text.push_str(&toml::write(&imported.settings));
    for (name, rights) in &imported.without_password {
        let variable = variable(name);
        let _ = write!(
            text,
            "\n# This password could not be carried over: set the variable, or write file:PATH instead.\n\
             [users.{}]\npassword = \"env:{variable}\"\n",
            quoted(name)
        );
        if let Some(rights) = rights {
            let list: Vec<String> = rights.split(',').filter(|right| !right.is_empty()).map(quoted).collect();
            let _ = writeln!(text, "rights = [{}]", list.join(", "));
        }
    }
    text
}

/// `FILE:LINE: DIRECTIVE: REASON` on one line, whatever stands in the old files.
pub(crate) fn line(finding: &Finding) -> String {
    let text = format!("{}: {}: {}", finding.place, finding.what, finding.why);
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// The environment variable that holds a user's password.
fn variable(name: &str) -> String {
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("OBKMQ_PASSWORD_{}", name.collect::<String>())
}

/// A basic string of TOML. User names and rights hold no control characters.
fn quoted(text: impl AsRef<str>) -> String {
    format!("\"{}\"", text.as_ref().replace('\\', "\\\\").replace('"', "\\\""))
}
