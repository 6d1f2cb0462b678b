//! The keys of the newest messages of the table.

use diesel::{ExpressionMethods, NullableExpressionMethods, QueryDsl, QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::rows::session::KeyRow;
use crate::schema::chatbot_messages::dsl;

/// Brings the keys of up to `limit` messages with ids below one, newest first.
pub(crate) struct RecentMessages {
    pub(crate) below: i64,
    pub(crate) limit: i64,
}

/// One message's id and key, whose parts another program may have left out.
#[derive(Queryable)]
pub(crate) struct RecentRow {
    pub(crate) id: i64,
    department: Option<String>,
    user_id: Option<String>,
    session_id: Option<String>,
}

impl RecentRow {
    /// The key, where it is whole.
    pub(crate) fn key(self) -> Option<KeyRow> {
        Some(KeyRow {
            department: self.department?,
            user_id: self.user_id?,
            session_id: self.session_id?,
        })
    }
}

impl Intent for RecentMessages {
    type Answer = Vec<RecentRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<RecentRow>> {
        dsl::chatbot_messages
            .select((
                dsl::id,
                dsl::department.nullable(),
                dsl::user_id.nullable(),
                dsl::session_id.nullable(),
            ))
            .filter(dsl::id.lt(self.below))
            .order(dsl::id.desc())
            .limit(self.limit)
            .load(connection)
            .await
    }
}
