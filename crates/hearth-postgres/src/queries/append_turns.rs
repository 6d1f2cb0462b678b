//! Commits any number of turns: one statement, which is its own transaction. It notes the batch's id and answer with them, so that
//! running it again either finds that it was committed, and what it answered, or commits it now.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use hearth_domain::Append;
use serde_json::Value;
use uuid::Uuid;

use crate::pool::Intent;
use crate::queries::batch_answer::{BatchAnswer, says_noted};
use crate::queries::{KeyColumns, fixed_statement};
use crate::rows::committed::CommittedRow;

/// Turns, and their messages, column by column.
pub(crate) struct AppendTurns<'a> {
    batch: Uuid,
    turns: KeyColumns,
    expected: Option<Vec<Option<i64>>>,
    turn_of_message: Vec<i64>,
    roles: Vec<&'static str>,
    contents: Vec<&'a str>,
    times: Vec<Option<DateTime<Utc>>>,
    metadata: Vec<Option<&'a Value>>,
}

impl<'a> AppendTurns<'a> {
    /// The columns of turns. A turn that names a version must be its session's only one.
    pub(crate) fn of(batch: Uuid, appends: &[&'a Append]) -> Self {
        let expected = |append: &&Append| append.if_version.map(hearth_domain::Version::to_stored);
        let any_expected = appends.iter().any(|append| append.if_version.is_some());
        let mut columns = Self {
            batch,
            turns: KeyColumns::default(),
            expected: any_expected.then(|| appends.iter().map(expected).collect()),
            turn_of_message: Vec::new(),
            roles: Vec::new(),
            contents: Vec::new(),
            times: Vec::new(),
            metadata: Vec::new(),
        };
        for (append, turn) in appends.iter().zip(1_i64..) {
            columns.turns.push(&append.key);
            for message in append.turn.messages() {
                columns.turn_of_message.push(turn);
                columns.roles.push(message.role().as_str());
                columns.contents.push(message.content());
                // Cut here: what the driver does with parts of a microsecond depends on the century.
                let time = message.created_at().map(|time| time.trunc_subsecs(6));
                columns.times.push(time);
                columns.metadata.push(message.metadata());
            }
        }
        columns
    }

    /// The id under which the batch is noted.
    pub(crate) const fn batch(&self) -> Uuid {
        self.batch
    }
}

impl Intent for AppendTurns<'_> {
    /// The inserted rows, whenever they were; none for a session that is not at the version that was named.
    type Answer = Vec<CommittedRow>;

    /// While the same batch is still being committed elsewhere, this waits for it to end.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<CommittedRow>> {
        let committed = match &self.expected {
            Some(expected) => AtVersions(self, expected).load(connection).await,
            None => AtAnyVersion(self).load(connection).await,
        };
        match committed {
            Err(error) if says_noted(&error) => BatchAnswer(self.batch).load(connection).await,
            committed => committed,
        }
    }
}

/// The statement of nearly all commits.
struct AtAnyVersion<'a>(&'a AppendTurns<'a>);

/// The statement of batches with turns that name a version: each session is looked up once more.
struct AtVersions<'a>(&'a AppendTurns<'a>, &'a [Option<i64>]);

fixed_statement!(AtAnyVersion<'a>, (BigInt, BigInt, BigInt, Timestamptz));
fixed_statement!(AtVersions<'a>, (BigInt, BigInt, BigInt, Timestamptz));

/// The distinct sessions, each with its first turn and the number of its turns.
const SESSIONS: &str = "SELECT department, user_id, session_id, min(number) AS first, count(*) AS turns \
                        FROM turn GROUP BY department, user_id, session_id";

/// Creates or locks each session's row and raises its version.
const RAISE: &str = "INSERT INTO chatbot_sessions AS s \
                         (department, user_id, session_id, version, started_at, last_active_at) \
                     SELECT n.department, n.user_id, n.session_id, n.turns, \
                            clock_timestamp(), clock_timestamp() ";

/// In the order of the keys, so that no two batches wait for each other.
const IN_ORDER: &str = "ORDER BY n.department COLLATE \"C\", n.user_id COLLATE \"C\", \
                            n.session_id COLLATE \"C\" \
                        ON CONFLICT (department, user_id, session_id) DO UPDATE \
                        SET version = s.version + excluded.version, \
                            last_active_at = excluded.last_active_at, ended_at = NULL ";

const RAISED: &str = "RETURNING s.department, s.user_id, s.session_id, s.version";

impl QueryFragment<Pg> for AtAnyVersion<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_turns(self.0, &mut out)?;
        out.push_sql(
            ") WITH ORDINALITY AS t (department, user_id, session_id, number)), session AS MATERIALIZED (",
        );
        out.push_sql(SESSIONS);
        out.push_sql("), raised AS (");
        out.push_sql(RAISE);
        out.push_sql("FROM session n ");
        out.push_sql(IN_ORDER);
        out.push_sql(RAISED);
        push_messages(self.0, &mut out)
    }
}

impl QueryFragment<Pg> for AtVersions<'_> {
    /// A session that is named with a version above 0 and has no row is in conflict, and must not come into being. The others are
    /// compared under their row's lock.
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        push_turns(self.0, &mut out)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(self.1)?;
        out.push_sql(
            ") WITH ORDINALITY AS t (department, user_id, session_id, expected, number)), \
             session AS MATERIALIZED ( \
                 SELECT counted.*, turn.expected FROM (",
        );
        out.push_sql(SESSIONS);
        out.push_sql(") counted JOIN turn ON turn.number = counted.first), raised AS (");
        out.push_sql(RAISE);
        out.push_sql(
            "FROM session n \
             WHERE coalesce(n.expected, 0) = 0 \
                OR EXISTS (SELECT FROM chatbot_sessions k WHERE k.department = n.department \
                           AND k.user_id = n.user_id AND k.session_id = n.session_id) ",
        );
        out.push_sql(IN_ORDER);
        out.push_sql(
            "WHERE s.version = coalesce( \
                 (SELECT n.expected FROM session n WHERE n.department = s.department \
                  AND n.user_id = s.user_id AND n.session_id = s.session_id), s.version) ",
        );
        out.push_sql(RAISED);
        push_messages(self.0, &mut out)
    }
}

/// Begins the statement.
fn push_turns<'b>(appends: &'b AppendTurns<'_>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(
        "WITH turn AS MATERIALIZED ( \
             SELECT * FROM unnest(",
    );
    appends.turns.push_to(out)
}

/// Ends the statement.
///
/// - `moment` is the time of the commit, taken when every lock is held: times grow with ids.
/// - `added` are the messages in the order of the turns. The sort needs all of `raised`, so that no id is drawn before the locks are
///   held; within a session ids are therefore in the order of commits.
/// - `noted` refuses the whole statement where the batch is noted already.
fn push_messages<'b>(appends: &'b AppendTurns<'_>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(
        "), moment AS MATERIALIZED ( \
             SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM raised) AS locked \
         ), added AS ( \
             INSERT INTO chatbot_messages \
                 (department, user_id, session_id, role, content, created_at, metadata) \
             SELECT turn.department, turn.user_id, turn.session_id, \
                    m.role, m.content, coalesce(m.created_at, moment.now), m.metadata \
             FROM unnest(",
    );
    out.push_bind_param::<Array<BigInt>, _>(&appends.turn_of_message)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&appends.roles)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&appends.contents)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&appends.times)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&appends.metadata)?;
    out.push_sql(
        ") WITH ORDINALITY AS m (turn, role, content, created_at, metadata, place) \
             JOIN turn ON turn.number = m.turn \
             JOIN raised USING (department, user_id, session_id) \
             CROSS JOIN moment \
             ORDER BY m.place \
             RETURNING department COLLATE \"C\" AS department, user_id COLLATE \"C\" AS user_id, \
                       session_id COLLATE \"C\" AS session_id, id, created_at \
         ), answer AS MATERIALIZED ( \
             SELECT session.first, raised.version, added.id, added.created_at \
             FROM added \
             JOIN raised USING (department, user_id, session_id) \
             JOIN session USING (department, user_id, session_id) \
         ), noted AS ( \
             INSERT INTO chatbot_commits (batch_id, turns, versions, ids, times) \
             SELECT ",
    );
    out.push_bind_param::<SqlUuid, _>(&appends.batch)?;
    out.push_sql(
        ", coalesce(array_agg(first), '{}'), coalesce(array_agg(version), '{}'), \
                coalesce(array_agg(id), '{}'), coalesce(array_agg(created_at), '{}') \
             FROM answer \
         ) \
         SELECT first, version, id, created_at FROM answer",
    );
    Ok(())
}
