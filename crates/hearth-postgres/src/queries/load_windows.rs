//! The newest messages of any number of sessions, with their versions: one statement, one snapshot.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::{KeyColumns, fixed_statement};
use crate::rows::window::WindowRow;

/// Brings the newest `rows` rows of each key.
pub(crate) struct LoadWindows {
    pub(crate) keys: KeyColumns,
    pub(crate) rows: i64,
}

impl Intent for LoadWindows {
    type Answer = Vec<WindowRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<WindowRow>> {
        Statement(self).load(connection).await
    }
}

struct Statement<'a>(&'a LoadWindows);

fixed_statement!(
    Statement<'a>,
    (
        BigInt,
        Nullable<BigInt>,
        Nullable<BigInt>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Timestamptz>,
        Nullable<Text>
    )
);

impl QueryFragment<Pg> for Statement<'_> {
    /// The limits keep both sub-selects where they are, one walk down an index a key, whatever the planner thinks of the number of
    /// keys. Of the metadata only the status crosses the wire.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "SELECT wanted.place, known.version, \
                    newest.id, newest.role, newest.content, newest.created_at, newest.status \
             FROM unnest(",
        );
        self.0.keys.push_to(&mut out)?;
        out.push_sql(
            ") WITH ORDINALITY AS wanted (department, user_id, session_id, place) \
             LEFT JOIN LATERAL ( \
                 SELECT s.version FROM chatbot_sessions s \
                 WHERE s.department = wanted.department AND s.user_id = wanted.user_id \
                   AND s.session_id = wanted.session_id \
                 LIMIT 1 \
             ) known ON true \
             LEFT JOIN LATERAL ( \
                 SELECT m.id, m.role, m.content, m.created_at, m.metadata ->> 'status' AS status \
                 FROM chatbot_messages m \
                 WHERE m.department = wanted.department AND m.user_id = wanted.user_id \
                   AND m.session_id = wanted.session_id \
                 ORDER BY m.id DESC LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.0.rows)?;
        out.push_sql(") newest ON true");
        Ok(())
    }
}
