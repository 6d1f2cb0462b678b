//! Forgets batches that nobody can be in doubt about any more.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::fixed_statement;

/// How long a batch is noted. Doubts end with the deadlines of their turns, which are seconds.
const KEPT_MILLISECONDS: u128 = 3_600_000;

/// Deletes up to `limit` batches that were committed more than an hour ago.
pub(crate) struct DeleteCommits {
    below: Uuid,
    limit: i64,
}

impl DeleteCommits {
    /// Those that this process's clock and the server's both call old.
    pub(crate) fn up_to(limit: i64) -> Self {
        // The milliseconds since 1970 are the first 48 bits of an id.
        let now = Uuid::now_v7().as_u128() >> 80;
        Self {
            below: Uuid::from_u128(now.saturating_sub(KEPT_MILLISECONDS) << 80),
            limit,
        }
    }
}

impl Intent for DeleteCommits {
    /// How many were deleted.
    type Answer = usize;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<usize> {
        Statement(self).execute(connection).await
    }
}

struct Statement<'a>(&'a DeleteCommits);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    /// Walks the primary key from its oldest end, past what another replica is deleting.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "DELETE FROM chatbot_commits WHERE batch_id = ANY (ARRAY( \
                 SELECT batch_id FROM chatbot_commits WHERE batch_id < ",
        );
        out.push_bind_param::<SqlUuid, _>(&self.0.below)?;
        out.push_sql(" AND committed_at < now() - interval '1 hour' ORDER BY batch_id LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.0.limit)?;
        out.push_sql(" FOR UPDATE SKIP LOCKED))");
        Ok(())
    }
}
