//! Two replicas over one PostgreSQL: the time from a commit's acknowledgement on one to the first read on the other that shows it, and whether
//! any read after that shows less.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_domain::ConversationKey;
use hearth_testkit::poll::until;
use tokio::runtime::Runtime;

use crate::api::Api;
use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::measure::{Figure, Goal, Group, Series, count, float, median, number, percentile};
use crate::server::Server;
use crate::stopwatch::Stopwatch;
use crate::{in_process, scripts, wrk};

/// The sessions that both replicas have loaded.
const SESSIONS: u64 = 1_000;

/// Reads after the first that shows a commit.
const LATER_READS: usize = 3;

/// How long a commit may take to be visible until it counts as lost.
const VISIBLE_MAX: Duration = Duration::from_secs(10);

/// How long a replica may take to hear of the other.
const HEAR_MAX: Duration = Duration::from_secs(20);

const CONNECTIONS: u32 = 16;

/// What one round came to.
struct Round {
    p50: f64,
    p99: f64,
    commits: u64,
    stale: u64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    wrk::program()?;
    let dataset = bench.synthetic(SESSIONS).named("replicated");
    let url = bench.database()?.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let replicas = [
        replica(&runtime, &url, &dataset)?,
        replica(&runtime, &url, &dataset)?,
    ];
    let quiet = rounds(bench, &runtime, &replicas, &dataset)?;
    let busy = while_others_write(bench, &replicas, &dataset, || {
        rounds(bench, &runtime, &replicas, &dataset)
    })?;
    let under_load = format!("while {CONNECTIONS} connections append");
    Ok(vec![
        visible("alone", Goal::AtMost(20.0), &quiet),
        visible(&under_load, Goal::Reported, &busy),
        stale(&quiet, &busy),
    ])
}

fn replica(runtime: &Runtime, url: &str, dataset: &Dataset) -> Result<Server> {
    let server = Server::start(runtime, url, &[("HEARTH__COHERENCE__MODE", "notify")])?;
    let hears = RefCell::new(None);
    runtime.block_on(async {
        ensure!(
            server.api.hears_of_others().await?.is_some(),
            "the server does not say whether it hears of other replicas"
        );
        until(HEAR_MAX, async || {
            let connected = server.api.hears_of_others().await.ok().flatten();
            hears.replace(connected);
            connected == Some(true)
        })
        .await;
        server.api.warm_up(dataset).await
    })?;
    ensure!(
        hears.into_inner() == Some(true),
        "the server hears of no other replica"
    );
    Ok(server)
}

fn rounds(
    bench: &Bench,
    runtime: &Runtime,
    [one, other]: &[Server; 2],
    dataset: &Dataset,
) -> Result<Vec<Round>> {
    let exchange = dataset.exchange()?;
    (0..bench.arguments.rounds)
        .map(|round| {
            let (from, to) = if round % 2 == 0 {
                (one, other)
            } else {
                (other, one)
            };
            let duration = bench.arguments.duration();
            let mut sessions = dataset.shuffled(u64::from(round)).into_iter().cycle();
            runtime.block_on(async {
                let watch = Stopwatch::start();
                let (mut lags, mut stale) = (Vec::new(), 0);
                while watch.elapsed() < duration {
                    let key = dataset.key(sessions.next().context("there is no session")?);
                    let version = from.api.append(&key, exchange).await?;
                    lags.push(lag(&to.api, &key, version).await?);
                    for _ in 0..LATER_READS {
                        stale += u64::from(to.api.version(&key).await? < version);
                    }
                }
                Ok(Round {
                    p50: float(percentile(&mut lags, 50)) / 1e6,
                    p99: float(percentile(&mut lags, 99)) / 1e6,
                    commits: count(lags.len()),
                    stale,
                })
            })
        })
        .collect()
}

/// Nanoseconds until a replica shows a version that was acknowledged just now.
async fn lag(api: &Api, key: &ConversationKey, version: u64) -> Result<u64> {
    let watch = Stopwatch::start();
    while api.version(key).await? < version {
        ensure!(
            watch.elapsed() < VISIBLE_MAX,
            "a commit was not visible on the other replica after {VISIBLE_MAX:?}"
        );
    }
    Ok(watch.nanoseconds())
}

/// Loads both replicas with appends as long as something else is measured.
fn while_others_write<T>(
    bench: &Bench,
    replicas: &[Server; 2],
    dataset: &Dataset,
    measure: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let script = scripts::appends(dataset)?;
    let duration = bench.arguments.duration() * bench.arguments.rounds;
    std::thread::scope(|scope| {
        let writers: Vec<_> = replicas
            .iter()
            .map(|replica| {
                let script = &script;
                scope.spawn(move || wrk::run_with(CONNECTIONS / 2, &replica.address, script, duration))
            })
            .collect();
        let measured = measure();
        for writer in writers {
            writer.join().ok().context("a writer panicked")??;
        }
        measured
    })
}

fn visible(how: &str, goal: Goal, rounds: &[Round]) -> Figure {
    let values = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let commits: u64 = rounds.iter().map(|round| round.commits).sum();
    Figure {
        row: "13",
        group: Group::Replicas,
        figure: format!("acknowledged on one replica to visible on the other, p99, {how}"),
        against: "the moment of the acknowledgement".to_owned(),
        goal,
        outcome: Series::new("ms", values(|round| round.p99)),
        ours: None,
        theirs: None,
        notes: vec![format!(
            "p50 {} ms, over {} commits; a read's own time is part of it",
            number(median(&values(|round| round.p50))),
            number(float(commits))
        )],
    }
}

fn stale(quiet: &[Round], busy: &[Round]) -> Figure {
    let rounds = quiet.iter().chain(busy);
    Figure {
        row: "13",
        group: Group::Replicas,
        figure: "stale reads after the first that shows a commit".to_owned(),
        against: format!("{LATER_READS} reads each"),
        goal: Goal::Exactly(0.0),
        outcome: Series::new("reads", vec![float(rounds.map(|round| round.stale).sum())]),
        ours: None,
        theirs: None,
        notes: Vec::new(),
    }
}
