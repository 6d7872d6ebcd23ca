//! The brokers that are compared, each with the settings that suit it best, and how one is started and ended.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::instruments::{self, Instrument};
use super::machine::{self, Cores};

/// What a broker says, in its folder.
const LOG: &str = "log";
/// Between two looks at whether a program is up or down.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Under callgrind a start takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose broker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Make {
    Obkmq,
    Mosquitto,
    Rumqttd,
}

/// All of them, ours first.
pub(super) const MAKES: [Make; 3] = [Make::Obkmq, Make::Mosquitto, Make::Rumqttd];

impl Make {
    /// Name of its program.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Obkmq => "obkmq",
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
        }
    }

    /// How to get it. rumqttd's own lock file names a release of `metrics` that compiles no more: without `--locked`
    /// the newest compatible one is taken, as `cargo update -p metrics` would.
    pub(super) const fn install(self) -> &'static str {
        match self {
            Self::Obkmq => "cargo build --release --package obkmq",
            Self::Mosquitto => "apt-get install mosquitto",
            Self::Rumqttd => "cargo install rumqttd --version 0.20.0",
        }
    }

    /// Its settings for this load: every message counts, so nothing may be dropped while a reader is only slow.
    fn settings(self, port: u16) -> String {
        match self {
            Self::Obkmq => "[mqtt]\nmax_clients = 10000\nmax_queued_bytes = 1048576\n".to_owned(),
            Self::Mosquitto => format!(
                // Started by the administrator it would become a user whose files callgrind cannot write.
                "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n\
                 max_queued_messages 0\nmax_inflight_messages 100\npersistence false\nlog_type none\n"
            ),
            // Its sample settings, without the delay after each connection and without what is not MQTT 3.1.1.
            Self::Rumqttd => format!(
                "id = 0\n\
                 [router]\nid = 0\nmax_connections = 10010\nmax_outgoing_packet_count = 200\n\
                 max_segment_size = 104857600\nmax_segment_count = 10\n\
                 [v4.1]\nname = \"v4-1\"\nlisten = \"127.0.0.1:{port}\"\nnext_connection_delay_ms = 0\n\
                 [v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\n\
                 max_inflight_count = 100\ndynamic_filters = true\n"
            ),
        }
    }
}

/// A broker that this machine has.
#[derive(Debug, Clone)]
pub(super) struct Contender {
    pub(super) make: Make,
    program: PathBuf,
    /// As it says itself.
    pub(super) version: String,
}

impl Contender {
    /// A broker's program, or the one of that name on the path.
    pub(super) fn find(make: Make, program: Option<&Path>) -> Result<Option<Self>> {
        let program = match program {
            Some(program) if program.is_file() => program.to_owned(),
            Some(program) => bail!("there is no {} at {}", make.name(), program.display()),
            None => match instruments::find(make.name()) {
                Some(program) => program,
                None => return Ok(None),
            },
        };
        let version = version(make, &program)?;
        Ok(Some(Self { make, program, version }))
    }

    /// Starts it on its core, under an instrument if one is given, and waits until it listens.
    pub(super) fn start(&self, cores: Cores, instrument: Option<Instrument>) -> Result<Running> {
        let folder =
            tempfile::Builder::new().prefix("obkmq-bench-").tempdir().context("no temporary folder")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
        let address = listener.local_addr()?;
        drop(listener);
        let settings = folder.path().join("settings.toml");
        fs::write(&settings, self.make.settings(address.port())).context("no room for settings")?;

        let mut command = match instrument {
            Some(instrument) => instrument.wrap(folder.path(), &self.program),
            None => Command::new(&self.program),
        };
        match self.make {
            Make::Obkmq => {
                command.args(["run", "--quiet", "--listen", &address.to_string(), "--config"]).arg(&settings)
            }
            Make::Mosquitto => command.arg("-c").arg(&settings),
            Make::Rumqttd => command.args(["--quiet", "--config"]).arg(&settings),
        };
        let log = fs::File::create(folder.path().join(LOG)).context("no room for a log")?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // The broker inherits the core that this thread is bound to.
        machine::pin(cores.broker)?;
        let child = command.spawn();
        machine::pin(cores.generator)?;
        let child = child.with_context(|| format!("{} cannot be started", self.make.name()))?;
        let mut running = Running { child, address, folder, instrument };
        running.wait_until_up().with_context(|| format!("{} did not start", self.make.name()))?;
        Ok(running)
    }
}

fn version(make: Make, program: &Path) -> Result<String> {
    let option = if make == Make::Mosquitto { "-h" } else { "--version" };
    let output = Command::new(program).arg(option).stderr(Stdio::null()).output();
    let output = output.with_context(|| format!("{} cannot be started", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().split_whitespace().next_back().unwrap_or("?").to_owned())
}

/// A broker at work. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) address: SocketAddr,
    folder: TempDir,
    instrument: Option<Instrument>,
}

impl Running {
    /// The broker's process.
    pub(super) fn pid(&self) -> u32 {
        let own = self.child.id();
        match self.instrument {
            // strace is the parent of what it watches; valgrind becomes it.
            Some(Instrument::SystemCalls) => {
                let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
                let first = children.ok().and_then(|list| list.split_whitespace().next()?.parse().ok());
                first.unwrap_or(own)
            }
            Some(Instrument::Instructions) | None => own,
        }
    }

    /// Ends it in good order and gives what the instrument has counted.
    pub(super) fn count(mut self) -> Result<u64> {
        let instrument = self.instrument.context("nothing was counted")?;
        self.end()?;
        instrument.count(self.folder.path())
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read(self.folder.path().join(LOG)).unwrap_or_default();
                bail!("it ended at once ({status}): {}", String::from_utf8_lossy(&said).trim());
            }
            if begin.elapsed() > PATIENCE {
                bail!("it does not listen after {} seconds", PATIENCE.as_secs());
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                bail!("a broker does not end");
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.end().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
