//! A warm read in process, against the same call cold: what memory saves.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hearth_cache::{Cache, Source};
use hearth_domain::ConversationKey;
use hearth_domain::ports::HistoryStore;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group, float, percentile};
use crate::rounds::alternate;
use crate::stopwatch::Stopwatch;
use crate::{database, in_process};

/// The sessions of row 5b, so that both rows share a database.
pub(super) const SESSIONS: u64 = 50_000;
const READS: usize = 5_000;
const BUDGET_BYTES: u64 = 1 << 30;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let store = Arc::new(database::store(&url, &runtime)?);
    let loaded = in_process::cache(&store, BUDGET_BYTES, &runtime);
    in_process::load_all(&loaded, &dataset, &runtime)?;
    let seed = Cell::new(0);
    let next_keys = || keys(&dataset, seed.replace(seed.get() + 1));
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            // A fresh cache: nothing in it is warm.
            let cold = in_process::cache(&store, BUDGET_BYTES, &runtime);
            median_nanoseconds(&cold, &next_keys(), Source::Store, &runtime)
        },
        || median_nanoseconds(&loaded, &next_keys(), Source::Memory, &runtime),
    )?;
    Ok(vec![Figure {
        row: "4",
        group: Group::Reads,
        figure: "how many times faster warm history() is".to_owned(),
        against: "cold, one reader, PostgreSQL".to_owned(),
        goal: Goal::AtLeast(300.0),
        outcome: pairs.ratio(),
        ours: Some(pairs.theirs("ns")),
        theirs: Some(pairs.ours("ns")),
        notes: vec!["medians of single calls, the clock's own time included".to_owned()],
    }])
}

fn keys(dataset: &Dataset, seed: u64) -> Vec<ConversationKey> {
    let mut order = dataset.shuffled(seed);
    order.truncate(READS);
    dataset.keys(&order)
}

fn median_nanoseconds<S: HistoryStore>(
    cache: &Cache<S>,
    keys: &[ConversationKey],
    expected: Source,
    runtime: &Runtime,
) -> Result<f64> {
    runtime.block_on(async {
        let mut times = Vec::with_capacity(keys.len());
        for key in keys {
            let watch = Stopwatch::start();
            let reading = cache.history(key).await;
            times.push(watch.nanoseconds());
            let source = reading.context("a read failed")?.source();
            ensure!(source == expected, "a read was answered by {}", source.as_str());
        }
        Ok(float(percentile(&mut times, 50)))
    })
}
