//! Warm reads over HTTP, against a bare handler of the same framework that answers with the same bytes: what rows 1 and 2 share.
//!
//! The bare handler has the bodies of all sessions ready, too, and answers with one after the other: one body alone would stay in the
//! processor's cache, where no server of many sessions can have it. What that is worth is a line of its own.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName};
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::canned::{Answer, Canned};
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group, median, number};
use crate::rounds::{Pairs, take_turns};
use crate::server::Server;
use crate::wrk::{self, Load};
use crate::{in_process, scripts};

/// The share of the bare handler's requests that is to be reached.
const GOAL: f64 = 0.9;

/// What the framework itself puts into an answer.
const OF_THE_FRAMEWORK: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, DATE];

const WARM_UP: Duration = Duration::from_secs(1);

/// A server with its loaded sessions, and what wrk asks it.
struct Loaded {
    server: Server,
    script: String,
}

impl Loaded {
    fn new(runtime: &Runtime, server: Server, dataset: &Dataset) -> Result<Self> {
        runtime.block_on(server.api.warm_up(dataset))?;
        let script = scripts::prepared_reads(dataset, server.key.as_deref());
        wrk::run(&server.address, &script, WARM_UP)?;
        Ok(Self { server, script })
    }

    fn load(&self, duration: Duration) -> Result<Load> {
        wrk::run(&self.server.address, &self.script, duration)
    }
}

/// The row of a dataset: with everything on, and with each thing off that can be off.
pub(super) fn measure(
    bench: &mut Bench,
    row: &'static str,
    dataset: &Dataset,
    what: &str,
) -> Result<Vec<Figure>> {
    wrk::program()?;
    let url = bench.database()?.with(dataset)?;
    let runtime = in_process::runtime()?;
    let without_log = [("HEARTH__LOG__ACCESS", "false")];
    let loaded = |server: Result<Server>| Loaded::new(&runtime, server?, dataset);
    let full = loaded(Server::start_with_keys(&runtime, &url, &[]))?;
    let keyless = loaded(Server::start(&runtime, &url, &[]))?;
    let logless = loaded(Server::start_with_keys(&runtime, &url, &without_log))?;
    let mut answer = runtime.block_on(answer(&full.server, dataset))?;
    let bare = Canned::start(&answer)?;
    answer.bodies.truncate(1);
    let lone = Canned::start(&answer)?;
    for bare in [&bare, &lone] {
        wrk::run(&bare.address, &keyless.script, WARM_UP)?;
    }

    let duration = bench.arguments.duration();
    let [ours, without_keys, without_log, lone, theirs] = take_turns(
        bench.arguments.rounds,
        [
            &mut || full.load(duration),
            &mut || keyless.load(duration),
            &mut || logless.load(duration),
            // They are asked exactly what the first is asked, the key's header included.
            &mut || wrk::run(&lone.address, &full.script, duration),
            &mut || wrk::run(&bare.address, &full.script, duration),
        ],
    )?;
    for loaded in [&full, &keyless, &logless] {
        let past_memory = runtime.block_on(loaded.server.api.reads_past_memory())?;
        ensure!(past_memory == 0, "{past_memory} reads were not warm");
    }
    let everything = "keys, metrics and access log on";
    let same = "bare actix-web handler, same bytes";
    let sides = [
        (everything, same, Goal::AtLeast(GOAL), &ours, &theirs),
        ("without keys", same, Goal::Reported, &without_keys, &theirs),
        (
            "without the access log",
            same,
            Goal::Reported,
            &without_log,
            &theirs,
        ),
        (
            everything,
            "bare handler, one body for all",
            Goal::Reported,
            &ours,
            &lone,
        ),
    ];
    let figure = |(with, against, goal, ours, theirs): (&str, &str, Goal, &Vec<Load>, &Vec<Load>)| {
        let pairs = Pairs::new(rates(ours), rates(theirs));
        Figure {
            row,
            group: Group::Http,
            figure: format!("warm GET …/messages, {what}, {with}"),
            against: against.to_owned(),
            goal,
            outcome: pairs.ratio(),
            ours: Some(pairs.ours("req/s")),
            theirs: Some(pairs.theirs("req/s")),
            notes: vec![format!(
                "p99 {} µs against {} µs",
                number(p99(ours)),
                number(p99(theirs))
            )],
        }
    };
    let mut figures: Vec<Figure> = sides.into_iter().map(figure).collect();
    if let Some(first) = figures.first_mut() {
        first
            .notes
            .push("metrics cannot be switched off: they are in every line".to_owned());
    }
    Ok(figures)
}

/// What the server says of each session, as the bare server is to say it.
async fn answer(server: &Server, dataset: &Dataset) -> Result<Answer> {
    let first = server.api.read(&dataset.key(0)).await?;
    let headers = first
        .headers()
        .iter()
        .filter(|(name, _)| !OF_THE_FRAMEWORK.contains(name))
        .map(|(name, value)| Ok((name.to_string(), value.to_str()?.to_owned())))
        .collect::<Result<_>>()?;
    let mut bodies = vec![first.text().await?];
    for session in 1..dataset.sessions {
        bodies.push(server.api.read(&dataset.key(session)).await?.text().await?);
    }
    Ok(Answer {
        method: "GET".to_owned(),
        headers,
        bodies,
    })
}

fn rates(side: &[Load]) -> Vec<f64> {
    side.iter().map(|load| load.requests_per_second).collect()
}

fn p99(side: &[Load]) -> f64 {
    let values: Vec<f64> = side.iter().map(|load| load.p99_microseconds).collect();
    median(&values)
}
