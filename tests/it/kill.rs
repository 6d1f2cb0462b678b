//! `kill -9` at any moment loses nothing that was acknowledged, leaves no half of a turn, and doubles none. An orderly stop does more: it
//! answers whatever it took.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use crate::backend::{Backend, both_stores};
use crate::load::{Ledger, Load, Outcome, Work, Write, judge, repeat, seed};
use crate::server::Server;

/// Lives of the server over one store.
const LIVES: usize = 20;

/// What was claimed by a server that is killed is claimed for as long as a turn, its commit and some seconds may take.
const SETTINGS: [(&str, &str); 2] = [
    ("HEARTH__CHAT__TURN_SECONDS_MAX", "2"),
    ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "2000"),
];

/// Orderly stops.
const STOPS: usize = 5;

both_stores!(twenty_kills_under_load, stops_under_load_leave_nobody_in_doubt);

async fn twenty_kills_under_load(backend: Backend) {
    let mut dice = Rng::with_seed(seed());
    let ledger = Arc::new(Ledger::new());
    for life in 0..LIVES {
        let mut server = Server::start_with(&backend.url(), &SETTINGS).await;
        let load = Load::start(&server, &ledger, &work(life, &mut dice));
        ledger.more(dice.u64(1..60)).await;
        // Not to wait for anything: the dice choose a moment between two acknowledgements, too.
        tokio::time::sleep(Duration::from_micros(dice.u64(..4_000))).await;
        server.kill();
        load.stop().await;
    }
    let server = Server::start_with(&backend.url(), &SETTINGS).await;
    judge(&server, &ledger).await;
    let is_cut_off = |write: &&Write| matches!(write.outcome, Outcome::Unknown(_));
    let cut_off = ledger.writes().iter().filter(is_cut_off).count();
    assert!(cut_off >= LIVES, "the kills met turns under way");
    // Whoever sent a key asks again, and then has the turn once.
    repeat(&server, &ledger).await;
    judge(&server, &ledger).await;
}

async fn stops_under_load_leave_nobody_in_doubt(backend: Backend) {
    let mut dice = Rng::with_seed(seed());
    let ledger = Arc::new(Ledger::new());
    for life in 0..STOPS {
        let mut server = Server::start(&backend.url()).await;
        let load = Load::start(&server, &ledger, &work(life, &mut dice));
        ledger.more(dice.u64(1..60)).await;
        server.signal("TERM");
        assert!(server.ended().await.success());
        load.stop().await;
    }
    let server = Server::start(&backend.url()).await;
    judge(&server, &ledger).await;
    // A connection may be closed before a request is read from it; what was read was answered.
    ledger.take_broken_off_as_refused();
    judge(&server, &ledger).await;
}

fn work(life: usize, dice: &mut Rng) -> Work {
    Work {
        clients: 12,
        sessions: 5,
        turns_each: None,
        name: format!("life {life}"),
        seed: dice.u64(..),
    }
}
