//! `mosquitto.conf`: one directive a line, a keyword and its value, see mosquitto.conf(5).

use std::fs;
use std::path::{Path, PathBuf};

use super::{Findings, Place, limits, lines, named};
use crate::failure::{Exit, Failure};

/// A line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) place: Place,
    pub(crate) keyword: String,
    /// The rest of the line; may be empty.
    pub(crate) value: String,
}

/// The directives of a configuration in the order in which mosquitto reads them: the files of `include_dir` stand where
/// the directive does.
pub(crate) fn read(path: &Path, findings: &mut Findings) -> Result<Vec<Directive>, Failure> {
    let mut directives = Vec::new();
    for (place, line) in lines(path)? {
        let directive = parse(place, &line);
        if directive.keyword != "include_dir" {
            directives.push(directive);
            continue;
        }
        let folder = named(path, &directive.value);
        let Some(files) = included(&folder) else {
            findings.lost(
                &directive.place,
                format!("include_dir {}", directive.value),
                format!("the folder {} cannot be read; copy it from the old machine", folder.display()),
            );
            continue;
        };
        if files.len() > limits::INCLUDED_LIMIT {
            return Err(Failure::new(
                Exit::Usage,
                format!("{} holds too many files.", folder.display()),
                format!("{} files end in .conf; {} is the most", files.len(), limits::INCLUDED_LIMIT),
                "leave only mosquitto's own files there",
            ));
        }
        for file in files {
            for (place, line) in lines(&file)? {
                let directive = parse(place, &line);
                if directive.keyword == "include_dir" {
                    let why = "only the main file may include others";
                    findings.lost(&directive.place, format!("include_dir {}", directive.value), why);
                } else {
                    directives.push(directive);
                }
            }
        }
    }
    Ok(directives)
}

fn parse(place: Place, line: &str) -> Directive {
    let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    Directive { place, keyword: keyword.to_owned(), value: value.trim().to_owned() }
}

/// The files that mosquitto takes from a folder, in its order: that of their bytes.
fn included(folder: &Path) -> Option<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).collect();
    files.sort();
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn included_files_stand_where_the_directive_does_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mosquitto.conf");
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        for (name, text) in [("b.conf", "user b"), ("a.conf", "user a\ninclude_dir x"), ("c.txt", "user c")] {
            fs::write(folder.path().join("conf.d").join(name), text).unwrap();
        }
        // The absolute name is that of the old machine.
        fs::write(&path, "# a comment\n  port \t 1884  \n\ninclude_dir /etc/mosquitto/conf.d\npersistence\n")
            .unwrap();
        let mut findings = Findings::default();
        let directives = read(&path, &mut findings).unwrap();
        let said: Vec<_> = directives.iter().map(|one| (one.keyword.as_str(), one.value.as_str())).collect();
        assert_eq!(said, [("port", "1884"), ("user", "a"), ("user", "b"), ("persistence", "")]);
        assert_eq!(directives[0].place.line, 2);
        assert_eq!(findings.0.len(), 1);
        assert!(findings.0[0].place.to_string().ends_with("a.conf:2"));
    }

    #[test]
    fn what_is_no_text_or_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mosquitto.conf");
        let mut findings = Findings::default();
        assert_eq!(read(&path, &mut findings).unwrap_err().exit, Exit::Usage);
        fs::write(&path, b"port \xff").unwrap();
        assert!(read(&path, &mut findings).unwrap_err().why.contains("UTF-8"));
        #[cfg(unix)]
        assert!(read(Path::new("/dev/zero"), &mut findings).unwrap_err().why.contains("larger"));
    }
}
