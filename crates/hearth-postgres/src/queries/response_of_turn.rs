//! The response of a turn, found by the id in its metadata.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::message::TurnRow;
use crate::schema::chatbot_sessions::dsl;

/// Brings the response, if it is among the newest `messages` of one of the user's `sessions` that were active last.
pub(crate) struct ResponseOfTurn {
    pub(crate) department: String,
    pub(crate) user_id: String,
    pub(crate) turn_id: String,
    pub(crate) sessions: i64,
    pub(crate) messages: i64,
}

impl Intent for ResponseOfTurn {
    type Answer = Option<TurnRow>;

    /// Two steps: as values, the ids take on the collation of whatever table is searched, and its index fits.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Option<TurnRow>> {
        let active: Vec<String> = dsl::chatbot_sessions
            .select(dsl::session_id)
            .filter(dsl::department.eq(&self.department))
            .filter(dsl::user_id.eq(&self.user_id))
            .order((dsl::last_active_at.desc(), dsl::session_id))
            .limit(self.sessions)
            .load(connection)
            .await?;
        let statement = Statement {
            asked: self,
            sessions: &active,
        };
        statement.get_result(connection).await.optional()
    }
}

struct Statement<'a> {
    asked: &'a ResponseOfTurn,
    sessions: &'a [String],
}

fixed_statement!(
    Statement<'a>,
    (
        Text,
        BigInt,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Timestamptz>,
        Nullable<Jsonb>
    )
);

impl QueryFragment<Pg> for Statement<'_> {
    /// One walk down an index a session, and no further than its limit.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT active.session_id, newest.id, newest.role, newest.content, newest.created_at, newest.metadata \
             FROM unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.sessions)?;
        out.push_sql(
            ") AS active (session_id) \
             CROSS JOIN LATERAL ( \
                 SELECT m.id, m.role, m.content, m.created_at, m.metadata FROM chatbot_messages m \
                 WHERE m.department = ",
        );
        out.push_bind_param::<Text, _>(&self.asked.department)?;
        out.push_sql(" AND m.user_id = ");
        out.push_bind_param::<Text, _>(&self.asked.user_id)?;
        out.push_sql(" AND m.session_id = active.session_id ORDER BY m.id DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.asked.messages)?;
        out.push_sql(") newest WHERE newest.role = 'assistant' AND newest.metadata ->> 'turn_id' = ");
        out.push_bind_param::<Text, _>(&self.asked.turn_id)?;
        out.push_sql(" LIMIT 1");
        Ok(())
    }
}
