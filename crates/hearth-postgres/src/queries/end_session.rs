//! Notes that a session is over.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::session::KeyRow;

/// Ends a session that is known, by its row or by its messages; the first end's time stays.
pub(crate) struct EndSession(pub(crate) KeyRow);

impl Intent for EndSession {
    type Answer = usize;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<usize> {
        Statement(self).execute(connection).await
    }
}

struct Statement<'a>(&'a EndSession);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let KeyRow {
            department,
            user_id,
            session_id,
        } = &self.0.0;
        out.push_sql(
            "INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, started_at, last_active_at, ended_at) \
             SELECT k.department, k.user_id, k.session_id, 0, now(), now(), now() \
             FROM (VALUES (",
        );
        out.push_bind_param::<Text, _>(department)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(user_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(session_id)?;
        out.push_sql(
            ")) AS k (department, user_id, session_id) \
             WHERE EXISTS (SELECT FROM chatbot_sessions e WHERE e.department = k.department \
                           AND e.user_id = k.user_id AND e.session_id = k.session_id) \
                OR EXISTS (SELECT FROM chatbot_messages m WHERE m.department = k.department \
                           AND m.user_id = k.user_id AND m.session_id = k.session_id) \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET ended_at = coalesce(s.ended_at, excluded.ended_at)",
        );
        Ok(())
    }
}
