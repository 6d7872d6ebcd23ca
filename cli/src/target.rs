//! Network targets: `HOST[:PORT]`, and who to be there.
//!
//! Order of precedence, value by value: flags, environment (`OBKMQ_HOST`, `OBKMQ_USER`, `OBKMQ_PASSWORD`),
//! profile. One exception keeps a saved password from travelling to the wrong machine: user and password of a
//! profile that names a host are used for that host only.

use std::fmt;
use std::io::Read;
use std::str::FromStr;

use clap::Args;

use crate::context::Context;
use crate::environment;
use crate::failure::{Exit, Failure};
use crate::profile::{self, Profile};
use crate::quiet::Quietly;
use crate::secret::Secret;

/// MQTT's registered port.
pub(crate) const DEFAULT_PORT: u16 = 1883;

/// The longest password that is read from standard input, in bytes.
const PASSWORD_LIMIT_BYTES: u64 = 4096;

/// A host name or address and a TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl HostPort {
    /// As an argument, whose mistakes are not repeated: people write `USER:PASSWORD@HOST`.
    pub(crate) const ARGUMENT: Quietly<Self> = Quietly(|text| text.parse());

    /// Parses `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` and a bare IPv6 address.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("write HOST or HOST:PORT, without `{scheme}://`"));
        }
        if text.contains('@') {
            return Err(
                "write HOST or HOST:PORT; a user is named with --user, and a password never".to_owned()
            );
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or("the bracket `[` is not closed")?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(format!("`{rest}` after `]` is not a port")),
            }
        } else if text.matches(':').count() > 1 {
            (text, None)
        } else {
            text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
        };
        if host.is_empty() {
            return Err("the host is empty".to_owned());
        }
        if host.contains(':')
            && host.split('%').next().is_none_or(|ip| ip.parse::<std::net::Ipv6Addr>().is_err())
        {
            return Err(format!("`{host}` is not an IPv6 address"));
        }
        if host.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '[' | ']')) {
            return Err(format!("`{host}` is not a host name"));
        }
        let port = match port {
            None => default_port,
            Some(port) => match port.parse::<u16>() {
                Ok(port) if port > 0 => port,
                _ => return Err(format!("`{port}` is not a port (1 to 65535)")),
            },
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, DEFAULT_PORT)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// The options of every verb that speaks MQTT.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NetworkOptions {
    /// The broker (default: that of OBKMQ_HOST, or the profile's)
    #[arg(short = 'H', long, value_name = "HOST[:PORT]", value_parser = HostPort::ARGUMENT)]
    pub(crate) host: Option<HostPort>,
    /// Log in as this user (default: that of OBKMQ_USER, or the profile's)
    #[arg(short, long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

impl NetworkOptions {
    /// What flags and environment say. A variable that is empty is as one that is not set.
    pub(crate) fn said(&self) -> Result<(Option<HostPort>, Option<String>), Failure> {
        let host = match (&self.host, environment::variable(environment::HOST)) {
            (Some(host), _) => Some(host.clone()),
            (None, None) => None,
            (None, Some(text)) => Some(text.parse().map_err(|why: String| {
                let what = format!("{} names no host.", environment::HOST);
                Failure::new(Exit::Usage, what, why, "correct the variable, or say -H")
            })?),
        };
        Ok((host, self.user.clone().or_else(|| environment::variable(environment::USER))))
    }
}

/// A broker and who to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: HostPort,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Target {
    /// Brings flags, environment and profile together; asks for a missing password when somebody is there.
    pub(crate) fn resolve(options: &NetworkOptions, context: &Context) -> anyhow::Result<Self> {
        let profile = profile::load(context)?;
        let given = if options.password_stdin {
            Some(password_from_stdin()?)
        } else {
            environment::variable(environment::PASSWORD).map(Secret::new)
        };
        let mut target = merge(options.said()?, given, profile)?;
        if let (Some(user), None) = (&target.user, &target.password)
            && context.interactive
        {
            target.password = Some(ask_password(&format!("Password of {user} at {}: ", target.host))?);
        }
        Ok(target)
    }
}

fn merge(
    (host, user): (Option<HostPort>, Option<String>),
    given: Option<Secret>,
    profile: Profile,
) -> Result<Target, Failure> {
    let Some(host) = host.or_else(|| profile.host.clone()) else {
        return Err(Failure::new(
            Exit::Usage,
            "No host to talk to.",
            "neither -H nor OBKMQ_HOST is given, and no profile names a host",
            "add -H with the board's address, or start a broker on this computer: obkmq run",
        ));
    };
    // A password saved for one board stays with that board.
    let profile_fits = profile.host.as_ref().is_none_or(|saved| *saved == host);
    let (saved_user, saved_password) =
        if profile_fits { (profile.user, profile.password) } else { (None, None) };
    let saved_password = match &user {
        Some(user) if saved_user.as_ref() != Some(user) => None,
        _ => saved_password,
    };
    Ok(Target { host, user: user.or(saved_user), password: given.or(saved_password) })
}

/// The first line of standard input. A trailing newline is not part of the password.
pub(crate) fn password_from_stdin() -> anyhow::Result<Secret> {
    let mut text = String::new();
    std::io::stdin().lock().take(PASSWORD_LIMIT_BYTES).read_to_string(&mut text).map_err(|error| {
        Failure::new(
            Exit::Usage,
            "The password could not be read from standard input.",
            error.to_string(),
            "pipe one line of UTF-8 text into the command",
        )
    })?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "Standard input holds no password.",
            "--password-stdin was given and the first line is empty",
            "pipe it in, for example: pass show house | obkmq … --password-stdin",
        )
        .into());
    }
    Ok(Secret::new(line))
}

/// Asks on the terminal, without echo. Ctrl-C gives the terminal back its echo before the program ends.
pub(crate) fn ask_password(prompt: &str) -> anyhow::Result<Secret> {
    let hold = hold_the_terminal();
    match rpassword::prompt_password(prompt) {
        Ok(_) if hold.interrupted() => Err(interrupted().into()),
        Ok(password) => Ok(Secret::new(password)),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(interrupted().into()),
        Err(error) => Err(Failure::new(
            Exit::Usage,
            "The password could not be asked for.",
            error.to_string(),
            "give it with --password-stdin",
        )
        .into()),
    }
}

/// A signal does not wake the library, which would bring the echo back; so the handler does it.
#[cfg(unix)]
fn hold_the_terminal() -> crate::interrupt::Hold {
    use std::io::Write as _;

    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(std::io::stdin()).ok();
    crate::interrupt::hold_with(move || {
        if let Some(before) = &before {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
        let Failure { what, why, next, .. } = interrupted();
        let _ = writeln!(std::io::stderr(), "\nstopped: {what}\n  why: {why}\n next: {next}");
        std::process::exit(i32::from(Exit::Interrupted.code()));
    })
}

#[cfg(not(unix))]
fn hold_the_terminal() -> crate::interrupt::Hold {
    crate::interrupt::hold()
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "Nothing was sent.", "interrupted at the password prompt", "run it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parses(text: &str, host: &str, port: u16) {
        let expected = HostPort { host: host.to_owned(), port };
        assert_eq!(text.parse::<HostPort>(), Ok(expected.clone()));
        assert_eq!(expected.to_string().parse::<HostPort>(), Ok(expected), "display of {text}");
    }

    #[test]
    fn names_and_addresses_with_and_without_port() {
        parses("broker.local", "broker.local", 1883);
        parses("192.168.1.30:1884", "192.168.1.30", 1884);
        parses("[::1]", "::1", 1883);
        parses("[fe80::1%eth0]:1", "fe80::1%eth0", 1);
        parses("::1", "::1", 1883);
        parses("2001:db8::2", "2001:db8::2", 1883);
    }

    #[test]
    fn what_is_not_a_target_is_refused() {
        for text in
            ["", ":1883", "a:0", "a:65536", "a:b", "[::1", "[::1]x", "a:b:c", "mqtt://a", "a b", "a/b", "u@a"]
        {
            assert!(text.parse::<HostPort>().is_err(), "{text:?} was accepted");
        }
    }

    fn profile() -> Profile {
        Profile {
            host: Some(HostPort { host: "a".into(), port: 1883 }),
            user: Some("house".into()),
            password: Some(Secret::new("secret")),
            ..Profile::default()
        }
    }

    #[test]
    fn a_saved_password_goes_to_the_saved_host_only() {
        let same = merge((None, None), None, profile()).unwrap();
        assert_eq!(same.password, Some(Secret::new("secret")));
        let other = merge((Some("b".parse().unwrap()), None), None, profile()).unwrap();
        assert_eq!((other.user, other.password), (None, None));
    }

    #[test]
    fn a_saved_password_goes_with_the_saved_user_only() {
        let target = merge((None, Some("guest".into())), None, profile()).unwrap();
        assert_eq!((target.user.as_deref(), target.password), (Some("guest"), None));
    }

    #[test]
    fn without_a_host_the_error_names_the_next_step() {
        let failure = merge((None, None), None, Profile::default()).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.next.contains("obkmq run"), "{}", failure.next);
    }
}
