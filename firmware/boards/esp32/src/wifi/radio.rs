//! The radio that the node sees.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Waker};

use esp_hal::efuse::{self, InterfaceMacAddress};
use esp_hal::peripherals::WIFI;
use obkmq_node::{Credentials, Instant, Network, Radio, RadioFigures, StaticAddress, WifiLink};

use super::air::{Air, SharedAir};
use super::driver;
use super::limits::RADIO_TURN_MS;

/// The radio: what it was told, and the future that does it.
pub(crate) struct EspRadio {
    air: SharedAir,
    driver: Pin<Box<dyn Future<Output = ()>>>,
    found: Vec<Network>,
    mac: [u8; 6],
}

impl EspRadio {
    /// Starts the radio, which listens then and joins nothing; `None` if the vendor's driver refuses, for want of memory.
    pub(crate) fn start(wifi: WIFI<'static>, now: Instant) -> Option<Self> {
        let mac = efuse::interface_mac_address(InterfaceMacAddress::AccessPoint);
        let mac = mac.as_bytes().try_into().unwrap_or_default();
        let air = Rc::new(Air::default());
        let driver = Box::pin(driver::drive(wifi, Rc::clone(&air)));
        let mut radio = Self { air, driver, found: Vec::new(), mac };
        radio.poll(now);
        radio.air.is_up.get().then_some(radio)
    }

    /// What the network has to know of it.
    pub(crate) fn air(&self) -> SharedAir {
        Rc::clone(&self.air)
    }
}

impl Radio for EspRadio {
    fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.air.set_now(now);
        // It never ends.
        let _ = self.driver.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Some(found) = self.air.found.take() {
            self.found = found;
        }
        Some(now.saturating_add_millis(RADIO_TURN_MS))
    }

    fn join(&mut self, network: Option<Credentials<'_>>) {
        let name = network.and_then(|network| driver::name(network.ssid, network.password));
        let wanted = name.is_some();
        self.air.order(|orders| orders.station = name);
        self.air.station.borrow_mut().join(wanted, self.air.now());
    }

    fn link(&self) -> WifiLink {
        self.air.station.borrow().link()
    }

    fn figures(&self) -> RadioFigures {
        RadioFigures { rssi_dbm: self.air.rssi_dbm.get(), reconnects: self.air.station.borrow().reconnects() }
    }

    fn set_country(&mut self, country: Option<[u8; 2]>) {
        self.air.order(|orders| orders.country = country);
    }

    fn set_address(&mut self, address: Option<StaticAddress>) {
        self.air.set_static_address(address);
    }

    fn open(&mut self, network: Option<Credentials<'_>>) {
        let name = network.and_then(|network| driver::name(network.ssid, network.password));
        self.air.order(|orders| orders.own = name);
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn scan(&mut self) {
        self.air.scan_wanted.set(true);
    }

    fn is_scanning(&self) -> bool {
        self.air.scan_wanted.get()
    }

    fn networks(&self) -> &[Network] {
        &self.found
    }
}
