//! A device on a pseudo-terminal: the firmware's own node over a flash file, behind a wire that can be bad.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Clock};

use obkmq_config::line::{frame, parse_frame};
use obkmq_config::settings::Capability;
use obkmq_host::{Flash, HostBoard, OpenError, identity, regions};
use obkmq_node::{Action, Anonymous, Instant, Node};
use obkmq_virtual::radio::{SimulatedNetwork, SimulatedRadio};

const FLASH_BYTES: u32 = 0x40_0000;

/// How long the pump waits for either side.
const PAUSE: Duration = Duration::from_millis(1);

/// What happens to a request.
pub(crate) enum Reaction {
    /// The node gets it.
    Pass,
    /// Somebody taps RESET just as it comes in.
    ResetBefore,
    /// Somebody taps RESET once it is executed, before the answer is out.
    ResetAfter,
}

type Wire = Box<dyn FnMut(u8, bool) -> Vec<u8> + Send>;
type Rewrite = Box<dyn FnMut(&str) -> Vec<String> + Send>;

/// What is special about a device; [`Setup::default`] is a good one on a clean wire.
pub(crate) struct Setup {
    /// Prints this for every line it gets: another firmware.
    pub(crate) prints: Option<&'static str>,
    /// What arrives of a byte; the flag says whether it goes to the device.
    pub(crate) wire: Wire,
    /// Sees the body of every request.
    pub(crate) request: Box<dyn FnMut(&str) -> Reaction + Send>,
    /// What becomes of the body of a reply's line.
    pub(crate) reply: Rewrite,
    /// Networks in reach of its simulated radio, as `obkmq sim --network` takes them; none is no radio.
    pub(crate) networks: &'static [&'static str],
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            prints: None,
            wire: Box::new(|byte, _| vec![byte]),
            request: Box::new(|_| Reaction::Pass),
            reply: Box::new(|body| vec![body.to_owned()]),
            networks: &[],
        }
    }
}

/// A device and its port; it lives in a thread until the test program ends.
pub(crate) struct Device {
    pub(crate) port: PathBuf,
    flash: tempfile::TempDir,
}

impl Device {
    pub(crate) fn good() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let flash = tempfile::tempdir().unwrap();
        Self::on(flash, setup)
    }

    /// A device whose newest settings, made by typing these lines, are damaged where `text` stands in its flash.
    pub(crate) fn damaged(typed: &str, text: &[u8]) -> Self {
        let flash = tempfile::tempdir().unwrap();
        let mut node = boot(&chip(&flash), &[]);
        node.console_input(typed.as_bytes());
        while node.poll(Instant::ZERO).is_some_and(|deadline| deadline <= Instant::ZERO) {}
        drop(node);
        let mut cells = std::fs::read(chip(&flash)).unwrap();
        let at = cells.windows(text.len()).rposition(|window| window == text).unwrap();
        cells[at] ^= 1;
        std::fs::write(chip(&flash), cells).unwrap();
        Self::on(flash, Setup::default())
    }

    fn on(flash: tempfile::TempDir, setup: Setup) -> Self {
        let (board, terminal, port) = pty();
        let path = chip(&flash);
        // Whoever looks at the flash finds it.
        drop(boot(&path, &[]));
        std::thread::spawn(move || {
            pump(board, &path, setup);
            drop(terminal);
        });
        Self { port, flash }
    }

    /// What the flash holds.
    pub(crate) fn cells(&self) -> Vec<u8> {
        std::fs::read(chip(&self.flash)).unwrap()
    }
}

fn chip(flash: &tempfile::TempDir) -> PathBuf {
    flash.path().join("chip")
}

fn boot(flash: &Path, networks: &[&str]) -> Node<HostBoard> {
    let flash = loop {
        match Flash::open(flash, FLASH_BYTES) {
            Ok(flash) => break flash,
            // A child that another test has just forked holds the lock until it has become the program.
            Err(OpenError::InUse) => std::thread::sleep(PAUSE),
            Err(error) => panic!("{error}"),
        }
    };
    let mut identity = identity("test", "esp32c3", Anonymous::Never);
    let mut board = HostBoard::new(flash);
    if !networks.is_empty() {
        identity.capabilities = identity.capabilities.with(Capability::Wifi);
        let network = |text: &&str| match text.strip_suffix(" without DHCP") {
            Some(text) => text.parse::<SimulatedNetwork>().unwrap().without_dhcp(),
            None => text.parse().unwrap(),
        };
        let networks = networks.iter().map(network).collect();
        board = board.with_radio(SimulatedRadio::new(networks, [192, 168, 1, 30].into()));
    }
    Node::boot(board, identity, regions(), Instant::ZERO)
}

/// A terminal for somebody to type at: keyboard and screen, and the program's side.
pub(crate) fn terminal() -> (File, File) {
    let (keyboard, line, _) = open_pty();
    (keyboard, line)
}

/// Both ends of a pty, raw, and its path. The port's end is held open, so that the line survives between two programs.
fn pty() -> (File, File, PathBuf) {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let (board, terminal, port) = open_pty();
    let mut attributes = tcgetattr(&terminal).unwrap();
    attributes.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &attributes).unwrap();
    let flags = rustix::fs::fcntl_getfl(&board).unwrap() | rustix::fs::OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(&board, flags).unwrap();
    (board, terminal, port)
}

fn open_pty() -> (File, File, PathBuf) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let board = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&board).unwrap();
    unlockpt(&board).unwrap();
    let port = PathBuf::from(ptsname(&board, Vec::new()).unwrap().into_string().unwrap());
    let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let terminal = File::options().read(true).write(true).custom_flags(noctty).open(&port).unwrap();
    (File::from(board), terminal, port)
}

/// Moves bytes between the line and the node, until the line is gone.
fn pump(mut board: File, flash: &Path, mut setup: Setup) {
    let mut node = boot(flash, setup.networks);
    let mut started = Clock::now();
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    let mut buffer = [0; 512];
    loop {
        let mut to_host = Vec::new();
        let count = match board.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
            Err(_) => return,
        };
        for byte in buffer[..count].iter().flat_map(|&byte| (setup.wire)(byte, true)) {
            request.push(byte);
            if byte != b'\n' {
                continue;
            }
            let line = std::mem::take(&mut request);
            if let Some(text) = setup.prints {
                to_host.extend(format!("{text}\r\n").bytes());
                continue;
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let parsed = parse_frame(&text).ok();
            match parsed.map_or(Reaction::Pass, |frame| (setup.request)(frame.body)) {
                Reaction::Pass => node.console_input(&line),
                reset => {
                    if matches!(reset, Reaction::ResetAfter) {
                        node.console_input(&line);
                        settle(&mut node, started);
                    }
                    drop(node);
                    (node, started) = (boot(flash, setup.networks), Clock::now());
                    reply.clear();
                }
            }
        }
        settle(&mut node, started);
        while let Some(action) = node.next_action() {
            if action == Action::Reboot {
                drop(node);
                (node, started) = (boot(flash, setup.networks), Clock::now());
            }
        }
        if setup.prints.is_some() {
            let count = node.console_output().len();
            node.console_written(count);
        }
        reply.extend_from_slice(node.console_output());
        let count = node.console_output().len();
        node.console_written(count);
        while let Some(end) = reply.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = reply.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            match parse_frame(&text) {
                Ok(parsed) => {
                    for body in (setup.reply)(parsed.body) {
                        to_host.extend(frame(parsed.seq, &body).unwrap().bytes());
                    }
                }
                Err(_) => to_host.extend(line),
            }
        }
        let mut rest: Vec<u8> = to_host.into_iter().flat_map(|byte| (setup.wire)(byte, false)).collect();
        while !rest.is_empty() {
            match board.write(&rest) {
                Ok(taken) => drop(rest.drain(..taken)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
                Err(_) => return,
            }
        }
        if count == 0 {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Lets the node work until it waits.
fn settle(node: &mut Node<HostBoard>, started: Clock) {
    loop {
        let now = Instant::from_micros(u64::try_from(started.elapsed().as_micros()).unwrap());
        if node.poll(now).is_none_or(|deadline| deadline > now) {
            return;
        }
    }
}
