//! The broker, over the network.

use rumqttc::QoS;

use super::Finding;
use crate::bench::connection::{Connection, Credentials, Profile};
use crate::cmd::{Login, explain_trouble};
use crate::context::Context;
use crate::profile;
use crate::secret::Secret;
use crate::target::{NetworkOptions, Target};

/// Logs in and out again.
pub(crate) fn look(options: &NetworkOptions, context: &Context) -> Finding {
    // A variable that names no host is told as a problem, below.
    let is_named = options.said().map_or(true, |(host, _)| host.is_some())
        || profile::load(context).is_ok_and(|profile| profile.host.is_some());
    if !is_named {
        let next = "name it with -H, or save it in a profile: obkmq config set-user NAME --save";
        return Finding::skipped("broker", "not looked at: no host is known", next);
    }
    match Target::resolve(options, context).and_then(|target| log_in(&target)) {
        Ok(finding) => finding,
        Err(error) => Finding::problem("broker", &error),
    }
}

fn log_in(target: &Target) -> anyhow::Result<Finding> {
    let credentials = target.user.as_ref().map(|user| Credentials {
        user: user.clone(),
        password: target.password.clone().unwrap_or_else(|| Secret::new("")),
    });
    let login = match (&target.user, &target.password) {
        (None, _) => Login::Nobody,
        (Some(user), None) => Login::WithoutPassword(user.clone()),
        (Some(user), Some(_)) => Login::User(user.clone()),
    };
    let profile = Profile {
        client_id: format!("obkmq-doctor-{}", std::process::id()),
        filters: Vec::new(),
        qos: QoS::AtMostOnce,
        payload_bytes: 0,
        credentials,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let opened = runtime.block_on(Connection::open_first(&target.host.host, target.host.port, profile));
    let (address, connection) =
        opened.map_err(|trouble| explain_trouble(&trouble, 0, &target.host.to_string(), &login))?;
    let milliseconds = connection.connect_time.as_millis();
    let who = target.user.as_ref().map_or("without a user name".to_owned(), |user| format!("as {user}"));
    Ok(Finding::ok("broker", format!("{address} lets this computer in {who}, after {milliseconds} ms")))
}
