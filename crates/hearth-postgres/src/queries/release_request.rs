//! Gives a claimed request back.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::request::RequestKeyRow;

/// Leaves a request without an owner, if it is its owner's; its session stays.
pub(crate) struct ReleaseRequest {
    pub(crate) request: RequestKeyRow,
    pub(crate) owner: Uuid,
}

impl Intent for ReleaseRequest {
    type Answer = ();

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<()> {
        Statement(self).execute(connection).await?;
        Ok(())
    }
}

struct Statement<'a>(&'a ReleaseRequest);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE chatbot_requests SET owner = NULL WHERE (department, user_id, endpoint, key) = (",
        );
        self.0.request.push_to(&mut out)?;
        out.push_sql(") AND state = 'claimed' AND owner = ");
        out.push_bind_param::<SqlUuid, _>(&self.0.owner)
    }
}
