//! Which serial ports this machine has, and which of them is probably a board.
//!
//! Ranking looks at USB ids only. No port is opened for it: opening one pulses its modem lines, and on many
//! boards that resets the chip.

use std::path::Path;

use serde::Serialize;
use serialport::{SerialPortType, UsbPortInfo};

/// USB ids of Espressif's own peripheral and of the USB-serial bridges that boards carry, with their names.
const KNOWN: &[(u16, Option<u16>, &str, Likelihood)] = &[
    (0x303A, Some(0x1001), "Espressif USB-Serial-JTAG", Likelihood::Board),
    (0x303A, None, "Espressif USB", Likelihood::Board),
    (0x10C4, Some(0xEA60), "CP210x bridge", Likelihood::Bridge),
    (0x1A86, None, "CH340/CH9102 bridge", Likelihood::Bridge),
    (0x0403, None, "FTDI bridge", Likelihood::Bridge),
    (0x067B, None, "PL2303 bridge", Likelihood::Bridge),
];

/// How probable it is that a board sits behind a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Likelihood {
    /// A chip that speaks USB itself.
    Board,
    /// A USB-serial bridge as boards carry them.
    Bridge,
    /// Some other USB device with a serial port.
    Usb,
    /// A built-in port, Bluetooth, …: used only when it is named.
    Other,
}

/// One port of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Port {
    /// What `--port` takes.
    pub(crate) path: String,
    /// What it is, in words.
    pub(crate) what: String,
    pub(crate) likelihood: Likelihood,
    /// Vendor and product id, as `lsusb` prints them.
    pub(crate) usb_id: Option<String>,
    /// The USB device's serial number.
    pub(crate) serial_number: Option<String>,
    /// Why it cannot be used, or nothing.
    pub(crate) unusable: Option<String>,
}

impl Port {
    /// Ports that are worth choosing without being named.
    pub(crate) fn is_candidate(&self) -> bool {
        self.likelihood < Likelihood::Other
    }
}

/// Every port of this machine, the likeliest board first.
pub(crate) fn list() -> Vec<Port> {
    let mut ports: Vec<Port> = available().into_iter().map(|info| describe(&info)).collect();
    // macOS lists every port twice; the call-out device is the one that does not wait for a carrier.
    ports.retain(|port| !port.path.starts_with("/dev/tty.") || cfg!(not(target_os = "macos")));
    ports.sort_by(|a, b| a.likelihood.cmp(&b.likelihood).then_with(|| a.path.cmp(&b.path)));
    ports
}

/// The USB description of the port with this path, following links such as `/dev/serial/by-id/…`.
pub(crate) fn usb_info(path: &str) -> Option<UsbPortInfo> {
    let real = std::fs::canonicalize(path).ok();
    available().into_iter().find_map(|info| {
        let same = info.port_name == path || real.as_deref() == Some(Path::new(&info.port_name));
        match info.port_type {
            SerialPortType::UsbPort(usb) if same => Some(usb),
            _ => None,
        }
    })
}

fn available() -> Vec<serialport::SerialPortInfo> {
    // The library panics where there is no sysfs (a container, a rescue system).
    if cfg!(target_os = "linux") && !Path::new("/sys/class/tty").is_dir() {
        return Vec::new();
    }
    serialport::available_ports().unwrap_or_default()
}

fn describe(info: &serialport::SerialPortInfo) -> Port {
    let (what, likelihood, usb) = match &info.port_type {
        SerialPortType::UsbPort(usb) => {
            let known =
                KNOWN.iter().find(|(vid, pid, ..)| *vid == usb.vid && pid.is_none_or(|pid| pid == usb.pid));
            let (name, likelihood) =
                known.map_or((None, Likelihood::Usb), |(.., name, likelihood)| (Some(*name), *likelihood));
            let what = name.map(str::to_owned).or_else(|| usb.product.clone());
            (what.unwrap_or_else(|| "USB serial port".to_owned()), likelihood, Some(usb))
        }
        SerialPortType::PciPort => ("built-in port".to_owned(), Likelihood::Other, None),
        SerialPortType::BluetoothPort => ("Bluetooth".to_owned(), Likelihood::Other, None),
        SerialPortType::Unknown => ("unknown kind".to_owned(), Likelihood::Other, None),
    };
    Port {
        path: info.port_name.clone(),
        what,
        likelihood,
        usb_id: usb.map(|usb| format!("{:04x}:{:04x}", usb.vid, usb.pid)),
        serial_number: usb.and_then(|usb| usb.serial_number.clone()),
        unusable: unusable(&info.port_name),
    }
}

/// Why a port cannot be opened, as far as that can be told without opening it.
#[cfg(unix)]
pub(crate) fn unusable(path: &str) -> Option<String> {
    match rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK) {
        Ok(()) => None,
        Err(rustix::io::Errno::ACCESS) => Some(super::open::permission_reason(Path::new(path))),
        Err(error) => Some(std::io::Error::from(error).to_string()),
    }
}

#[cfg(not(unix))]
pub(crate) fn unusable(_path: &str) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usb(vid: u16, pid: u16) -> serialport::SerialPortInfo {
        serialport::SerialPortInfo {
            port_name: "/dev/null".to_owned(),
            port_type: SerialPortType::UsbPort(UsbPortInfo {
                vid,
                pid,
                serial_number: Some("1".into()),
                manufacturer: None,
                product: Some("Gadget".into()),
            }),
        }
    }

    #[test]
    fn a_chip_ranks_before_a_bridge_before_anything_else() {
        let chip = describe(&usb(0x303A, 0x1001));
        let bridge = describe(&usb(0x1A86, 0x7523));
        let gadget = describe(&usb(0x1234, 0x0001));
        assert!(chip.likelihood < bridge.likelihood && bridge.likelihood < gadget.likelihood);
        assert_eq!((chip.what.as_str(), gadget.what.as_str()), ("Espressif USB-Serial-JTAG", "Gadget"));
        assert_eq!(bridge.usb_id.as_deref(), Some("1a86:7523"));
        assert!(gadget.is_candidate());
    }

    #[test]
    fn a_built_in_port_is_never_chosen_by_itself() {
        let port = describe(&serialport::SerialPortInfo {
            port_name: "/dev/null".to_owned(),
            port_type: SerialPortType::PciPort,
        });
        assert!(!port.is_candidate());
    }
}
