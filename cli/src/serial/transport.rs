//! What carries the line protocol: bytes both ways and a clock.
//!
//! The clock belongs to the transport so that tests run on simulated time, and so that a board in this very
//! process can be driven without waiting.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use serialport::SerialPort;

use super::open::{self, CONSOLE_BAUD, NativePort, OpenPort};

/// A byte stream to a device.
pub(crate) trait Transport {
    /// Waits at most `timeout` for bytes and returns how many came; 0 means none came in time.
    ///
    /// # Errors
    /// The stream is gone (the port was unplugged).
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize>;

    /// Sends all of `bytes`.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Time since an arbitrary moment; never goes back.
    fn now(&self) -> Duration;

    /// What the user calls it, for messages.
    fn name(&self) -> &str;

    /// Whether a cable leads there, or nothing but this machine.
    fn is_cable(&self) -> bool {
        true
    }

    /// One try to open the stream again after it has gone.
    ///
    /// # Errors
    /// It is not back yet.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        (**self).read(buffer, timeout)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).write_all(bytes)
    }

    fn now(&self) -> Duration {
        (**self).now()
    }

    fn name(&self) -> &str {
        (**self).name()
    }

    fn is_cable(&self) -> bool {
        (**self).is_cable()
    }

    fn reopen(&mut self) -> io::Result<()> {
        (**self).reopen()
    }
}

/// A serial port.
#[derive(Debug)]
pub(crate) struct SerialTransport {
    /// Nothing while it is being opened again.
    port: Option<NativePort>,
    path: String,
    started: Instant,
}

impl SerialTransport {
    pub(crate) fn new(open: OpenPort) -> Self {
        Self::from_parts(open.native, open.path)
    }

    /// A port that another protocol (a ROM loader's) has finished with.
    pub(crate) fn from_parts(mut port: NativePort, path: String) -> Self {
        // A pseudo-terminal has no speed; a real port that refuses its console speed will show by silence.
        let _ = port.set_baud_rate(CONSOLE_BAUD);
        Self { port: Some(port), path, started: Instant::now() }
    }

    fn port(&mut self) -> io::Result<&mut NativePort> {
        self.port.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Transport for SerialTransport {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        let port = self.port()?;
        port.set_timeout(timeout.max(Duration::from_millis(1)))?;
        match port.read(buffer) {
            // The end of the stream: the other side of a pseudo-terminal is gone, or the device was unplugged.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let port = self.port()?;
        port.set_timeout(Duration::from_secs(3))?;
        port.write_all(bytes)
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn name(&self) -> &str {
        &self.path
    }

    fn reopen(&mut self) -> io::Result<()> {
        // Closed first: it is opened exclusively.
        self.port = None;
        self.port = Some(open::native(&self.path).map_err(io::Error::from)?);
        Ok(())
    }
}
