//! The console of an `obkmq run` on this machine, by its data folder.
//!
//! While the broker runs, its control socket is a console like that of a cable. Where none runs, the same node is booted
//! in this process, over the same file and under the same lock, for as long as the command takes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use obkmq_host::{Offline, OpenError, SetupError};

use super::transport::Transport;
use crate::failure::{Exit, Failure};

/// A folder may be between two owners (a broker that starts, a command that ends); it is asked again for this long.
const PATIENCE: Duration = Duration::from_secs(4);

const PAUSE: Duration = Duration::from_millis(50);

/// The console of a data folder.
#[derive(Debug)]
pub(crate) struct LocalTransport {
    folder: PathBuf,
    name: String,
    end: End,
    started: Instant,
}

#[derive(Debug)]
enum End {
    #[cfg(unix)]
    Running(std::os::unix::net::UnixStream),
    Stopped(Box<Offline>),
    Gone,
}

/// Opens the console of the folder, whether a broker runs on it or not.
pub(crate) fn open(folder: &Path) -> Result<LocalTransport, Failure> {
    let name = folder.display().to_string();
    if !folder.is_dir() {
        return Err(Failure::new(
            Exit::Usage,
            format!("{name} is no data folder."),
            "there is no such folder",
            format!("name the one that `obkmq run --data` uses, or make it: mkdir {name}"),
        ));
    }
    let started = Instant::now();
    let end = loop {
        match open_end(folder) {
            Ok(end) => break end,
            Err(Trouble::InUse) if started.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            Err(trouble) => return Err(trouble.explain(&name)),
        }
    };
    Ok(LocalTransport { folder: folder.to_owned(), name, end, started })
}

enum Trouble {
    /// Somebody has the flash file, and nobody answers on the socket.
    InUse,
    /// The socket is there and may not be opened.
    #[cfg(unix)]
    Denied,
    Other(String),
}

impl Trouble {
    fn explain(self, name: &str) -> Failure {
        let what = format!("The settings in {name} cannot be reached.");
        match self {
            Self::InUse => {
                let (why, next) = if cfg!(unix) {
                    ("another program uses them and does not answer", "end that program, or wait for it")
                } else {
                    (
                        "a broker runs on them, and on this system it cannot be talked to while it runs",
                        "end it, run the same command again, and start it anew",
                    )
                };
                Failure::new(Exit::PortDenied, what, why, next)
            }
            #[cfg(unix)]
            Self::Denied => Failure::new(
                Exit::PortDenied,
                what,
                "a broker runs on them as another user",
                "run the same command as that user (sudo -u USER obkmq …)",
            ),
            Self::Other(why) => Failure::new(
                Exit::Usage,
                what,
                why,
                "see to its permissions, or name another folder with --data",
            ),
        }
    }
}

fn open_end(folder: &Path) -> Result<End, Trouble> {
    #[cfg(unix)]
    match std::os::unix::net::UnixStream::connect(obkmq_host::control_path(folder)) {
        Ok(stream) => return Ok(End::Running(stream)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Trouble::Denied),
        // No socket, or one that a killed broker left behind.
        Err(_) => {}
    }
    match Offline::open(folder) {
        Ok(offline) => Ok(End::Stopped(Box::new(offline))),
        Err(SetupError::Flash { error: OpenError::InUse, .. }) => Err(Trouble::InUse),
        Err(error) => Err(Trouble::Other(error.to_string())),
    }
}

impl LocalTransport {
    /// Whether no broker runs on the folder.
    pub(crate) fn is_stopped(&self) -> bool {
        matches!(self.end, End::Stopped(_))
    }
}

impl Transport for LocalTransport {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        match &mut self.end {
            #[cfg(unix)]
            End::Running(stream) => {
                use std::io::Read as _;
                stream.set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
                match stream.read(buffer) {
                    Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(count) => Ok(count),
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                        ) =>
                    {
                        Ok(0)
                    }
                    Err(error) => Err(error),
                }
            }
            End::Stopped(offline) => Ok(offline.read(buffer, timeout)),
            End::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.end {
            #[cfg(unix)]
            End::Running(stream) => {
                use std::io::Write as _;
                stream.write_all(bytes)
            }
            End::Stopped(offline) => {
                offline.write(bytes);
                Ok(())
            }
            End::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_cable(&self) -> bool {
        false
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.end = End::Gone;
        self.end = open_end(&self.folder).map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_not_made() {
        let home = tempfile::tempdir().unwrap();
        let failure = open(&home.path().join("typo")).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.next.contains("mkdir"), "{}", failure.next);
        assert!(!home.path().join("typo").exists());
    }
}
