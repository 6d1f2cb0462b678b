//! Forgets old requests.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;

/// Deletes up to `limit` requests that are older than an age, oldest first. One that somebody works on stays.
pub(crate) struct ForgetRequests {
    pub(crate) age_milliseconds: i64,
    pub(crate) limit: i64,
}

impl Intent for ForgetRequests {
    /// How many were deleted.
    type Answer = usize;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<usize> {
        Statement(self).execute(connection).await
    }
}

struct Statement<'a>(&'a ForgetRequests);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    /// Walks the index of ages from its oldest end, past what another replica is deleting. What is found is locked, so that it is still
    /// there and still old when it is deleted.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "DELETE FROM chatbot_requests WHERE ctid = ANY (ARRAY( \
                 SELECT ctid FROM chatbot_requests \
                 WHERE created_at <= now() - interval '1 millisecond' * ",
        );
        out.push_bind_param::<BigInt, _>(&self.0.age_milliseconds)?;
        out.push_sql(
            " AND (state <> 'claimed' OR owner IS NULL OR lease_until <= clock_timestamp()) \
                 ORDER BY created_at LIMIT ",
        );
        out.push_bind_param::<BigInt, _>(&self.0.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED))");
        Ok(())
    }
}
