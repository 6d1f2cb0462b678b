//! Service after PostgreSQL was killed and comes back: how long after it accepts connections the first append is acknowledged, and the first
//! cold read is answered.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use tokio::runtime::Runtime;

use crate::bench::Bench;
use crate::database::{Database, connect};
use crate::dataset::Dataset;
use crate::in_process;
use crate::measure::{Figure, Goal, Group, Series};
use crate::server::Server;
use crate::stopwatch::Stopwatch;

const SESSIONS: u64 = 10_000;

/// Clients that append to a session each, and those that read sessions which nobody has read: memory cannot answer them.
const WRITERS: u64 = 16;
const READERS: u64 = 4;

/// Reads of one reader in a round, at most.
const READS_MAX: u64 = 10_000_000;

/// How long there is load before PostgreSQL is killed, and how long it is gone at least.
const BEFORE: Duration = Duration::from_millis(500);
const GONE: Duration = Duration::from_secs(1);

/// Between two tries of a client, and of the one that asks PostgreSQL itself.
const PAUSE: Duration = Duration::from_millis(5);
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// How long a client waits for an answer before it tries again.
const PATIENCE: Duration = Duration::from_secs(1);

/// A hang guard.
const BACK_MAX: Duration = Duration::from_mins(1);

/// When PostgreSQL is not killed yet.
const NOT_YET: u64 = u64::MAX;

/// Seconds from when PostgreSQL accepted connections.
struct Round {
    first_append: f64,
    last_append: f64,
    first_read: f64,
}

/// What the clients of a round share.
#[derive(Clone)]
struct Moments {
    watch: Stopwatch,
    /// When PostgreSQL was killed, in nanoseconds.
    killed: Arc<AtomicU64>,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<Vec<Figure>> {
    let dataset = bench.synthetic(SESSIONS);
    // One of its own: what recovery has to do is what was written here.
    let mut database = Database::start()?;
    let url = database.with(&dataset)?;
    let runtime = in_process::runtime()?;
    let server = Server::start(&runtime, &url, &[])?;
    let rounds: Vec<Round> = (0..u64::from(bench.arguments.rounds))
        .map(|round| outage(&runtime, &database, &server, &dataset, &url, round))
        .collect::<Result<_>>()?;
    let figure = |figure: &str, goal: Goal, value: fn(&Round) -> f64| Figure {
        row: "15",
        group: Group::Starts,
        figure: figure.to_owned(),
        against: "PostgreSQL accepts connections again".to_owned(),
        goal,
        outcome: Series::new("s", rounds.iter().map(value).collect()),
        ours: None,
        theirs: None,
        notes: Vec::new(),
    };
    Ok(vec![
        figure(
            "the first append is acknowledged after",
            Goal::AtMost(2.0),
            |round| round.first_append,
        ),
        figure(
            "the first cold read is answered after",
            Goal::AtMost(2.0),
            |round| round.first_read,
        ),
        figure(
            &format!("all {WRITERS} writers were served after"),
            Goal::Reported,
            |round| round.last_append,
        ),
    ])
}

fn outage(
    runtime: &Runtime,
    database: &Database,
    server: &Server,
    dataset: &Dataset,
    url: &str,
    round: u64,
) -> Result<Round> {
    let moments = Moments {
        watch: Stopwatch::start(),
        killed: Arc::new(AtomicU64::new(NOT_YET)),
    };
    let [query, response] = dataset.exchange()?.map(str::to_owned);
    let writers: Vec<_> = (0..WRITERS)
        .map(|session| {
            let (api, key) = (server.api.clone(), dataset.key(session % dataset.sessions));
            let (query, response) = (query.clone(), response.clone());
            runtime.spawn(moments.clone().first_success(move || {
                let (api, key) = (api.clone(), key.clone());
                let (query, response) = (query.clone(), response.clone());
                async move { api.append(&key, [&query, &response]).await }
            }))
        })
        .collect();
    let readers: Vec<_> = (0..READERS)
        .map(|reader| {
            let (api, dataset) = (server.api.clone(), dataset.clone());
            let mut unread = dataset.sessions + (round * READERS + reader) * READS_MAX..;
            runtime.spawn(moments.clone().first_success(move || {
                let (api, key) = (api.clone(), dataset.key(unread.next().unwrap_or(0)));
                async move { api.version(&key).await }
            }))
        })
        .collect();
    std::thread::sleep(BEFORE);
    database.cluster().stop_immediate()?;
    moments
        .killed
        .store(moments.watch.nanoseconds(), Ordering::SeqCst);
    std::thread::sleep(GONE);
    let accepted = runtime.spawn(accepts(moments.watch, url.to_owned()));
    database.cluster().start_again()?;
    runtime.block_on(async {
        let accepted = tokio::time::timeout(BACK_MAX, accepted).await??;
        let appends = tokio::time::timeout(BACK_MAX, try_join_all(writers))
            .await
            .context("the server did not come back")??;
        let reads = tokio::time::timeout(BACK_MAX, try_join_all(readers))
            .await
            .context("reads did not come back")??;
        // Whoever looks at PostgreSQL may see it a moment later than the server does.
        let after = |moment: Option<&u64>| {
            let moment = moment.copied().context("there was no client")?;
            anyhow::Ok(Duration::from_nanos(moment.saturating_sub(accepted)).as_secs_f64())
        };
        Ok(Round {
            first_append: after(appends.iter().min())?,
            last_append: after(appends.iter().max())?,
            first_read: after(reads.iter().min())?,
        })
    })
}

impl Moments {
    /// Calls again and again; ends with the moment of the first success of a call that was made after PostgreSQL was killed.
    async fn first_success<F: Future<Output = Result<u64>>>(self, mut call: impl FnMut() -> F) -> u64 {
        loop {
            let sent = self.watch.nanoseconds();
            let outcome = tokio::time::timeout(PATIENCE, call()).await;
            let succeeded = matches!(outcome, Ok(Ok(_)));
            if succeeded && sent > self.killed.load(Ordering::SeqCst) {
                return self.watch.nanoseconds();
            }
            if !succeeded {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// When PostgreSQL answers a query again.
async fn accepts(watch: Stopwatch, url: String) -> u64 {
    loop {
        let answers = match connect(&url).await {
            Ok(client) => client.simple_query("SELECT 1").await.is_ok(),
            Err(_) => false,
        };
        if answers {
            return watch.nanoseconds();
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}
