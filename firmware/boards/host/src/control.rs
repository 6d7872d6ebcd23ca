//! The control socket: programs of this machine talk to a running node as over a cable.
//!
//! A Unix domain socket in the data folder carries the line protocol. Each connection is a console of its own, with its
//! own run and transaction. Who may open the socket may do everything, so it is its owner's only (mode 0600).

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use mio::event::Event;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use obkmq_node::{ConsoleId, Node};

use crate::board::HostBoard;
use crate::limits::{ACCEPTS_PER_TURN, CONTROL_CLIENTS, CONTROL_READ_BYTES};
use crate::setup::control_path;

const NO_ROOM: &[u8] = b"error: too many programs use this console; next: end one of them\r\n";

/// The socket and who is connected to it.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    first_token: usize,
    /// Somebody may be waiting to be accepted.
    pending: bool,
    clients: Vec<Option<Client>>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    console: ConsoleId,
    readable: bool,
    writable: bool,
}

impl Control {
    /// Opens the socket of a data folder. One that a killed process left there is replaced: the lock of the flash file,
    /// which the caller holds, says that nobody serves it. Tokens from `first_token` on are its own.
    pub(crate) fn open(folder: &Path, registry: &Registry, first_token: usize) -> io::Result<Self> {
        let path = control_path(folder);
        // It gets its place only when nobody else may open it any more.
        let making = folder.join(".obkmq.sock");
        let _ = fs::remove_file(&making);
        let listener = StdListener::bind(&making)?;
        fs::set_permissions(&making, Permissions::from_mode(0o600))?;
        fs::rename(&making, &path)?;
        listener.set_nonblocking(true)?;
        let mut listener = UnixListener::from_std(listener);
        registry.register(&mut listener, Token(first_token), Interest::READABLE)?;
        let clients = std::iter::repeat_with(|| None).take(CONTROL_CLIENTS).collect();
        Ok(Self { listener, path, first_token, pending: true, clients })
    }

    /// Takes note of an event of one of its tokens.
    pub(crate) fn note_ready(&mut self, event: &Event) {
        match event.token().0.checked_sub(self.first_token) {
            Some(0) => self.pending = true,
            Some(number) => {
                if let Some(Some(client)) = self.clients.get_mut(number.saturating_sub(1)) {
                    client.readable |= event.is_readable();
                    client.writable |= event.is_writable();
                }
            }
            None => {}
        }
    }

    /// Whether somebody may be left to be let in.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Lets programs in and takes what they sent, as far as the node has room for it.
    pub(crate) fn turn(&mut self, node: &mut Node<HostBoard>, registry: &Registry) {
        if self.pending {
            self.accept(node, registry);
        }
        for place in &mut self.clients {
            if let Some(client) = place
                && client.receive(node).is_err()
            {
                node.detach_console(client.console);
                *place = None;
            }
        }
    }

    fn accept(&mut self, node: &mut Node<HostBoard>, registry: &Registry) {
        for _ in 0..ACCEPTS_PER_TURN {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Out of descriptors: whoever waits is let in at the next event.
                Err(_) => {
                    self.pending = false;
                    return;
                }
            };
            let free = self.clients.iter().position(Option::is_none);
            let Some((number, console)) = free.zip(node.attach_console()) else {
                // A new socket has room for a line; one that has not is closed without it.
                let _ = stream.write(NO_ROOM);
                continue;
            };
            let token = Token(self.first_token.saturating_add(1).saturating_add(number));
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token, interest).is_err() {
                node.detach_console(console);
                continue;
            }
            if let Some(place) = self.clients.get_mut(number) {
                *place = Some(Client { stream, console, readable: true, writable: true });
            }
        }
    }

    /// Sends what the node has to say; whether anything was sent. A program that has gone is noticed when it is read.
    pub(crate) fn write(&mut self, node: &mut Node<HostBoard>) -> bool {
        let mut wrote = false;
        for client in self.clients.iter_mut().flatten() {
            wrote |= client.send(node);
        }
        wrote
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // If somebody has removed it already, so much the better.
        let _ = fs::remove_file(&self.path);
    }
}

impl Client {
    /// # Errors
    /// The program has gone.
    fn receive(&mut self, node: &mut Node<HostBoard>) -> io::Result<()> {
        let mut buffer = [0; CONTROL_READ_BYTES];
        while self.readable {
            // What finds no room stays in the socket; room comes with the node's next answer.
            let room = node.attached_room(self.console).min(buffer.len());
            let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else {
                return Ok(());
            };
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => node.attached_input(self.console, buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn send(&mut self, node: &mut Node<HostBoard>) -> bool {
        let mut wrote = false;
        while self.writable {
            let bytes = node.attached_output(self.console);
            if bytes.is_empty() {
                break;
            }
            match self.stream.write(bytes) {
                Ok(count) => {
                    node.attached_written(self.console, count);
                    wrote = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.writable = false;
                    // A closed socket is also readable, and reading it says so.
                    self.readable |= error.kind() != io::ErrorKind::WouldBlock;
                }
            }
        }
        wrote
    }
}
