//! Claims a request that came with a key.

use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::request::{RequestKeyRow, RequestRow};

/// Claims a request, unless somebody else has it or it is over. By the owner who has it already it may be executed again.
pub(crate) struct ClaimRequest {
    pub(crate) request: RequestKeyRow,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) session_id: String,
    pub(crate) owner: Uuid,
    pub(crate) lease_milliseconds: i64,
}

/// What became of it.
pub(crate) enum ClaimAnswer {
    /// It is the owner's, and about this session.
    Granted(String),
    /// It was not granted, because of what the row says.
    Refused(RequestRow),
    /// It was not granted, and was forgotten since.
    Forgotten,
}

impl Intent for ClaimRequest {
    type Answer = ClaimAnswer;

    /// The second statement may see more than what refused the first one: both are true.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<ClaimAnswer> {
        // To the end of the answer: the row comes before the commit, and what fails there comes after it.
        let granted: Vec<String> = Grant(self).load(connection).await?;
        if let Some(session) = granted.into_iter().next() {
            return Ok(ClaimAnswer::Granted(session));
        }
        let row: Option<RequestRow> = Read(self).get_result(connection).await.optional()?;
        Ok(row.map_or(ClaimAnswer::Forgotten, ClaimAnswer::Refused))
    }
}

struct Grant<'a>(&'a ClaimRequest);

fixed_statement!(Grant<'a>, Text);

impl QueryFragment<Pg> for Grant<'_> {
    /// The session and the age of the first attempt stay.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let claim = self.0;
        out.push_sql(
            "INSERT INTO chatbot_requests AS r \
                 (department, user_id, endpoint, key, body_hash, session_id, owner, lease_until, created_at, state) \
             SELECT k.*, clock_timestamp(), 'claimed' FROM (VALUES (",
        );
        claim.request.push_to(&mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&claim.body_hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&claim.session_id)?;
        out.push_sql(", ");
        out.push_bind_param::<SqlUuid, _>(&claim.owner)?;
        out.push_sql(", clock_timestamp() + interval '1 millisecond' * ");
        out.push_bind_param::<BigInt, _>(&claim.lease_milliseconds)?;
        out.push_sql(
            ")) AS k \
             ON CONFLICT (department, user_id, endpoint, key) DO UPDATE \
             SET owner = excluded.owner, lease_until = excluded.lease_until \
             WHERE r.state = 'claimed' AND r.body_hash = excluded.body_hash \
               AND (r.owner IS NULL OR r.owner = excluded.owner OR r.lease_until <= clock_timestamp()) \
             RETURNING r.session_id",
        );
        Ok(())
    }
}

struct Read<'a>(&'a ClaimRequest);

fixed_statement!(
    Read<'a>,
    (
        Bool,
        Text,
        Text,
        Nullable<Jsonb>,
        Nullable<BigInt>,
        Nullable<Array<BigInt>>,
        Nullable<Array<Timestamptz>>
    )
);

impl QueryFragment<Pg> for Read<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT body_hash = ");
        out.push_bind_param::<Binary, _>(&self.0.body_hash)?;
        out.push_sql(
            ", state, session_id, answer, version, ids, times FROM chatbot_requests \
             WHERE (department, user_id, endpoint, key) = (",
        );
        self.0.request.push_to(&mut out)?;
        out.push_sql(")");
        Ok(())
    }
}
