//! Notes the answer of a request that leaves no turn behind.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Jsonb, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::request::RequestKeyRow;

/// Completes a request, if it is its owner's.
pub(crate) struct CompleteRequest {
    pub(crate) request: RequestKeyRow,
    pub(crate) owner: Uuid,
    pub(crate) answer: Value,
}

impl Intent for CompleteRequest {
    /// Whether it was.
    type Answer = bool;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<bool> {
        Ok(Statement(self).execute(connection).await? > 0)
    }
}

struct Statement<'a>(&'a CompleteRequest);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE chatbot_requests SET state = 'answered', answer = ");
        out.push_bind_param::<Jsonb, _>(&self.0.answer)?;
        out.push_sql(" WHERE (department, user_id, endpoint, key) = (");
        self.0.request.push_to(&mut out)?;
        out.push_sql(") AND state = 'claimed' AND owner = ");
        out.push_bind_param::<SqlUuid, _>(&self.0.owner)
    }
}
