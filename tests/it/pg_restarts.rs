//! PostgreSQL is stopped as a crash would stop it, again and again, under load: the server gets over it by itself.

use std::sync::Arc;

use fastrand::Rng;
use hearth_testkit::postgres::{Cluster, Options};

use crate::load::{Ledger, Load, Outcome, Work, judge, seed};
use crate::server::Server;

const RESTARTS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn five_restarts_under_load() {
    let seed = seed();
    let mut dice = Rng::with_seed(seed);
    let durable = Options {
        durable: true,
        ..Options::default()
    };
    let cluster = Cluster::start(&durable).unwrap();
    let server = Server::start(&cluster.url("postgres")).await;
    let ledger = Arc::new(Ledger::new());
    let work = Work {
        clients: 12,
        sessions: 5,
        turns_each: None,
        name: "restarts".to_owned(),
        seed: dice.u64(..),
    };
    let load = Load::start(&server, &ledger, &work);
    for _ in 0..RESTARTS {
        ledger.more(dice.u64(20..100)).await;
        tokio::task::block_in_place(|| {
            cluster.stop_immediate().unwrap();
            cluster.start_again().unwrap();
        });
    }
    ledger.more(100).await;
    load.stop().await;
    judge(&server, &ledger).await;
    // Nor does memory hide anything: another process sees the same in the table.
    let another = Server::start(&cluster.url("postgres")).await;
    judge(&another, &ledger).await;
    let writes = ledger.writes();
    let failed = writes.iter().filter(|write| !matches!(write.outcome, Outcome::Committed { .. }));
    assert!(failed.count() >= RESTARTS, "the restarts were noticed");
}
