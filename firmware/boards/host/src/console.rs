//! Where the node's console goes on a PC.

#[cfg(unix)]
use std::io::Read as _;
use std::io::{self, Write};

/// The console's other end.
pub enum Console {
    /// Log lines go to this writer; nothing is read.
    Log(Box<dyn Write + Send>),
    /// A terminal line in both directions, e.g. the controlling side of a pty.
    #[cfg(unix)]
    Line(Line),
}

/// Looks at bytes that came in; `true` claims the line.
#[cfg(unix)]
pub type Intercept = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// A terminal line, non-blocking.
#[cfg(unix)]
pub struct Line {
    /// The descriptor, already non-blocking.
    pub file: std::fs::File,
    /// Sees everything that comes in, before the console does. `true` ends the server with
    /// [`Outcome::Intercepted`](crate::Outcome::Intercepted): whoever holds the line wants the ROM loader instead.
    pub intercept: Intercept,
}

/// What reading the console brought.
#[cfg_attr(not(unix), allow(dead_code, reason = "a log has no input, and there are no lines elsewhere"))]
pub(crate) enum Input {
    Bytes(usize),
    Nothing,
    Intercepted,
}

impl Console {
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd as _;
        match self {
            Self::Log(_) => None,
            Self::Line(line) => Some(line.file.as_raw_fd()),
        }
    }

    #[cfg_attr(not(unix), allow(unused_variables, reason = "a log has no input"))]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Input> {
        match self {
            Self::Log(_) => Ok(Input::Nothing),
            #[cfg(unix)]
            Self::Line(line) => match retry(|| line.file.read(buffer)) {
                Ok(0) => Ok(Input::Nothing),
                Ok(count) if (line.intercept)(buffer.get(..count).unwrap_or_default()) => {
                    Ok(Input::Intercepted)
                }
                Ok(count) => Ok(Input::Bytes(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Input::Nothing),
                // EIO is a pty whose other side is closed just now; somebody may open it again.
                Err(error) if error.raw_os_error() == Some(5) => Ok(Input::Nothing),
                Err(error) => Err(error),
            },
        }
    }

    /// Bytes taken; zero when the line is full for now.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Log(writer) => {
                // The node ends its lines as a serial terminal wants them, a log's lines have no carriage return.
                let text: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != b'\r').collect();
                // A full disk or a reader that has gone costs log lines, not the broker.
                let _ = writer.write_all(&text).and_then(|()| writer.flush());
                Ok(bytes.len())
            }
            #[cfg(unix)]
            Self::Line(line) => match retry(|| line.file.write(bytes)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.raw_os_error() == Some(5) => Ok(bytes.len()),
                result => result,
            },
        }
    }
}

/// Repeats what a signal has interrupted: readiness is told once, and giving up here would be to forget it.
#[cfg(unix)]
fn retry(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(_) => formatter.write_str("Log"),
            #[cfg(unix)]
            Self::Line(_) => formatter.write_str("Line"),
        }
    }
}
