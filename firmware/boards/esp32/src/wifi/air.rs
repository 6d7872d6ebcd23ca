//! What the node, the driver and the network know of each other.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::{IpAddr, Ipv4Addr};

use esp_radio::wifi::{Password, Ssid};
use obkmq_net::Station;
use obkmq_node::{Instant, Network, StaticAddress, WifiLink};

/// A network's name, and its password unless it is open.
pub(super) type Name = (Ssid, Option<Password>);

/// What the node wants of the radio.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Orders {
    /// The network to join.
    pub(super) station: Option<Name>,
    /// The network to be.
    pub(super) own: Option<Name>,
    /// Whose rules hold.
    pub(super) country: Option<[u8; 2]>,
}

/// The state that all of them share. Nobody keeps a borrow over a call of somebody else.
#[derive(Default)]
pub(crate) struct Air {
    now: Cell<Instant>,
    orders: RefCell<Orders>,
    /// Rises with each change of the orders.
    revision: Cell<u32>,
    pub(super) station: RefCell<Station>,
    /// How often the station came into a network.
    associations: Cell<u32>,
    static_address: Cell<Option<StaticAddress>>,
    pub(super) scan_wanted: Cell<bool>,
    /// What the last scan has found, until the radio takes it.
    pub(super) found: RefCell<Option<Vec<Network>>>,
    pub(super) rssi_dbm: Cell<Option<i8>>,
    /// Whether the vendor's driver runs.
    pub(super) is_up: Cell<bool>,
}

impl Air {
    pub(super) fn now(&self) -> Instant {
        self.now.get()
    }

    pub(super) fn set_now(&self, now: Instant) {
        self.now.set(now);
    }

    pub(super) fn orders(&self) -> Orders {
        self.orders.borrow().clone()
    }

    pub(super) fn revision(&self) -> u32 {
        self.revision.get()
    }

    pub(super) fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.borrow_mut());
        self.revision.set(self.revision.get().wrapping_add(1));
    }

    pub(super) fn associated(&self) {
        self.station.borrow_mut().associated(self.now());
        self.associations.set(self.associations.get().wrapping_add(1));
    }

    pub(super) fn set_static_address(&self, address: Option<StaticAddress>) {
        self.static_address.set(address);
    }

    /// In which network the station is: another number each time that it came into one.
    pub(crate) fn association(&self) -> Option<u32> {
        self.station.borrow().is_associated().then(|| self.associations.get())
    }

    /// The address to have there, if it is not to be asked for.
    pub(crate) fn static_address(&self) -> Option<StaticAddress> {
        self.static_address.get()
    }

    /// The network has given this address, or taken it back.
    pub(crate) fn addressed(&self, address: Option<Ipv4Addr>) {
        self.station.borrow_mut().addressed(address, self.now());
    }

    /// The address in the network that was joined.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        match self.station.borrow().link() {
            WifiLink::Joined { address: IpAddr::V4(address) } => Some(address),
            _ => None,
        }
    }

    /// Whether the board's own network is open.
    pub(crate) fn is_own_open(&self) -> bool {
        self.orders.borrow().own.is_some()
    }
}

/// Shared by all of them.
pub(crate) type SharedAir = Rc<Air>;
