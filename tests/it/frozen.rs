//! A server that stood still, or hears of everything too late, serves nothing old.

use std::time::{Duration, Instant};

use hearth_testkit::poll::until;
use reqwest::Method;
use serde_json::Value;

use crate::backend::Backend;
use crate::replicas::crew::{BOUND, MAX_STALENESS, Replica, queries};
use crate::server::{DEADLINE, messages_path};

const SESSIONS: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_frozen_serves_nothing_old() {
    let backend = Backend::postgres().await;
    let [one, two] = Replica::start_many(&backend.url()).await;
    for session in SESSIONS {
        one.append(session, "before").await;
        two.holds(session).await;
    }
    for round in 0..3 {
        two.server.signal("STOP");
        // Everything is changed at once, and changed again until more than the bound is over: notices pile up.
        let frozen = Instant::now();
        let mut newest = Vec::new();
        while newest.is_empty() || frozen.elapsed() < 2 * BOUND {
            newest.clear();
            for session in SESSIONS {
                newest.push(one.append(session, &format!("round {round}")).await);
            }
        }
        let last_commit = Instant::now();
        until(DEADLINE, async || last_commit.elapsed() > BOUND).await;
        // They wait at the server's door, to be answered first when it wakes up.
        let reads: Vec<_> = SESSIONS
            .iter()
            .map(|session| tokio::spawn(two.server.request(Method::GET, &messages_path(session)).send()))
            .collect();
        two.server.signal("CONT");
        for (read, version) in reads.into_iter().zip(newest) {
            let history: Value = read.await.unwrap().unwrap().json().await.unwrap();
            assert_eq!(history["version"], version, "{history}");
        }
        for session in SESSIONS {
            two.holds(session).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_feed_lags_serves_nothing_old() {
    let backend = Backend::postgres().await;
    let [one, two] = Replica::start_many(&backend.url()).await;
    one.append("1", "before").await;
    two.holds("1").await;
    let connections = two.proxy.accepted();
    // What is told comes, all of it, and too late.
    two.proxy.delay(2 * MAX_STALENESS);
    two.is("degraded", true).await;
    for number in 0..4 {
        let query = format!("query {number}");
        one.append("1", &query).await;
        let shown = two
            .shows("1", &query, |history| {
                queries(history).last() == Some(&query.as_str())
            })
            .await;
        assert_eq!(
            shown["source"], "store",
            "a feed that lags vouches for nothing: {shown}"
        );
    }
    assert_eq!(two.proxy.accepted(), connections, "it trickled all the time");
    two.proxy.delay(Duration::ZERO);
    two.is("healthy", true).await;
    two.holds("1").await;
}
