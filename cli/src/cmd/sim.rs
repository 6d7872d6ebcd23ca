//! `obkmq sim`: a board made of software, to flash, provision and load without hardware.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::Args;
use obkmq_image::{Board as Kind, Chip};
use obkmq_virtual::faults::Fault;
use obkmq_virtual::flash::OpenError;
use obkmq_virtual::radio::SimulatedNetwork;
use obkmq_virtual::sim::{self, Ending, Notice, Options, SimError};
use serde::Serialize;

use crate::context::{Context, DIM};
use crate::failure::{Exit, Failure};
use crate::interrupt;

/// Start a board made of software (Linux, macOS)
#[derive(Args)]
#[command(after_help = "\
Example, in two terminals:
  obkmq sim
  obkmq flash --port /dev/pts/3    (the port that it prints)

It begins as a board that was never flashed: its loader answers on the serial port. After flashing it runs this \
computer's build of the same firmware. Its flash is a file and outlives it. Ctrl-C pulls the plug. A BK7231 that runs \
is entered by the command `reboot`, as `obkmq flash` does by itself.")]
pub(crate) struct Sim {
    /// The file that is its flash; made, blank, if there is none
    #[arg(long, value_name = "FILE", default_value = "obkmq-sim.flash")]
    flash: PathBuf,
    /// Where its broker listens
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:1883")]
    listen: SocketAddr,
    /// Another name for its serial port: a link to be made here
    #[arg(long, value_name = "PATH")]
    link: Option<PathBuf>,
    /// The board: esp32c3, bk7231t or bk7231n
    #[arg(long, default_value = "esp32c3", value_parser = simulated_board)]
    board: Kind,
    /// A network in reach of a simulated radio, which sends nothing; without any the board has no Wi-Fi
    #[arg(long, value_name = "SSID[:PASSWORD]")]
    network: Vec<SimulatedNetwork>,
    /// The same, of a network that gives no address
    #[arg(long, value_name = "SSID[:PASSWORD]")]
    network_without_dhcp: Vec<SimulatedNetwork>,
    /// What goes wrong: power-loss-after=BYTES, garble-every=BYTES, drop-every=BYTES; BK7231: power-loss-at-frame=N
    #[arg(long, value_name = "FAULT")]
    fault: Vec<Fault>,
    /// How many times as fast as a real one a BK7231 erases and computes sums
    #[arg(long, value_name = "N", default_value = "1")]
    speed_up: NonZeroU32,
}

/// A board whose loader is simulated.
fn simulated_board(name: &str) -> Result<Kind, String> {
    match name.parse() {
        Ok(board @ (Kind::Esp(Chip::Esp32c3) | Kind::Beken(_))) => Ok(board),
        Ok(board) => Err(format!("there is no virtual {board}, only esp32c3, bk7231t and bk7231n")),
        Err(error) => Err(error.to_string()),
    }
}

impl Sim {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<()> {
        // The firmware listens only once it was flashed; a port that is taken had better show before that.
        if let Err(error) = TcpListener::bind(self.listen) {
            return Err(super::run::cannot_listen(self.listen, &error).into());
        }
        let counts_frames = |fault: &Fault| matches!(fault, Fault::PowerLossAtFrame(_));
        if matches!(self.board, Kind::Esp(_)) && self.fault.iter().any(counts_frames) {
            return Err(Failure::new(
                Exit::Usage,
                "This board does not count frames.",
                "power-loss-at-frame is for a BK7231, whose loader is made of single frames",
                "use power-loss-after=BYTES",
            )
            .into());
        }
        let mut options = Options::of(self.board, &self.flash);
        options.listen = self.listen;
        options.speed_up = self.speed_up;
        options.port_link = self.link;
        options.networks = self.network;
        options.networks.extend(self.network_without_dhcp.into_iter().map(SimulatedNetwork::without_dhcp));
        for fault in self.fault {
            options.faults.add(fault);
        }
        let stop = options.stop.clone();
        interrupt::arm_with(move || stop.request());
        // What was not printed is remembered until the board has ended: a notice cannot refuse.
        let mut printed = Ok(());
        let ending = sim::run(&options, &mut |notice| {
            let result = print(notice, context);
            if result.is_err() {
                options.stop.request();
                printed = result;
            }
        });
        let ending = ending.map_err(|error| explain(&error, &self.flash))?;
        printed?;
        match ending {
            Ending::Stopped => Ok(()),
            Ending::PowerLost => {
                context.note("The power went, as asked for. What was being written is incomplete.");
                Ok(())
            }
        }
    }
}

/// Where the board can be reached is data; what happens to it is told on stderr.
fn print(notice: &Notice, context: &Context) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Board<'a> {
        chip: &'a str,
        flash: &'a Path,
        port: &'a Path,
        listen: SocketAddr,
    }
    #[derive(Serialize)]
    struct Listening {
        address: SocketAddr,
    }
    match notice {
        Notice::Started { board, flash, port, listen, .. } if context.json => {
            context.out_json("board", Board { chip: board.name(), flash, port, listen: *listen })
        }
        Notice::Running { listen } if context.json => {
            context.out_json("listening", Listening { address: *listen })
        }
        Notice::Started { .. } | Notice::Running { .. } => context.out(notice),
        Notice::Chip(line) => {
            context.note(context.paint(DIM, &format!("  | {line}")));
            Ok(())
        }
        other => {
            context.note(other);
            Ok(())
        }
    }
}

fn explain(error: &SimError, flash: &Path) -> Failure {
    let why = error.to_string();
    match error {
        SimError::Platform => Failure::new(
            Exit::Usage,
            "There is no virtual board on this system.",
            why,
            "run a broker instead: obkmq run",
        ),
        SimError::Open { .. } | SimError::NodeFlash { .. } => {
            let next = match error {
                SimError::Open { error: OpenError::InUse, .. } => {
                    "end the other board that uses it, or choose another file with --flash"
                }
                _ => "choose another file with --flash; one that does not exist is made",
            };
            Failure::new(Exit::Usage, format!("{} cannot be the board's flash.", flash.display()), why, next)
        }
        SimError::Link { .. } => Failure::new(
            Exit::Usage,
            "The link to the serial port cannot be made.",
            why,
            "choose another name with --link",
        ),
        SimError::Server(obkmq_host::ServerError::Listen { address, error }) => {
            super::run::cannot_listen(*address, error)
        }
        _ => Failure::new(
            Exit::Internal,
            "The virtual board ended.",
            why,
            "start it again; with another --flash when it happens twice",
        ),
    }
}
