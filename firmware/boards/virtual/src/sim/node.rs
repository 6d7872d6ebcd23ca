//! The host build of the firmware, with its console on the pty and its storage in the board's flash file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant as Clock;

use obkmq_host::{Console, Flash, HostBoard, Line, Listen, Outcome as HostOutcome, Server, Stop, identity};
use obkmq_image::Board;
use obkmq_node::{Anonymous, Capability, Identity, Instant, Node, Regions};

use crate::boot::Firmware;
use crate::pty::Pty;
use crate::radio::{SimulatedNetwork, SimulatedRadio};
use crate::rom::SyncDetector;
use crate::sim::board::{Application, Outcome};
use crate::sim::{Notice, Options, SimError};

/// Starts the host node where the chip would start what is flashed.
pub(super) struct HostNode {
    flash: PathBuf,
    flash_bytes: u32,
    board: Board,
    listen: SocketAddr,
    networks: Vec<SimulatedNetwork>,
    stop: Stop,
}

impl HostNode {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            flash: options.flash.clone(),
            flash_bytes: options.flash_bytes,
            board: options.board,
            listen: options.listen,
            networks: options.networks.clone(),
            stop: options.stop.clone(),
        }
    }

    fn identity(&self) -> Identity {
        // As on a chip: nobody may connect before the owner has said who.
        let identity = identity("virtual", self.board.name(), Anonymous::Never);
        if self.networks.is_empty() {
            return identity;
        }
        Identity { capabilities: identity.capabilities.with(Capability::Wifi), ..identity }
    }
}

impl Application for HostNode {
    fn version(&self) -> &'static str {
        self.identity().firmware
    }

    fn run(
        &mut self,
        pty: &Pty,
        firmware: &Firmware,
        notice: &mut dyn FnMut(&Notice),
    ) -> Result<Outcome, SimError> {
        let flash = Flash::open(&self.flash, self.flash_bytes)
            .map_err(|error| SimError::NodeFlash { path: self.flash.clone(), error })?;
        let regions = Regions {
            settings: firmware.settings.clone(),
            files: firmware.files.clone(),
            retained: firmware.retained.clone(),
        };
        let started = Clock::now();
        let mut board = HostBoard::new(flash);
        if !self.networks.is_empty() {
            board = board.with_radio(SimulatedRadio::new(self.networks.clone(), self.listen.ip()));
        }
        let node = Node::boot(board, self.identity(), regions, Instant::ZERO);

        let mut sync = SyncDetector::default();
        // A BK7231 has no pins that would make it listen for a flasher: the firmware has to be asked.
        let has_boot_pins = matches!(self.board, Board::Esp(_));
        let line = Line {
            file: pty.line().map_err(SimError::Pty)?,
            intercept: Box::new(move |bytes| has_boot_pins && sync.look(bytes)),
        };
        let mut server =
            Server::new(node, Listen::Fixed(self.listen), Console::Line(line), started, &self.stop)?;
        notice(&match server.address() {
            Some(listen) => Notice::Running { listen },
            None => Notice::NotListening,
        });
        Ok(match server.run(&self.stop)? {
            HostOutcome::Stopped => Outcome::Stopped,
            HostOutcome::Reboot => Outcome::Reboot,
            HostOutcome::Intercepted => Outcome::Interrupted,
        })
    }
}
