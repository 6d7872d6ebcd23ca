//! Which program has a port open.

/// Name and process id of a program that has `path` open, as far as this user may see it.
#[cfg(target_os = "linux")]
pub(super) fn of(path: &str) -> Option<String> {
    let port = std::fs::canonicalize(path).ok()?;
    let own = std::process::id();
    for process in std::fs::read_dir("/proc").ok()?.filter_map(Result::ok) {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // Other users' programs show their open files to the administrator only.
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds =
            |file: &std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|target| target == port);
        if id != own && files.filter_map(Result::ok).any(|file| holds(&file)) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", name.trim()));
        }
    }
    None
}

/// Not known on this system.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(_path: &str) -> Option<String> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_has_the_file_open_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.into_temp_path();
        let path = path.to_str().unwrap();
        let input = std::fs::File::open(path).unwrap();
        // It stops itself, and holds its input until it is killed.
        let mut child =
            std::process::Command::new("sh").args(["-c", "kill -STOP $$"]).stdin(input).spawn().unwrap();
        let found = of(path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.is_some_and(|found| found.contains(&child.id().to_string())));
    }
}
