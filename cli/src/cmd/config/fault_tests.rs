//! A change over a bad wire, against the firmware's own node, on simulated time: one fault at every byte of the
//! conversation, each kind of fault, both directions, and a reset at every byte.
//!
//! Whatever happens, the change is made once and reported as made. `cargo test -p obkmq fault_tests -- --nocapture` prints
//! how many faults were swept.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use obkmq_config::line::Command;
use obkmq_node::{Anonymous, Board, HeapUse, Identity, Instant, Node};

use super::change;
use super::state::users;
use crate::context::{Context, GlobalOptions};
use crate::serial::session::Session;
use crate::serial::transport::Transport;

const PAGES: usize = 16;
const PAGE_BYTES: usize = 4096;
const HASH: &str = "$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$//////////////////////////////////////////8";

/// Cells that outlive the node, as those of a chip outlive a reset.
#[derive(Clone)]
struct Cells(Rc<RefCell<Vec<u8>>>);

#[derive(Debug)]
struct Broken;

impl NorFlashError for Broken {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl ErrorType for Cells {
    type Error = Broken;
}

impl ReadNorFlash for Cells {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Broken> {
        bytes.copy_from_slice(&self.0.borrow()[offset as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        PAGES * PAGE_BYTES
    }
}

impl NorFlash for Cells {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), Broken> {
        self.0.borrow_mut()[from as usize..to as usize].fill(0xFF);
        Ok(())
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Broken> {
        for (cell, byte) in self.0.borrow_mut()[offset as usize..].iter_mut().zip(bytes) {
            *cell &= byte;
        }
        Ok(())
    }
}

impl MultiwriteNorFlash for Cells {}

struct Chip(Cells);

impl Board for Chip {
    type Flash = Cells;
    fn flash(&mut self) -> &mut Cells {
        &mut self.0
    }
    fn fill_random(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
    fn heap(&self) -> Option<HeapUse> {
        None
    }
}

fn boot(cells: &Cells) -> Node<Chip> {
    let mut regions = obkmq_host::regions();
    // As on a chip, and quick to look through.
    regions.settings = 0..0x5000;
    regions.retained = 0x5000..0x8000;
    let identity: Identity = obkmq_host::identity("test", "esp32c3", Anonymous::Never);
    Node::boot(Chip(cells.clone()), identity, regions, Instant::ZERO)
}

/// What happens to one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Lose,
    Double,
    Flip,
    /// The device is reset instead of reading the byte; to the device only.
    Reset,
    /// The byte comes a second later than the one before.
    Late,
    /// The device logs a line at the end of the line that the byte stands in; from the device only.
    Log,
}

struct Wire {
    node: Node<Chip>,
    cells: Cells,
    to_host: VecDeque<u8>,
    now: Duration,
    /// Which byte in which direction suffers what.
    fault: Option<(bool, usize, Fault)>,
    passed: [usize; 2],
    log_pending: bool,
    counts: Rc<RefCell<[usize; 2]>>,
}

impl Wire {
    /// What happens to the next byte in a direction.
    fn next(&mut self, to_device: bool) -> Option<Fault> {
        let passed = &mut self.passed[usize::from(to_device)];
        let at = *passed;
        *passed += 1;
        *self.counts.borrow_mut() = self.passed;
        self.fault
            .filter(|(direction, place, _)| *direction == to_device && *place == at)
            .map(|(.., fault)| fault)
    }

    fn instant(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.now.as_micros()).unwrap())
    }

    fn run(&mut self) {
        while self.node.poll(self.instant()).is_some_and(|deadline| deadline <= self.instant()) {}
        let said = self.node.console_output().to_vec();
        self.node.console_written(said.len());
        for byte in said {
            let fault = self.next(false);
            self.log_pending |= fault == Some(Fault::Log);
            match fault {
                Some(Fault::Lose) => {}
                Some(Fault::Double) => self.to_host.extend([byte, byte]),
                Some(Fault::Flip) => self.to_host.push_back(byte ^ 0x10),
                _ => self.to_host.push_back(byte),
            }
            if byte == b'\n' && self.log_pending {
                self.log_pending = false;
                self.to_host.extend(b"info: \"#12\" connected from 192.168.1.9\r\n");
            }
        }
    }
}

impl Transport for Wire {
    fn read(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        self.run();
        // In small pieces, so that lines are split.
        let count = buffer.len().min(self.to_host.len()).min(5);
        if count == 0 {
            self.now += timeout;
        }
        for (place, byte) in buffer.iter_mut().zip(self.to_host.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            match self.next(true) {
                Some(Fault::Lose) => {}
                Some(Fault::Double) => self.node.console_input(&[byte, byte]),
                Some(Fault::Flip) => self.node.console_input(&[byte ^ 0x10]),
                Some(Fault::Reset) => {
                    self.node = boot(&self.cells);
                    self.to_host.clear();
                }
                Some(Fault::Late) => {
                    self.run();
                    self.now += Duration::from_secs(1);
                    self.node.console_input(&[byte]);
                }
                Some(Fault::Log) | None => self.node.console_input(&[byte]),
            }
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.now
    }

    fn name(&self) -> &str {
        "the wire"
    }
}

/// Makes a change with that fault; how many bytes went each way, from and to the device.
fn change(fault: Option<(bool, usize, Fault)>) -> [usize; 2] {
    let cells = Cells(Rc::new(RefCell::new(vec![0xFF; PAGES * PAGE_BYTES])));
    let counts = Rc::default();
    let wire = Wire {
        node: boot(&cells),
        cells: cells.clone(),
        to_host: VecDeque::new(),
        now: Duration::ZERO,
        fault,
        passed: [0; 2],
        log_pending: false,
        counts: Rc::clone(&counts),
    };
    let mut context = Context::new(&GlobalOptions::json());
    context.quiet = true;
    let mut session =
        Session::begin(Box::new(wire), &context).unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
    let commands = [
        Command::Set { key: "mqtt.port".into(), value: "1884".into() },
        Command::UserHash { name: "anna maria".into(), hash: HASH.into() },
        Command::UserHash { name: "bob".into(), hash: HASH.into() },
        Command::UserRights { name: "anna maria".into(), rights: "read a/#".into() },
    ];
    let generation =
        change::commit(&mut session, &commands).unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    assert_eq!(generation, 1, "{fault:?}: it was made once");
    let users = session.work(|session| Ok(users(session)?));
    let users = users.unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    let users: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.rights.as_str())).collect();
    assert_eq!(users, [("anna maria", "read a/#"), ("bob", "everything")], "{fault:?}");
    let again = boot(&cells);
    assert_eq!((again.settings().generation(), again.settings().mqtt_port()), (1, 1884), "{fault:?}");
    *counts.borrow()
}

fn sweep(kinds: &[Fault], to_device: bool) {
    let bytes = change(None)[usize::from(to_device)];
    for &kind in kinds {
        for place in 0..bytes {
            change(Some((to_device, place, kind)));
        }
    }
    let direction = if to_device { "to" } else { "from" };
    println!("{} faults swept on {bytes} bytes {direction} the device: {kinds:?}", bytes * kinds.len());
}

#[test]
fn every_byte_to_the_device_may_be_lost_doubled_flipped_or_late() {
    sweep(&[Fault::Lose, Fault::Double, Fault::Flip, Fault::Late], true);
}

#[test]
fn the_device_may_be_reset_at_every_byte() {
    sweep(&[Fault::Reset], true);
}

#[test]
fn every_byte_from_the_device_may_be_lost_doubled_or_flipped_and_every_line_followed_by_a_log() {
    sweep(&[Fault::Lose, Fault::Double, Fault::Flip, Fault::Log], false);
}
