//! Who may connect, and from where.

use core::net::{IpAddr, SocketAddr};

use crate::limits::Limits;

/// What the owner decides; may be changed while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which clients need no credentials.
    pub anonymous: Anonymous,
    /// Longest keep-alive of a client that speaks MQTT 5, which is told; 0 is no ceiling.
    pub max_keep_alive_seconds: u16,
    /// Longest time that a session outlives its link; `u32::MAX` is for ever. MQTT 3 knows no other.
    pub max_session_expiry_seconds: u32,
    /// How often the figures under `$SYS` are told; 0 is never.
    pub sys_interval_seconds: u32,
    /// Whether subscriptions and their ends are events too.
    pub log_details: bool,
    /// Capacities and budgets.
    pub limits: Limits,
}

impl Default for Policy {
    /// Nobody without credentials, and the limits of a PC.
    fn default() -> Self {
        Policy {
            anonymous: Anonymous::Never,
            max_keep_alive_seconds: 0,
            max_session_expiry_seconds: u32::MAX,
            sys_interval_seconds: 10,
            log_details: false,
            limits: Limits::default(),
        }
    }
}

/// Which clients may connect without credentials. Those that bring credentials are checked in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anonymous {
    /// None.
    Never,
    /// Those on the same machine.
    Loopback,
    /// All.
    Always,
}

impl Anonymous {
    /// Whether a client there may do without credentials.
    pub fn allows(self, peer: Peer) -> bool {
        match self {
            Anonymous::Never => false,
            Anonymous::Loopback => peer.is_loopback(),
            Anonymous::Always => true,
        }
    }
}

/// The other end of a transport connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// Whether the other end is on this machine, be it in the form of an IPv4 address mapped into IPv6.
    pub fn is_loopback(self) -> bool {
        match self.0.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
            }
        }
    }
}

impl core::fmt::Display for Peer {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_recognised_in_all_its_forms() {
        let loopback = |text: &str| Peer(text.parse().unwrap()).is_loopback();
        assert!(loopback("127.0.0.1:1"));
        assert!(loopback("127.9.9.9:1"));
        assert!(loopback("[::1]:1"));
        assert!(loopback("[::ffff:127.0.0.1]:1"));
        assert!(!loopback("192.168.0.1:1"));
        assert!(!loopback("[::ffff:192.168.0.1]:1"));
        assert!(!loopback("[fe80::1]:1"));
    }
}
