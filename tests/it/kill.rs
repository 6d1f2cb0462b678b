//! `kill -9` at any moment loses nothing that was acknowledged, leaves no half of a turn, and doubles none.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::backend::{Backend, both_stores};
use crate::load::{Ledger, Load, Outcome, Work, judge, seed};
use crate::server::Server;

/// Lives of the server over one store.
const LIVES: usize = 20;

both_stores!(twenty_kills_under_load);

async fn twenty_kills_under_load(backend: Backend) {
    let seed = seed();
    let mut dice = Rng::with_seed(seed);
    let ledger = Arc::new(Ledger::new());
    for life in 0..LIVES {
        let mut server = Server::start(&backend.url()).await;
        let work = Work {
            clients: 12,
            sessions: 5,
            turns_each: None,
            name: format!("life {life}"),
            seed: dice.u64(..),
        };
        let load = Load::start(&server, &ledger, &work);
        ledger.more(dice.u64(1..60)).await;
        // Not to wait for anything: the dice choose a moment between two acknowledgements, too.
        tokio::time::sleep(Duration::from_micros(dice.u64(..4_000))).await;
        server.kill();
        load.stop().await;
    }
    let server = Server::start(&backend.url()).await;
    judge(&server, &ledger).await;
    let writes = ledger.writes();
    let cut_off = writes.iter().filter(|write| matches!(write.outcome, Outcome::Unknown(_)));
    assert!(cut_off.count() >= LIVES, "the kills met turns under way");
}
