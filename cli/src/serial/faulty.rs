//! A device on a bad wire, for tests: the firmware's own node, on simulated time, with one fault at a chosen byte of the
//! conversation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash,
};
use obkmq_node::{Anonymous, Board, HeapUse, Identity, Instant, Node};

use super::session::Session;
use super::transport::Transport;
use crate::context::{Context, GlobalOptions};

const PAGES: usize = 16;
const PAGE_BYTES: usize = 4096;

/// Cells that outlive the node, as those of a chip outlive a reset.
#[derive(Clone)]
pub(crate) struct Cells(Rc<RefCell<Vec<u8>>>);

#[derive(Debug)]
pub(crate) struct Broken;

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

pub(crate) struct Chip(Cells);

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

/// Starts the node of what is in flash.
pub(crate) fn boot(cells: &Cells) -> Node<Chip> {
    let mut regions = obkmq_host::regions();
    // As on a chip, and quick to look through.
    regions.settings = 0..0x5000;
    regions.retained = 0x5000..0x8000;
    regions.files = 0x8000..0x1_0000;
    let identity: Identity = obkmq_host::identity("test", "esp32c3", Anonymous::Never);
    Node::boot(Chip(cells.clone()), identity, regions, Instant::ZERO)
}

/// What happens to one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
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

/// Which byte (to the device, or from it), and what happens to it.
pub(crate) type At = Option<(bool, usize, Fault)>;

/// A session with a blank device, its flash, and how many bytes have gone from and to it.
pub(crate) fn session(fault: At) -> (Session, Cells, Rc<RefCell<[usize; 2]>>) {
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
    let session =
        Session::begin(Box::new(wire), &context).unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
    (session, cells, counts)
}

/// Does `work` with each of the faults at every `step`th byte of one direction.
pub(crate) fn sweep(work: impl Fn(At) -> [usize; 2], kinds: &[Fault], to_device: bool, step: usize) {
    let bytes = work(None)[usize::from(to_device)];
    let mut faults = 0;
    for &kind in kinds {
        for place in (0..bytes).step_by(step) {
            work(Some((to_device, place, kind)));
            faults += 1;
        }
    }
    let direction = if to_device { "to" } else { "from" };
    println!("{faults} faults swept on {bytes} bytes {direction} the device: {kinds:?}");
}
