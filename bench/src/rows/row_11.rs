//! Warm reads over HTTP with very many loaded sessions, against the same with a hundredth of them: what size costs.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hearth_cache::{Cache, Source};
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::invented_store::InventedStore;
use crate::measure::{Figure, Goal, Group, float, median, number, percentile};
use crate::progress::say;
use crate::rounds::alternate;
use crate::server::Server;
use crate::stopwatch::Stopwatch;
use crate::wrk::Load;
use crate::{in_process, scripts, wrk};

const MANY: u64 = 1_000_000;
const FEW: u64 = 10_000;
const BUDGET_MB: u64 = 4_096;
const READS: usize = 200_000;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let (many, few) = (bench.real(MANY), bench.real(FEW));
    Ok(vec![
        over_http(bench, &many, &few)?,
        within_the_process(bench, &many, &few)?,
    ])
}

/// A server with its loaded sessions.
struct Loaded {
    server: Server,
    script: String,
}

fn over_http(bench: &mut Bench, many: &Dataset, few: &Dataset) -> Result<Figure> {
    wrk::program()?;
    // Both servers read the same table; each loads its own sessions of it.
    let url = bench.database()?.with(many)?;
    let runtime = in_process::runtime()?;
    let large = loaded(&runtime, &url, many)?;
    let small = loaded(&runtime, &url, few)?;
    let (mut rates, mut small_rates) = (Vec::new(), Vec::new());
    let duration = bench.arguments.duration();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            let load = wrk::run(&large.server.address, &large.script, duration)?;
            rates.push(load.requests_per_second);
            Ok(load.p99_microseconds)
        },
        || {
            let load = wrk::run(&small.server.address, &small.script, duration)?;
            small_rates.push(load.requests_per_second);
            Ok(load.p99_microseconds)
        },
    )?;
    for Loaded { server, .. } in [&large, &small] {
        let past_memory = runtime.block_on(server.api.reads_past_memory())?;
        ensure!(past_memory == 0, "{past_memory} reads were not warm");
    }
    let mebibytes = |server: &Server| anyhow::Ok(float(server.resident_bytes()? >> 20));
    Ok(Figure {
        row: "11",
        group: Group::Scale,
        figure: format!("warm p99 over HTTP, {} sessions", number(float(many.sessions))),
        against: format!("{} sessions", number(float(few.sessions))),
        goal: Goal::AtMost(1.5),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("µs")),
        theirs: Some(pairs.theirs("µs")),
        notes: vec![
            format!(
                "{} against {} requests/s",
                number(median(&rates)),
                number(median(&small_rates))
            ),
            format!(
                "resident: {} MiB against {} MiB",
                number(mebibytes(&large.server)?),
                number(mebibytes(&small.server)?)
            ),
        ],
    })
}

fn loaded(runtime: &Runtime, url: &str, dataset: &Dataset) -> Result<Loaded> {
    let budget = BUDGET_MB.to_string();
    let settings = [
        ("HEARTH__CACHE__BUDGET_MB", budget.as_str()),
        ("HEARTH__CACHE__IDLE_MINUTES", "1440"),
    ];
    let server = Server::start(runtime, url, &settings)?;
    say(format_args!(
        "loading {} sessions through the API",
        dataset.sessions
    ));
    runtime.block_on(server.api.warm_up(dataset))?;
    // The first requests open connections; they are nobody's figure.
    let script = scripts::random_reads(dataset);
    let _first: Load = wrk::run(&server.address, &script, std::time::Duration::from_secs(1))?;
    Ok(Loaded { server, script })
}

fn within_the_process(bench: &Bench, many: &Dataset, few: &Dataset) -> Result<Figure> {
    let runtime = in_process::runtime()?;
    let cache = |dataset: &Dataset| {
        let store = Arc::new(InventedStore(dataset.clone()));
        let cache = in_process::cache(&store, BUDGET_MB << 20, &runtime);
        in_process::load_all(&cache, dataset, &runtime)?;
        anyhow::Ok(cache)
    };
    let (large, small) = (cache(many)?, cache(few)?);
    let seed = Cell::new(0);
    let next = || seed.replace(seed.get() + 1);
    let pairs = alternate(
        bench.arguments.rounds,
        || p99_nanoseconds(&large, many, next(), &runtime),
        || p99_nanoseconds(&small, few, next(), &runtime),
    )?;
    Ok(Figure {
        row: "11",
        group: Group::Scale,
        figure: format!("warm p99 in process, {} sessions", number(float(many.sessions))),
        against: format!("{} sessions", number(float(few.sessions))),
        goal: Goal::Reported,
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("ns")),
        theirs: Some(pairs.theirs("ns")),
        notes: vec!["single calls of one reader, the clock's own time included".to_owned()],
    })
}

/// Reads sessions at random and gives the time that 99 of 100 reads stay below.
fn p99_nanoseconds(
    cache: &Cache<InventedStore>,
    dataset: &Dataset,
    seed: u64,
    runtime: &Runtime,
) -> Result<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let sessions: Vec<u64> = (0..READS).map(|_| random.u64(0..dataset.sessions)).collect();
    let keys = dataset.keys(&sessions);
    runtime.block_on(async {
        let mut times = Vec::with_capacity(keys.len());
        for key in &keys {
            let watch = Stopwatch::start();
            let reading = cache.history(key).await;
            times.push(watch.nanoseconds());
            let source = reading.context("a read failed")?.source();
            ensure!(
                source == Source::Memory,
                "a read was answered by {}",
                source.as_str()
            );
        }
        Ok(float(percentile(&mut times, 99)))
    })
}
