//! Bringing a database to the tables that this crate works with, and back. The migrations are embedded.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::Bool;
use diesel::{QueryResult, QueryableByName};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use hearth_domain::ports::StoreError;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use crate::trigger::TriggerAdded;

use crate::config::{ConfigError, PostgresConfig};
use crate::connect::Connector;
use crate::error::Fault;
use crate::trigger;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// The advisory lock that whoever migrates holds: several replicas may start at once.
const LOCK: i64 = 0x4865_6172_7468_0001;

/// The index that loads walk, by the name that Hearth gives it.
pub(crate) const INDEX: &str = "chatbot_messages_session";

/// Why a database was not migrated. A migration that fails leaves nothing of itself behind.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database could not be asked, or refused.
    #[error("the database could not be prepared")]
    Store(#[from] StoreError),
    /// A migration failed.
    #[error("a migration failed: {0}")]
    Migration(String),
}

impl From<Fault> for MigrateError {
    fn from(fault: Fault) -> Self {
        Self::Store(fault.into())
    }
}

/// Runs the migrations that the database lacks, and says which.
///
/// It creates what is missing. A table or view `chatbot_messages` that is there already is left exactly as it is, and no lock is taken on
/// it. May be called from any runtime, and by several processes at once: one migrates, the others wait for it.
///
/// # Errors
///
/// [`MigrateError`].
pub async fn run(config: &PostgresConfig) -> Result<Vec<String>, MigrateError> {
    in_thread(config, |session| {
        session.locked(|harness| {
            let run = harness.run_pending_migrations(MIGRATIONS);
            run.map(|versions| versions.iter().map(ToString::to_string).collect())
                .map_err(migration_failed)
        })
    })
    .await
}

/// Reverts all migrations of Hearth, newest first, and says which: its tables are dropped **with their rows**. An adopted
/// `chatbot_messages` stays.
///
/// # Errors
///
/// [`MigrateError`].
pub async fn revert_all(config: &PostgresConfig) -> Result<Vec<String>, MigrateError> {
    in_thread(config, |session| session.locked(revert_ours)).await
}

/// Builds the index that loads walk on an adopted table, without blocking the table's writers. It waits for transactions that are
/// open when it starts. Says whether it had to be built.
///
/// # Errors
///
/// [`MigrateError`]; a partitioned table's index cannot be built this way.
pub async fn build_index(config: &PostgresConfig) -> Result<bool, MigrateError> {
    in_thread(config, |mut session| {
        session.runtime.block_on(build(&mut session.connection))
    })
    .await
}

/// Makes the writes of other programs known to every replica: puts Hearth's trigger on the table, or the newest form of its function where
/// it is there. The table's writers are kept waiting for a second at most, several times where the table is busy.
///
/// # Errors
///
/// [`MigrateError`]: where there is no `chatbot_messages`, or where it was never free.
pub async fn add_trigger(config: &PostgresConfig) -> Result<TriggerAdded, MigrateError> {
    in_thread(config, |session| {
        session.exclusively(async |connection| trigger::add(connection).await)
    })
    .await
}

/// Takes the trigger off `chatbot_messages`, and off whatever other table calls its function; then the function goes. Nothing else of
/// Hearth's needs to be there. Says whether there was a trigger.
///
/// # Errors
///
/// [`MigrateError`]: where the table was never free.
pub async fn remove_trigger(config: &PostgresConfig) -> Result<bool, MigrateError> {
    in_thread(config, |session| {
        session.exclusively(async |connection| trigger::remove(connection).await)
    })
    .await
}

/// Other programs may keep their migrations in the same list: only Hearth's own are reverted.
fn revert_ours(harness: &mut impl MigrationHarness<Pg>) -> Result<Vec<String>, MigrateError> {
    let applied = harness.applied_migrations().map_err(migration_failed)?;
    let mut ours: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(migration_failed)?;
    ours.sort_by_key(|migration| std::cmp::Reverse(migration.name().version().as_owned()));
    let mut reverted = Vec::new();
    for migration in ours {
        if applied.contains(&migration.name().version()) {
            let version = harness
                .revert_migration(migration.as_ref())
                .map_err(migration_failed)?;
            reverted.push(version.to_string());
        }
    }
    Ok(reverted)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn migration_failed(error: Box<dyn std::error::Error + Send + Sync>) -> MigrateError {
    MigrateError::Migration(error.to_string())
}

async fn build(connection: &mut AsyncPgConnection) -> Result<bool, MigrateError> {
    #[derive(QueryableByName)]
    struct State {
        #[diesel(sql_type = Bool)]
        usable: bool,
        #[diesel(sql_type = Bool)]
        broken: bool,
    }
    let state: State = diesel::sql_query(format!(
        "SELECT {} AS usable, EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass('{INDEX}') \
                                      AND NOT i.indisvalid) AS broken",
        crate::queries::USABLE_INDEX
    ))
    .get_result(connection)
    .await
    .map_err(|error| Fault::of_query(&error))?;
    if state.usable {
        return Ok(false);
    }
    // What a build that was broken off left behind would pass for the index by its name.
    if state.broken {
        execute(connection, &format!("DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")).await?;
    }
    execute(connection, "SET lock_timeout = 0").await?;
    let create = format!(
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS {INDEX} \
         ON chatbot_messages (department, user_id, session_id, id DESC)"
    );
    execute(connection, &create).await?;
    Ok(true)
}

async fn lock(connection: &mut AsyncPgConnection) -> Result<(), MigrateError> {
    execute(connection, &format!("SELECT pg_advisory_lock({LOCK})")).await
}

async fn execute(connection: &mut AsyncPgConnection, sql: &str) -> Result<(), MigrateError> {
    let done = connection.batch_execute(sql).await;
    done.map_err(|error| Fault::of_query(&error).into())
}

/// A connection of its own with a runtime of its own.
struct Session {
    runtime: Runtime,
    connection: AsyncPgConnection,
}

impl Session {
    fn open(connector: &Connector) -> Result<Self, MigrateError> {
        // Diesel's migrations block, and its connection must be driven meanwhile: by a worker of another thread.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Fault::failed(error.to_string()))?;
        let connection = runtime.block_on(connector.connect())?;
        Ok(Self { runtime, connection })
    }

    /// Does other work under the same lock.
    fn exclusively<T>(
        mut self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, MigrateError> {
        self.runtime.block_on(async {
            lock(&mut self.connection).await?;
            let done = work(&mut self.connection).await;
            done.map_err(|error| Fault::of_query(&error).into())
        })
    }

    /// Does work under the lock, which the end of the connection releases.
    fn locked<T>(
        self,
        work: impl FnOnce(&mut AsyncConnectionWrapper<AsyncPgConnection>) -> Result<T, MigrateError>,
    ) -> Result<T, MigrateError> {
        let Self {
            runtime,
            mut connection,
        } = self;
        runtime.block_on(lock(&mut connection))?;
        let _entered = runtime.enter();
        work(&mut AsyncConnectionWrapper::from(connection))
    }
}

/// Diesel's migrations block their thread, and must not block a runtime's: they get one.
async fn in_thread<T: Send + 'static>(
    config: &PostgresConfig,
    work: impl FnOnce(Session) -> Result<T, MigrateError> + Send + 'static,
) -> Result<T, MigrateError> {
    let connector = Connector::for_migrations(config)?;
    let (reply, answer) = oneshot::channel();
    std::thread::Builder::new()
        .name("hearth-migrate".to_owned())
        .spawn(move || drop(reply.send(Session::open(&connector).and_then(work))))
        .map_err(|error| Fault::failed(error.to_string()))?;
    answer.await.map_err(|_| Fault::task_ended())?
}
