//! The version of one session.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::rows::session::KeyRow;
use crate::schema::chatbot_sessions::dsl;

/// Brings the version of a session, if Hearth ever wrote to it.
pub(crate) struct SessionVersion(pub(crate) KeyRow);

impl Intent for SessionVersion {
    type Answer = Option<i64>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Option<i64>> {
        dsl::chatbot_sessions
            .select(dsl::version)
            .filter(dsl::department.eq(&self.0.department))
            .filter(dsl::user_id.eq(&self.0.user_id))
            .filter(dsl::session_id.eq(&self.0.session_id))
            .first(connection)
            .await
            .optional()
    }
}
