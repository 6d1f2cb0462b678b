//! Erases all sessions of one user.

use std::collections::BTreeSet;

use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::KeyColumns;
use crate::queries::blank_answers::BlankAnswers;
use crate::queries::delete_messages::DeleteMessages;
use crate::queries::raise_erased::raise_erased;
use crate::queries::user_sessions::UserSessions;

/// Rounds until a user who keeps opening sessions meanwhile is given up on.
const ROUNDS_MAX: u32 = 16;

/// Erases a user's sessions, and brings the ids of those that had messages.
pub(crate) struct EraseUser {
    pub(crate) department: String,
    pub(crate) user_id: String,
    pub(crate) replica: Option<String>,
}

impl Intent for EraseUser {
    type Answer = BTreeSet<String>;

    /// Each round takes the sessions that are new since the one before, until there are none: no session is opened half-way and
    /// overlooked.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<BTreeSet<String>> {
        let answers = BlankAnswers {
            department: &self.department,
            user_id: &self.user_id,
            session_id: None,
        };
        connection
            .transaction(async |connection| {
                let mut seen = BTreeSet::new();
                let mut had_messages = BTreeSet::new();
                for _ in 0..ROUNDS_MAX {
                    let fresh = self.unseen(connection, &mut seen).await?;
                    if fresh.len() == 0 {
                        answers.execute(connection).await?;
                        return Ok(had_messages);
                    }
                    raise_erased(connection, &fresh, self.replica.as_deref()).await?;
                    had_messages.extend(DeleteMessages(&fresh).load::<String>(connection).await?);
                }
                Err(QueryError::DatabaseError(
                    DatabaseErrorKind::SerializationFailure,
                    Box::new("the user opens sessions faster than they are erased".to_owned()),
                ))
            })
            .await
    }
}

impl EraseUser {
    async fn unseen(
        &self,
        connection: &mut AsyncPgConnection,
        seen: &mut BTreeSet<String>,
    ) -> QueryResult<KeyColumns> {
        let sessions = UserSessions {
            department: &self.department,
            user_id: &self.user_id,
        };
        let mut fresh = KeyColumns::default();
        for session in sessions.load::<String>(connection).await? {
            if seen.insert(session.clone()) {
                fresh.departments.push(self.department.clone());
                fresh.users.push(self.user_id.clone());
                fresh.sessions.push(session);
            }
        }
        Ok(fresh)
    }
}
