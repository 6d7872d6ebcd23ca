//! What a browser asks.

use core::fmt;

use super::packet_type;

/// Numbers of the remote procedures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Rpc {
    /// Join a network.
    WifiSettings = 1,
    /// Tell the state.
    CurrentState = 2,
    /// Tell what the device is.
    DeviceInfo = 3,
    /// Tell the networks in reach.
    ScanNetworks = 4,
    /// Tell or change the host name.
    HostName = 5,
}

/// A request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Join this network.
    WifiSettings {
        /// Its name; not checked yet.
        ssid: &'a str,
        /// Its password, empty for an open network; not checked yet.
        password: &'a str,
    },
    /// Tell the state.
    CurrentState,
    /// Tell what the device is.
    DeviceInfo,
    /// Tell the networks in reach.
    ScanNetworks,
    /// Tell the host name, or change it to this one, which is not checked yet.
    HostName(Option<&'a str>),
}

/// Why a packet is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// It does not come from a browser: such packets are not answered.
    #[error("the packet is none that a device is sent")]
    NotForDevices,
    /// The lengths in it do not fit each other, or a text is no UTF-8.
    #[error("the packet cannot be read")]
    Malformed,
    /// There is no such procedure.
    #[error("there is no procedure {0}")]
    Unknown(u8),
}

impl<'a> Request<'a> {
    /// Reads a packet.
    pub fn parse(kind: u8, data: &'a [u8]) -> Result<Self, BadRequest> {
        if kind != packet_type::RPC {
            return Err(BadRequest::NotForDevices);
        }
        let [rpc, length, data @ ..] = data else { return Err(BadRequest::Malformed) };
        if usize::from(*length) != data.len() {
            return Err(BadRequest::Malformed);
        }
        let simple = |request| if data.is_empty() { Ok(request) } else { Err(BadRequest::Malformed) };
        match *rpc {
            rpc if rpc == Rpc::WifiSettings as u8 => {
                let (ssid, rest) = take_text(data)?;
                let (password, rest) = take_text(rest)?;
                if !rest.is_empty() {
                    return Err(BadRequest::Malformed);
                }
                Ok(Self::WifiSettings { ssid, password })
            }
            rpc if rpc == Rpc::CurrentState as u8 => simple(Self::CurrentState),
            rpc if rpc == Rpc::DeviceInfo as u8 => simple(Self::DeviceInfo),
            rpc if rpc == Rpc::ScanNetworks as u8 => simple(Self::ScanNetworks),
            rpc if rpc == Rpc::HostName as u8 => {
                let name = core::str::from_utf8(data).map_err(|_| BadRequest::Malformed)?;
                Ok(Self::HostName(Some(name).filter(|name| !name.is_empty())))
            }
            other => Err(BadRequest::Unknown(other)),
        }
    }
}

/// A length and as many bytes of text.
fn take_text(data: &[u8]) -> Result<(&str, &[u8]), BadRequest> {
    let (length, rest) = data.split_first().ok_or(BadRequest::Malformed)?;
    let (text, rest) = rest.split_at_checked(usize::from(*length)).ok_or(BadRequest::Malformed)?;
    core::str::from_utf8(text).map(|text| (text, rest)).map_err(|_| BadRequest::Malformed)
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WifiSettings { ssid, .. } => write!(formatter, "WifiSettings({ssid:?}, password redacted)"),
            Self::CurrentState => formatter.write_str("CurrentState"),
            Self::DeviceInfo => formatter.write_str("DeviceInfo"),
            Self::ScanNetworks => formatter.write_str("ScanNetworks"),
            Self::HostName(name) => write!(formatter, "HostName({name:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn requests_of_the_browser_are_read() {
        for (data, request) in [
            (b"\x02\0".as_slice(), Request::CurrentState),
            (b"\x03\0", Request::DeviceInfo),
            (b"\x04\0", Request::ScanNetworks),
            (b"\x05\0", Request::HostName(None)),
            (b"\x05\x05attic", Request::HostName(Some("attic"))),
            (b"\x01\x0c\x03h\xc3\xa9\x07hunter2", Request::WifiSettings { ssid: "hé", password: "hunter2" }),
            (b"\x01\x03\x01h\x00", Request::WifiSettings { ssid: "h", password: "" }),
        ] {
            assert_eq!(Request::parse(3, data), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_says_why() {
        for bad in [
            b"".as_slice(),
            b"\x02",
            b"\x02\x01",
            b"\x02\x01x",
            b"\x02\0x",
            b"\x01\x00",
            b"\x01\x01\x05",
            b"\x01\x02\x01h",
            b"\x01\x03\x01h\x01",
            b"\x01\x04\x01h\x00x",
            b"\x01\x03\x01\xff\x00",
            b"\x05\x01\xff",
        ] {
            assert_eq!(Request::parse(3, bad), Err(BadRequest::Malformed), "{bad:?}");
        }
        assert_eq!(Request::parse(3, b"\x07\0"), Err(BadRequest::Unknown(7)));
        assert_eq!(Request::parse(1, b"\x02"), Err(BadRequest::NotForDevices));
    }

    #[test]
    fn debug_shows_no_password() {
        let shown = format!("{:?}", Request::parse(3, b"\x01\x0a\x01h\x07hunter2"));
        assert!(shown.contains("redacted") && !shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_data_is_read_or_refused(kind in 0_u8..6, data in prop::collection::vec(any::<u8>(), 0..256)) {
            let _ = Request::parse(kind, &data);
        }
    }
}
