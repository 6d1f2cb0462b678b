//! Revokes an API key.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;

/// Revokes the key of an id; one that was revoked before keeps its time.
pub(crate) struct RevokeKey(pub(crate) String);

impl Intent for RevokeKey {
    /// Whether there is one.
    type Answer = bool;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<bool> {
        Ok(Statement(&self.0).execute(connection).await? > 0)
    }
}

struct Statement<'a>(&'a str);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE hearth_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = ");
        out.push_bind_param::<Text, _>(self.0)
    }
}
