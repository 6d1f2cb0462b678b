//! Cold reads over HTTP, against pgbench reading the same rows.

use std::cell::RefCell;

use anyhow::{Result, ensure};
use futures_util::future::try_join_all;

use super::row_04::SESSIONS;
use super::row_05b::{PGBENCH_CLIENTS, select_one_session};
use crate::bench::Bench;
use crate::measure::{Figure, Goal, Group, float, median, number};
use crate::pgbench::Pgbench;
use crate::rounds::alternate;
use crate::server::Server;
use crate::wrk::Load;
use crate::{in_process, scripts, wrk};

const BUDGET_MB: &str = "1024";

/// Who opens the server's connections.
const READERS: u64 = 64;

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS);
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let script = scripts::each_read_once(&dataset);
    let settings = [("HEARTH__CACHE__BUDGET_MB", BUDGET_MB)];
    let pgbench = Pgbench {
        script: select_one_session(&dataset),
        clients: PGBENCH_CLIENTS,
    };
    let duration = bench.arguments.duration();
    let loads: RefCell<Vec<Load>> = RefCell::default();
    let pairs = alternate(
        bench.arguments.rounds,
        || {
            // A fresh server: nothing in it is warm.
            let server = Server::start(&runtime, &url, &settings)?;
            // Its connections to PostgreSQL are opened before the load begins, as pgbench's are: by readers of sessions that are not there.
            let unknown = (0..READERS).map(|reader| dataset.key(dataset.sessions + reader));
            let first = unknown.map(async |key| server.api.version(&key).await);
            runtime.block_on(try_join_all(first))?;
            let load = wrk::run(&server.address, &script, duration)?;
            let warm = runtime.block_on(server.api.reads("memory"))?;
            ensure!(warm == 0, "{warm} reads were not cold");
            loads.borrow_mut().push(load);
            Ok(load.requests_per_second)
        },
        || pgbench.transactions_per_second(&url, duration),
    )?;
    let loads = loads.into_inner();
    let of_loads = |value: fn(&Load) -> f64| number(median(&loads.iter().map(value).collect::<Vec<_>>()));
    Ok(vec![Figure {
        row: "5",
        group: Group::Http,
        figure: format!(
            "cold GET …/messages, {} sessions, 32 connections",
            number(float(dataset.sessions))
        ),
        against: format!("pgbench, {PGBENCH_CLIENTS} clients, prepared select"),
        goal: Goal::AtLeast(1.0),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("req/s")),
        theirs: Some(pairs.theirs("tps")),
        notes: vec![format!(
            "p50 {} µs, p99 {} µs",
            of_loads(|load| load.p50_microseconds),
            of_loads(|load| load.p99_microseconds)
        )],
    }])
}
