//! Deletes all messages of sessions.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Text;

use crate::queries::{KeyColumns, fixed_statement};

/// Deletes the messages of sessions, and brings the session id of each message that there was.
pub(crate) struct DeleteMessages<'a>(pub(crate) &'a KeyColumns);

fixed_statement!(DeleteMessages<'a>, Text);

impl QueryFragment<Pg> for DeleteMessages<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH gone AS ( \
                 DELETE FROM chatbot_messages m USING unnest(",
        );
        self.0.push_to(&mut out)?;
        out.push_sql(
            ") AS k (department, user_id, session_id) \
                 WHERE m.department = k.department AND m.user_id = k.user_id AND m.session_id = k.session_id \
                 RETURNING m.session_id \
             ) SELECT DISTINCT session_id::text FROM gone",
        );
        Ok(())
    }
}
