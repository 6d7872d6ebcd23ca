//! Scripts of an owner on a board that runs: put with the program, with clients as lamp, switch and house.

use std::net::SocketAddr;
use std::path::Path;

use libtest_mimic::Trial;
use obkmq_tests::{Board, Client, Program, Tool};

use crate::{host, test, test_with};

const CLIENTS: [Tool; 2] = [Tool::MOSQUITTO_PUB, Tool::MOSQUITTO_SUB];

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test_with("a_script_prints_what_devices_say", &CLIENTS, prints),
        test_with("a_script_mirrors_a_switch_to_a_lamp", &CLIENTS, mirrors),
        test_with("a_script_on_this_machine_serves_a_broker_elsewhere", &CLIENTS, elsewhere),
        test("a_script_hears_tasmota_and_openbeken_devices_as_they_are_on_the_wire", hears_devices),
        test("clients_do_not_wait_for_scripts_that_run_wild", do_not_wait),
    ]
}

/// A broker with a data folder, whose log is watched.
fn start(home: &Path) -> (Board, SocketAddr) {
    host::start(home, &["--data", "data"])
}

fn put(home: &Path, board: &mut Board, source: &str) {
    std::fs::write(home.join("script.be"), source).unwrap();
    let put = ["script", "put", "script.be", "--as", "autoexec.be", "--data", "data"];
    Program::obkmq(home).args(put).run().expect(0);
    board.line("script: autoexec.be starts");
}

fn mosquitto(name: &str, address: SocketAddr, arguments: &[&str]) -> Program {
    let port = address.port().to_string();
    Program::new(name).args(["-h", "127.0.0.1", "-p", &port]).args(arguments)
}

fn publish(address: SocketAddr, topic: &str, payload: &str) {
    mosquitto("mosquitto_pub", address, &["-t", topic, "-m", payload]).run().expect(0);
}

/// A client that has subscribed: it has seen the retained message of "ready".
fn listener(address: SocketAddr, arguments: &[&str]) -> Board {
    let arguments = [&["-v", "-t", "ready"], arguments].concat();
    let mut listener = Board::start(mosquitto("mosquitto_sub", address, &arguments));
    mosquitto("mosquitto_pub", address, &["-t", "ready", "-m", "now", "-r"]).run().expect(0);
    listener.line("ready now");
    listener
}

/// A handler for each kind of message that a house has, which prints it.
const PRINTS: &str = "\
autoexec = module('autoexec')

autoexec.init = def ()
  ms_subscribe(\"stat/lamp/POWER\", def (topic, payload)
    print (\"lamp power: \" + topic + \" \" + payload)
  end)
  ms_subscribe(\"stat/lamp/RESULT\", def (topic, payload) print(\"lamp result: \" + payload) end)
  ms_subscribe(\"stat/switch/POWER1\", def (topic, payload) print(\"switch 1: \" + payload) end)
  ms_subscribe(\"stat/switch/POWER2\", def (topic, payload) print(\"switch 2: \" + payload) end)
  ms_subscribe(\"tele/+/LWT\", def (topic, payload) print(\"alive: \" + topic + \" \" + payload) end)
  ms_subscribe(\"tele/+/STATE\", def (topic, payload) print(\"state: \" + topic) end)
  ms_subscribe(\"tasmota/discovery/#\", def (topic, payload) print(\"tasmota: \" + topic + \" \" + str(size(payload))) end)
  ms_subscribe(\"homeassistant/#\", def (topic, payload) print(\"discovery: \" + topic) end)
end

return autoexec
";

fn prints() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path());
    put(home.path(), &mut board, PRINTS);
    publish(address, "stat/lamp/POWER", "ON");
    board.line("script: lamp power: stat/lamp/POWER ON");
    publish(address, "stat/lamp/RESULT", "{\"POWER\":\"ON\"}");
    board.line("script: lamp result: {\"POWER\":\"ON\"}");
    publish(address, "homeassistant/light/lamp_1/config", "{}");
    board.line("script: discovery: homeassistant/light/lamp_1/config");
    let will = ["--will-topic", "tele/lamp/LWT", "--will-payload", "Offline", "-i", "lamp"];
    // Gone without a word.
    drop(listener(address, &will));
    board.line("script: alive: tele/lamp/LWT Offline");
}

fn mirrors() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path());
    put(home.path(), &mut board, include_str!("../../../examples/mirror.be"));
    let mut lamp = listener(address, &["-t", "cmnd/lamp/+", "-i", "lamp"]);
    for state in ["ON", "OFF", "TOGGLE"] {
        publish(address, "stat/switch/POWER2", state);
        lamp.line(&format!("cmnd/lamp/POWER {state}"));
        board.line(&format!("script: switch: {state}"));
    }
    // The script is still there after a restart.
    drop(board);
    let (mut board, address) = start(home.path());
    board.line("script: autoexec.be starts");
    publish(address, "stat/lamp/POWER", "OFF");
    board.line("script: lamp: OFF");
}

fn elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let (_board, address) = host::start(home.path(), &[]);
    let run = |source: &str| {
        std::fs::write(home.path().join("live.be"), source).unwrap();
        Program::obkmq(home.path()).args(["script", "run", "live.be", "--host", &address.to_string()])
    };
    let mut lamp = listener(address, &["-t", "cmnd/lamp/+", "-i", "lamp"]);
    // It is there when the script comes.
    mosquitto("mosquitto_pub", address, &["-t", "stat/switch/POWER2", "-m", "ON", "-r"]).run().expect(0);
    let mut script = Board::start(run(include_str!("../../../examples/mirror.be")));
    script.line("switch: ON");
    lamp.line("cmnd/lamp/POWER ON");
    publish(address, "stat/switch/POWER2", "OFF");
    lamp.line("cmnd/lamp/POWER OFF");
    drop(script);
    // With nothing left to wait for it ends by itself, after what it has published is out.
    let ticks = "var n = 0 var id
        id = setInterval(def () n += 1 print('tick', n)
          if n == 3 cancel(id) ms_publish('cmnd/lamp/Dimmer', n) end end, 20)
        rtosDelayMs(30)
        var s = ms_subscribe('x', def () end) print(ms_unsubscribe(s), ms_unsubscribe(s), ms_subscribe('a/#/b', / -> 1))
        setTimeout(def () raise 'oops' end, 200)
        cancel(setTimeout(def () print('never') end, 1))";
    let ended = run(ticks).run().expect(1);
    assert_eq!(
        ended.output,
        "true false nil\ntick 1\ntick 2\ntick 3\noops\nstack traceback:\n\tautoexec.be:6: in function `_anonymous_`\n"
    );
    lamp.line("cmnd/lamp/Dimmer 3");
    let nobody = ["script", "run", "live.be", "--host", "127.0.0.1:1"];
    let ended = Program::obkmq(home.path()).args(nobody).run();
    assert!(ended.errors.contains("The script has no broker at 127.0.0.1:1"), "{}", ended.errors);
}

/// A packet with its length in two bytes if need be.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut packet = vec![first];
    if length < 128 {
        packet.push(length.try_into().unwrap());
    } else {
        packet.extend([u8::try_from(length % 128).unwrap() | 0x80, u8::try_from(length / 128).unwrap()]);
    }
    packet.extend(body);
    packet
}

fn texts(texts: &[&str]) -> Vec<u8> {
    let bytes =
        |text: &&str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    texts.iter().flat_map(bytes).collect()
}

fn hears_devices() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path());
    let script = PRINTS.replace(
        "return autoexec",
        "ms_subscribe('obk/+/connected', def (topic, payload) print('obk: ' + topic + ' ' + payload)\n\
         ms_publish('cmnd/obk/POWER', 'TOGGLE') end)\nreturn autoexec",
    );
    put(home.path(), &mut board, &script);

    // Tasmota: CONNECT of 141 bytes, its first two bytes alone, then two announcements in one piece of 724 bytes.
    let will = texts(&["tele/tasmota_5C2A10/LWT", "Offline"]);
    let id = texts(&["DVES_5C2A10_very_long_identifier_of_a_device"]);
    let mut body = [&[0, 4][..], b"MQTT", &[4, 0x2E, 0, 30], &id, &will].concat();
    // What is left of the 138 bytes is in the will.
    let missing = 138 - body.len();
    let will = texts(&["tele/tasmota_5C2A10/LWT", &format!("Offline{}", " ".repeat(missing))]);
    body = [&[0, 4][..], b"MQTT", &[4, 0x2E, 0, 30], &id, &will].concat();
    let connect = packet(0x10, &body);
    assert_eq!((connect.len(), &connect[..4]), (141, &[0x10, 0x8A, 0x01, 0x00][..]));
    let mut tasmota = Client::open(address);
    tasmota.send(&connect[..2]);
    tasmota.send(&connect[2..]);
    assert_eq!(tasmota.read(4), [0x20, 2, 0, 0]);
    let config = [texts(&["tasmota/discovery/C82B965C2A10/config"]), vec![b'x'; 595]].concat();
    let sensors = [texts(&["tasmota/discovery/C82B965C2A10/sensors"]), vec![b'y'; 45]].concat();
    let both = [packet(0x31, &config), packet(0x31, &sensors)].concat();
    assert_eq!((both.len(), &both[..5]), (724, &[0x31, 0xFA, 0x04, 0x00, 0x25][..]));
    tasmota.send(&both);
    board.line("script: tasmota: tasmota/discovery/C82B965C2A10/config 595");
    board.line("script: tasmota: tasmota/discovery/C82B965C2A10/sensors 45");

    // OpenBeken: will retained at QoS 1, keep-alive of 100 s, and `online` retained at QoS 2.
    let body = [&[0, 4][..], b"MQTT", &[4, 0x2E, 0, 100]].concat();
    let body = [body, texts(&["obk", "obk/lamp/connected", "offline"])].concat();
    let mut obk = Client::open(address);
    obk.send(&packet(0x10, &body));
    assert_eq!(obk.read(4), [0x20, 2, 0, 0]);
    obk.send(&packet(0x82, &[&[0, 1][..], &texts(&["cmnd/obk/+"]), &[0]].concat()));
    assert_eq!(obk.read(5), [0x90, 3, 0, 1, 0]);
    let online = [&texts(&["obk/lamp/connected"])[..], &[0, 2], b"online"].concat();
    obk.send(&packet(0x35, &online));
    let command = packet(0x30, &[&texts(&["cmnd/obk/POWER"])[..], b"TOGGLE"].concat());
    let answer = obk.read(4 + command.len());
    assert_eq!(answer[..4], [0x50, 2, 0, 2]);
    assert_eq!(answer[4..], command);
    obk.send(&[0x62, 2, 0, 2]);
    assert_eq!(obk.read(4), [0x70, 2, 0, 2]);
    board.line("script: obk: obk/lamp/connected online");
    drop(obk);
    board.line("script: obk: obk/lamp/connected offline");
    drop(tasmota);
    board.line("script: alive: tele/tasmota_5C2A10/LWT Offline");
}

/// Every kind of callback does the worst it can, again and again: it is never switched off, since each is new.
const WILD: &str = "\
var turn = 0
def again()
  setTimeout(def ()
    again()
    turn = (turn + 1) % 5
    if turn == 0 while true end end
    if turn == 1 var l = [] while true l.push(l) end end
    if turn == 2 def f() return f() + 1 end f() end
    if turn == 3 raise 'wild' end
    for i: 1..100 ms_publish('wild', 'x') end
  end, 5)
end
again()
again()
ms_subscribe('bench/#', def (topic, payload) while true end end)
";

/// That scripts are sliced is tested where time is simulated; here what clients notice of it is shown.
fn do_not_wait() {
    let home = tempfile::tempdir().unwrap();
    let (mut board, address) = start(home.path());
    put(home.path(), &mut board, WILD);
    for end in ["timeout_error", "memory_error", "stack overflow", "wild"] {
        board.line(end);
    }
    let host = address.to_string();
    let bench = [
        "bench",
        "-H",
        &host,
        "--clients",
        "20",
        "--rate",
        "50",
        "--duration",
        "3s",
        "--max-loss",
        "0",
        "--json",
    ];
    let bench = Program::obkmq(home.path()).args(bench).run().expect(0);
    let report: serde_json::Value = serde_json::from_str(bench.output.lines().last().unwrap()).unwrap();
    println!("beside scripts that run wild, in microseconds: {}", report["latency_us"]);
    assert!(report.to_string().contains("\"lost\":0"), "{report}");
    // The script is still at it.
    board.line("timeout_error");
}
