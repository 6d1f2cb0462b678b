//! Erases one session.

use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::KeyColumns;
use crate::queries::blank_answers::BlankAnswers;
use crate::queries::delete_messages::DeleteMessages;
use crate::queries::raise_erased::raise_erased;
use crate::rows::session::KeyRow;

/// Erases one session, and brings its new version.
pub(crate) struct EraseSession {
    pub(crate) key: KeyRow,
    pub(crate) replica: Option<String>,
}

impl Intent for EraseSession {
    type Answer = i64;

    /// Several statements: the later ones must see what was committed while the first one waited for the session's lock.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<i64> {
        let answers = BlankAnswers {
            department: &self.key.department,
            user_id: &self.key.user_id,
            session_id: Some(&self.key.session_id),
        };
        let session = KeyColumns {
            departments: vec![self.key.department.clone()],
            users: vec![self.key.user_id.clone()],
            sessions: vec![self.key.session_id.clone()],
        };
        connection
            .transaction(async |connection| {
                let raised = raise_erased(connection, &session, self.replica.as_deref()).await?;
                DeleteMessages(&session).load::<String>(connection).await?;
                answers.execute(connection).await?;
                raised.into_iter().next().ok_or(QueryError::NotFound)
            })
            .await
    }
}
