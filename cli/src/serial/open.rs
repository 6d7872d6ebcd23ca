//! Opening one serial port, exactly the path that was named, and saying well why it failed.
//!
//! A port is opened for us alone: `TIOCEXCL`, and a `flock` on the port itself, which esptool and other pyserial programs
//! respect and take, too. The system frees both when we end, however we end; but a pseudo-terminal lives on, and its
//! `TIOCEXCL` with it, for as long as the program on its other side. There the flock alone has to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serialport::{ErrorKind, SerialPort};

use super::ports;
use crate::failure::{Exit, Failure};

/// The port's own type: the flasher's library wants it, not a trait object.
#[cfg(unix)]
pub(crate) type NativePort = serialport::TTYPort;
/// The port's own type: the flasher's library wants it, not a trait object.
#[cfg(windows)]
pub(crate) type NativePort = serialport::COMPort;

/// The speed of the console and of every ROM loader's first words.
pub(crate) const CONSOLE_BAUD: u32 = 115_200;

/// How long a single read or write of the port may take by default.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// An open port.
#[derive(Debug)]
pub(crate) struct OpenPort {
    pub(crate) native: NativePort,
    pub(crate) path: String,
    /// A pseudo-terminal has no modem lines: the chip cannot be reset through it.
    pub(crate) has_modem_lines: bool,
}

/// Opens `path` at the console's speed. Neither DTR nor RTS is touched by us; Linux itself may pulse DTR.
pub(crate) fn open(path: &str) -> Result<OpenPort, Failure> {
    let mut native = native(path).map_err(|error| explain(path, &error))?;
    let has_modem_lines = !is_pseudo_terminal(path) && native.read_clear_to_send().is_ok();
    Ok(OpenPort { native, path: path.to_owned(), has_modem_lines })
}

/// The port alone.
pub(crate) fn native(path: &str) -> serialport::Result<NativePort> {
    let builder = serialport::new(path, CONSOLE_BAUD).timeout(OPEN_TIMEOUT).preserve_dtr_on_open();
    #[cfg(unix)]
    if is_pseudo_terminal(path) {
        use rustix::fs::{Mode, OFlags};
        // Opened first: TIOCEXCL keeps us out as well.
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let terminal = rustix::fs::open(path, flags, Mode::empty()).map_err(std::io::Error::from)?;
        let port = builder.open_native()?;
        rustix::termios::ioctl_tiocnxcl(&terminal).map_err(std::io::Error::from)?;
        return Ok(port);
    }
    builder.open_native()
}

/// Whether `path` is a pseudo-terminal (links followed).
pub(crate) fn is_pseudo_terminal(path: &str) -> bool {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let text = real.to_string_lossy();
    let bsd_pty = cfg!(target_os = "macos")
        && text.strip_prefix("/dev/ttys").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    text.starts_with("/dev/pts/") || bsd_pty
}

fn busy(path: &str) -> Failure {
    Failure::new(
        Exit::PortDenied,
        format!("{path} is in use."),
        "another program has it open (a monitor, ModemManager, an IDE)",
        format!("close that program; on Linux `fuser {path}` names it"),
    )
}

fn explain(path: &str, error: &serialport::Error) -> Failure {
    let exists = Path::new(path).exists();
    match error.kind() {
        ErrorKind::Io(std::io::ErrorKind::PermissionDenied) => Failure::new(
            Exit::PortDenied,
            format!("{path} may not be opened."),
            permission_reason(Path::new(path)),
            permission_remedy(Path::new(path)),
        ),
        ErrorKind::Io(std::io::ErrorKind::NotFound) => not_there(path),
        ErrorKind::Io(std::io::ErrorKind::ResourceBusy) => busy(path),
        ErrorKind::NoDevice if exists || cfg!(windows) && error.to_string().contains("denied") => busy(path),
        ErrorKind::NoDevice => not_there(path),
        _ if exists && (!is_character_device(path) || is_no_terminal(error)) => Failure::new(
            Exit::NoPort,
            format!("{path} is not a serial port."),
            "it is a file or a device of another kind",
            "choose one of `obkmq ports`",
        ),
        _ => Failure::new(
            Exit::PortDenied,
            format!("{path} cannot be opened."),
            error.to_string(),
            "unplug the board, plug it in again and repeat the command",
        ),
    }
}

fn not_there(path: &str) -> Failure {
    let present: Vec<String> =
        ports::list().into_iter().filter(ports::Port::is_candidate).map(|port| port.path).collect();
    let why = if present.is_empty() {
        "this computer sees no USB serial port at all".to_owned()
    } else {
        format!("present are: {}", present.join(", "))
    };
    Failure::new(
        Exit::NoPort,
        format!("There is no port {path}."),
        why,
        "plug the board in with a cable that carries data, then look at `obkmq ports`",
    )
}

#[cfg(unix)]
fn is_character_device(path: &str) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_character_device(_path: &str) -> bool {
    true
}

/// ENOTTY, which the library gives as text only, and the operating system in two wordings.
fn is_no_terminal(error: &serialport::Error) -> bool {
    let text = error.to_string();
    text.contains("typewriter") || text.contains("ioctl")
}

/// Who may open the port and who not, in words.
#[cfg(unix)]
pub(crate) fn permission_reason(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(metadata) = std::fs::metadata(path) else {
        return "permission denied".to_owned();
    };
    // What the group may not do either, being in it does not help with.
    if metadata.mode() & 0o060 != 0o060 {
        return format!("permission denied: only user {} may use it", metadata.uid());
    }
    match name_of("/etc/group", metadata.gid()) {
        Some(group) => format!("permission denied: it belongs to group {group}, and you are not in it"),
        None => format!("permission denied: it belongs to user {}, group {}", metadata.uid(), metadata.gid()),
    }
}

#[cfg(not(unix))]
pub(crate) fn permission_reason(_path: &Path) -> String {
    "permission denied, or another program has it open".to_owned()
}

#[cfg(unix)]
pub(crate) fn permission_remedy(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    let group = std::fs::metadata(path)
        .ok()
        .filter(|metadata| metadata.mode() & 0o060 == 0o060)
        .and_then(|metadata| name_of("/etc/group", metadata.gid()));
    match group.as_deref() {
        None | Some("root" | "wheel") => {
            "ask the computer's administrator for access (a udev rule, or the group dialout)".to_owned()
        }
        Some(group) => format!("sudo usermod -aG {group} $USER, then log out and in again"),
    }
}

#[cfg(not(unix))]
pub(crate) fn permission_remedy(_path: &Path) -> String {
    "close every program that may use the port and repeat the command".to_owned()
}

/// The name of a group id in a file of `/etc/group`'s form.
#[cfg(unix)]
fn name_of(file: &str, id: u32) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_does_not_exist_is_exit_3() {
        let failure = open("/dev/does-not-exist").unwrap_err();
        assert_eq!(failure.exit, Exit::NoPort);
        assert!(failure.what.contains("/dev/does-not-exist"));
    }

    #[cfg(unix)]
    #[test]
    fn a_plain_file_is_no_serial_port() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = open(file.path().to_str().unwrap()).unwrap_err();
        assert_eq!(failure.exit, Exit::NoPort);
        assert!(failure.what.contains("is not a serial port"), "{}", failure.what);
    }

    #[cfg(unix)]
    #[test]
    fn the_second_is_refused_until_the_first_is_gone_and_so_is_a_program_that_locks_as_pyserial_does() {
        use rustix::fs::{FlockOperation, flock};
        let (_board, terminal) = serialport::TTYPort::pair().unwrap();
        let path = terminal.name().unwrap();
        let first = open(&path).unwrap();
        let failure = open(&path).unwrap_err();
        assert_eq!(failure.exit, Exit::PortDenied, "{failure:?}");
        assert!(failure.what.ends_with("is in use."), "{}", failure.what);
        let esptool = std::fs::File::open(&path).unwrap();
        assert!(flock(&esptool, FlockOperation::NonBlockingLockExclusive).is_err());

        drop(first);
        flock(&esptool, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert_eq!(open(&path).unwrap_err().exit, Exit::PortDenied);
        drop(esptool);
        open(&path).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn permission_denied_names_the_group_to_join() {
        let error = serialport::Error::new(ErrorKind::Io(std::io::ErrorKind::PermissionDenied), "denied");
        let failure = explain("/dev/null", &error);
        assert_eq!(failure.exit, Exit::PortDenied);
        assert!(failure.why.contains("group root"), "{}", failure.why);

        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let failure = explain(file.path().to_str().unwrap(), &error);
        assert!(failure.why.contains("only user"), "{}", failure.why);
        assert!(!failure.next.contains("usermod"), "{}", failure.next);
    }
}
