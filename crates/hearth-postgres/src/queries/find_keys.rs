//! Reads API keys.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::key::KeyColumnsRow;

/// A row of `hearth_keys`, all of it.
type Columns = (
    Text,
    Binary,
    Text,
    Nullable<Array<Text>>,
    Array<Text>,
    Timestamptz,
    Nullable<Timestamptz>,
);

const SELECT: &str =
    "SELECT id, secret_hash, label, departments, scopes, created_at, revoked_at FROM hearth_keys ";

/// Brings the key of an id.
pub(crate) struct FindKey(pub(crate) String);

/// Brings all keys, oldest first.
pub(crate) struct ListKeys {
    pub(crate) limit: i64,
}

impl Intent for FindKey {
    type Answer = Option<KeyColumnsRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Option<KeyColumnsRow>> {
        let found: Vec<KeyColumnsRow> = One(&self.0).load(connection).await?;
        Ok(found.into_iter().next())
    }
}

impl Intent for ListKeys {
    type Answer = Vec<KeyColumnsRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<KeyColumnsRow>> {
        All(self.limit).load(connection).await
    }
}

struct One<'a>(&'a str);

struct All(i64);

fixed_statement!(One<'a>, Columns);
fixed_statement!(All, Columns);

impl QueryFragment<Pg> for One<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(SELECT);
        out.push_sql("WHERE id = ");
        out.push_bind_param::<Text, _>(self.0)
    }
}

impl QueryFragment<Pg> for All {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(SELECT);
        out.push_sql("ORDER BY created_at, id LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.0)
    }
}
