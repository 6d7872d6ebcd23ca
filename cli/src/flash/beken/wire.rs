//! What the loader's protocol needs of a serial port, and a port that has it.
//!
//! The clock belongs to the wire, so that tests run on simulated time against a chip in this very process.

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use serialport::SerialPort as _;

use crate::serial::open::{NativePort, OpenPort};
use crate::serial::transport::SerialTransport;

/// A serial line with a speed and, perhaps, wires to reset the chip.
pub(super) trait Wire {
    /// Waits at most `timeout` for bytes; 0 means that none came.
    ///
    /// # Errors
    /// The port is gone.
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize>;

    /// Sends all of `bytes`, down to the last bit.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Another speed of the line.
    fn set_baud(&mut self, baud: u32) -> io::Result<()>;

    /// Pulls what may be wired to the chip's reset.
    fn pulse_reset(&mut self) -> io::Result<()>;

    /// Lets time pass.
    fn sleep(&mut self, time: Duration);

    /// Time since an arbitrary moment; never goes back.
    fn now(&self) -> Duration;
}

/// A serial port.
pub(super) struct PortWire {
    native: NativePort,
    path: String,
    has_modem_lines: bool,
    started: Instant,
}

/// How long a write may take: a sector at 9,600 baud, and more.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

impl PortWire {
    pub(super) fn new(port: OpenPort) -> Self {
        let OpenPort { native, path, has_modem_lines } = port;
        Self { native, path, has_modem_lines, started: Instant::now() }
    }

    /// The port for whoever comes next, at the console's speed.
    pub(super) fn into_transport(self) -> SerialTransport {
        SerialTransport::from_parts(self.native, self.path)
    }
}

impl Wire for PortWire {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.native.set_timeout(timeout.max(Duration::from_millis(1)))?;
        match self.native.read(buffer) {
            // The other side of a pseudo-terminal is gone, or the adapter was unplugged.
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.native.set_timeout(WRITE_PATIENCE)?;
        self.native.write_all(bytes)?;
        if self.has_modem_lines {
            // A change of speed must not overtake what is still to be sent. A pseudo-terminal sends at once, and would
            // wait here for somebody to read.
            self.native.flush()?;
        }
        Ok(())
    }

    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        Ok(self.native.set_baud_rate(baud)?)
    }

    fn pulse_reset(&mut self) -> io::Result<()> {
        if !self.has_modem_lines {
            return Ok(());
        }
        // Adapters differ in which of the two is wired to CEN, if any.
        self.native.write_request_to_send(true)?;
        self.native.write_data_terminal_ready(true)?;
        self.sleep(Duration::from_millis(100));
        self.native.write_data_terminal_ready(false)?;
        self.sleep(Duration::from_millis(100));
        Ok(self.native.write_request_to_send(false)?)
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}
