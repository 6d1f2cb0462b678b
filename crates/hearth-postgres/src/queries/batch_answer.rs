//! What a batch was answered when it was committed.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sql_types::{Array, BigInt, Nullable, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use crate::queries::fixed_statement;

/// The primary key of the noted batches.
const ONCE: &str = "chatbot_commits_once";

/// Whether a statement was refused because its batch is noted already, and so over.
pub(crate) fn says_noted(error: &QueryError) -> bool {
    matches!(
        error,
        QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, refusal)
            if refusal.constraint_name() == Some(ONCE)
    )
}

/// Brings what was committed of a batch, as its own statement brought it.
pub(crate) struct BatchAnswer(pub(crate) Uuid);

fixed_statement!(
    BatchAnswer,
    (Array<Nullable<BigInt>>, Array<BigInt>, Array<Timestamptz>)
);

impl QueryFragment<Pg> for BatchAnswer {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT versions, ids, times FROM chatbot_commits WHERE batch_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.0)
    }
}
