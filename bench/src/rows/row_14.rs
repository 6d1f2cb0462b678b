//! What coherence costs: warm reads and appends of a server that tells others and listens to them, against one that is alone.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group};
use crate::rounds::alternate;
use crate::server::Server;
use crate::{in_process, scripts, wrk};

const SESSIONS: u64 = 10_000;
const BUDGET_MB: &str = "1024";
const WARM_UP: Duration = Duration::from_secs(1);

/// A goal as near to 1 as this one needs more rounds than others: 15 where others have 5.
const TIMES_THE_ROUNDS: u32 = 3;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let runtime = in_process::runtime()?;
    let dataset = bench.synthetic(SESSIONS);
    let coherent = server(bench, &runtime, &dataset.clone().named("coherent"), "notify")?;
    let lone = server(bench, &runtime, &dataset.clone().named("lone"), "off")?;
    let servers = [&coherent, &lone];
    let reads = scripts::prepared_reads(&dataset, None);
    let appends = scripts::appends(&dataset)?;
    Ok(vec![
        figure(bench, "warm GET …/messages", "req/s", &servers, &reads)?,
        figure(bench, "POST …/messages", "turns/s", &servers, &appends)?,
    ])
}

/// A server with a database of its own: nothing that one commits concerns the other.
fn server(bench: &mut Bench, runtime: &Runtime, dataset: &Dataset, mode: &str) -> Result<Server> {
    let url = bench.database()?.with(dataset)?;
    let settings = [
        ("HEARTH__COHERENCE__MODE", mode),
        ("HEARTH__CACHE__BUDGET_MB", BUDGET_MB),
    ];
    let server = Server::start(runtime, &url, &settings)?;
    runtime.block_on(server.api.warm_up(dataset))?;
    Ok(server)
}

fn figure(
    bench: &Bench,
    what: &str,
    unit: &'static str,
    [coherent, lone]: &[&Server; 2],
    script: &str,
) -> Result<Figure> {
    for server in [coherent, lone] {
        wrk::run(&server.address, script, WARM_UP)?;
    }
    let duration = bench.arguments.duration();
    let rate = |server: &Server| Ok(wrk::run(&server.address, script, duration)?.requests_per_second);
    let pairs = alternate(
        bench.arguments.rounds * TIMES_THE_ROUNDS,
        || rate(coherent),
        || rate(lone),
    )?;
    Ok(Figure {
        row: "14",
        group: Group::Replicas,
        figure: format!("{what}, coherence on"),
        against: "coherence off".to_owned(),
        goal: Goal::AtLeast(0.95),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours(unit)),
        theirs: Some(pairs.theirs(unit)),
        notes: Vec::new(),
    })
}
