//! Whole runs against a broker on loopback that misbehaves by message number.

use super::super::faulty_broker::{Fate, FaultyBroker};
use super::*;

fn options(broker: &FaultyBroker) -> Options {
    Options {
        host: broker.address.ip().to_string(),
        port: broker.address.port(),
        target: broker.address.to_string(),
        credentials: None,
        clients: 3,
        rate: 100,
        duration: Duration::from_millis(200),
        warm_up: Duration::ZERO,
        settle: Duration::from_secs(20),
        payload_bytes: 64,
        qos: QoS::AtMostOnce,
    }
}

fn measure(options: &Options) -> Result<Report, Error> {
    run(options, &Live::new(false), &|| false)
}

#[test]
fn a_good_broker_gets_a_clean_report_and_keeps_nothing() {
    let broker = FaultyBroker::start(0, |_| Fate::Deliver);
    let report = measure(&options(&broker)).expect("a report");
    let tally = report.delivery.tally;
    assert_eq!((tally.expected, tally.delivered, tally.lost), (60, 60, 0));
    assert_eq!((tally.duplicate, tally.reordered, tally.corrupt, report.delivery.stray), (0, 0, 0, 0));
    assert_eq!(report.latency_us.map(|latency| latency.count), Some(60));
    assert_eq!(report.connect_us.map(|connect| connect.count), Some(3));

    let observed = broker.observed();
    assert_eq!(observed.connect_flags, [0x02; 3], "a clean session and nothing else: no will, no login");
    assert_eq!(observed.publish_headers, [0x30; 60], "QoS 0, not retained");
    assert_eq!(observed.disconnects, 3);
}

#[test]
fn every_fault_is_counted_exactly() {
    let broker = FaultyBroker::start(0, |stamp| match stamp.sequence % 10 {
        2 => Fate::Drop,
        4 => Fate::Duplicate,
        6 => Fate::Corrupt,
        7 => Fate::Delay,
        _ => Fate::Deliver,
    });
    let mut options = options(&broker);
    options.settle = Duration::from_secs(1);
    let report = measure(&options).expect("a report");
    for flow in &report.flows {
        let tally = flow.tally;
        assert_eq!((tally.expected, tally.delivered, tally.lost), (20, 16, 4), "{flow:?}");
        assert_eq!((tally.duplicate, tally.reordered, tally.corrupt), (2, 2, 2), "{flow:?}");
    }
    assert_eq!(report.delivery.tally.lost, 12);
}

#[test]
fn a_connection_that_breaks_is_reported_and_not_reopened_and_the_others_go_on() {
    let broker = FaultyBroker::start(0, |stamp| match (stamp.publisher, stamp.sequence) {
        (0, 5) => Fate::HangUp,
        _ => Fate::Deliver,
    });
    let mut options = options(&broker);
    options.settle = Duration::from_secs(1);
    let report = measure(&options).expect("a report");
    assert_eq!(report.lost_connections.iter().map(|lost| lost.client).collect::<Vec<_>>(), [0]);
    assert_eq!(broker.observed().connect_flags.len(), 3);
    assert!(report.delivery.sent < report.delivery.scheduled);
    let unharmed = report.flows.iter().find(|flow| flow.publisher == 2).expect("a flow");
    assert_eq!((unharmed.receiver, unharmed.tally.delivered), (1, 20));
}

#[test]
fn a_refused_login_is_told_apart_and_tried_only_once() {
    let broker = FaultyBroker::start(5, |_| Fate::Deliver);
    let error = measure(&options(&broker)).expect_err("no report");
    assert!(matches!(error, Error::Open { client: 0, trouble: Trouble::NotAuthorised }), "{error:?}");
    assert_eq!(broker.observed().connect_flags.len(), 1);
}

#[test]
fn an_interrupted_run_reports_what_it_has_and_says_goodbye() {
    let broker = FaultyBroker::start(0, |_| Fate::Deliver);
    let mut options = options(&broker);
    options.duration = Duration::from_secs(3_600);
    let seen = || broker.observed().publish_headers.len();
    let report = run(&options, &Live::new(false), &|| seen() >= 30).expect("a report");
    assert!(report.interrupted);
    assert!(report.delivery.tally.expected >= 30 && report.delivery.tally.lost == 0, "{report:?}");
    assert_eq!(broker.observed().disconnects, 3);
}

#[test]
fn an_interruption_while_connecting_publishes_nothing() {
    let broker = FaultyBroker::start(0, |_| Fate::Deliver);
    let error = run(&options(&broker), &Live::new(false), &|| true);
    assert!(matches!(error, Err(Error::Interrupted)), "{error:?}");
    assert!(broker.observed().publish_headers.is_empty());
}

#[test]
fn run_names_fit_a_client_id() {
    for _ in 0..100 {
        assert!(run_tag() <= 0xFF_FFFF);
    }
    let longest = format!("obkmq-bench-{:06x}-{}", 0xFF_FFFF, limits::CLIENTS_MAX - 1);
    assert!(longest.len() <= 23, "{longest}");
}

#[test]
fn throughput_of_nothing_is_nothing() {
    assert_eq!(per_second(0, 0), 0);
    assert_eq!(per_second(10_000, 10_000_000_000), 1_000);
}
