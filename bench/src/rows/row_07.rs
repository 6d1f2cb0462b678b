//! Appends over HTTP, acknowledged after their commit, against pgbench inserting the same rows.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::measure::{Figure, Goal, Group, median, number};
use crate::rounds::alternate;
use crate::server::Server;
use crate::wrk::Load;
use crate::{in_process, inserts, scripts, wrk};

/// The sessions that turns are added to, all of them loaded.
pub(super) const SESSIONS: u64 = 10_000;
const CONNECTIONS: u32 = 64;
pub(super) const PGBENCH_CLIENTS: u32 = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const BUDGET_MB: &str = "1024";

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS).named("appended");
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let server = Server::start(&runtime, &url, &[("HEARTH__CACHE__BUDGET_MB", BUDGET_MB)])?;
    runtime.block_on(server.api.warm_up(&dataset))?;
    let script = scripts::appends(&dataset)?;
    let pgbench = inserts::plain_turn(&dataset, PGBENCH_CLIENTS)?;
    // Both write to the same table, so that what it grows to meets both. The first page writes after a checkpoint are nobody's figure.
    bench.database()?.settle(&url)?;
    wrk::run_with(CONNECTIONS, &server.address, &script, WARM_UP)?;
    pgbench.transactions_per_second(&url, WARM_UP)?;

    let duration = bench.arguments.duration();
    let loads: RefCell<Vec<Load>> = RefCell::default();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            let load = wrk::run_with(CONNECTIONS, &server.address, &script, duration)?;
            loads.borrow_mut().push(load);
            Ok(load.requests_per_second)
        },
        || pgbench.transactions_per_second(&url, duration),
    )?;
    let loads = loads.into_inner();
    let of_loads = |value: fn(&Load) -> f64| number(median(&loads.iter().map(value).collect::<Vec<_>>()));
    Ok(vec![Figure {
        row: "7",
        group: Group::Writes,
        figure: format!("POST …/messages, {CONNECTIONS} connections"),
        against: format!("pgbench, {PGBENCH_CLIENTS} clients, plain insert"),
        goal: Goal::AtLeast(1.5),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("turns/s")),
        theirs: Some(pairs.theirs("tps")),
        notes: vec![format!(
            "below 1.2 is not done; p50 {} µs, p99 {} µs",
            of_loads(|load| load.p50_microseconds),
            of_loads(|load| load.p99_microseconds)
        )],
    }])
}
