//! Raises sessions' versions and notes what came before as erased. Afterwards their rows are locked until the transaction ends.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::notice::{self, GONE};
use crate::queries::{KeyColumns, fixed_statement};

/// Raises distinct sessions, those without a row too, and brings the new versions. Where there is a replica's name, others are told that
/// the sessions are gone.
pub(super) async fn raise_erased(
    connection: &mut AsyncPgConnection,
    sessions: &KeyColumns,
    replica: Option<&str>,
) -> QueryResult<Vec<i64>> {
    match replica {
        Some(replica) => Told { sessions, replica }.load(connection).await,
        None => Untold { sessions }.load(connection).await,
    }
}

struct Untold<'a> {
    sessions: &'a KeyColumns,
}

struct Told<'a> {
    sessions: &'a KeyColumns,
    replica: &'a str,
}

fixed_statement!(Untold<'a>, BigInt);
fixed_statement!(Told<'a>, BigInt);

impl QueryFragment<Pg> for Untold<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_raised(self.sessions, &mut out)?;
        out.push_sql(") SELECT version FROM raised");
        Ok(())
    }
}

impl QueryFragment<Pg> for Told<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_raised(self.sessions, &mut out)?;
        out.push_sql("), ");
        notice::push_told(&mut out, self.replica, "raised", &format!("'{GONE}'"))?;
        out.push_sql(" SELECT version FROM raised CROSS JOIN told");
        Ok(())
    }
}

/// In the order of the keys, as commits do it.
fn push_raised<'b>(sessions: &'b KeyColumns, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(
        "WITH raised AS (INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, erased_version, started_at, last_active_at) \
             SELECT k.department, k.user_id, k.session_id, 1, 0, now(), now() \
             FROM unnest(",
    );
    sessions.push_to(out)?;
    out.push_sql(
        ") AS k (department, user_id, session_id) \
             ORDER BY k.department COLLATE \"C\", k.user_id COLLATE \"C\", k.session_id COLLATE \"C\" \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET version = s.version + 1, erased_version = s.version \
             RETURNING s.department, s.user_id, s.session_id, s.version",
    );
    Ok(())
}
