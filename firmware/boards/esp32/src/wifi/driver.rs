//! The vendor's driver, driven: one future that never ends.
//!
//! Every wait in here has a deadline and ends when the node wants something else, so that a lost event of the driver
//! costs time and no more. Whether the station is in a network is read from the driver's state in each turn.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use esp_hal::peripherals::WIFI;
use esp_hal::time::Duration;
use esp_radio::wifi::ap::AccessPointConfig;
use esp_radio::wifi::scan::{ScanConfig, ScanTypeConfig};
use esp_radio::wifi::sta::{ScanMethod, StationConfig};
use esp_radio::wifi::{
    AuthenticationMethod, AuthenticationMethodConfig, Config, ConnectionError, ControllerConfig, CountryInfo,
    DisconnectReason, WifiController,
};
use obkmq_net::Step;
use obkmq_node::{Instant, JoinFailure, Network};

use super::air::{Air, Name, Orders};
use super::limits;
use crate::chip::CHIP;
use crate::limits::STATIC_RECEIVE_BUFFERS;

/// The country of nobody: rules that hold everywhere (ESP-IDF's "world safe mode").
const EVERYWHERE: [u8; 2] = *b"01";

/// Starts the driver, again and again where that is needed, and does what the orders say.
pub(super) async fn drive(mut wifi: WIFI<'static>, air: Rc<Air>) {
    loop {
        let country = air.orders().country;
        if let Ok(mut controller) = WifiController::new(wifi.reborrow(), configuration(country)) {
            // The driver begins with 5 dBm. What is refused leaves that.
            let _ = controller.set_max_tx_power(limits::TRANSMIT_POWER);
            air.is_up.set(true);
            air.station.borrow_mut().restarted(air.now());
            if run(&mut controller, country, &air).await == End::OtherCountry {
                continue;
            }
        }
        air.is_up.set(false);
        air.rssi_dbm.set(None);
        air.station.borrow_mut().lost(air.now());
        let until = air.now().saturating_add_millis(limits::RADIO_RESTART_MS);
        while air.now() < until {
            turn().await;
        }
    }
}

/// What the driver may use.
fn configuration(country: Option<[u8; 2]>) -> ControllerConfig {
    ControllerConfig::default()
        .with_country_info(CountryInfo::from(country.unwrap_or(EVERYWHERE)))
        .with_rx_queue_size(limits::RECEIVE_QUEUE_FRAMES)
        .with_tx_queue_size(limits::TRANSMIT_QUEUE_FRAMES)
        .with_static_rx_buf_num(STATIC_RECEIVE_BUFFERS)
        .with_dynamic_rx_buf_num(CHIP.receive_frames)
        .with_dynamic_tx_buf_num(CHIP.transmit_frames)
}

/// Why the driver has to be started anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The country is told at the start only.
    OtherCountry,
    Failure,
}

/// Does what the orders say, until the driver has to be started anew: in another country, or after an error.
async fn run(controller: &mut WifiController<'_>, country: Option<[u8; 2]>, air: &Air) -> End {
    let mut in_force = Orders { country, ..Orders::default() };
    let mut measure_at = Instant::default();
    loop {
        let orders = air.orders();
        if orders.country != country {
            return End::OtherCountry;
        }
        if orders != in_force {
            leave(controller, air).await;
            if controller.set_config(&config(&orders)).is_err() {
                return End::Failure;
            }
            air.station.borrow_mut().restarted(air.now());
            in_force = orders;
        }
        let is_connected = controller.is_connected();
        if !is_connected && air.association().is_some() {
            air.station.borrow_mut().lost(air.now());
        }
        if !is_connected {
            air.rssi_dbm.set(None);
        } else if measure_at <= air.now() {
            measure_at = air.now().saturating_add_millis(limits::MEASURE_MS);
            air.rssi_dbm.set(controller.rssi().ok().and_then(|rssi| i8::try_from(rssi).ok()));
        }
        if air.scan_wanted.get() {
            let found = scan(controller, air).await;
            *air.found.borrow_mut() = Some(found);
            air.scan_wanted.set(false);
        }
        let step = air.station.borrow_mut().step(air.now());
        match step {
            Step::Rest => turn().await,
            Step::Associate => associate(controller, air).await,
            Step::Leave => {
                leave(controller, air).await;
                air.station.borrow_mut().left(air.now());
            }
        }
    }
}

async fn associate(controller: &mut WifiController<'_>, air: &Air) {
    if controller.is_connected() {
        leave(controller, air).await;
    }
    let outcome = within(air, limits::ASSOCIATE_MS, controller.connect_async()).await;
    let failure = match outcome {
        Some(Ok(_)) => return air.associated(),
        // The event that told it was lost.
        None if controller.is_connected() => return air.associated(),
        None => {
            leave(controller, air).await;
            JoinFailure::NotFound
        }
        Some(Err(ConnectionError::Failed(info))) => reason(info.reason),
        Some(Err(_)) => JoinFailure::Refused,
    };
    air.station.borrow_mut().failed(failure, air.now());
}

/// Leaves the network, or ends the attempt to join one. What is not acknowledged is left all the same.
async fn leave(controller: &mut WifiController<'_>, air: &Air) {
    // Nothing to do is an error at once.
    let until = air.now().saturating_add_millis(limits::LEAVE_MS);
    let mut leaving = pin!(controller.disconnect_async());
    poll_fn(|context| match leaving.as_mut().poll(context) {
        Poll::Pending if air.now() < until => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

/// The networks in reach: each name once, the strongest first.
async fn scan(controller: &mut WifiController<'_>, air: &Air) -> Vec<Network> {
    let (min, max) = limits::SCAN_CHANNEL_MS;
    let config =
        ScanConfig::default().with_max(limits::SCAN_NETWORKS).with_scan_type(ScanTypeConfig::Active {
            min: Duration::from_millis(min),
            max: Duration::from_millis(max),
        });
    let found = within(air, limits::SCAN_MS, controller.scan_async(&config)).await;
    let mut networks = Vec::new();
    for access_point in found.and_then(Result::ok).unwrap_or_default() {
        let secured = access_point.auth_method != Some(AuthenticationMethod::None);
        let name = access_point.ssid.as_str().as_bytes();
        networks.extend(Network::new(name, access_point.signal_strength, secured));
    }
    networks.sort_unstable_by(|one: &Network, other| {
        one.ssid().cmp(other.ssid()).then(other.rssi_dbm().cmp(&one.rssi_dbm()))
    });
    networks.dedup_by(|one, other| one.ssid() == other.ssid());
    networks.sort_unstable_by_key(|network| -i16::from(network.rssi_dbm()));
    networks
}

/// What comes of a future in so many milliseconds, and before the node wants something else.
async fn within<T>(air: &Air, millis: u64, future: impl Future<Output = T>) -> Option<T> {
    let until = air.now().saturating_add_millis(millis);
    let revision = air.revision();
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
        Poll::Pending if air.now() >= until || air.revision() != revision => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Lets the main loop have a turn.
async fn turn() {
    let mut has_waited = false;
    poll_fn(|_| if core::mem::replace(&mut has_waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

fn config(orders: &Orders) -> Config {
    let station = match orders.station {
        // The strongest of several access points with one name is chosen.
        Some((ssid, password)) => StationConfig::default()
            .with_ssid(ssid)
            .with_authentication(authentication(password))
            .with_scan_method(ScanMethod::AllChannels),
        None => StationConfig::default(),
    };
    match orders.own {
        // Both, also while there is no network to join: only a station can look for one.
        Some((ssid, password)) => {
            let own = AccessPointConfig::default()
                .with_ssid(ssid)
                .with_authentication(authentication(password))
                .with_max_connections(limits::OWN_NETWORK_STATIONS);
            Config::AccessPointStation(station, own)
        }
        None => Config::Station(station),
    }
}

fn authentication(password: Option<esp_radio::wifi::Password>) -> AuthenticationMethodConfig {
    match password {
        Some(password) => AuthenticationMethodConfig::Wpa2Personal(password),
        None => AuthenticationMethodConfig::Open,
    }
}

/// Why a network was not joined, in the owner's words.
fn reason(reason: DisconnectReason) -> JoinFailure {
    match reason {
        DisconnectReason::NoAccessPointFound | DisconnectReason::NoAccessPointFoundInRssiThreshold => {
            JoinFailure::NotFound
        }
        DisconnectReason::AuthenticationFailed
        | DisconnectReason::FourWayHandshakeTimeout
        | DisconnectReason::HandshakeTimeout
        | DisconnectReason::MicFailure
        | DisconnectReason::_802_1xAuthenticationFailed => JoinFailure::WrongPassword,
        _ => JoinFailure::Refused,
    }
}

/// A name that the driver takes; `None` for one that is too long.
pub(super) fn name(ssid: &str, password: Option<&str>) -> Option<Name> {
    let password = match password {
        Some(password) => Some(password.try_into().ok()?),
        None => None,
    };
    Some((ssid.try_into().ok()?, password))
}
