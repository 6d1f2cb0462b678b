//! The trigger through which replicas hear of what other programs write, on the table where the messages are.
//!
//! It is optional, since it has a price: a transaction that notifies takes one lock of the whole server until it is at the disk, so that the
//! writers of the table commit one after the other.

use std::time::Duration;

use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::error::{Fault, FaultKind};

const FUNCTION: &str = include_str!("trigger/function.sql");
const ADD: &str = include_str!("trigger/add.sql");

/// Queries of the statements that remove the triggers, and then their function.
const REMOVE: &str = include_str!("trigger/remove.sql");
const REMOVE_FUNCTION: &str = include_str!("trigger/remove_function.sql");

/// A query of one value: whether writes of other programs are told of.
pub(crate) const COVERED: &str = include_str!("trigger/covered.sql");

/// How long the table's writers may have to wait behind us, while we wait for those that are at work.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '1s'";

/// Times that the table is tried, and the time between two in which its writers go on.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// What was done so that other programs' writes are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerAdded {
    /// The table carries the trigger now.
    Added,
    /// It did before; its function is the newest now.
    WasThere,
    /// `chatbot_messages` is a view: the function is there, and the table behind the view is to call it, as docs/ADOPTING.md says.
    FunctionOnly,
}

#[derive(QueryableByName)]
struct Removal {
    #[diesel(sql_type = Text)]
    statement: String,
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Bool)]
    is_table: bool,
    #[diesel(sql_type = Bool)]
    is_covered: bool,
}

pub(crate) async fn add(connection: &mut AsyncPgConnection) -> QueryResult<TriggerAdded> {
    patiently(connection, add_once).await
}

pub(crate) async fn remove(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    patiently(connection, remove_once).await
}

async fn add_once(connection: &mut AsyncPgConnection) -> QueryResult<TriggerAdded> {
    connection
        .transaction(async |connection| {
            connection.batch_execute(LOCK_TIMEOUT).await?;
            let table: Table = diesel::sql_query(format!(
                "SELECT c.relkind IN ('r', 'p') AS is_table, coalesce(({COVERED}), false) AS is_covered \
                 FROM pg_class c WHERE c.oid = 'chatbot_messages'::regclass"
            ))
            .get_result(connection)
            .await?;
            connection.batch_execute(FUNCTION).await?;
            if table.is_covered {
                Ok(TriggerAdded::WasThere)
            } else if table.is_table {
                connection.batch_execute(ADD).await?;
                Ok(TriggerAdded::Added)
            } else {
                Ok(TriggerAdded::FunctionOnly)
            }
        })
        .await
}

async fn remove_once(connection: &mut AsyncPgConnection) -> QueryResult<bool> {
    connection
        .transaction(async |connection| {
            connection.batch_execute(LOCK_TIMEOUT).await?;
            let triggers = remove_found(connection, REMOVE).await?;
            remove_found(connection, REMOVE_FUNCTION).await?;
            Ok(triggers > 0)
        })
        .await
}

/// Executes the statements that a query brings, and says how many there were.
async fn remove_found(connection: &mut AsyncPgConnection, query: &str) -> QueryResult<usize> {
    let removals: Vec<Removal> = diesel::sql_query(query).load(connection).await?;
    for removal in &removals {
        connection.batch_execute(&removal.statement).await?;
    }
    Ok(removals.len())
}

/// Does what waits for the table only as long as its writers may be kept waiting, and again after a pause.
async fn patiently<T>(
    connection: &mut AsyncPgConnection,
    work: impl AsyncFn(&mut AsyncPgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let mut attempt = 1;
    loop {
        match work(connection).await {
            Err(error) if attempt < ATTEMPTS && Fault::of_query(&error).kind() == FaultKind::TimedOut => {
                tracing::info!(attempt, "the table is in use, it is tried again");
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
