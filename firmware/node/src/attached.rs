//! Further consoles beside the one of the board's own wire: each program that comes in another way (a PC's local socket)
//! has its own lines, run and transaction, and all of them see the log.
//!
//! One console is worked on at a time: it takes the place of the wire's for its turn, so that what a command does is
//! written once.

use alloc::vec::Vec;
use core::fmt;
use core::mem;

use obkmq_broker::Instant;

use crate::board::Board;
use crate::console::Console;
use crate::limits::ATTACHED_CONSOLES;
use crate::node::Node;

/// Names an attached console; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleId(u32);

/// The attached consoles, in the order in which they came.
#[derive(Default)]
pub(crate) struct Attached {
    last_id: u32,
    consoles: Vec<(ConsoleId, Console)>,
}

impl Attached {
    fn get(&self, id: ConsoleId) -> Option<&Console> {
        self.consoles.iter().find(|(other, _)| *other == id).map(|(_, console)| console)
    }

    /// A log line for every one of them.
    pub(crate) fn log(&mut self, line: fmt::Arguments<'_>) {
        for (_, console) in &mut self.consoles {
            console.output.log(line);
        }
    }

    fn get_mut(&mut self, id: ConsoleId) -> Option<&mut Console> {
        self.consoles.iter_mut().find(|(other, _)| *other == id).map(|(_, console)| console)
    }
}

impl<B: Board> Node<B> {
    /// Opens a console for one more program; `None` if there are as many as there may be.
    pub fn attach_console(&mut self) -> Option<ConsoleId> {
        self.stir();
        let attached = &mut self.attached;
        if attached.consoles.len() >= ATTACHED_CONSOLES || attached.consoles.try_reserve(1).is_err() {
            return None;
        }
        attached.last_id = attached.last_id.wrapping_add(1);
        let id = ConsoleId(attached.last_id);
        attached.consoles.push((id, Console::default()));
        Some(id)
    }

    /// The program has gone: what it had begun and not committed is dropped, a network that it tried included.
    pub fn detach_console(&mut self, id: ConsoleId) {
        self.stir();
        let consoles = &mut self.attached.consoles;
        let Some(at) = consoles.iter().position(|(other, _)| *other == id) else { return };
        let (_, console) = consoles.remove(at);
        let tried = console.improv.is_joining();
        self.drop_upload(console.upload);
        if tried {
            let settings = self.settings.clone();
            self.apply_wifi(&settings);
        }
    }

    /// As [`Node::console_input`], for an attached console.
    pub fn attached_input(&mut self, id: ConsoleId, bytes: &[u8]) {
        self.stir();
        if let Some(console) = self.attached.get_mut(id) {
            console.receive(bytes);
        }
    }

    /// How many bytes of input an attached console takes now; a wire cannot be told, a socket can.
    pub fn attached_room(&self, id: ConsoleId) -> usize {
        self.attached.get(id).map_or(0, Console::room)
    }

    /// As [`Node::console_output`], for an attached console.
    pub fn attached_output(&self, id: ConsoleId) -> &[u8] {
        self.attached.get(id).map_or(&[], |console| console.output.pending())
    }

    /// As [`Node::console_written`], for an attached console.
    pub fn attached_written(&mut self, id: ConsoleId, bytes: usize) {
        self.stir();
        if let Some(console) = self.attached.get_mut(id) {
            console.output.written(bytes);
        }
    }

    /// Gives every console its turn, the wire's first.
    pub(crate) fn poll_consoles(&mut self) -> Option<Instant> {
        let mut due = self.poll_console();
        for at in 0..self.attached.consoles.len() {
            self.swap_console(at);
            let next = self.poll_console();
            self.swap_console(at);
            due = due.into_iter().chain(next).min();
        }
        due
    }

    fn swap_console(&mut self, at: usize) {
        if let Some((_, console)) = self.attached.consoles.get_mut(at) {
            mem::swap(&mut self.console, console);
        }
    }
}
