//! Appends in process, against pgbench inserting the same rows, and against pgbench doing the same work: rows 8 and 8b.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use hearth_cache::Cache;
use hearth_domain::Append;
use hearth_domain::ports::AppendError;
use hearth_postgres::PostgresStore;
use hearth_testkit::build;

use super::row_07::{PGBENCH_CLIENTS, SESSIONS};
use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group, Series, float};
use crate::rounds::{Pairs, take_turns};
use crate::stopwatch::Stopwatch;
use crate::{database, in_process, inserts};

const WRITERS: u64 = 256;
const WARM_UP: Duration = Duration::from_millis(500);
const BUDGET_BYTES: u64 = 1 << 30;

/// Whether a cache tells others of its commits, and listens to theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notices {
    On,
    Off,
}

/// What the two rows came to, one value a round and side.
struct Rates {
    with_notices: Vec<f64>,
    without: Vec<f64>,
    plain: Vec<f64>,
    told: Vec<f64>,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let rates = rates(bench)?;
    let plain = format!("pgbench, {PGBENCH_CLIENTS} clients, plain insert");
    let same = format!("pgbench, {PGBENCH_CLIENTS} clients, version and notice");
    let figure = |row: &'static str, notices: &str, against: &str, goal: Goal, pairs: &Pairs| Figure {
        row,
        group: Group::Writes,
        figure: format!("append(), {WRITERS} writers, {notices}"),
        against: against.to_owned(),
        goal,
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("turns/s")),
        theirs: Some(pairs.theirs("tps")),
        notes: Vec::new(),
    };
    let pairs = |ours: &[f64], theirs: &[f64]| Pairs::new(ours.to_vec(), theirs.to_vec());
    let (on, off) = (&rates.with_notices, &rates.without);
    let mut first = figure(
        "8",
        "with notices",
        &plain,
        Goal::AtLeast(2.5),
        &pairs(on, &rates.plain),
    );
    first.notes = vec![
        "below 2.0 is not done".to_owned(),
        format!(
            "the plain insert came to {}",
            Series::new("tps", rates.plain.clone())
        ),
    ];
    Ok(vec![
        first,
        figure(
            "8",
            "without notices",
            &plain,
            Goal::Reported,
            &pairs(off, &rates.plain),
        ),
        figure(
            "8b",
            "with notices",
            &same,
            Goal::AtLeast(10.0),
            &pairs(on, &rates.told),
        ),
    ])
}

fn rates(bench: &mut Bench) -> Result<Rates> {
    let dataset = bench.synthetic(SESSIONS).named("written");
    let url = bench.database()?.with(&dataset)?;
    let plain = inserts::plain_turn(&dataset, PGBENCH_CLIENTS)?;
    let told = inserts::told_turn(&dataset, PGBENCH_CLIENTS)?;
    // All sides write to the same tables, so that what they grow to meets all. The first page writes after a checkpoint are nobody's figure.
    bench.database()?.settle(&url)?;
    told.transactions_per_second(&url, Duration::from_secs(1))?;
    turns_per_second(&url, &dataset, Notices::On, Duration::ZERO)?;

    let duration = bench.arguments.duration();
    let [with_notices, without, plain, told] = take_turns(
        bench.arguments.rounds,
        [
            &mut || turns_per_second(&url, &dataset, Notices::On, duration),
            &mut || turns_per_second(&url, &dataset, Notices::Off, duration),
            &mut || plain.transactions_per_second(&url, duration),
            &mut || told.transactions_per_second(&url, duration),
        ],
    )?;
    Ok(Rates {
        with_notices,
        without,
        plain,
        told,
    })
}

/// A cache of its own with all sessions loaded, and writers who append their next turn as soon as the last one is committed. Nothing of it is
/// left afterwards: pgbench's notices wake nobody.
fn turns_per_second(url: &str, dataset: &Dataset, notices: Notices, duration: Duration) -> Result<f64> {
    let runtime = in_process::runtime()?;
    let cache = match notices {
        Notices::On => database::coherent_cache(url, BUDGET_BYTES, &runtime)?,
        Notices::Off => in_process::cache(&Arc::new(database::store(url, &runtime)?), BUDGET_BYTES, &runtime),
    };
    in_process::load_all(&cache, dataset, &runtime)?;
    let exchange = dataset.exchange()?.map(str::to_owned);
    let work = Arc::new(Work {
        cache,
        dataset: dataset.clone(),
        exchange,
        committed: AtomicU64::new(0),
        over: AtomicBool::new(false),
    });
    runtime.block_on(async {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| runtime.spawn(Arc::clone(&work).write(writer)))
            .collect();
        tokio::time::sleep(WARM_UP).await;
        let (watch, before) = (Stopwatch::start(), work.committed.load(Ordering::Relaxed));
        tokio::time::sleep(duration).await;
        let committed = work.committed.load(Ordering::Relaxed) - before;
        let rate = float(committed) / watch.elapsed().as_secs_f64();
        work.over.store(true, Ordering::Relaxed);
        for outcome in try_join_all(writers).await? {
            outcome.context("an append failed")?;
        }
        Ok(rate)
    })
}

/// What the writers share.
struct Work {
    cache: Cache<PostgresStore>,
    dataset: Dataset,
    exchange: [String; 2],
    committed: AtomicU64,
    over: AtomicBool,
}

impl Work {
    async fn write(self: Arc<Self>, writer: u64) -> Result<(), AppendError> {
        let mut random = fastrand::Rng::with_seed(writer);
        let [query, response] = &self.exchange;
        while !self.over.load(Ordering::Relaxed) {
            let key = self.dataset.key(random.u64(0..self.dataset.sessions));
            let append = Append::new(key, build::exchange(query, response));
            self.cache.append(append).await?;
            self.committed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
