//! Raises sessions' versions and notes what came before as erased. Afterwards their rows are locked until the transaction ends.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::BigInt;

use crate::queries::{KeyColumns, fixed_statement};

/// Raises distinct sessions, those without a row too, and brings the new versions.
pub(crate) struct RaiseErased<'a>(pub(crate) &'a KeyColumns);

fixed_statement!(RaiseErased<'a>, BigInt);

impl QueryFragment<Pg> for RaiseErased<'_> {
    /// In the order of the keys, as commits do it.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, erased_version, started_at, last_active_at) \
             SELECT k.department, k.user_id, k.session_id, 1, 0, now(), now() \
             FROM unnest(",
        );
        self.0.push_to(&mut out)?;
        out.push_sql(
            ") AS k (department, user_id, session_id) \
             ORDER BY k.department COLLATE \"C\", k.user_id COLLATE \"C\", k.session_id COLLATE \"C\" \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET version = s.version + 1, erased_version = s.version \
             RETURNING s.version",
        );
        Ok(())
    }
}
