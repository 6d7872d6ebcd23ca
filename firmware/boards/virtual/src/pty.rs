//! The board's serial port: the controlling side of a pty.
//!
//! The other side is kept open here as well, so that a program that closes the port, or dies, does not hang up the
//! line. What nobody reads stays in the pty's buffer until that is full, and is then lost, as on a wire.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};

const INITIAL_BAUD: u32 = 115_200;

/// A pty in raw mode.
#[derive(Debug)]
pub struct Pty {
    board: File,
    port: OwnedFd,
    path: PathBuf,
}

impl Pty {
    /// A new pty.
    ///
    /// # Errors
    /// What the operating system says; there is a limit to how many ptys exist.
    pub fn open() -> io::Result<Self> {
        let board = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        fcntl_setfd(&board, FdFlags::CLOEXEC)?;
        grantpt(&board)?;
        unlockpt(&board)?;
        let path = PathBuf::from(std::ffi::OsString::from_vec(ptsname(&board, Vec::new())?.into_bytes()));
        let port = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut termios = tcgetattr(&port)?;
        termios.make_raw();
        // The speed of every loader and console until somebody sets another one.
        termios.set_speed(INITIAL_BAUD)?;
        tcsetattr(&port, OptionalActions::Now, &termios)?;
        fcntl_setfl(&board, fcntl_getfl(&board)? | OFlags::NONBLOCK)?;
        Ok(Self { board: File::from(board), port, path })
    }

    /// The port that flashers and terminals open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The speed that the other side has set; `None` if it cannot be told.
    pub fn speed(&self) -> Option<u32> {
        tcgetattr(&self.port).ok().map(|termios| termios.output_speed())
    }

    /// The board's side of the line once more, non-blocking.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn line(&self) -> io::Result<File> {
        self.board.try_clone()
    }

    /// Bytes from the line; zero if there are none now.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        or_nothing((&self.board).read(buffer))
    }

    /// Bytes that the line took; zero if it is full now.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        or_nothing((&self.board).write(bytes))
    }

    /// Prints a line as a chip does, which does not wait for anybody to read it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn print(&self, line: &str) -> io::Result<()> {
        let line = format!("{line}\r\n");
        let mut rest = line.as_bytes();
        while !rest.is_empty() {
            match self.write(rest)? {
                0 => break,
                taken => rest = rest.get(taken..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    /// Waits until there are bytes to read or, if `to_write`, room to write; `milliseconds` at most.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn wait(&self, to_write: bool, milliseconds: i64) -> io::Result<()> {
        // A program that was killed cannot take back its claim to be the port's only user.
        let _ = ioctl_tiocnxcl(&self.port);
        let flags = if to_write { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let timeout = Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
        match poll(&mut [PollFd::new(&self.board, flags)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A non-blocking call that has nothing to do now is no error.
fn or_nothing(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        result => result,
    }
}

/// A name for the port that stays the same from run to run; gone with this value.
#[derive(Debug)]
pub struct PortLink {
    path: PathBuf,
}

impl PortLink {
    /// Makes `path` a symbolic link to the port; a link that an earlier run left there is replaced.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists) if something else is in that place.
    pub fn create(path: &Path, pty: &Pty) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(existing) if existing.is_symlink() => fs::remove_file(path)?,
            Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => {}
        }
        std::os::unix::fs::symlink(pty.path(), path)?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for PortLink {
    fn drop(&mut self) {
        // If somebody has removed it already, so much the better.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(pty: &Pty) -> File {
        fs::OpenOptions::new().read(true).write(true).open(pty.path()).unwrap()
    }

    fn read(pty: &Pty, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut buffer = [0; 64];
        while bytes.len() < length {
            pty.wait(false, 10_000).unwrap();
            let count = pty.read(&mut buffer).unwrap();
            assert!(count > 0, "nothing came within ten seconds");
            bytes.extend_from_slice(&buffer[..count]);
        }
        bytes
    }

    #[test]
    fn bytes_pass_unchanged_in_both_directions() {
        let pty = Pty::open().unwrap();
        let mut port = open(&pty);
        let every: Vec<u8> = (0..=255).collect();
        port.write_all(&every).unwrap();
        assert_eq!(read(&pty, 256), every);
        assert_eq!(pty.write(&every).unwrap(), 256);
        let mut back = [0; 256];
        port.read_exact(&mut back).unwrap();
        assert_eq!(back[..], every);
    }

    #[test]
    fn the_line_survives_a_port_that_is_closed_and_opened_again() {
        let pty = Pty::open().unwrap();
        drop(open(&pty));
        assert_eq!(pty.read(&mut [0; 8]).unwrap(), 0);
        open(&pty).write_all(b"again").unwrap();
        assert_eq!(read(&pty, 5), b"again");
    }

    #[test]
    fn nobody_reading_does_not_stop_the_board() {
        let pty = Pty::open().unwrap();
        for _ in 0..10_000 {
            pty.print("invalid header: 0xffffffff").unwrap();
        }
    }

    #[test]
    fn a_link_leads_to_the_port_and_goes_with_the_board() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("board");
        let pty = Pty::open().unwrap();
        std::os::unix::fs::symlink("/nowhere", &path).unwrap();
        let link = PortLink::create(&path, &pty).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), pty.path());
        drop(link);
        assert!(fs::symlink_metadata(&path).is_err());
        fs::write(&path, "precious").unwrap();
        assert_eq!(PortLink::create(&path, &pty).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
