//! Warm reads while a crowd of idle and trickling clients holds connections, against the same without it.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::crowd::Crowd;
use crate::measure::{Figure, Goal, Group, median, number};
use crate::rounds::{Pairs, take_turns};
use crate::server::Server;
use crate::wrk::Load;
use crate::{in_process, scripts, wrk};

const SESSIONS: u64 = 1_000;
const IDLE: usize = 1_000;
const TRICKLING: usize = 200;
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS);
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let server = Server::start(&runtime, &url, &[])?;
    runtime.block_on(server.api.warm_up(&dataset))?;
    let script = scripts::prepared_reads(&dataset, None);
    wrk::run(&server.address, &script, WARM_UP)?;
    let host = server.address.trim_start_matches("http://");
    let duration = bench.arguments.duration();
    let [ours, theirs] = take_turns(
        bench.arguments.rounds,
        [
            &mut || {
                let _crowd = Crowd::gather(&runtime, host, IDLE, TRICKLING);
                wrk::run(&server.address, &script, duration)
            },
            &mut || wrk::run(&server.address, &script, duration),
        ],
    )?;
    let past_memory = runtime.block_on(server.api.reads_past_memory())?;
    ensure!(past_memory == 0, "{past_memory} reads were not warm");
    let values = |side: &[Load], value: fn(&Load) -> f64| side.iter().map(value).collect::<Vec<_>>();
    let p99 = |side: &[Load]| values(side, |load| load.p99_microseconds);
    let rate = |side: &[Load]| number(median(&values(side, |load| load.requests_per_second)));
    let pairs = Pairs::new(p99(&ours), p99(&theirs));
    Ok(vec![Figure {
        row: "slow",
        group: Group::Http,
        figure: format!("warm p99 over HTTP beside {IDLE} idle and {TRICKLING} trickling clients"),
        against: "without them".to_owned(),
        goal: Goal::AtMost(2.0),
        outcome: pairs.ratio(),
        ours: Some(pairs.ours("µs")),
        theirs: Some(pairs.theirs("µs")),
        notes: vec![format!("{} against {} requests/s", rate(&ours), rate(&theirs))],
    }])
}
