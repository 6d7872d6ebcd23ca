//! All connections, found by number (the operating system's token) and by link (the node's name) without hashing.

use obkmq_node::LinkId;

use crate::connection::Connection;

/// Connections by number. A number is used again after its connection was taken out.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    entries: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    /// Number of the connection that last had the link slot of this index. A link's slot is free again while its
    /// connection drains, so the two do not go together.
    by_slot: Vec<usize>,
}

impl Connections {
    /// The number that the next one inserted will have.
    pub(crate) fn next_number(&self) -> usize {
        self.vacant.last().copied().unwrap_or(self.entries.len())
    }

    pub(crate) fn insert(&mut self, connection: Connection) {
        let slot = connection.link().slot();
        let number = self.next_number();
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, usize::MAX);
        }
        if let Some(entry) = self.by_slot.get_mut(slot) {
            *entry = number;
        }
        self.vacant.pop();
        match self.entries.get_mut(number) {
            Some(entry) => *entry = Some(connection),
            None => self.entries.push(Some(connection)),
        }
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Connection> {
        self.entries.get_mut(number)?.as_mut()
    }

    /// The number of the connection that carries `link`.
    pub(crate) fn number_of(&self, link: LinkId) -> Option<usize> {
        let number = *self.by_slot.get(link.slot())?;
        self.carries(number, link).then_some(number)
    }

    /// Whether the connection of this number is still the one of `link`.
    pub(crate) fn carries(&self, number: usize, link: LinkId) -> bool {
        let connection = self.entries.get(number).and_then(Option::as_ref);
        connection.is_some_and(|connection| connection.link() == link)
    }

    pub(crate) fn remove(&mut self, number: usize) -> Option<Connection> {
        let connection = self.entries.get_mut(number)?.take()?;
        self.vacant.push(number);
        if self.vacant.len() == self.entries.len() {
            *self = Self::default();
        }
        Some(connection)
    }
}
