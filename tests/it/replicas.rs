//! Several servers on one database, while everything goes wrong: what was read is checked against what was committed.

mod checker;
mod clients;
mod committed;
pub(crate) mod crew;
mod journal;
pub(crate) mod proxy;

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use hearth_testkit::poll::until;
use hearth_testkit::postgres::{Cluster, Options, database};
use serde_json::Value;

use self::clients::Clients;
use self::committed::Committed;
use self::crew::{MAX_STALENESS, Replica};
use self::journal::{Journal, Told};
use crate::load::seed;
use crate::server::DEADLINE;

/// How long clients work, the two restarts left out.
const RUN: Duration = Duration::from_secs(12);

/// Calls between two faults.
const CALLS: std::ops::Range<usize> = 40..160;

#[tokio::test(flavor = "multi_thread")]
async fn no_replica_shows_anything_old_whatever_happens_to_the_feed() {
    let mut dice = Rng::with_seed(seed());
    let cluster = tokio::task::block_in_place(|| Cluster::start(&Options::default()).unwrap());
    let url = cluster.url("postgres");
    let replicas: [Replica; 3] = Replica::start_many(&url).await;
    committed::audit(&database::connect(&url).await.unwrap()).await;
    let journal = Arc::new(Journal::begin());
    let addresses: Vec<String> = replicas
        .iter()
        .map(|replica| format!("http://{}", replica.server.authority()))
        .collect();
    let clients = Clients::start(&addresses, &journal, &mut dice);
    for _ in 0..2 {
        let end = journal.now() + RUN / 3;
        while journal.now() < end {
            journal.more(dice.usize(CALLS)).await;
            disturb(&replicas, &mut dice);
        }
        restart(&cluster, &journal).await;
    }
    let end = journal.now() + RUN / 3;
    while journal.now() < end {
        journal.more(dice.usize(CALLS)).await;
        disturb(&replicas, &mut dice);
    }
    clients.stop().await;

    let committed = Committed::read(&database::connect(&url).await.unwrap()).await;
    checker::check(&journal.calls(), &committed);
    settle(&replicas, &committed).await;
    let count = |kind: fn(&Told) -> bool| journal.count(kind);
    let figures = [
        count(|told| matches!(told, Told::History { source, degraded: false, .. } if source == "memory")),
        count(|told| matches!(told, Told::History { source, .. } if source == "store")),
        count(|told| matches!(told, Told::History { degraded: true, .. })),
        count(|told| matches!(told, Told::History { min_version: 1.., .. })),
        count(|told| matches!(told, Told::Committed { .. })),
        count(|told| matches!(told, Told::Erased)),
    ];
    eprintln!("reads of memory, store, degraded, min_version; commits; erasures: {figures:?}");
    assert!(figures.iter().all(|count| *count > 10), "{figures:?}");
}

/// Something happens to the connection on which a replica listens.
fn disturb(replicas: &[Replica], dice: &mut Rng) {
    let proxy = &replicas[dice.usize(..replicas.len())].proxy;
    match dice.u8(..6) {
        0 => proxy.cut(),
        1 => proxy.stall(),
        2 => proxy.delay(MAX_STALENESS * dice.u32(1..20) / 10),
        _ => proxy.delay(Duration::ZERO),
    }
}

/// PostgreSQL crashes, and comes back when histories were served without it.
async fn restart(cluster: &Cluster, journal: &Journal) {
    let degraded = || journal.count(|told| matches!(told, Told::History { degraded: true, .. }));
    let before = degraded();
    tokio::task::block_in_place(|| cluster.stop_immediate().unwrap());
    until(DEADLINE, async || degraded() > before + 10).await;
    tokio::task::block_in_place(|| cluster.start_again().unwrap());
}

/// When all is well again, every replica shows all that was committed.
async fn settle(replicas: &[Replica], committed: &Committed) {
    for replica in replicas {
        replica.proxy.delay(Duration::ZERO);
    }
    for replica in replicas {
        replica.is("healthy", true).await;
        for session in clients::sessions() {
            let newest = committed.newest(&session);
            let mut shown = Value::Null;
            until(DEADLINE, async || {
                shown = replica.server.history(&session).await;
                shown["version"] == newest
            })
            .await;
            let messages = shown["messages"].as_array().unwrap();
            let messages: Vec<_> = messages.iter().map(clients::message).collect();
            assert_eq!(Some(messages), committed.history(&session, newest));
        }
    }
}
