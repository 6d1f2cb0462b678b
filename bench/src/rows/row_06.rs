//! Store queries for a thousand readers of one cold session who come at the same time.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use hearth_domain::ConversationKey;
use hearth_postgres::PostgresStore;
use hearth_testkit::faulty_store::{Call, FaultyStore};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use super::row_04::SESSIONS;
use crate::bench::Bench;
use crate::measure::{Figure, Goal, Group, Series, count, float};
use crate::{database, in_process};

const READERS: usize = 1_000;
const BUDGET_BYTES: u64 = 1 << 28;

/// What one round counted.
struct Counted {
    by_the_cache: u64,
    by_the_store: u64,
    coalesced: u64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let store = database::store(&url, &runtime)?;
    let rounds: Vec<Counted> = (0..u64::from(bench.arguments.rounds))
        .map(|round| one_session(&store, &dataset.key(round % dataset.sessions), &runtime))
        .collect::<Result<_>>()?;
    let figure = |by: &str, counts: Vec<f64>, notes: Vec<String>| Figure {
        row: "6",
        group: Group::Reads,
        figure: "store queries, 1,000 readers of a cold session".to_owned(),
        against: by.to_owned(),
        goal: Goal::Exactly(1.0),
        outcome: Series::new("queries", counts),
        ours: None,
        theirs: None,
        notes,
    };
    let coalesced: Vec<f64> = rounds.iter().map(|round| float(round.coalesced)).collect();
    let waited = format!(
        "{} readers waited for another's load",
        crate::measure::median(&coalesced)
    );
    Ok(vec![
        figure(
            "as the cache counts",
            rounds.iter().map(|round| float(round.by_the_cache)).collect(),
            vec![waited],
        ),
        figure(
            "as the store counts",
            rounds.iter().map(|round| float(round.by_the_store)).collect(),
            Vec::new(),
        ),
    ])
}

fn one_session(store: &PostgresStore, key: &ConversationKey, runtime: &Runtime) -> Result<Counted> {
    // It counts the calls that pass through it; nothing fails.
    let store = Arc::new(FaultyStore::new(store.clone()));
    let cache = in_process::cache(&store, BUDGET_BYTES, runtime);
    let start = Arc::new(Barrier::new(READERS));
    let readers = (0..READERS).map(|_| {
        let (cache, start, key) = (cache.clone(), Arc::clone(&start), key.clone());
        runtime.spawn(async move {
            start.wait().await;
            cache.history(&key).await
        })
    });
    for reading in runtime.block_on(try_join_all(readers))? {
        ensure!(
            !reading.context("a read failed")?.history().is_empty(),
            "a read found nothing"
        );
    }
    let figures = cache.performance().figures;
    Ok(Counted {
        by_the_cache: figures.queries.issued,
        by_the_store: count(store.calls(Call::Load)),
        coalesced: figures.reads.coalesced,
    })
}
