//! Keeps a new API key.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, Binary, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::key::KeyColumnsRow;

/// Inserts one key; an id that is taken is refused.
pub(crate) struct InsertKey(pub(crate) KeyColumnsRow);

impl Intent for InsertKey {
    type Answer = usize;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<usize> {
        Statement(&self.0).execute(connection).await
    }
}

struct Statement<'a>(&'a KeyColumnsRow);

fixed_statement!(Statement<'a>, ());

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let key = self.0;
        out.push_sql(
            "INSERT INTO hearth_keys (id, secret_hash, label, departments, scopes, created_at, revoked_at) VALUES (",
        );
        out.push_bind_param::<Text, _>(&key.id)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&key.secret_hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&key.label)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Array<Text>>, _>(&key.departments)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&key.scopes)?;
        out.push_sql(", ");
        out.push_bind_param::<Timestamptz, _>(&key.created_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Timestamptz>, _>(&key.revoked_at)?;
        out.push_sql(")");
        Ok(())
    }
}
