//! The connections, and the tasks that use them.
//!
//! Everything runs on the runtime that was passed in, in tasks that own their connection. So a connection's driver never lives on an
//! actix worker, which is a runtime of its own, stalls when it is busy and takes its connections along when it ends; and a
//! caller that goes away cuts no transaction in half.

use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, QueueMode, Timeouts};
use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::pooled_connection::deadpool::{Object as Pooled, Pool as ConnectionPool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::config::{ConfigError, PostgresConfig};
use crate::connect::Connector;
use crate::error::{Failure, Fault, FaultKind, establishing, says_closed, says_refused};
use crate::trouble::{Condition, Trouble};

/// How much longer than the server's own deadline a statement is waited for: beyond it the network is to blame, and the connection
/// is closed.
const NETWORK_GRACE: Duration = Duration::from_secs(1);

/// How much longer than a deadline its caller waits, so that an answer which says more than "too late" may arrive.
pub(crate) const ANSWER_GRACE: Duration = Duration::from_millis(50);

/// How long a call that found the server full waits until it looks again whether a connection of ours is free.
const CROWDED_PAUSE: Duration = Duration::from_millis(20);

/// How long it looks where none of ours is open: one that is being opened is not counted yet.
const OPENING_MAX: Duration = Duration::from_millis(250);

/// What one call asks of the database.
pub(crate) trait Intent: Send + Sync {
    /// What it brings back.
    type Answer: Send + 'static;

    /// Does it, on a connection that nobody else uses meanwhile.
    fn run(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> impl Future<Output = QueryResult<Self::Answer>> + Send;
}

/// How full the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections that are open.
    pub size: usize,
    /// Those of them that nobody uses.
    pub idle: usize,
}

#[derive(Clone)]
pub(crate) struct Pool {
    connections: ConnectionPool<AsyncPgConnection>,
    handle: Handle,
    statement_deadline: Duration,
    condition: Arc<Condition>,
}

impl Pool {
    /// Opens nothing yet.
    pub(crate) fn new(config: &PostgresConfig, handle: Handle) -> Result<Self, ConfigError> {
        if config.pool_size == 0 {
            return Err(ConfigError::PoolSize);
        }
        let connector = Connector::for_statements(config)?;
        let establish_on = handle.clone();
        let condition = Arc::<Condition>::default();
        let noting = Arc::clone(&condition);
        let mut manager = ManagerConfig::default();
        // A closed connection is seen without asking the server, and a load that meets one is repeated.
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(move |_| {
            let connector = connector.clone();
            let condition = Arc::clone(&noting);
            let establishing_task = establish_on.spawn(async move {
                let connected = connector.connect().await;
                condition.connected(&connected);
                connected
            });
            async move {
                let connected = establishing_task
                    .await
                    .unwrap_or_else(|_| Err(Fault::task_ended()));
                connected.map_err(establishing)
            }
            .boxed()
        });
        // The URL has a password: the manager gets none, since only the setup above needs it.
        let manager = AsyncDieselConnectionManager::new_with_config(String::new(), manager);
        // The connection that was used last is used next: its backend has caches that are warm.
        let connections = ConnectionPool::builder(manager)
            .max_size(config.pool_size)
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|_| ConfigError::PoolSize)?;
        Ok(Self {
            connections,
            handle,
            statement_deadline: config.load_timeout.max(config.commit_timeout) + NETWORK_GRACE,
            condition,
        })
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let status = self.connections.status();
        PoolStatus {
            size: status.size,
            idle: status.available,
        }
    }

    /// What is known of the database.
    pub(crate) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Runs an intent in a task of its own and waits for its answer until the deadline. What is under way then runs on to its end.
    pub(crate) async fn run<I: Intent + 'static>(
        &self,
        intent: I,
        within: Duration,
    ) -> Result<I::Answer, Failure> {
        let work = |pool: Self, deadline| async move { pool.execute(&intent, deadline).await };
        self.in_task(within, work).await
    }

    /// The same for what memory must follow: once it is at the database its end is waited for, for as long as the database has for it.
    pub(crate) async fn run_to_its_end<I: Intent + 'static>(
        &self,
        intent: I,
        within: Duration,
    ) -> Result<I::Answer, Failure> {
        let pool = self.clone();
        let running = self.handle.spawn(async move {
            let deadline = Instant::now() + within;
            pool.execute(&intent, deadline).await
        });
        running
            .await
            .unwrap_or_else(|_| Err(Failure::Lost(Fault::task_ended())))
    }

    /// The same for what only reads, or does no more when it is done twice: where the connection turns out to be gone, it is tried once more on another one.
    pub(crate) async fn run_read<I: Intent + 'static>(
        &self,
        intent: I,
        within: Duration,
    ) -> Result<I::Answer, Failure> {
        let work = |pool: Self, deadline| async move {
            match pool.execute(&intent, deadline).await {
                Err(Failure::Lost(fault)) if fault.kind() == FaultKind::Unavailable => {
                    tracing::debug!(%fault, "a connection was gone, the call is tried once more");
                    pool.execute(&intent, deadline).await
                }
                answer => answer,
            }
        };
        self.in_task(within, work).await
    }

    /// Does work that owns all that it needs in a task, and waits for its answer until the deadline.
    pub(crate) async fn in_task<T, F>(
        &self,
        within: Duration,
        work: impl FnOnce(Self, Instant) -> F + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let pool = self.clone();
        self.handle.spawn(async move {
            let deadline = Instant::now() + within;
            let mut work = std::pin::pin!(work(pool, deadline));
            // Nobody may be waiting for the answer any more; the work is done all the same.
            match timeout_at(deadline + ANSWER_GRACE, &mut work).await {
                Ok(result) => drop(reply.send(result)),
                Err(_) => {
                    drop(reply.send(Err(Failure::Lost(Fault::timed_out()))));
                    drop(work.await);
                }
            }
        });
        answer
            .await
            .unwrap_or_else(|_| Err(Failure::Lost(Fault::task_ended())))
    }

    /// Runs an intent in the current task, which must be one of this pool's runtime and must not be dropped.
    pub(crate) async fn execute<I: Intent>(
        &self,
        intent: &I,
        deadline: Instant,
    ) -> Result<I::Answer, Failure> {
        let connection = self.acquire(deadline).await.map_err(Failure::NotSent)?;
        self.execute_on(connection, intent, self.statement_deadline).await
    }

    /// The same on a connection that was acquired before, which is given up when there is no answer in time.
    pub(crate) async fn execute_on<I: Intent>(
        &self,
        mut connection: Pooled<AsyncPgConnection>,
        intent: &I,
        within: Duration,
    ) -> Result<I::Answer, Failure> {
        let result = timeout(within, intent.run(&mut connection)).await;
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let failure = judge(connection, &error).await;
                if let Failure::Refused(fault) = &failure {
                    self.condition.refused(fault);
                }
                Err(failure)
            }
            Err(_) => {
                drop(Object::take(connection));
                Err(Failure::Lost(Fault::timed_out()))
            }
        }
    }

    /// A connection, waited for until the deadline. Where the server has no room for another one, one of those that are open will do.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Result<Pooled<AsyncPgConnection>, Fault> {
        let opening_ends = Instant::now() + OPENING_MAX;
        loop {
            let fault = match self.acquire_or_open(deadline).await {
                Ok(connection) => return Ok(connection),
                Err(fault) => fault,
            };
            let is_crowded = fault.trouble() == Some(Trouble::Crowded);
            let is_alone = self.connections.status().size == 0;
            let next = Instant::now() + CROWDED_PAUSE;
            if !is_crowded || next >= deadline || (is_alone && next >= opening_ends) {
                return Err(fault);
            }
            sleep_until(next).await;
        }
    }

    async fn acquire_or_open(&self, deadline: Instant) -> Result<Pooled<AsyncPgConnection>, Fault> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = Timeouts {
            wait: Some(left),
            create: Some(left),
            recycle: Some(left),
        };
        timeout_at(deadline, self.connections.timeout_get(&timeouts))
            .await
            .map_err(|_| Fault::new(FaultKind::TimedOut, "no connection became free in time"))?
            .map_err(|error| Fault::of_pool(&error))
    }
}

/// What an error says of the call's effects. A connection that still answers proves that the statement before ended with the error, and
/// so with nothing done. One that had an error without a name of its own is closed afterwards: it may be the connection's (a
/// prepared statement that no longer fits the table), and then another one is well.
async fn judge(mut connection: Pooled<AsyncPgConnection>, error: &QueryError) -> Failure {
    let fault = Fault::of_query(error);
    if says_refused(error) {
        // Another connection may reach the server that is primary now.
        if fault.trouble() == Some(Trouble::ReadOnly) {
            drop(Object::take(connection));
        }
        return Failure::Refused(fault);
    }
    let is_database_error = matches!(error, QueryError::DatabaseError(..));
    let alive = is_database_error
        && !says_closed(error)
        && timeout(NETWORK_GRACE, connection.batch_execute("SELECT 1"))
            .await
            .is_ok_and(|answer| answer.is_ok());
    if fault.kind() != FaultKind::TimedOut || !alive {
        drop(Object::take(connection));
    }
    match (alive, fault.kind()) {
        (true, _) => Failure::Refused(fault),
        // The statement was answered, and its answer was not understood.
        (false, FaultKind::Failed) if !is_database_error => Failure::Lost(fault),
        (false, FaultKind::Failed | FaultKind::TimedOut | FaultKind::Unavailable) => {
            Failure::Lost(Fault::new(FaultKind::Unavailable, fault.to_string()))
        }
    }
}
