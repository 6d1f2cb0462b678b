//! The session ids of one user, valid or not.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Text;

use crate::queries::fixed_statement;

/// Brings every session id of a user, from the messages and from Hearth's own rows, in byte order.
pub(crate) struct UserSessions<'a> {
    pub(crate) department: &'a str,
    pub(crate) user_id: &'a str,
}

fixed_statement!(UserSessions<'a>, Text);

impl QueryFragment<Pg> for UserSessions<'_> {
    /// The messages' ids by a loose index scan: each step jumps to the next session, so that long sessions cost no more than short ones.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH RECURSIVE who AS (SELECT ");
        out.push_bind_param::<Text, _>(self.department)?;
        out.push_sql("::text AS department, ");
        out.push_bind_param::<Text, _>(self.user_id)?;
        out.push_sql(
            "::text AS user_id), ids AS ( \
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
             SELECT session_id::text COLLATE \"C\" FROM ids WHERE session_id IS NOT NULL \
             UNION \
             SELECT s.session_id FROM chatbot_sessions s, who \
             WHERE s.department = who.department AND s.user_id = who.user_id \
             ORDER BY 1",
        );
        Ok(())
    }
}
