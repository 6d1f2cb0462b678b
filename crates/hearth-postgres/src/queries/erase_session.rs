//! Erases one session.

use diesel::QueryResult;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::KeyColumns;
use crate::queries::delete_messages::DeleteMessages;
use crate::queries::raise_erased::RaiseErased;

/// Erases the one session in it, and brings its new version.
pub(crate) struct EraseSession(pub(crate) KeyColumns);

impl Intent for EraseSession {
    type Answer = i64;

    /// Two statements: the second one must see what was committed while the first one waited for the session's lock.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        connection
            .transaction(async |connection| {
                let version = RaiseErased(&self.0).get_result(connection).await?;
                DeleteMessages(&self.0).load::<String>(connection).await?;
                Ok(version)
            })
            .await
    }
}
