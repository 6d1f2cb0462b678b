//! One page of a user's sessions, newest activity first.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::session::SummaryRow;

/// Brings up to `limit` sessions of a user after a place.
pub(crate) struct ListSessions {
    pub(crate) department: String,
    pub(crate) user_id: String,
    pub(crate) after_time: Option<DateTime<Utc>>,
    pub(crate) after_session: Option<String>,
    pub(crate) limit: i64,
}

impl Intent for ListSessions {
    type Answer = Vec<SummaryRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<SummaryRow>> {
        Statement(self).load(connection).await
    }
}

struct Statement<'a>(&'a ListSessions);

fixed_statement!(
    Statement<'a>,
    (
        Text,
        Nullable<BigInt>,
        Timestamptz,
        Timestamptz,
        Nullable<Timestamptz>
    )
);

/// When a message was written: another program may have left that out, or written a time that no calendar has.
const MOMENT: &str = "CASE WHEN m.created_at >= '0001-01-01 00:00Z' AND m.created_at < '10000-01-01 00:00Z' \
    THEN m.created_at ELSE '1970-01-01 00:00Z'::timestamptz END";

impl QueryFragment<Pg> for Statement<'_> {
    /// The ids by a loose index scan, each one's oldest and newest message by the same index. Ids that Hearth would refuse cannot be
    /// asked for, and are left out. A time that is none comes before all others: one such row must not hide the user's other sessions.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE who AS (SELECT ");
        out.push_bind_param::<Text, _>(&self.0.department)?;
        out.push_sql("::text AS department, ");
        out.push_bind_param::<Text, _>(&self.0.user_id)?;
        out.push_sql("::text AS user_id, ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&self.0.after_time)?;
        out.push_sql("::timestamptz AS after_time, ");
        out.push_bind_param::<Nullable<Text>, _>(&self.0.after_session)?;
        out.push_sql(
            "::text AS after_session), ids AS ( \
                 SELECT (SELECT m.session_id FROM chatbot_messages m \
                         WHERE m.department = who.department AND m.user_id = who.user_id \
                         ORDER BY m.session_id LIMIT 1) AS session_id \
                 FROM who \
                 UNION ALL \
                 SELECT (SELECT m.session_id FROM chatbot_messages m \
                         WHERE m.department = who.department AND m.user_id = who.user_id \
                           AND m.session_id > ids.session_id \
                         ORDER BY m.session_id LIMIT 1) \
                 FROM ids, who WHERE ids.session_id IS NOT NULL \
             ) \
             SELECT ids.session_id::text, known.version, oldest.created_at, newest.created_at, known.ended_at \
             FROM who CROSS JOIN ids \
             CROSS JOIN LATERAL ( \
                 SELECT ",
        );
        out.push_sql(MOMENT);
        out.push_sql(
            " AS created_at FROM chatbot_messages m \
                 WHERE m.department = who.department AND m.user_id = who.user_id \
                   AND m.session_id = ids.session_id ORDER BY m.id DESC LIMIT 1 \
             ) newest \
             CROSS JOIN LATERAL ( \
                 SELECT ",
        );
        out.push_sql(MOMENT);
        out.push_sql(
            " AS created_at FROM chatbot_messages m \
                 WHERE m.department = who.department AND m.user_id = who.user_id \
                   AND m.session_id = ids.session_id ORDER BY m.id LIMIT 1 \
             ) oldest \
             LEFT JOIN LATERAL ( \
                 SELECT s.version, s.ended_at FROM chatbot_sessions s \
                 WHERE s.department = who.department AND s.user_id = who.user_id \
                   AND s.session_id = ids.session_id COLLATE \"C\" LIMIT 1 \
             ) known ON true \
             WHERE ids.session_id IS NOT NULL \
               AND char_length(ids.session_id) BETWEEN 1 AND 128 \
               AND ids.session_id !~ '[\\u0001-\\u001F\\u007F-\\u009F]' \
               AND (who.after_time IS NULL OR newest.created_at < who.after_time \
                    OR (newest.created_at = who.after_time \
                        AND ids.session_id COLLATE \"C\" > who.after_session)) \
             ORDER BY newest.created_at DESC, ids.session_id COLLATE \"C\" \
             LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.0.limit)
    }
}
