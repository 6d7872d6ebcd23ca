//! The emulated board, from outside: its console, its memory, its clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::bench_broker::wire::{self, Packet};

/// One instruction takes 2³ ns of emulated time: 125 million a second, about the chip's clock.
const ICOUNT_SHIFT: u32 = 3;
/// Instructions in a microsecond of emulated time.
pub(super) const INSTRUCTIONS_PER_US: u64 = 1000 >> ICOUNT_SHIFT;
const PATIENCE: Duration = Duration::from_secs(10);
/// Before each packet of a client, so that frames come to the emulated network device one by one.
const PAUSE: Duration = Duration::from_millis(3);

/// A running machine; it ends when it is dropped.
pub(super) struct Machine {
    emulator: Child,
    /// The emulator's own commands.
    monitor: BufReader<UnixStream>,
    console: (ChildStdin, BufReader<ChildStdout>),
    address: SocketAddr,
    _home: TempDir,
}

impl Machine {
    /// Starts it with blank flash; everybody may connect. Where instructions are counted, emulated time stands still while
    /// the board sleeps, and with it the emulator's network: what its network device drops is then never sent again. That
    /// device holds three frames, so it is for two or three clients only.
    pub(super) fn start(image: &Path, counts_instructions: bool) -> Result<Self> {
        let home = tempfile::tempdir().context("no temporary folder")?;
        let seed = home.path().join("seed");
        // Nothing here is secret; the board only wants something else than zeros.
        std::fs::write(&seed, [0x5A; 32]).context("the seed cannot be written")?;
        let monitor = home.path().join("monitor");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
        let mut emulator = Command::new("qemu-system-arm")
            .args(["-M", "versatilepb", "-m", "16M", "-display", "none", "-serial", "stdio"])
            .args(["-audiodev", "none,id=none"])
            .args(
                counts_instructions
                    .then(|| ["-icount".to_owned(), format!("shift={ICOUNT_SHIFT}")])
                    .into_iter()
                    .flatten(),
            )
            .args(["-monitor", &format!("unix:{},server=on,wait=on", monitor.display())])
            .args(["-nic", &format!("user,model=smc91c111,restrict=on,hostfwd=tcp:{address}-:1883")])
            .args(["-device", &format!("loader,addr=0x700000,file={},force-raw=on", seed.display())])
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("qemu-system-arm cannot be started\nNext: apt-get install qemu-system-arm")?;
        let pipes = emulator.stdin.take().zip(emulator.stdout.take());
        let (input, output) = pipes.context("the emulator has no console")?;
        let deadline = Instant::now() + PATIENCE;
        let monitor = loop {
            match UnixStream::connect(&monitor) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Err(error) => {
                    let _ = emulator.kill();
                    return Err(error).context("the emulator's monitor does not open");
                }
            }
        };
        monitor.set_read_timeout(Some(PATIENCE))?;
        let mut machine = Self {
            emulator,
            monitor: BufReader::new(monitor),
            console: (input, BufReader::new(output)),
            address,
            _home: home,
        };
        // The emulator has waited for its monitor; the board says this when it listens to it.
        let mut line = String::new();
        while !line.contains("first boot") {
            line.clear();
            ensure!(machine.console.1.read_line(&mut line)? > 0, "the board does not start");
        }
        machine.typed("log error")?;
        machine.typed("set mqtt.anonymous always")?;
        Ok(machine)
    }

    /// Types a line on the console; what is printed until the answer ends.
    fn typed(&mut self, line: &str) -> Result<String> {
        write!(self.console.0, "\r\n{line}\r\n").context("the console is closed")?;
        let mut text = String::new();
        loop {
            let start = text.len();
            let read = self.console.1.read_line(&mut text).context("the board does not answer")?;
            ensure!(read > 0, "the board's console has ended");
            match text.get(start..).unwrap_or_default().trim() {
                answer if answer == "ok" || answer.starts_with("ok ") => return Ok(text),
                answer if answer.starts_with("error") => bail!("`{line}` was answered with {answer}"),
                _ => {}
            }
        }
    }

    /// Figures that `info` shows, in the order asked for.
    pub(super) fn figures<const N: usize>(&mut self, names: [&str; N]) -> Result<[u64; N]> {
        let text = self.typed("info")?;
        let mut values = [0; N];
        for (value, name) in values.iter_mut().zip(names) {
            let prefix = format!("{name}=");
            let word = text.split_whitespace().find_map(|word| word.strip_prefix(&prefix));
            *value =
                word.and_then(|word| word.parse().ok()).with_context(|| format!("no {name} in {text}"))?;
        }
        Ok(values)
    }

    /// Words of the board's memory.
    pub(super) fn words(&mut self, address: u64, count: usize) -> Result<Vec<u32>> {
        let monitor = &mut self.monitor;
        writeln!(monitor.get_mut(), "xp /{count}wx {address:#x}")
            .context("the emulator's monitor is closed")?;
        let mut words = Vec::new();
        let mut line = String::new();
        while words.len() < count {
            line.clear();
            ensure!(monitor.read_line(&mut line)? > 0, "the emulator has ended");
            // "0000000000400010: 0x00000001 0x00000002"; the prompt and the command's echo have no colon before a word.
            if let Some((_, values)) = line.split_once(": 0x") {
                words.extend(
                    values
                        .split_whitespace()
                        .filter_map(|word| u32::from_str_radix(word.trim_start_matches("0x"), 16).ok()),
                );
            }
        }
        Ok(words)
    }

    /// A client with a will, with a clean session; `None` if it was refused.
    pub(super) fn connect(&self, id: &str) -> Result<Option<Client>> {
        let stream = TcpStream::connect(self.address).context("the emulator's port is closed")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client = Client { stream, received: Vec::new() };
        let mut body = b"\x00\x04MQTT\x04\x06\x02\x58".to_vec();
        for text in [id, &format!("home/{id}/status"), "offline"] {
            wire::push_text(&mut body, text);
        }
        client.send(&wire::packet(0x10, &body))?;
        match client.next() {
            Ok((first, body)) => Ok((first == 0x20 && body == [0, 0]).then_some(client)),
            Err(_) => Ok(None),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}

/// A client that waits for each of its packets.
pub(super) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        std::thread::sleep(PAUSE);
        self.stream.write_all(bytes).context("the board has closed the connection")
    }

    /// The next packet: its first byte, and what comes after its length.
    pub(super) fn next(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            if let Some((Packet { first, body }, rest)) = wire::split(&self.received) {
                let packet = (first, body.to_vec());
                self.received = rest.to_vec();
                return Ok(packet);
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).context("the board does not answer a client")?;
            ensure!(count > 0, "the board has closed the connection");
            self.received.extend(buffer.get(..count).unwrap_or_default());
        }
    }
}
