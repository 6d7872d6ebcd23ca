//! `info --connect`: what to type into the things that are to use the broker.
//!
//! A password is never part of it: it stands in profiles and in the devices themselves, not on a screen.

use obkmq_config::line::Command;
use obkmq_config::settings::Capability;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::profile;
use crate::serial::connect::DeviceOption;
use crate::serial::session::{self, Session};
use crate::target::{DEFAULT_PORT, HostPort, NetworkOptions};

/// Where the broker is and who to be there.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Address {
    host: String,
    port: u16,
    user: String,
}

/// Prints it for the broker that is named, or for the board behind the port.
pub(super) fn print(
    network: &NetworkOptions,
    device: &DeviceOption,
    context: &Context,
) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        address: &'a Address,
        notes: Vec<Note>,
    }
    let address = address(network, device, context)?;
    let notes = notes(&address);
    if context.json {
        return context.out_json("connect", Line { address: &address, notes });
    }
    context.out(format_args!("host {}, port {}, user {}", address.host, address.port, address.user))?;
    for Note { name, place, text } in notes {
        context.out(format_args!("\n{name} ({place})"))?;
        for line in text.lines() {
            context.out(format_args!("  {line}"))?;
        }
    }
    context.note(
        "\nThe password is the one that `obkmq config set-user` was given; it crosses the network in clear.",
    );
    Ok(())
}

fn address(network: &NetworkOptions, device: &DeviceOption, context: &Context) -> anyhow::Result<Address> {
    let saved = profile::load(context)?;
    let (host, user) = network.said()?;
    let host = host.or(saved.host.clone());
    let user = user.or_else(|| saved.user.clone().filter(|_| saved.host == host));
    if let (Some(HostPort { host, port }), Some(user)) = (&host, &user) {
        return Ok(Address { host: host.clone(), port: *port, user: user.clone() });
    }
    let mut session = session::open(device, context)?;
    let host = match host {
        Some(host) => host,
        None => of_board(&mut session)?,
    };
    let user = match user {
        Some(user) => user,
        None => first_user(&mut session)?,
    };
    Ok(Address { host: host.host, port: host.port, user })
}

/// The address that the board has, and the port it listens on.
fn of_board(session: &mut Session) -> anyhow::Result<HostPort> {
    let reply = session.request(&Command::WifiStatus);
    let address = reply.ok().and_then(|reply| reply.fields.get("address").map(str::to_owned));
    let Some(host) = address else {
        let (why, next) = if session.hello.capabilities.has(Capability::Wifi) {
            ("the board is in no Wi-Fi network", "let it join one: obkmq config set-wifi SSID, or add -H")
        } else {
            ("it uses the network of its computer, or has none", "add -H with that computer's address")
        };
        return Err(Failure::new(
            Exit::Usage,
            "It is not known under which address the broker can be reached.",
            format!("neither -H nor the profile names a host, and of {}: {why}", session.name()),
            next,
        )
        .into());
    };
    let port = session.request(&Command::Get { key: "mqtt.port".into() })?;
    Ok(HostPort { host, port: port.fields.parse("value").unwrap_or(DEFAULT_PORT) })
}

fn first_user(session: &mut Session) -> anyhow::Result<String> {
    let users = session.request(&Command::UserList)?;
    let first = users.rows.first().and_then(|row| row.get("name")).map(str::to_owned);
    first.ok_or_else(|| {
        Failure::new(
            Exit::Settings,
            "The broker has no user yet.",
            "nobody but programs on its own machine could log in",
            "make one: obkmq config set-user NAME",
        )
        .into()
    })
}

#[derive(Debug, Serialize)]
struct Note {
    name: &'static str,
    /// Where it is typed.
    place: &'static str,
    text: String,
}

/// Stands where the password goes.
const PASSWORD: &str = "PASSWORD";

fn notes(Address { host, port, user }: &Address) -> Vec<Note> {
    let yaml = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    vec![
        Note {
            name: "Tasmota",
            // Where the console is has changed from version to version; the form has not.
            place: "Console; or Configuration, Configure MQTT",
            // `;` separates commands in a Backlog, so a name or password that holds one needs a line of its own.
            text: format!("MqttHost {host}\nMqttPort {port}\nMqttUser {user}\nMqttPassword {PASSWORD}"),
        },
        Note {
            name: "OpenBeken",
            // Its console knows MqttHost, MqttUser and MqttPassword, but has no command for the port.
            place: "Config, Configure MQTT",
            text: format!("Host      {host}\nPort      {port}\nUser      {user}\nPassword  {PASSWORD}"),
        },
        Note {
            name: "ESPHome",
            place: "the device's YAML, password in secrets.yaml",
            text: format!(
                "mqtt:\n  broker: {}\n  port: {port}\n  username: {}\n  password: !secret mqtt_password",
                yaml(host),
                yaml(user)
            ),
        },
        Note {
            name: "Home Assistant",
            // The last step is asked only where Home Assistant could install a broker of its own.
            place: "Settings, Devices & services, Add integration, MQTT, Manually enter the connection details",
            text: format!("Broker    {host}\nPort      {port}\nUsername  {user}\nPassword  {PASSWORD}"),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_name_host_port_and_user_everywhere_and_are_yaml_where_they_should() {
        let address = Address { host: "fe80::1".into(), port: 1884, user: "a \"b\"".into() };
        for note in notes(&address) {
            assert!(note.text.contains("fe80::1") && note.text.contains("1884"), "{note:?}");
        }
        assert!(notes(&address)[2].text.contains("username: \"a \\\"b\\\"\""));
    }
}
