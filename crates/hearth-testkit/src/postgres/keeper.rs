//! Says that this process lives: a connection that holds an advisory lock for as long as the process does. The databases of
//! processes whose lock is free are leftovers.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use tokio_postgres::{Client, NoTls};

/// The first half of the advisory locks' keys; the second half is the run.
pub(super) const LOCK_CLASS: i32 = 0x4865_6172;

/// What the names of test databases begin with; the run and a number follow.
pub(super) const PREFIX: &str = "hearth_test_";

static RUN: Mutex<Option<i32>> = Mutex::new(None);

/// The number of this run, unique among those alive on the cluster at `url`. The first call sweeps what dead runs left.
pub(super) fn run(url: &str) -> Result<i32> {
    let mut run = RUN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(run) = *run {
        return Ok(run);
    }
    let (ready, started) = std::sync::mpsc::sync_channel(1);
    let url = url.to_owned();
    std::thread::Builder::new()
        .name("test-database-keeper".to_owned())
        .spawn(move || keep(&url, &ready))
        .context("failed to start the keeper of the test databases")?;
    let number = started
        .recv()
        .context("the keeper of the test databases ended")??;
    *run = Some(number);
    Ok(number)
}

/// Runs until the process ends.
fn keep(url: &str, ready: &std::sync::mpsc::SyncSender<Result<i32>>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(ready.send(Err(error.into())));
            return;
        }
    };
    runtime.block_on(async {
        let begun = begin(url).await;
        match begun {
            Ok((client, connection, run)) => {
                drop(ready.send(Ok(run)));
                drop(connection.await);
                drop(client);
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    });
}

async fn begin(url: &str) -> Result<(Client, tokio::task::JoinHandle<()>, i32)> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("failed to connect to the shared cluster")?;
    let connection = tokio::runtime::Handle::current().spawn(async move { drop(connection.await) });
    let run = claim(&client).await?;
    sweep(&client).await?;
    Ok((client, connection, run))
}

async fn claim(client: &Client) -> Result<i32> {
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        let row = client
            .query_one(
                "WITH run AS MATERIALIZED (SELECT (random() * 2000000000)::int AS number)
                        SELECT number, pg_try_advisory_lock($1, number) FROM run",
                &[&LOCK_CLASS],
            )
            .await?;
        if row.get(1) {
            return Ok(row.get(0));
        }
    }
    Err(anyhow!("no number is free for this run"))
}

async fn sweep(client: &Client) -> Result<()> {
    let databases = client
        .query(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
            &[&PREFIX],
        )
        .await?;
    for row in databases {
        let name: String = row.get(0);
        let Some(run) = run_of(&name) else { continue };
        let dead: bool = client
            .query_one("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK_CLASS, &run])
            .await?
            .get(0);
        // A lock that this connection holds itself is granted again: those of this run were made by nobody yet.
        if dead {
            // Another process may be sweeping the same ones: what it has dropped is no error here.
            drop(
                client
                    .batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"))
                    .await,
            );
            client
                .query_one("SELECT pg_advisory_unlock($1, $2)", &[&LOCK_CLASS, &run])
                .await?;
        }
    }
    Ok(())
}

fn run_of(name: &str) -> Option<i32> {
    name.strip_prefix(PREFIX)?.split('_').next()?.parse().ok()
}
