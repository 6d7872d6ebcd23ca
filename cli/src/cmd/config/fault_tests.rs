//! A change over a bad wire, against the firmware's own node, on simulated time: one fault at every byte of the
//! conversation, each kind of fault, both directions, and a reset at every byte.
//!
//! Whatever happens, the change is made once and reported as made. `cargo test -p obkmq fault_tests -- --nocapture` prints
//! how many faults were swept.

use obkmq_config::line::Command;

use super::change;
use super::state::users;
use crate::serial::faulty::{At, Fault, boot, session, sweep};

const HASH: &str = "$pbkdf2-sha256$i=4096$MDEyMzQ1Njc4OWFiY2RlZg$//////////////////////////////////////////8";

/// Makes a change with that fault; how many bytes went each way, from and to the device.
fn change(fault: At) -> [usize; 2] {
    let (mut session, cells, counts) = session(fault);
    let commands = [
        Command::Set { key: "mqtt.port".into(), value: "1884".into() },
        Command::UserHash { name: "anna maria".into(), hash: HASH.into() },
        Command::UserHash { name: "bob".into(), hash: HASH.into() },
        Command::UserRights { name: "anna maria".into(), rights: "read a/#".into() },
    ];
    let generation =
        change::commit(&mut session, &commands).unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    assert_eq!(generation, 1, "{fault:?}: it was made once");
    let users = session.work(|session| Ok(users(session)?));
    let users = users.unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    let users: Vec<_> = users.iter().map(|user| (user.name.as_str(), user.rights.as_str())).collect();
    assert_eq!(users, [("anna maria", "read a/#"), ("bob", "everything")], "{fault:?}");
    let again = boot(&cells);
    assert_eq!((again.settings().generation(), again.settings().mqtt_port()), (1, 1884), "{fault:?}");
    *counts.borrow()
}

#[test]
fn every_byte_to_the_device_may_be_lost_doubled_flipped_or_late() {
    sweep(change, &[Fault::Lose, Fault::Double, Fault::Flip, Fault::Late], true, 1);
}

#[test]
fn the_device_may_be_reset_at_every_byte() {
    sweep(change, &[Fault::Reset], true, 1);
}

#[test]
fn every_byte_from_the_device_may_be_lost_doubled_or_flipped_and_every_line_followed_by_a_log() {
    sweep(change, &[Fault::Lose, Fault::Double, Fault::Flip, Fault::Log], false, 1);
}
