//! A file sent over a bad wire: whatever happens, it is the new one in the end, whole, and nothing else takes room.
//! `cargo test -p obkmq fault_tests -- --nocapture` prints how many faults were swept.

use super::files::{self, Listing};
use super::put::store;
use crate::serial::faulty::{At, Fault, boot, session, sweep};

/// Sends a file of two pieces over a former one.
fn upload(fault: At) -> [usize; 2] {
    let (mut session, cells, counts) = session(fault);
    let name = files::name("autoexec.be").unwrap();
    let former = files::describe(name.clone(), b"old").unwrap();
    let contents: Vec<u8> = (0..400_u16).map(|at| (at % 251) as u8).collect();
    let info = files::describe(name.clone(), &contents).unwrap();
    let stored = store(&mut session, &former, b"old", |_| {});
    stored.unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    let room = session.work(|session| Ok(Listing::read(session)?.free)).unwrap();
    let stored = store(&mut session, &info, &contents, |_| {});
    stored.unwrap_or_else(|error| panic!("{fault:?}: {error:#}"));
    let found = session.work(|session| Ok(files::receive(session, &name, |_| {})?));
    assert_eq!(found.unwrap_or_else(|error| panic!("{fault:?}: {error:#}")), contents, "{fault:?}");
    let again = boot(&cells);
    assert_eq!(again.files().collect::<Vec<_>>(), [&info], "{fault:?}");
    // One chunk each, the former one gone.
    let left = session.work(|session| Ok(Listing::read(session)?.free)).unwrap();
    assert_eq!(left, room, "{fault:?}");
    *counts.borrow()
}

#[test]
fn bytes_of_an_upload_may_be_lost_doubled_flipped_or_late() {
    sweep(upload, &[Fault::Lose, Fault::Double, Fault::Flip, Fault::Late], true, 7);
}

#[test]
fn the_device_may_be_reset_in_an_upload() {
    sweep(upload, &[Fault::Reset], true, 3);
}

#[test]
fn bytes_of_the_answers_may_be_lost_doubled_or_flipped() {
    sweep(upload, &[Fault::Lose, Fault::Double, Fault::Flip, Fault::Log], false, 7);
}
