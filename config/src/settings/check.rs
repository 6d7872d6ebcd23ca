//! What no single value shows: whether settings fit together, and fit a board.

use core::net::Ipv4Addr;

use super::Settings;
use super::error::SettingError;
use super::form::{address_prefix, host_mask};
use super::table;

impl Settings {
    /// Checks whether the settings fit together.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_queue()?;
        self.check_ports()?;
        self.check_gateway()
    }

    /// Checks whether they fit a board whose broker may use as many as `memory_bytes`.
    pub fn check_board(&self, memory_bytes: usize) -> Result<(), SettingError> {
        match self.memory_bytes() {
            Some(given) if usize::try_from(given).map_or(true, |given| given > memory_bytes) => {
                Err(SettingError::BeyondBoard { key: &table::MQTT_MEMORY_BYTES, given, most: memory_bytes })
            }
            _ => Ok(()),
        }
    }

    fn check_queue(&self) -> Result<(), SettingError> {
        let (queued, packet) = (self.max_queued_bytes(), self.max_packet_bytes());
        if queued < packet {
            return Err(SettingError::Contradiction {
                low: &table::MQTT_MAX_QUEUED_BYTES,
                low_value: queued,
                high: &table::MQTT_MAX_PACKET_BYTES,
                high_value: packet,
            });
        }
        Ok(())
    }

    fn check_ports(&self) -> Result<(), SettingError> {
        let port = self.integer(&table::MQTT_PORT);
        if self.switch(&table::PANEL_ENABLED) && port == self.integer(&table::PANEL_PORT) {
            return Err(SettingError::PortClash {
                first: &table::MQTT_PORT,
                second: &table::PANEL_PORT,
                port,
                switch: &table::PANEL_ENABLED,
            });
        }
        Ok(())
    }

    /// A router may be set before the address that needs it, so that both can be set one after the other.
    fn check_gateway(&self) -> Result<(), SettingError> {
        // Both were checked when they were set; an empty text is neither.
        let Ok((address, bits)) = address_prefix(self.text(&table::NETWORK_ADDRESS)) else { return Ok(()) };
        let refuse = |reason| {
            Err(SettingError::Gateway {
                address: &table::NETWORK_ADDRESS,
                gateway: &table::NETWORK_GATEWAY,
                reason,
            })
        };
        let Ok(gateway) = self.text(&table::NETWORK_GATEWAY).parse::<Ipv4Addr>() else {
            return refuse("is set without a router");
        };
        let network = !host_mask(bits);
        if gateway == address {
            return refuse("is the router's own address");
        }
        if gateway.to_bits() & network != address.to_bits() & network {
            return refuse("is on another network than the router");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn with(values: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in values {
            settings.set(key, value).unwrap();
        }
        settings
    }

    fn refusal(values: &[(&str, &str)]) -> Option<alloc::string::String> {
        with(values).check().err().map(|error| error.to_string())
    }

    #[test]
    fn a_queue_takes_at_least_one_packet() {
        assert_eq!(refusal(&[("mqtt.max_packet_bytes", "5000"), ("mqtt.max_queued_bytes", "5000")]), None);
        assert_eq!(
            refusal(&[("mqtt.max_packet_bytes", "5000"), ("mqtt.max_queued_bytes", "4000")]).unwrap(),
            "mqtt.max_queued_bytes = 4000 is below mqtt.max_packet_bytes = 5000, so such a packet could never be \
             delivered; set mqtt.max_queued_bytes to at least 5000"
        );
    }

    #[test]
    fn two_servers_do_not_share_a_port() {
        assert_eq!(
            refusal(&[("mqtt.port", "80")]).unwrap(),
            "mqtt.port and panel.port are both 80; give one of them another port, or set panel.enabled to false"
        );
        assert!(refusal(&[("panel.port", "1883")]).is_some());
        assert_eq!(refusal(&[("mqtt.port", "80"), ("panel.enabled", "false")]), None);
        assert_eq!(refusal(&[("mqtt.port", "80"), ("panel.port", "81")]), None);
    }

    #[test]
    fn a_static_address_needs_a_router_of_its_network() {
        let address = ("network.address", "192.168.1.5/24");
        assert_eq!(
            refusal(&[address]).unwrap(),
            "network.address is set without a router; set network.gateway to the router of that network, or unset \
             network.address (DHCP)"
        );
        assert!(refusal(&[address, ("network.gateway", "192.168.2.1")]).unwrap().contains("another network"));
        assert!(refusal(&[address, ("network.gateway", "192.168.1.5")]).unwrap().contains("own address"));
        assert_eq!(refusal(&[address, ("network.gateway", "192.168.1.1")]), None);
        assert_eq!(refusal(&[("network.gateway", "192.168.1.1")]), None, "the router may come first");
    }

    #[test]
    fn a_budget_is_not_above_what_the_board_has() {
        assert_eq!(with(&[]).check_board(0), Ok(()), "all the board can spare, be it nothing");
        let settings = with(&[("mqtt.memory_bytes", "65536")]);
        assert_eq!(settings.check_board(65_536), Ok(()));
        assert_eq!(
            settings.check_board(65_535).unwrap_err().to_string(),
            "mqtt.memory_bytes = 65536 is more than the 65535 bytes this board can spare"
        );
    }
}
