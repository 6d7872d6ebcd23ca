//! Directives of `mosquitto.conf` to settings.
//!
//! Everything that mosquitto 2.0 knows stands in [`treatment`]: what has no counterpart here is found together with the
//! reason.

use std::path::Path;

use obkmq_config::settings::{SettingError, Settings};

use super::acl::{self, Acl, Whom};
use super::conf::Directive;
use super::passwords::{self, User};
use super::{Findings, Place, named};
use crate::failure::Failure;

/// What came out of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Imported {
    pub(crate) settings: Settings,
    /// Users whose password has to be set anew, and their rights where there is an ACL.
    pub(crate) without_password: Vec<(String, Option<String>)>,
    pub(crate) findings: Findings,
}

/// Reads a configuration and all it names.
pub(crate) fn import(path: &Path) -> Result<Imported, Failure> {
    let mut findings = Findings::default();
    let directives = super::conf::read(path, &mut findings)?;
    let mut converter = Converter { conf: path, settings: Settings::default(), findings };
    let sections = converter.sections(directives);
    let (security, is_local_only) = converter.listener(sections);
    converter.fit();
    let without_password = converter.security(security, is_local_only)?;
    let Converter { settings, findings, .. } = converter;
    Ok(Imported { settings, without_password, findings })
}

/// How a directive is treated that is not about listeners, bridges or who may do what.
enum Treatment {
    /// Its number becomes the value of this setting; 0 and -1 stand for no limit.
    Number(&'static str),
    /// It goes, for this reason, unless its value is the one named here, which is how this broker is anyway.
    Lost(&'static str, &'static [&'static str]),
    Moot(&'static str),
    Unknown,
}

fn treatment(keyword: &str) -> Treatment {
    use Treatment::{Lost, Moot, Number, Unknown};
    match keyword {
        "max_packet_size" | "message_size_limit" => Number("mqtt.max_packet_bytes"),
        "max_queued_bytes" => Number("mqtt.max_queued_bytes"),
        "max_queued_messages" => Number("mqtt.max_queued_messages"),
        "max_inflight_messages" => Number("mqtt.max_inflight"),
        "max_keepalive" => Number("mqtt.max_keep_alive_s"),
        "memory_limit" => Number("mqtt.memory_bytes"),
        "sys_interval" => Number("mqtt.sys_interval_s"),
        "allow_zero_length_clientid" => Lost("clients without an identifier are always given one", &["true"]),
        "check_retain_source" => Lost("who published a retained message is not checked again", &["false"]),
        "clientid_prefixes" => Lost("client identifiers are not restricted", &[]),
        "max_inflight_bytes" => Lost("messages on their way are counted, not their bytes", &["0"]),
        "max_qos" => Lost("all of QoS 0 to 2 is served", &["2"]),
        "mount_point" => Lost("topics have no prefix here: clients would see other topics", &[]),
        "queue_qos0_messages" => Lost("messages of QoS 0 do not wait for absent clients", &["false"]),
        "retain_available" => Lost("retained messages are always served", &["true"]),
        "upgrade_outgoing_qos" => Lost("messages keep the lower quality of service", &["false"]),
        "use_username_as_clientid" => Lost("client identifiers are what clients say", &["false"]),
        "auto_id_prefix" => Moot("identifiers that are given to clients are made up otherwise"),
        "max_topic_alias" => Moot("topic aliases of clients are taken within fixed limits"),
        "set_tcp_nodelay" => Moot("small packets are never held back"),
        "autosave_interval" | "autosave_on_changes" | "persistence_file" | "persistence_location" => {
            Moot("what is kept goes to the board's own flash, or to the folder of --data")
        }
        "connection_messages" | "log_dest" | "log_facility" | "log_timestamp" | "log_timestamp_format" => {
            Moot("the log goes to the console: obkmq monitor")
        }
        "pid_file" | "user" => Moot("there is no daemon"),
        "allow_duplicate_messages" | "bridge_attempt_unsubscribe" => Moot("mosquitto has given it up itself"),
        _ if [
            "plugin",
            "auth_plugin",
            "auth_opt_",
            "plugin_opt_",
            "plugin_load",
            "plugin_use",
            "global_plugin",
        ]
        .iter()
        .any(|start| keyword.starts_with(start)) =>
        {
            Lost("plugins cannot be loaded (dynamic security is one): set users and rights here", &[])
        }
        _ if is_tls(keyword) => {
            Lost("TLS does not exist here yet: passwords cross the network in clear", &[])
        }
        _ if is_bridge(keyword) => Lost("it belongs to a bridge, and bridges do not exist here", &[]),
        _ if keyword.starts_with("websockets_") || keyword == "http_dir" => {
            Lost("WebSocket does not exist here yet", &[])
        }
        _ => Unknown,
    }
}

fn is_tls(keyword: &str) -> bool {
    matches!(
        keyword,
        "cafile"
            | "capath"
            | "certfile"
            | "keyfile"
            | "crlfile"
            | "ciphers"
            | "ciphers_tls1.3"
            | "dhparamfile"
            | "require_certificate"
            | "use_identity_as_username"
            | "use_subject_as_username"
            | "psk_hint"
            | "psk_file"
    ) || keyword.starts_with("tls_")
}

fn is_bridge(keyword: &str) -> bool {
    matches!(
        keyword,
        "address"
            | "addresses"
            | "topic"
            | "cleansession"
            | "clientid"
            | "idle_timeout"
            | "keepalive_interval"
            | "local_clientid"
            | "local_cleansession"
            | "local_password"
            | "local_username"
            | "notifications"
            | "notifications_local_only"
            | "notification_topic"
            | "password"
            | "remote_clientid"
            | "remote_password"
            | "remote_username"
            | "restart_timeout"
            | "round_robin"
            | "start_type"
            | "threshold"
            | "try_private"
            | "username"
    ) || keyword.starts_with("bridge_")
}

/// Who may connect and do what, as one part of a configuration says it.
#[derive(Default)]
struct Security {
    allow_anonymous: Option<(Place, bool)>,
    password_file: Option<(Place, String)>,
    acl_file: Option<(Place, String)>,
}

struct Listener {
    place: Place,
    /// The directive that opened it.
    what: String,
    port: String,
    address: Option<(Place, String)>,
    protocol: String,
    tls: bool,
    max_connections: Option<Directive>,
    security: Security,
}

#[derive(Default)]
struct Sections {
    listeners: Vec<Listener>,
    global: Security,
    per_listener: bool,
    max_connections: Option<Directive>,
    bind_address: Option<(Place, String)>,
}

impl Sections {
    /// What a directive about users and rights belongs to.
    fn security(&mut self) -> &mut Security {
        match self.listeners.last_mut() {
            Some(listener) if self.per_listener => &mut listener.security,
            _ => &mut self.global,
        }
    }
}

struct Converter<'a> {
    conf: &'a Path,
    settings: Settings,
    findings: Findings,
}

impl Converter<'_> {
    fn sections(&mut self, directives: Vec<Directive>) -> Sections {
        let mut sections = Sections::default();
        let mut in_bridge = false;
        for directive in directives {
            let Directive { place, keyword, value } = &directive;
            match keyword.as_str() {
                "connection" => {
                    in_bridge = true;
                    let why = "bridges do not exist here: the other broker gets nothing from this one";
                    self.findings.lost(place, format!("connection {value}"), why);
                    continue;
                }
                "listener" | "port" => {
                    in_bridge = false;
                    let (port, address) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
                    let address = Some(address.trim()).filter(|text| !text.is_empty());
                    sections.listeners.push(Listener {
                        place: place.clone(),
                        what: format!("{keyword} {value}"),
                        port: port.to_owned(),
                        address: address.map(|text| (place.clone(), text.to_owned())),
                        protocol: "mqtt".to_owned(),
                        tls: false,
                        max_connections: None,
                        security: Security::default(),
                    });
                    continue;
                }
                _ => {}
            }
            // A bridge has TLS of its own, and its values may be secret.
            if in_bridge && (is_bridge(keyword) || is_tls(keyword)) {
                self.findings.lost(
                    place,
                    keyword.as_str(),
                    "it belongs to a bridge, and bridges do not exist here",
                );
                continue;
            }
            match (keyword.as_str(), sections.listeners.last_mut()) {
                ("per_listener_settings", _) => {
                    sections.per_listener = self.boolean(&directive).unwrap_or(false);
                }
                ("allow_anonymous", _) => {
                    if let Some(allowed) = self.boolean(&directive) {
                        sections.security().allow_anonymous = Some((place.clone(), allowed));
                    }
                }
                ("password_file", _) => {
                    sections.security().password_file = Some((place.clone(), value.clone()));
                }
                ("acl_file", _) => sections.security().acl_file = Some((place.clone(), value.clone())),
                ("protocol", Some(listener)) => listener.protocol = value.clone(),
                ("max_connections", Some(listener)) => listener.max_connections = Some(directive.clone()),
                ("max_connections", None) => sections.max_connections = Some(directive.clone()),
                ("bind_address", _) => sections.bind_address = Some((place.clone(), value.clone())),
                ("bind_interface" | "socket_domain", _) => {
                    let what = format!("{keyword} {value}");
                    self.findings.lost(
                        place,
                        what,
                        "a board has one network; on a PC see `obkmq run --listen`",
                    );
                }
                ("persistence", _) => self.persistence(&directive),
                ("persistent_client_expiration", _) => self.session_expiry(&directive),
                ("log_type", _) => self.log_type(&directive),
                (keyword, listener) => {
                    if let Some(listener) = listener.filter(|_| is_tls(keyword)) {
                        listener.tls = true;
                    }
                    self.other(&directive);
                }
            }
        }
        sections
    }

    fn boolean(&mut self, directive: &Directive) -> Option<bool> {
        match directive.value.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => {
                self.findings.lost(&directive.place, what(directive), "the value is neither true nor false");
                None
            }
        }
    }

    fn other(&mut self, directive: &Directive) {
        let Directive { place, keyword, value } = directive;
        match treatment(keyword) {
            Treatment::Number(key) => self.number(directive, key),
            Treatment::Lost(why, same) => {
                if !same.contains(&value.as_str()) {
                    // Options of plugins may be secret.
                    let is_private = keyword.contains("_opt_");
                    let what = if is_private { keyword.clone() } else { what(directive) };
                    self.findings.lost(place, what, why);
                }
            }
            Treatment::Moot(why) => self.findings.moot(place, what(directive), why),
            // Its value is not repeated: nobody knows what it is.
            Treatment::Unknown => {
                self.findings.lost(place, keyword.as_str(), "there is no such directive in mosquitto 2.0")
            }
        }
    }

    fn number(&mut self, directive: &Directive, key: &'static str) {
        // Without a limit there, as far as the board goes here.
        if matches!(directive.value.as_str(), "0" | "-1") {
            if key == "mqtt.sys_interval_s" {
                self.set(directive, key, "0");
            }
            return;
        }
        self.set(directive, key, &directive.value);
    }

    /// Sets a value; one that is beyond the range here is found, and the default stays.
    fn set(&mut self, directive: &Directive, key: &'static str, value: &str) {
        if let Err(error) = self.settings.set(key, value) {
            self.refused(directive, &error);
        }
    }

    fn refused(&mut self, directive: &Directive, error: &SettingError) {
        self.findings.lost(&directive.place, what(directive), format!("{error}; the default stays"));
    }

    fn persistence(&mut self, directive: &Directive) {
        match self.boolean(directive) {
            Some(true) => self.findings.lost(
                &directive.place,
                what(directive),
                "flash wears out: only retained messages that retain.persist names survive a power cut, not all",
            ),
            Some(false) => self.set(directive, "retain.persist", ""),
            None => {}
        }
    }

    /// A number and one of h, d, w, m, y.
    fn session_expiry(&mut self, directive: &Directive) {
        let value = directive.value.as_str();
        let hours = match value.chars().last() {
            Some('h') => 1,
            Some('d') => 24,
            Some('w') => 24 * 7,
            Some('m') => 24 * 30,
            Some('y') => 24 * 365,
            _ => 0,
        };
        let count = value.get(..value.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
        match count
            .and_then(|count| count.checked_mul(hours)?.checked_mul(3600))
            .filter(|seconds| *seconds > 0)
        {
            Some(seconds) => self.set(directive, "session.max_expiry_s", &seconds.to_string()),
            None => self.findings.lost(
                &directive.place,
                what(directive),
                "it is no number with h, d, w, m or y behind it",
            ),
        }
    }

    /// The wordiest of several counts.
    fn log_type(&mut self, directive: &Directive) {
        const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];
        let level = match directive.value.as_str() {
            "error" => 0,
            "warning" => 1,
            "notice" | "information" | "subscribe" | "unsubscribe" => 2,
            "debug" | "all" | "internal" => 3,
            "none" => {
                return self.findings.lost(&directive.place, what(directive), "errors are always logged");
            }
            _ => return self.findings.moot(&directive.place, what(directive), "there is no such log here"),
        };
        let now =
            self.settings.get("log.level").ok().filter(|entry| !entry.is_default).map(|entry| entry.value);
        let now = now.and_then(|now| LEVELS.iter().position(|name| *name == now));
        if now.is_none_or(|now| level > now)
            && let Some(name) = LEVELS.get(level)
        {
            self.set(directive, "log.level", name);
        }
    }

    /// Takes the first listener that speaks plain MQTT over TCP; gives whose rules hold for it, and whether mosquitto
    /// served its own machine only.
    fn listener(&mut self, sections: Sections) -> (Security, bool) {
        let Sections { mut listeners, global, per_listener, max_connections, bind_address } = sections;
        if listeners.is_empty() {
            self.max_connections(max_connections);
            return (global, bind_address.is_none());
        }
        let is_plain = |one: &Listener| {
            !one.tls && one.protocol == "mqtt" && one.port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        let chosen = listeners.iter().position(is_plain);
        let chosen = chosen.map(|index| listeners.remove(index));
        for other in &listeners {
            let why = if other.tls {
                "its clients speak TLS, which does not exist here yet: let them speak plain MQTT, in a network you trust"
            } else if other.protocol != "mqtt" {
                "its clients do not speak MQTT over TCP, and nothing else exists here yet"
            } else if chosen.is_none() {
                "it has no TCP port"
            } else {
                "a board listens on one port: let its clients use the first"
            };
            self.findings.lost(&other.place, other.what.as_str(), why);
            if per_listener && chosen.is_some() {
                let Security { allow_anonymous, password_file, acl_file } = &other.security;
                let files = [password_file, acl_file].into_iter().flatten();
                let anonymous =
                    allow_anonymous.iter().map(|(place, _)| (place, "allow_anonymous".to_owned()));
                for (place, what) in files.map(|(place, file)| (place, file.clone())).chain(anonymous) {
                    self.findings.lost(place, what, "it is about a listener that is not carried over");
                }
            }
        }
        let Some(chosen) = chosen else {
            self.max_connections(max_connections);
            // There is nobody to be served yet, but there may be users.
            let theirs = listeners.into_iter().next().map(|one| one.security);
            return (if per_listener { theirs.unwrap_or_default() } else { global }, false);
        };
        if let Err(error) = self.settings.set("mqtt.port", &chosen.port) {
            self.findings.lost(&chosen.place, chosen.what.as_str(), error.to_string());
        }
        if let Some((place, address)) = chosen.address.or(bind_address) {
            let why = "a board has one address; on a PC see `obkmq run --listen`";
            self.findings.lost(&place, format!("address {address}"), why);
        }
        self.max_connections(chosen.max_connections.or(max_connections));
        (if per_listener { chosen.security } else { global }, false)
    }

    /// mosquitto has no limit where ours follow from each other.
    fn fit(&mut self) {
        let (packet, queued) = (self.settings.max_packet_bytes(), self.settings.max_queued_bytes());
        if queued < packet {
            // A packet's range lies within that of a queue.
            let _ = self.settings.set("mqtt.max_queued_bytes", &packet.to_string());
        }
    }

    fn max_connections(&mut self, directive: Option<Directive>) {
        if let Some(directive) = directive {
            self.number(&directive, "mqtt.max_clients");
        }
    }

    /// Users, rights and who may do without; gives the users whose password has to be set anew.
    fn security(
        &mut self,
        security: Security,
        is_local_only: bool,
    ) -> Result<Vec<(String, Option<String>)>, Failure> {
        let Security { allow_anonymous, password_file, acl_file } = security;
        let is_open = allow_anonymous.as_ref().map_or(is_local_only, |(_, allowed)| *allowed);
        let anonymous = match (is_open, is_local_only) {
            (true, true) => "loopback",
            (true, false) => "always",
            (false, _) => "never",
        };
        // These names are the key's own.
        let _ = self.settings.set("mqtt.anonymous", anonymous);
        let users = match &password_file {
            Some((place, file)) => passwords::read(&named(self.conf, file), &mut self.findings)
                .map_err(|failure| named_at(failure, place))?,
            None => Vec::new(),
        };
        let acl = match &acl_file {
            Some((place, file)) => Some(
                acl::read(&named(self.conf, file), &mut self.findings)
                    .map_err(|failure| named_at(failure, place))?,
            ),
            None => None,
        };
        if let Some(acl) = &acl {
            self.names_without_user(acl, &users);
            self.anonymous_rights(acl, is_open, acl_file.as_ref().map(|(place, _)| place));
        }
        let mut without_password = Vec::new();
        for User { name, hash } in users {
            let rights = acl.as_ref().map(|acl| acl.rights(Whom::User(&name), &mut self.findings));
            let Some(hash) = hash else {
                without_password.push((name, rights));
                continue;
            };
            let added = self.settings.set_user(&name, hash);
            let added = added.and_then(|()| match &rights {
                Some(rights) => self.settings.set_user_rights(&name, rights),
                None => Ok(()),
            });
            if let Err(error) = added
                && let Some((place, _)) = &password_file
            {
                // A user whose rights do not fit must not have all of them.
                let _ = self.settings.remove_user(&name);
                self.findings.lost(place, format!("user {name}"), error.to_string());
            }
        }
        Ok(without_password)
    }

    fn names_without_user(&mut self, acl: &Acl, users: &[User]) {
        for (name, place) in acl.users() {
            if users.iter().all(|user| user.name != name) {
                self.findings.lost(place, format!("user {name}"), "the password file does not know the name");
            }
        }
    }

    fn anonymous_rights(&mut self, acl: &Acl, is_open: bool, place: Option<&Place>) {
        if !is_open {
            if let Some(place) = acl.anonymous() {
                let why = "clients without a user name may not connect anyway";
                self.findings.moot(place, "topics of clients without a user name", why);
            }
            return;
        }
        let rights = acl.rights(Whom::Anonymous, &mut self.findings);
        if let (Err(error), Some(place)) = (self.settings.set("mqtt.anonymous_rights", &rights), place) {
            // Rather nobody than everybody.
            let _ = self.settings.set("mqtt.anonymous", "never");
            self.findings.lost(place, "rights of clients without a user name", error.to_string());
        }
    }
}

/// A file that cannot be read, with the line that names it.
fn named_at(failure: Failure, place: &Place) -> Failure {
    Failure { why: format!("{}; {place} names it", failure.why), ..failure }
}

fn what(directive: &Directive) -> String {
    format!("{} {}", directive.keyword, directive.value).trim_end().to_owned()
}

#[cfg(test)]
mod tests;
