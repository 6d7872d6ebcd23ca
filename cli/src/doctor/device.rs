//! The board, over its console.

use obkmq_config::line::{Command, Hello};
use obkmq_config::settings::Capability;

use super::Finding;
use super::machine;
use crate::context::Context;
use crate::serial::connect::{DeviceOption, Way};
use crate::serial::ports::{self, Port};
use crate::serial::session::Session;

/// Everything about the board that is named, or is the only likely one.
pub(crate) fn look(device: &DeviceOption, context: &Context) -> Vec<Finding> {
    let said = match device.said(|| crate::profile::load(context)) {
        Ok(said) => said.map(|place| place.way),
        Err(error) => return vec![Finding::problem("board", &error)],
    };
    let candidates = || ports::list().into_iter().filter(Port::is_candidate).collect::<Vec<_>>();
    let way = said.or_else(|| match candidates().as_slice() {
        [only] => Some(Way::Port(only.path.clone())),
        _ => None,
    });
    let Some(way) = way else {
        return vec![Finding::skipped(
            "board",
            "not looked at: it is not clear which port it is on",
            "name it: --port PATH, or --data DIR for an `obkmq run`",
        )];
    };
    if let Way::Port(path) = &way
        && let Some(finding) = machine::port_at(path)
    {
        return vec![Finding { check: "board", ..finding }];
    }
    let chosen = match way {
        Way::Port(path) => {
            DeviceOption { port: crate::serial::connect::PortOption { port: Some(path) }, data: None }
        }
        Way::Data(folder) => DeviceOption { data: Some(folder), ..DeviceOption::default() },
    };
    let session = chosen.open(context).and_then(|transport| Ok(Session::begin(transport, context)?));
    match session {
        Err(error) => vec![Finding::problem("board", &error)],
        Ok(mut session) => {
            let mut findings = vec![answers(&session.hello, session.name())];
            findings.extend(state(&session.hello));
            findings.extend(versions(&session.hello));
            findings.extend(users(&mut session));
            findings.extend(wifi(&mut session));
            findings
        }
    }
}

fn answers(hello: &Hello, name: &str) -> Finding {
    let Hello { firmware, chip, board, generation, .. } = hello;
    Finding::ok("board", format!("{name}: obkmq {firmware} on {chip} ({board}), settings {generation}"))
}

fn state(hello: &Hello) -> Option<Finding> {
    use crate::failure::{Exit, Failure};
    (hello.state != "ok").then(|| {
        let failure = Failure::new(
            Exit::Settings,
            format!("The board is `{}`: its stored settings are damaged and its network is closed.", hello.state),
            "the flash lost the newest settings; older ones are in use, and could let in whom you have deleted",
            "apply your settings file again (obkmq config apply FILE), or look at `obkmq config list` and set something",
        );
        Finding::problem("settings", &failure.into())
    })
}

fn versions(hello: &Hello) -> Option<Finding> {
    let own = env!("CARGO_PKG_VERSION");
    (hello.firmware != own).then(|| {
        Finding::warning(
            "firmware",
            format!("The board runs obkmq {}, this program is {own}.", hello.firmware),
            "what one of them knows the other may not",
            "bring both to the newer version: obkmq flash keeps the settings",
        )
    })
}

fn users(session: &mut Session) -> Option<Finding> {
    let users = session.request(&Command::UserList).ok()?.rows.len();
    let anonymous = session.request(&Command::Get { key: "mqtt.anonymous".into() }).ok()?;
    let anonymous = anonymous.fields.get("value").unwrap_or_default().to_owned();
    if users > 0 {
        return Some(Finding::ok("users", format!("{users} may log in; without a user name: {anonymous}")));
    }
    Some(match anonymous.as_str() {
        "always" => Finding::warning(
            "users",
            "Whoever reaches the board may use it.",
            "mqtt.anonymous is `always` and there is no user",
            "obkmq config set-user NAME, then obkmq config set mqtt.anonymous never",
        ),
        _ => Finding::warning(
            "users",
            "Nobody can log in over the network.",
            format!("there is no user, and mqtt.anonymous is `{anonymous}`"),
            "obkmq config set-user NAME",
        ),
    })
}

fn wifi(session: &mut Session) -> Option<Finding> {
    if !session.hello.capabilities.has(Capability::Wifi) {
        return None;
    }
    let reply = session.request(&Command::WifiStatus).ok()?;
    let get = |name: &str| reply.fields.get(name).unwrap_or_default().to_owned();
    Some(match get("state").as_str() {
        "joined" => Finding::ok("wifi", format!("joined {}, address {}", get("ssid"), get("address"))),
        "off" => Finding::warning(
            "wifi",
            "The board is in no Wi-Fi network.",
            "none is set",
            "obkmq config set-wifi SSID",
        ),
        "failed" => Finding::warning(
            "wifi",
            format!("The board could not join {}.", get("ssid")),
            get("reason"),
            get("next"),
        ),
        state => Finding::warning("wifi", format!("Wi-Fi: {state}"), "", "wait a moment and look again"),
    })
}
