//! Whether the database answers.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use crate::pool::Intent;

/// Asks for nothing.
pub(crate) struct Ping;

impl Intent for Ping {
    type Answer = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        connection.batch_execute("SELECT 1").await
    }
}
