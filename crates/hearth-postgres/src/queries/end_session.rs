//! Notes that a session is over.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::notice::{self, GONE};
use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::session::KeyRow;

/// Ends a session that is known, by its row or by its messages; the first end's time stays. Where there is a replica's name, others
/// are told that the session is gone, known or not: it may be in their memory.
pub(crate) struct EndSession {
    pub(crate) key: KeyRow,
    pub(crate) replica: Option<String>,
}

impl Intent for EndSession {
    type Answer = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        match &self.replica {
            Some(replica) => Told(&self.key, replica).execute(connection).await?,
            None => Untold(&self.key).execute(connection).await?,
        };
        Ok(())
    }
}

struct Untold<'a>(&'a KeyRow);

struct Told<'a>(&'a KeyRow, &'a str);

fixed_statement!(Untold<'a>, ());
fixed_statement!(Told<'a>, BigInt);

impl QueryFragment<Pg> for Untold<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_ended(self.0, &mut out)?;
        out.push_sql(") SELECT");
        Ok(())
    }
}

impl QueryFragment<Pg> for Told<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_ended(self.0, &mut out)?;
        out.push_sql("), ");
        notice::push_told(&mut out, self.1, "key", &format!("'{GONE}'"))?;
        out.push_sql(" SELECT messages FROM told");
        Ok(())
    }
}

fn push_ended<'b>(key: &'b KeyRow, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql("WITH key (department, user_id, session_id) AS (VALUES (");
    out.push_bind_param::<Text, _>(&key.department)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(&key.user_id)?;
    out.push_sql(", ");
    out.push_bind_param::<Text, _>(&key.session_id)?;
    out.push_sql(
        ")), ended AS ( \
             INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, started_at, last_active_at, ended_at) \
             SELECT k.department, k.user_id, k.session_id, 0, now(), now(), now() \
             FROM key k \
             WHERE EXISTS (SELECT FROM chatbot_sessions e WHERE e.department = k.department \
                           AND e.user_id = k.user_id AND e.session_id = k.session_id) \
                OR EXISTS (SELECT FROM chatbot_messages m WHERE m.department = k.department \
                           AND m.user_id = k.user_id AND m.session_id = k.session_id) \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET ended_at = coalesce(s.ended_at, excluded.ended_at)",
    );
    Ok(())
}
