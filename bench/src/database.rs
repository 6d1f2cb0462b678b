//! A throw-away PostgreSQL that is durable as PostgreSQL is by default, and databases in it that hold a dataset.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hearth_cache::Cache;
use hearth_domain::ports::SystemClock;
use hearth_postgres::{PostgresConfig, PostgresFeed, PostgresStore, ReplicaId, TriggerAdded, migrate};
use hearth_testkit::postgres::{self, Cluster, Options};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use crate::dataset::{Dataset, FIRST, Users};
use crate::in_process;
use crate::progress::say;

/// A running PostgreSQL.
pub(crate) struct Database {
    cluster: Cluster,
    runtime: Runtime,
    pub(crate) version: String,
    /// The URL of each dataset's database, by its name and size.
    filled: HashMap<(&'static str, u64), String>,
}

impl Database {
    /// Installs PostgreSQL where it is missing and starts a cluster. fsync and `synchronous_commit` are on, and checkpoints far apart, so that
    /// what filling the tables left to be written does not meet a measurement.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub(crate) fn start() -> Result<Self> {
        postgres::install()?;
        let options = Options {
            durable: true,
            ..Options::default()
        };
        let options = options
            .with("shared_buffers", "'512MB'")
            .with("max_wal_size", "'8GB'")
            .with("min_wal_size", "'4GB'")
            .with("checkpoint_timeout", "'30min'");
        let cluster = Cluster::start(&options)?;
        let runtime = in_process::runtime()?;
        let version = runtime.block_on(async {
            let client = connect(&cluster.url("postgres")).await?;
            let row = client.query_one("SHOW server_version", &[]).await?;
            anyhow::Ok(row.get(0))
        })?;
        Ok(Self {
            cluster,
            runtime,
            version,
            filled: HashMap::new(),
        })
    }

    /// The URL of a database that holds the dataset, filled when first asked for.
    ///
    /// # Errors
    ///
    /// Where a statement fails.
    pub(crate) fn with(&mut self, dataset: &Dataset) -> Result<String> {
        let name = (dataset.name, dataset.sessions);
        if let Some(url) = self.filled.get(&name) {
            return Ok(url.clone());
        }
        say(format_args!(
            "filling PostgreSQL: {}, {} sessions",
            dataset.name, dataset.sessions
        ));
        let database = format!("{}_{}", dataset.name, dataset.sessions);
        let url = self.cluster.url(&database);
        let server = self.cluster.url("postgres");
        self.runtime.block_on(async {
            let create = format!("CREATE DATABASE {database}");
            connect(&server).await?.batch_execute(&create).await?;
            migrate::run(&PostgresConfig::new(url.clone())).await?;
            fill(&connect(&url).await?, dataset).await
        })?;
        self.filled.insert(name, url.clone());
        Ok(url)
    }

    /// Puts what was written so far to the disk and in order, so that two sides begin alike. The log has files then that were used before, as
    /// on any server that has run for a while: else one side or the other waits whenever a new one is filled with zeros.
    ///
    /// # Errors
    ///
    /// Where a statement fails.
    pub(crate) fn settle(&self, url: &str) -> Result<()> {
        self.runtime.block_on(async {
            let client = connect(url).await?;
            client
                .batch_execute("VACUUM ANALYZE chatbot_messages, chatbot_sessions")
                .await?;
            for _ in 0..LOG_FILES {
                // A file that nothing was written to is not left for another.
                client
                    .batch_execute(
                        "SELECT pg_logical_emit_message(false, 'hearth-bench', ''); SELECT pg_switch_wal()",
                    )
                    .await?;
            }
            Ok(client.batch_execute("CHECKPOINT").await?)
        })
    }

    /// Puts the trigger on the table of messages, as `hearth migrate --with-trigger` does.
    ///
    /// # Errors
    ///
    /// Where it cannot be put there.
    pub(crate) fn add_trigger(&self, url: &str) -> Result<()> {
        let added = self
            .runtime
            .block_on(migrate::add_trigger(&PostgresConfig::new(url)))?;
        ensure!(added == TriggerAdded::Added, "the table had a trigger already");
        Ok(())
    }

    /// The server itself, to be stopped and started again.
    pub(crate) const fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

/// Files of 16 MiB that the write-ahead log has before a measurement: more than the rows that write come to.
const LOG_FILES: u32 = 100;

/// What the server trusts memory for, unless configured otherwise.
const MAX_STALENESS: Duration = Duration::from_secs(2);

/// A cache over a database as the server has it with `coherence.mode = "notify"`: it tells others of its commits, and listens to theirs.
///
/// # Errors
///
/// Where the URL is none.
pub(crate) fn coherent_cache(
    url: &str,
    budget_bytes: u64,
    runtime: &Runtime,
) -> Result<Cache<PostgresStore>> {
    let replica = ReplicaId::generate();
    let config = PostgresConfig {
        notify: Some(replica),
        ..PostgresConfig::new(url)
    };
    let store = PostgresStore::open(&config, runtime.handle().clone())?;
    let cache = in_process::cache(&Arc::new(store), budget_bytes, runtime);
    let clock = Arc::new(SystemClock::default());
    let feed = PostgresFeed::start(&config, replica, MAX_STALENESS, clock, runtime.handle())?;
    cache.follow(feed, MAX_STALENESS);
    Ok(cache)
}

/// Hearth's store on a database, as the server configures it where it is alone.
///
/// # Errors
///
/// Where the URL is none.
pub(crate) fn store(url: &str, runtime: &Runtime) -> Result<PostgresStore> {
    let config = PostgresConfig::new(url);
    Ok(PostgresStore::open(&config, runtime.handle().clone())?)
}

/// A connection of its own.
///
/// # Errors
///
/// Where there is none to be had.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("failed to connect to PostgreSQL")?;
    // It ends with its client.
    drop(tokio::runtime::Handle::current().spawn(async move { drop(connection.await) }));
    Ok(client)
}

async fn fill(client: &Client, dataset: &Dataset) -> Result<()> {
    client
        .batch_execute("CREATE TEMP TABLE said (dialogue bigint, place bigint, role text, content text)")
        .await?;
    let (mut dialogues, mut places, mut roles, mut contents) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (dialogue, messages) in (0_i64..).zip(&dataset.said) {
        for (place, said) in (0_i64..).zip(messages) {
            dialogues.push(dialogue);
            places.push(place);
            roles.push(said.role.as_str());
            contents.push(said.content.as_str());
        }
    }
    client
        .execute(
            "INSERT INTO said SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[])",
            &[&dialogues, &places, &roles, &contents],
        )
        .await?;
    for statement in statements(dataset) {
        client.batch_execute(&statement).await?;
    }
    Ok(())
}

/// Messages and sessions as Hearth would have written them; then everything is at the disk and the planner knows the tables.
fn statements(dataset: &Dataset) -> Vec<String> {
    let key = format!(
        "'{}', {}, '{}' || ({FIRST} + n)",
        dataset.department,
        user_sql(dataset.users),
        dataset.session_prefix
    );
    let (sessions, dialogues) = (dataset.sessions, dataset.said.len());
    vec![
        format!(
            "INSERT INTO chatbot_messages (department, user_id, session_id, role, content) \
             SELECT {key}, role, content FROM generate_series(0, {sessions} - 1) AS n \
             JOIN said ON said.dialogue = n % {dialogues} ORDER BY n, place"
        ),
        format!(
            "INSERT INTO chatbot_sessions (department, user_id, session_id, version, started_at, last_active_at) \
             SELECT {key}, 5, now(), now() FROM generate_series(0, {sessions} - 1) AS n"
        ),
        "VACUUM ANALYZE chatbot_messages, chatbot_sessions".to_owned(),
        "CHECKPOINT".to_owned(),
    ]
}

/// A user id in SQL, of the session number `n`.
fn user_sql(users: Users) -> String {
    match users {
        Users::OneASession => format!("'user-' || ({FIRST} + n)"),
        Users::Workers => "'worker-' || (100 + n % 900)".to_owned(),
    }
}
