//! How long one append takes with few and with many writers, beside pgbench with as many clients: batching must not cost a lone writer
//! anything.

use std::time::Duration;

use anyhow::{Context, Result};
use hearth_cache::Cache;
use hearth_domain::Append;
use hearth_postgres::PostgresStore;
use hearth_testkit::build;
use tokio::runtime::Runtime;

use super::row_07::SESSIONS;
use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group, Series, float, percentile};
use crate::rounds::{Pairs, take_turns};
use crate::server::Server;
use crate::stopwatch::Stopwatch;
use crate::{database, in_process, inserts, scripts, wrk};

const CONNECTIONS: [u32; 3] = [1, 16, 64];
const WARM_UP: Duration = Duration::from_secs(1);
const BUDGET_MB: &str = "1024";
const BUDGET_BYTES: u64 = 1 << 30;

/// The 50th and the 99th percentile of one run, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS).named("awaited");
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let server = Server::start(&runtime, &url, &[("HEARTH__CACHE__BUDGET_MB", BUDGET_MB)])?;
    runtime.block_on(server.api.warm_up(&dataset))?;
    bench.database()?.settle(&url)?;
    wrk::run(&server.address, &scripts::appends(&dataset)?, WARM_UP)?;
    inserts::plain_turn(&dataset, 32)?.transactions_per_second(&url, WARM_UP)?;
    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let script = scripts::appends(&dataset)?;
        let what = format!("POST …/messages, {connections} connection(s)");
        figures.extend(beside_pgbench(bench, &what, connections, &dataset, &url, || {
            let duration = bench.arguments.duration();
            let load = wrk::run_with(connections, &server.address, &script, duration)?;
            Ok(Times {
                p50: load.p50_microseconds,
                p99: load.p99_microseconds,
            })
        })?);
    }
    let cache = database::coherent_cache(&url, BUDGET_BYTES, &runtime)?;
    in_process::load_all(&cache, &dataset, &runtime)?;
    lone_writer(bench, &cache, &dataset, &runtime)?;
    figures.extend(beside_pgbench(
        bench,
        "append() in process, 1 writer",
        1,
        &dataset,
        &url,
        || lone_writer(bench, &cache, &dataset, &runtime),
    )?);
    Ok(figures)
}

/// Appends one turn after the other.
fn lone_writer(
    bench: &Bench,
    cache: &Cache<PostgresStore>,
    dataset: &Dataset,
    runtime: &Runtime,
) -> Result<Times> {
    let [query, response] = dataset.exchange()?;
    let duration = bench.arguments.duration();
    let mut random = fastrand::Rng::with_seed(1);
    runtime.block_on(async {
        let (watch, mut times) = (Stopwatch::start(), Vec::new());
        while watch.elapsed() < duration {
            let key = dataset.key(random.u64(0..dataset.sessions));
            let append = Append::new(key, build::exchange(query, response));
            let one = Stopwatch::start();
            cache.append(append).await.context("an append failed")?;
            times.push(one.nanoseconds());
        }
        Ok(Times {
            p50: float(percentile(&mut times, 50)) / 1e3,
            p99: float(percentile(&mut times, 99)) / 1e3,
        })
    })
}

/// Appends of ours, however they are made, beside pgbench with so many clients.
fn beside_pgbench(
    bench: &Bench,
    what: &str,
    clients: u32,
    dataset: &Dataset,
    url: &str,
    mut ours: impl FnMut() -> Result<Times>,
) -> Result<[Figure; 2]> {
    let (plain, told) = (
        inserts::plain_turn(dataset, clients)?,
        inserts::told_turn(dataset, clients)?,
    );
    let duration = bench.arguments.duration();
    let pgbench = |pgbench: &crate::pgbench::Pgbench| {
        let load = pgbench.load(url, duration)?;
        Ok(Times {
            p50: load.p50_microseconds,
            p99: load.p99_microseconds,
        })
    };
    let [ours, plain, told] = take_turns(
        bench.arguments.rounds,
        [&mut ours, &mut || pgbench(&plain), &mut || pgbench(&told)],
    )?;
    let figure = |percentile: &str, value: fn(&Times) -> f64| {
        let values = |side: &[Times]| side.iter().map(value).collect::<Vec<_>>();
        let pairs = Pairs::new(values(&ours), values(&told));
        let plain = Series::new("µs", values(&plain));
        Figure {
            row: "latency",
            group: Group::Writes,
            figure: format!("{percentile} of one {what}"),
            against: format!("pgbench, {clients} client(s), version and notice"),
            goal: Goal::Reported,
            outcome: pairs.ratio(),
            ours: Some(pairs.ours("µs")),
            theirs: Some(pairs.theirs("µs")),
            notes: vec![format!("the plain insert took {plain}")],
        }
    };
    Ok([figure("p50", |times| times.p50), figure("p99", |times| times.p99)])
}
