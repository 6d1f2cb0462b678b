//! Cold reads in process, many readers, against pgbench reading the same rows: what batching loads is worth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use hearth_cache::{Cache, ReadError};
use hearth_domain::ConversationKey;
use hearth_postgres::PostgresStore;
use tokio::runtime::Runtime;

use super::row_04::SESSIONS;
use crate::bench::Bench;
use crate::dataset::{Dataset, FIRST};
use crate::measure::{Figure, Goal, Group, count, float, number};
use crate::pgbench::Pgbench;
use crate::rounds::alternate;
use crate::stopwatch::Stopwatch;
use crate::{database, in_process};

const READERS: usize = 64;
pub(super) const PGBENCH_CLIENTS: u32 = 8;
const BUDGET_BYTES: u64 = 1 << 30;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let store = Arc::new(database::store(&url, &runtime)?);
    let pgbench = Pgbench {
        script: select_one_session(&dataset),
        clients: PGBENCH_CLIENTS,
    };
    let mut seeds = 0..;
    let mut batches = Vec::new();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            let keys = dataset.keys(&dataset.shuffled(seeds.next().unwrap_or(0)));
            let cache = in_process::cache(&store, BUDGET_BYTES, &runtime);
            let rate = sessions_per_second(&cache, keys, &runtime)?;
            let figures = cache.performance().figures;
            ensure!(
                figures.reads.store == dataset.sessions,
                "not every read was cold: {:?}",
                figures.reads
            );
            batches.push(float(dataset.sessions) / float(figures.queries.issued));
            Ok(rate)
        },
        || pgbench.transactions_per_second(&url, bench.arguments.duration()),
    )?;
    Ok(vec![Figure {
        row: "5b",
        group: Group::Reads,
        figure: format!(
            "cold history(), {} sessions, {READERS} readers",
            number(float(dataset.sessions))
        ),
        against: format!("pgbench, {PGBENCH_CLIENTS} clients, prepared select"),
        goal: Goal::AtLeast(1.6),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("sessions/s")),
        theirs: Some(pairs.theirs("tps")),
        notes: vec![format!(
            "{:.1} sessions a store query",
            crate::measure::median(&batches)
        )],
    }])
}

/// Every session once, by readers who take the next key as soon as they have the last one's history.
fn sessions_per_second(
    cache: &Cache<PostgresStore>,
    keys: Vec<ConversationKey>,
    runtime: &Runtime,
) -> Result<f64> {
    let sessions = float(count(keys.len()));
    let work = Arc::new((keys, AtomicUsize::new(0)));
    let watch = Stopwatch::start();
    let readers = (0..READERS).map(|_| {
        let (cache, work) = (cache.clone(), Arc::clone(&work));
        runtime.spawn(async move {
            let (keys, next) = &*work;
            while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                cache.history(key).await?;
            }
            Ok::<_, ReadError>(())
        })
    });
    for outcome in runtime.block_on(try_join_all(readers))? {
        outcome.context("a read failed")?;
    }
    Ok(sessions / watch.elapsed().as_secs_f64())
}

/// The rows that a load brings, of one session a statement.
pub(super) fn select_one_session(dataset: &Dataset) -> String {
    format!(
        "\\set n random({FIRST}, {last})\n\
         SELECT id, role, content, created_at, metadata ->> 'status' FROM chatbot_messages \
         WHERE department = '{department}' AND user_id = 'user-' || :n AND session_id = '{prefix}' || :n \
         ORDER BY id DESC LIMIT 241;\n",
        last = FIRST + dataset.sessions - 1,
        department = dataset.department,
        prefix = dataset.session_prefix,
    )
}
