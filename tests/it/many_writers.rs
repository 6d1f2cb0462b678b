//! Many writers in one session: one order, in the table, in memory, and in every answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::backend::{Backend, both_stores};
use crate::load::{Ledger, Load, Outcome, Work, judge, seed};
use crate::server::Server;

const WRITERS: usize = 64;

const TURNS_EACH: usize = 5;

both_stores!(sixty_four_writers_share_one_session);

async fn sixty_four_writers_share_one_session(backend: Backend) {
    // The window holds all that is written: memory is compared with the whole table.
    let settings = [
        ("HEARTH__CACHE__MAX_RESPONSES", "1000"),
        ("HEARTH__CACHE__MAX_MESSAGES", "8000"),
        ("HEARTH__STORE__TIMEOUT_MS", "20000"),
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "20000"),
    ];
    let server = Server::start_with(&backend.url(), &settings).await;
    let ledger = Arc::new(Ledger::new());
    let work = Work {
        clients: WRITERS,
        sessions: 1,
        turns_each: Some(TURNS_EACH),
        name: "writer".to_owned(),
        seed: seed(),
    };
    Load::start(&server, &ledger, &work).ended().await;
    judge(&server, &ledger).await;

    let turns = u64::try_from(WRITERS * TURNS_EACH).unwrap();
    let versions: BTreeSet<u64> = ledger
        .writes()
        .iter()
        .map(|write| match write.outcome {
            Outcome::Committed { version, .. } => version,
            Outcome::Refused(_) | Outcome::Unknown(_) => panic!("{write:?}"),
        })
        .collect();
    assert_eq!(versions, (1..=turns).collect());
    let longest = ledger.reads().iter().map(|read| read.ids.len()).max();
    let history = server.history("session-0").await;
    let shown = history["messages"].as_array().unwrap().len();
    assert!(longest <= Some(shown), "{longest:?} of {shown}");
}
