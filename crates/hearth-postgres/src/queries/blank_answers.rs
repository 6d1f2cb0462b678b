//! Blanks the answers that are kept for repeats, where their sessions are erased.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Nullable, Text};

use crate::queries::fixed_statement;

/// Blanks the answers of a user's requests, those about one session or all.
///
/// It must come after the erased sessions' rows are locked: only then is every turn that was committed before to be seen with its answer.
/// It waits for nobody who waits for those rows: a commit locks its requests first, but they are not answered yet.
pub(crate) struct BlankAnswers<'a> {
    pub(crate) department: &'a str,
    pub(crate) user_id: &'a str,
    pub(crate) session_id: Option<&'a str>,
}

fixed_statement!(BlankAnswers<'a>, ());

impl QueryFragment<Pg> for BlankAnswers<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "UPDATE chatbot_requests \
             SET state = 'erased', answer = NULL, version = NULL, ids = NULL, times = NULL \
             WHERE state = 'answered' AND department = ",
        );
        out.push_bind_param::<Text, _>(self.department)?;
        out.push_sql(" AND user_id = ");
        out.push_bind_param::<Text, _>(self.user_id)?;
        out.push_sql(" AND session_id = coalesce(");
        out.push_bind_param::<Nullable<Text>, _>(&self.session_id)?;
        out.push_sql(", session_id)");
        Ok(())
    }
}
