//! Clients that nobody here wrote: each does all it can of connect, quality of service, retained, wills, sessions and,
//! in version 5, properties.

mod improv;
mod mosquitto;
mod rumqttc;
mod scripts;

use std::net::SocketAddr;

use libtest_mimic::Trial;
use obkmq_tests::Board;
use tempfile::TempDir;

use crate::host;

/// Who may connect to [`broker`].
const USER: &str = "house";
const PASSWORD: &str = "correct horse";

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = mosquitto::trials();
    trials.extend(scripts::trials());
    trials.extend(rumqttc::trials());
    if cfg!(unix) {
        trials.extend(improv::trials());
    }
    trials
}

/// A broker that lets [`USER`] in and nobody else.
fn broker() -> (Board, SocketAddr, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let (board, address) = host::start(home.path(), &["--config", &host::settings_file(home.path())]);
    (board, address, home)
}
