//! mosquitto's ACL file: who may read and write which topics, see mosquitto.conf(5), "acl_file".
//!
//! Rules ahead of the first `user` line are for clients without a user name, `pattern` rules for everybody. Rights here
//! only ever allow. Where a `deny` takes back a part of what another rule allows, that other rule is left out.

use std::collections::BTreeMap;
use std::path::Path;

use obkmq_config::settings::check_rights;

use super::{Findings, Place, lines};
use crate::failure::Failure;

/// What a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    ReadWrite,
    Deny,
}

impl Access {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "read" => Self::Read,
            "write" => Self::Write,
            "readwrite" => Self::ReadWrite,
            "deny" => Self::Deny,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
            Self::Deny => "deny",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    place: Place,
    access: Access,
    filter: String,
}

/// Who rights are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom<'a> {
    Anonymous,
    User(&'a str),
}

/// An ACL file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Acl {
    anonymous: Vec<Rule>,
    patterns: Vec<Rule>,
    users: BTreeMap<String, (Place, Vec<Rule>)>,
}

/// Reads an ACL file.
pub(crate) fn read(path: &Path, findings: &mut Findings) -> Result<Acl, Failure> {
    let mut acl = Acl::default();
    let mut user: Option<String> = None;
    for (place, line) in lines(path)? {
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        let rest = rest.trim();
        match keyword {
            "user" if !rest.is_empty() => {
                acl.users.entry(rest.to_owned()).or_insert_with(|| (place, Vec::new()));
                user = Some(rest.to_owned());
            }
            "topic" | "pattern" => {
                let Some((access, filter)) = access_and_filter(rest) else {
                    findings.lost(&place, &*line, "the rule cannot be read: access or topic is missing");
                    continue;
                };
                if keyword == "topic" && (filter.contains("%u") || filter.contains("%c")) {
                    let why =
                        "%u and %c stand for user and client here, and do not in a `topic` of mosquitto";
                    findings.lost(&place, &*line, why);
                    continue;
                }
                let rule = Rule { place, access, filter: filter.to_owned() };
                match (keyword, &user) {
                    ("pattern", _) => acl.patterns.push(rule),
                    (_, None) => acl.anonymous.push(rule),
                    (_, Some(name)) => {
                        if let Some((_, rules)) = acl.users.get_mut(name) {
                            rules.push(rule);
                        }
                    }
                }
            }
            _ => findings.lost(&place, &*line, "it is neither user, topic nor pattern"),
        }
    }
    Ok(acl)
}

/// Without a word for the access it is both.
fn access_and_filter(rest: &str) -> Option<(Access, &str)> {
    match rest.split_once(char::is_whitespace) {
        None if rest.is_empty() || Access::parse(rest).is_some() => None,
        None => Some((Access::ReadWrite, rest)),
        Some((access, filter)) => Some((Access::parse(access)?, filter.trim())),
    }
}

impl Acl {
    /// The users that it names, each with the place where.
    pub(crate) fn users(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.users.iter().map(|(name, (place, _))| (name.as_str(), place))
    }

    /// Whether it says something about clients without a user name; where.
    pub(crate) fn anonymous(&self) -> Option<&Place> {
        self.anonymous.first().map(|rule| &rule.place)
    }

    /// What `whom` may do, as a list of rights; rules that cannot be carried over are found.
    pub(crate) fn rights(&self, whom: Whom<'_>, findings: &mut Findings) -> String {
        let (own, name) = match whom {
            Whom::Anonymous => (self.anonymous.as_slice(), "clients without a user name".to_owned()),
            Whom::User(name) => {
                let own = self.users.get(name).map_or(&[][..], |(_, rules)| rules);
                (own, format!("user {name}"))
            }
        };
        // A pattern with %u is about nobody who has no name.
        let patterns =
            self.patterns.iter().filter(|rule| whom != Whom::Anonymous || !rule.filter.contains("%u"));
        let rules: Vec<&Rule> = own.iter().chain(patterns).collect();
        let denied: Vec<&Rule> = rules.iter().copied().filter(|rule| rule.access == Access::Deny).collect();
        for rule in &denied {
            findings.lost(
                &rule.place,
                format!("deny {} for {name}", rule.filter),
                "rights only allow; what it takes back is not given in the first place",
            );
        }
        let mut list = String::new();
        for rule in rules.iter().filter(|rule| rule.access != Access::Deny) {
            let right = format!("{} {}", rule.access.word(), rule.filter);
            if let Some(denial) = denied.iter().find(|denial| overlap(&denial.filter, &rule.filter)) {
                let why = format!("`deny {}` takes back a part of it", denial.filter);
                findings.lost(&rule.place, format!("{right} for {name}"), why);
                continue;
            }
            let longer = if list.is_empty() { right.clone() } else { format!("{list},{right}") };
            let refusal = if rule.filter.contains(',') {
                Some("the topic holds a comma, which separates rights".to_owned())
            } else {
                check_rights(&longer).err().map(|error| error.to_string())
            };
            match refusal {
                None => list = longer,
                Some(why) => findings.lost(&rule.place, format!("{right} for {name}"), why),
            }
        }
        list
    }
}

/// Whether some topic matches both filters. A level with %u or %c may be any.
fn overlap(one: &str, other: &str) -> bool {
    let is_any = |level: &str| level == "+" || level.contains("%u") || level.contains("%c");
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        return match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => true,
            (None, _) | (_, None) => false,
            (Some(a), Some(b)) if is_any(a) || is_any(b) || a == b => continue,
            _ => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(text: &str, findings: &mut Findings) -> Acl {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path(), findings).unwrap()
    }

    #[test]
    fn rules_belong_to_nobody_somebody_and_everybody() {
        let mut findings = Findings::default();
        let acl = acl(
            "topic read $SYS/#\n# a comment\nuser roger\ntopic foo/bar\ntopic write living room/x\n\nuser ann b\n\
             topic readwrite home/#\nuser roger\ntopic read again\npattern write dev/%c/#\npattern read u/%u\n",
            &mut findings,
        );
        let mut rights = |whom| acl.rights(whom, &mut findings);
        assert_eq!(rights(Whom::Anonymous), "read $SYS/#,write dev/%c/#");
        assert_eq!(
            rights(Whom::User("roger")),
            "readwrite foo/bar,write living room/x,read again,write dev/%c/#,read u/%u"
        );
        assert_eq!(rights(Whom::User("ann b")), "readwrite home/#,write dev/%c/#,read u/%u");
        assert_eq!(rights(Whom::User("zoe")), "write dev/%c/#,read u/%u");
        assert_eq!(findings.0, []);
        assert_eq!(
            acl.users().map(|(name, place)| (name, place.line)).collect::<Vec<_>>(),
            [("ann b", 7), ("roger", 3)]
        );
    }

    #[test]
    fn nobody_gets_what_a_deny_takes_back() {
        let mut findings = Findings::default();
        let acl = acl(
            "user ann\ntopic readwrite #\ntopic deny secret/#\nuser bob\ntopic read tele/#\npattern deny tele/+/%u\n",
            &mut findings,
        );
        assert_eq!(acl.rights(Whom::User("ann"), &mut findings), "");
        assert_eq!(acl.rights(Whom::User("bob"), &mut findings), "");
        let lines: Vec<_> = findings.0.iter().map(|finding| finding.place.line).collect();
        assert_eq!(lines, [3, 6, 2, 6, 5], "each rule that is left out is named: {findings:?}");
    }

    #[test]
    fn filters_overlap_where_a_topic_matches_both() {
        for (one, other, expected) in [
            ("#", "a", true),
            ("a/#", "a", true),
            ("a/+", "+/b", true),
            ("a/%u/c", "a/x/+", true),
            ("a/b", "a/c", false),
            ("a", "a/b", false),
            ("a/+", "a", false),
            ("a/b/#", "a/c/#", false),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_rule_is_found() {
        let mut findings = Findings::default();
        let acl = acl(
            "topic\ntopic read\ntopic reed a\ntopic read a/%u\nuser\nother x\ntopic read a,b\ntopic read a/#/b\n",
            &mut findings,
        );
        assert_eq!(acl.rights(Whom::Anonymous, &mut findings), "");
        let lines: Vec<_> = findings.0.iter().map(|finding| finding.place.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_does_not_fit_is_found_and_the_rest_stays() {
        let mut findings = Findings::default();
        let rules: String = (0..20).map(|number| format!("topic read t/{number}\n")).collect();
        let acl = acl(&format!("user ann\n{rules}"), &mut findings);
        assert_eq!(acl.rights(Whom::User("ann"), &mut findings).split(',').count(), 16);
        assert_eq!(findings.0.len(), 4);
    }
}
