//! What kept a turn from being committed.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use hearth_domain::Append;
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::refusal::RefusalRow;
use crate::rows::session::KeyRow;

/// Brings what a turn's conditions are compared with: its session's versions, and whether its request is still its owner's.
pub(crate) struct CommitRefusal {
    session: KeyRow,
    /// Department, user, endpoint and key.
    request: [Option<String>; 4],
    owner: Option<Uuid>,
}

impl CommitRefusal {
    pub(crate) fn of(append: &Append) -> Self {
        let completion = append.completes.as_ref();
        let request = completion.map(|completion| {
            let request = &completion.request;
            [
                request.department.as_str(),
                request.user.as_str(),
                request.endpoint.as_str(),
                request.key.as_str(),
            ]
            .map(|part| Some(part.to_owned()))
        });
        Self {
            session: KeyRow::of(&append.key),
            request: request.unwrap_or_default(),
            owner: completion.map(|completion| completion.owner.0),
        }
    }
}

impl Intent for CommitRefusal {
    type Answer = RefusalRow;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<RefusalRow> {
        Statement(self).get_result(connection).await
    }
}

struct Statement<'a>(&'a CommitRefusal);

fixed_statement!(Statement<'a>, (Nullable<BigInt>, Nullable<BigInt>, Bool));

impl QueryFragment<Pg> for Statement<'_> {
    /// Always one row.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let CommitRefusal {
            session,
            request,
            owner,
        } = self.0;
        out.push_sql(
            "SELECT s.version, s.erased_version, EXISTS ( \
                 SELECT FROM chatbot_requests \
                 WHERE state = 'claimed' AND (department, user_id, endpoint, key, owner) = (",
        );
        for part in request {
            out.push_bind_param::<Nullable<Text>, _>(part)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Nullable<SqlUuid>, _>(owner)?;
        out.push_sql(
            ")) FROM (SELECT) AS one \
             LEFT JOIN chatbot_sessions s ON (s.department, s.user_id, s.session_id) = (",
        );
        out.push_bind_param::<Text, _>(&session.department)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&session.user_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&session.session_id)?;
        out.push_sql(")");
        Ok(())
    }
}
