//! Makes sure that a batch which may be on its way is not committed any more, unless it is already.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::batch_answer::{BatchAnswer, says_noted};
use crate::queries::fixed_statement;
use crate::rows::committed::CommittedBatch;

/// Notes a batch as one that did nothing.
pub(crate) struct AnnulBatch(pub(crate) Uuid);

/// What became of the batch.
pub(crate) enum Annulment {
    /// It was not committed, and never will be: whatever of it is still on its way meets the note.
    Annulled,
    /// It was committed before, with this answer.
    Committed(CommittedBatch),
}

impl Intent for AnnulBatch {
    type Answer = Annulment;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Annulment> {
        match Note(self.0).execute(connection).await {
            Ok(_) => Ok(Annulment::Annulled),
            Err(error) if says_noted(&error) => {
                let answer = BatchAnswer(self.0).get_result(connection).await?;
                Ok(Annulment::Committed(answer))
            }
            Err(error) => Err(error),
        }
    }
}

struct Note(Uuid);

fixed_statement!(Note, ());

impl QueryFragment<Pg> for Note {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("INSERT INTO chatbot_commits (batch_id, messages, versions, ids, times) VALUES (");
        out.push_bind_param::<SqlUuid, _>(&self.0)?;
        out.push_sql(", 0, '{}', '{}', '{}')");
        Ok(())
    }
}
