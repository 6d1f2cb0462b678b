//! Collectors that are in no state to take spans.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::collector::Collector;
use crate::server::Server;

const HEALTH: &str = "/chatbot/health";
const AWAY: &str = "the collector takes no spans";
const BACK: &str = "the collector takes spans again";

/// How long nothing may take that waits for no collector, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn a_collector_that_hangs_holds_up_neither_requests_nor_the_stop() {
    let collector = Collector::hanging();
    let small = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
    ];
    let server = Server::start(&collector.endpoint(), &small);
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(server.get(HEALTH, "").status, 200);
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    collector.posted();
    assert_eq!(
        collector.spans().len(),
        8,
        "the first batch is on its way all the time"
    );
    let (log, took) = server.stop();
    assert!(took < Duration::from_secs(2) + SOON, "{took:?}");
    let told = |name: &str| log.lines().filter(|line| line.contains(name)).count();
    assert_eq!(told("SpanDroppingStarted"), 1, "{log}");
    assert_eq!(told("dropped_span_count="), 1, "{log}");
}

#[test]
fn a_collector_that_is_away_is_told_of_once_and_found_when_it_is_back() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let quick = [
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1"),
        ("HEARTH__LOG__LEVEL", "info,hearth_api::spans=debug"),
    ];
    let server = Server::start(&format!("http://{address}"), &quick);
    for _ in 0..3 {
        assert_eq!(server.get(HEALTH, "").status, 200);
    }
    // A batch is tried four times: two of them were given up by then.
    server.log_until_times("failed to send spans", 9);
    let collector = Collector::at(address);
    assert_eq!(server.get(HEALTH, "").status, 200);
    server.log_until(BACK);
    let (log, _) = server.stop();
    let told = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!((told(AWAY), told(BACK)), (1, 1), "{log}");
    assert!(!collector.spans().is_empty());
}

#[test]
fn a_stop_does_not_wait_long_for_a_collector_that_is_away() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(&format!("http://{address}"), &[]);
    assert_eq!(server.get(HEALTH, "").status, 200);
    let (log, took) = server.stop();
    assert!(took < Duration::from_secs(2) + SOON, "{took:?}");
    assert!(log.contains(AWAY), "{log}");
}
