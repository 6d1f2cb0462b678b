//! The keys of sessions with messages, in the order of the table's index.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::pool::Intent;
use crate::queries::fixed_statement;
use crate::rows::session::KeyRow;

/// Brings up to `limit` keys after one, valid or not; the key of three empty ids comes before all.
pub(crate) struct SessionKeys {
    pub(crate) department: Option<String>,
    pub(crate) after: KeyRow,
    pub(crate) limit: i64,
}

impl Intent for SessionKeys {
    type Answer = Vec<KeyRow>;

    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<KeyRow>> {
        match &self.department {
            Some(_) => OfDepartment(self).load(connection).await,
            None => OfAll(self).load(connection).await,
        }
    }
}

struct OfAll<'a>(&'a SessionKeys);
struct OfDepartment<'a>(&'a SessionKeys);

fixed_statement!(OfAll<'a>, (Text, Text, Text));
fixed_statement!(OfDepartment<'a>, (Text, Text, Text));

impl QueryFragment<Pg> for OfAll<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        walk(self.0, &None, &mut out, "")
    }
}

impl QueryFragment<Pg> for OfDepartment<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        walk(
            self.0,
            &self.0.department,
            &mut out,
            "m.department = step.within AND ",
        )
    }
}

/// A loose index scan: each step jumps to the next key. The order is the columns' own, since no other one is in the index. The two
/// statements are two texts: a condition that may be absent would keep the planner from the index.
fn walk<'b>(
    keys: &'b SessionKeys,
    only: &'b Option<String>,
    out: &mut AstPass<'_, 'b, Pg>,
    condition: &str,
) -> QueryResult<()> {
    out.push_sql("WITH RECURSIVE step (department, user_id, session_id, place, within) AS (SELECT ");
    out.push_bind_param::<Text, _>(&keys.after.department)?;
    out.push_sql("::text, ");
    out.push_bind_param::<Text, _>(&keys.after.user_id)?;
    out.push_sql("::text, ");
    out.push_bind_param::<Text, _>(&keys.after.session_id)?;
    out.push_sql("::text, 0::bigint, ");
    out.push_bind_param::<Nullable<Text>, _>(only)?;
    out.push_sql(
        "::text UNION ALL \
         SELECT next.department::text COLLATE \"default\", next.user_id::text COLLATE \"default\", \
                next.session_id::text COLLATE \"default\", step.place + 1, step.within \
         FROM step CROSS JOIN LATERAL ( \
             SELECT m.department, m.user_id, m.session_id FROM chatbot_messages m WHERE ",
    );
    out.push_sql(condition);
    out.push_sql(
        "(m.department, m.user_id, m.session_id) > (step.department, step.user_id, step.session_id) \
               AND m.user_id IS NOT NULL AND m.session_id IS NOT NULL \
             ORDER BY m.department, m.user_id, m.session_id LIMIT 1 \
         ) next WHERE step.place < ",
    );
    out.push_bind_param::<BigInt, _>(&keys.limit)?;
    out.push_sql(") SELECT department, user_id, session_id FROM step WHERE place > 0 ORDER BY place");
    Ok(())
}
