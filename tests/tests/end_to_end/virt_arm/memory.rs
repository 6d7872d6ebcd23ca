//! What fits into the 100 kB of the ARM board, and what happens when more is asked for.
//!
//! Clients come one after another and take turns: the emulator's network device holds three frames, and what it drops its
//! network sends again after a second and more. What many frames at once do to the node is tested in simulated time (`firmware/net/tests`).

use libtest_mimic::Trial;
use obkmq_tests::{Client, Tool, text};

use super::Machine;
use crate::test_with;

/// What a house has.
const CLIENTS: usize = 32;
/// What the board has places for.
const PLACES: usize = 35;

pub(super) fn trials() -> Vec<Trial> {
    let tools = &[Tool::QEMU_ARM];
    vec![
        test_with("the_arm_board_serves_32_clients_in_100_kb_and_gets_all_memory_back", tools, full_house),
        test_with("the_arm_board_loses_no_memory_to_1000_reconnects", tools, reconnects),
        test_with("the_arm_board_answers_an_allocation_storm_with_refusals", tools, storm),
    ]
}

impl Machine {
    fn start_for_everybody() -> Self {
        let machine = Self::start();
        machine.obkmq(&["config", "set", "mqtt.anonymous", "always"]);
        machine
    }

    /// The heap in use when everything that has ended is given back.
    fn settled_heap(&self) -> u64 {
        let start = self.figure("uptime_s");
        obkmq_tests::wait_until(|| self.figure("uptime_s") > start + 7);
        self.figure("heap_used_bytes")
    }

    /// Waits until so little of the heap is in use that no more than a hundredth of all is missing.
    #[track_caller]
    fn wait_for_heap(&self, used_bytes: u64) {
        let allowed = used_bytes + 1024;
        for _ in 0..200 {
            if self.figure("heap_used_bytes") <= allowed {
                return;
            }
            // A program that asks takes some time itself.
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{} bytes of heap are in use, at the start {used_bytes}", self.figure("heap_used_bytes"));
    }
}

/// Lets the board refuse as many connections as it remembers, so that what it remembers of them is there from the start.
fn get_refused(machine: &Machine) {
    for _ in 0..8 {
        let mut client = Client::open(machine.address);
        client.send(b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(client.packet(), None);
    }
}

/// A client with a clean session, a will and a login; `None` if it was not let in.
fn connect(machine: &Machine, id: &str, login: Option<(&str, &str)>) -> Option<Client> {
    let mut client = Client::open(machine.address);
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend([4, if login.is_some() { 0xC6 } else { 0x06 }, 0, 60]);
    text(&mut body, id);
    text(&mut body, &format!("home/{id}/status"));
    text(&mut body, "offline");
    for part in login.into_iter().flat_map(|(user, password)| [user, password]) {
        text(&mut body, part);
    }
    client.send_packet(0x10, &body);
    (client.packet()? == (0x20, vec![0, 0])).then_some(client)
}

fn subscribe(client: &mut Client, filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = vec![0, 1];
    for (filter, qos) in filters {
        text(&mut body, filter);
        body.push(*qos);
    }
    client.send_packet(0x82, &body);
    let (first, answer) = client.packet().unwrap();
    assert_eq!((first, &answer[..2]), (0x90, &[0, 1][..]));
    answer[2..].to_vec()
}

/// A PUBLISH; above QoS 0 with an identifier.
fn publish(client: &mut Client, qos: u8, identifier: u16, topic: &str, payload: &[u8]) {
    let mut body = Vec::new();
    text(&mut body, topic);
    if qos > 0 {
        body.extend(identifier.to_be_bytes());
    }
    body.extend(payload);
    client.send_packet(0x30 | qos << 1, &body);
}

/// Does what a client has to do for a message that it sent or is sent, and gives the payload of what it is sent.
fn exchange(client: &mut Client) -> Option<Vec<u8>> {
    let (first, body) = client.packet().expect("the connection goes on");
    let identifier = |body: &[u8]| body[..2].to_vec();
    match first {
        // PUBACK and PUBCOMP: done.
        0x40 | 0x70 => None,
        0x50 => {
            client.send_packet(0x62, &identifier(&body));
            None
        }
        0x62 => {
            client.send_packet(0x70, &identifier(&body));
            None
        }
        0x30..=0x3F => {
            let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
            let rest = &body[2 + topic_bytes..];
            match first >> 1 & 3 {
                0 => Some(rest.to_vec()),
                qos => {
                    client.send_packet(if qos == 1 { 0x40 } else { 0x50 }, &identifier(rest));
                    Some(rest[2..].to_vec())
                }
            }
        }
        _ => panic!("{first:#04x} {body:?}"),
    }
}

fn ping(client: &mut Client) {
    client.send_packet(0xC0, &[]);
    assert_eq!(client.packet(), Some((0xD0, Vec::new())));
}

fn full_house() {
    let machine = Machine::start();
    machine.set_user();
    let login = Some(("house", "correct horse"));
    drop(connect(&machine, "first", login).unwrap());
    get_refused(&machine);
    let before = machine.settled_heap();

    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| {
            let mut client = connect(&machine, &format!("c{number}"), login).expect("32 fit");
            let own = format!("home/c{number}/#");
            assert_eq!(subscribe(&mut client, &[(&own, 2), ("all/+", 2)]), [2, 2]);
            client
        })
        .collect();

    // Each to the next one, at each QoS.
    for number in 0..CLIENTS {
        let next = (number + 1) % CLIENTS;
        let topic = format!("home/c{next}/command");
        for qos in 0..=2 {
            publish(&mut clients[number], qos, 7, &topic, &[qos; 30]);
            let steps = [0, 1, 2][usize::from(qos)];
            (0..steps).for_each(|_| assert_eq!(exchange(&mut clients[number]), None));
            assert_eq!(exchange(&mut clients[next]).unwrap(), [qos; 30]);
            if qos == 2 {
                assert_eq!(exchange(&mut clients[next]), None);
            }
        }
    }

    // A description as Home Assistant's discovery has them, kept for who comes later, and to everybody who is there.
    let large: Vec<u8> = (0..4096_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut body = Vec::new();
    text(&mut body, "all/description");
    body.extend([0, 8]);
    body.extend(&large);
    clients[0].send_packet(0x33, &body);
    // Its acknowledgement, and the message.
    let answers = [exchange(&mut clients[0]), exchange(&mut clients[0])];
    assert!(answers.contains(&None) && answers.contains(&Some(large.clone())));
    for client in &mut clients[1..] {
        assert!(exchange(client).as_ref() == Some(&large));
        // Waits until its acknowledgement has arrived, too.
        ping(client);
    }

    // The board has places for a few more; then there are none, and nobody is harmed.
    let mut more: Vec<Client> = (CLIENTS..PLACES)
        .map(|number| connect(&machine, &format!("c{number}"), login).expect("a place is left"))
        .collect();
    assert_eq!(subscribe(&mut more[0], &[("all/description", 0)]), [0]);
    assert!(exchange(&mut more[0]) == Some(large), "it is not kept");
    for number in 0..10 {
        assert!(connect(&machine, &format!("late{number}"), login).is_none());
    }
    clients.iter_mut().chain(&mut more).for_each(ping);
    assert_eq!(machine.figure("clients"), u64::try_from(PLACES).unwrap());
    assert!(machine.figure("refused") >= 10);

    let peak = machine.figure("heap_used_bytes");
    eprintln!("heap: {before} bytes at the start, {peak} with {PLACES} clients");
    drop((clients, more));
    // The wills of those who left found readers who had left, too; one message is kept.
    let mut last = connect(&machine, "last", login).expect("there are places again");
    publish_retained_nothing(&mut last, "all/description");
    drop(last);
    machine.wait_for_heap(before);
    assert_eq!(machine.figure("clients"), 0);
}

/// Takes a retained message away.
fn publish_retained_nothing(client: &mut Client, topic: &str) {
    let mut body = Vec::new();
    text(&mut body, topic);
    client.send_packet(0x31, &body);
    ping(client);
}

fn reconnects() {
    let machine = Machine::start_for_everybody();
    drop(connect(&machine, "first", None).unwrap());
    let before = machine.settled_heap();
    for round in 0..1000 {
        let mut client = connect(&machine, &format!("c{}", round % 40), None).expect("everybody is let in");
        if round % 2 == 0 {
            client.send_packet(0xE0, &[]);
            assert_eq!(client.packet(), None, "the board ends it");
        }
    }
    machine.wait_for_heap(before);
}

fn storm() {
    let machine = Machine::start_for_everybody();
    drop(connect(&machine, "first", None).unwrap());
    get_refused(&machine);
    let before = machine.settled_heap();
    let booted_before = machine.figure("uptime_s");
    let mut resident = connect(&machine, "resident", None).unwrap();
    assert_eq!(subscribe(&mut resident, &[("resident", 1)]), [1]);

    let mut flooder = connect(&machine, "flooder", None).unwrap();

    // Ten thousand subscriptions.
    let mut greedy: Vec<Client> =
        (0..10).filter_map(|number| connect(&machine, &format!("greedy{number}"), None)).collect();
    let mut refused = 0;
    for (number, client) in greedy.iter_mut().enumerate() {
        for packet in 0..50 {
            let filters: Vec<String> = (0..20).map(|at| format!("greedy/{number}/{packet}/{at}")).collect();
            let filters: Vec<(&str, u8)> = filters.iter().map(|filter| (filter.as_str(), 1)).collect();
            refused += subscribe(client, &filters).iter().filter(|code| **code == 0x80).count();
        }
    }
    assert!(refused > 5_000, "{refused} of {} were refused", 1000 * greedy.len());
    ping(&mut resident);

    // Readers that read nothing, and whoever sends to them.
    let mut idle: Vec<Client> =
        (0..3).filter_map(|number| connect(&machine, &format!("idle{number}"), None)).collect();
    // There may be no room for what they want.
    idle.retain_mut(|client| subscribe(client, &[("idle/#", 0)]) == [0]);
    for number in 0..2000 {
        publish(&mut flooder, 0, 0, &format!("idle/{number}"), &[b'y'; 500]);
        if number % 20 == 0 {
            ping(&mut flooder);
        }
    }

    // Retained messages without end: all are acknowledged, and those that do not fit are not kept.
    for number in 0..200_u16 {
        let mut body = Vec::new();
        text(&mut body, &format!("flood/{number}"));
        body.extend((number + 1).to_be_bytes());
        body.extend([b'x'; 300]);
        flooder.send_packet(0x33, &body);
        assert_eq!(exchange(&mut flooder), None);
    }
    assert!(machine.figure("retained_not_kept") > 0);

    // Connections that say nothing, or half of something, more than there are places.
    let silent: Vec<Client> = (0..50)
        .map(|number| {
            let mut client = Client::open(machine.address);
            client.send(&[0x10, 0x80, 8, 0, 4, b'M'][..number % 7]);
            ping(&mut resident);
            client
        })
        .collect();
    publish(&mut resident, 1, 9, "resident", b"still here");
    let answers = [exchange(&mut resident), exchange(&mut resident)];
    assert!(answers.contains(&Some(b"still here".to_vec())), "{answers:?}");
    let drops: u64 = ["dropped_slow_reader", "dropped_queue_full", "dropped_out_of_memory"]
        .iter()
        .map(|name| machine.figure(name))
        .sum();
    assert!(drops > 0 || idle.is_empty(), "nobody's messages were dropped");
    assert!(machine.figure("refused") > 0);
    assert!(machine.figure("uptime_s") >= booted_before, "it has started again");

    drop((idle, greedy, silent));
    for number in 0..200 {
        publish_retained_nothing(&mut flooder, &format!("flood/{number}"));
    }
    drop((flooder, resident));
    machine.wait_for_heap(before);
    assert!(machine.figure("uptime_s") >= booted_before, "it has started again");
}
