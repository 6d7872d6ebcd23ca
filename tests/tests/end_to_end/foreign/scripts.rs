//! Clients in other languages: a script each, in `tests/clients`, that checks what it sees by itself.

use libtest_mimic::Trial;
use obkmq_tests::{Program, Tool};

use super::{PASSWORD, USER, broker};
use crate::test_with;

const SCRIPTS: [(&str, Tool, &str); 3] = [
    ("paho", Tool::PAHO, "paho_client.py"),
    ("aiomqtt", Tool::AIOMQTT, "aiomqtt_client.py"),
    ("mqtt_js", Tool::MQTT_JS, "mqttjs_client.mjs"),
];

pub(super) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (client, tool, script) in SCRIPTS {
        for version in ["3.1", "3.1.1", "5"] {
            let name = format!("{client}_speaks_mqtt_{}", version.replace('.', "_"));
            trials.push(test_with(&name, &[tool], move || run(tool, script, version)));
        }
    }
    trials
}

fn run(tool: Tool, script: &str, version: &str) {
    let (_board, address, _home) = broker();
    let path = format!("{}/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let port = address.port().to_string();
    let ended = Program::new(tool.program).args([&path, &port, USER, PASSWORD, version]).run().expect(0);
    // Its last step. A script that stopped before without an error has not done its work.
    assert!(ended.output.ends_with("held: refusal\n"), "{}", ended.output);
}
