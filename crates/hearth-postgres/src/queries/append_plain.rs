//! The commit of a batch without versions and keys: all of its sessions are raised, in the order in which they are given, so that nothing
//! needs to be matched with anything. Most turns are of this kind; it takes PostgreSQL a fifth less than the statement that looks at each
//! session's conditions.
//!
//! What a turn has read may have been erased since. That is seldom so, and is found here only at the end, by the order alone, and for the
//! batch as a whole: it fails then, and is committed by the other statement.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use crate::notice;
use crate::queries::append_statement::{ANSWER, push_contents};
use crate::queries::append_turns::{AppendTurns, MessageColumns, SessionColumns};

/// The statement; where turns have read something, the `FENCE` is looked at, and where others are to be `TOLD`, they are.
pub(super) struct PlainStatement<'a, const FENCE: bool, const TOLD: bool>(pub(super) &'a AppendTurns<'a>);

impl<const FENCE: bool, const TOLD: bool> Query for PlainStatement<'_, FENCE, TOLD> {
    /// The versions of the sessions, and the ids and times of the messages.
    type SqlType = (Array<Nullable<BigInt>>, Array<BigInt>, Array<Timestamptz>);
}

impl<const FENCE: bool, const TOLD: bool> QueryId for PlainStatement<'_, FENCE, TOLD> {
    type QueryId = PlainStatement<'static, FENCE, TOLD>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const FENCE: bool, const TOLD: bool> QueryFragment<Pg> for PlainStatement<'_, FENCE, TOLD> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let batch = self.0;
        push_raised::<FENCE>(&batch.sessions, &mut out)?;
        if TOLD {
            out.push_sql(", ");
            let replica = batch.replica.as_deref().unwrap_or_default();
            notice::push_told(&mut out, replica, "raised", "version")?;
        }
        push_added::<FENCE, TOLD>(&batch.messages, &mut out)?;
        out.push_sql(
            ", noted AS (INSERT INTO chatbot_commits (batch_id, messages, versions, ids, times) SELECT ",
        );
        out.push_bind_param::<SqlUuid, _>(&batch.batch)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&batch.messages.count)?;
        // A message that was given and not added fails the whole, and so does a session that was not raised, or was erased: the row's own
        // constraints see to that.
        out.push_sql(", CASE WHEN cardinality(locked.versions) = ");
        out.push_bind_param::<BigInt, _>(&batch.sessions.count)?;
        if FENCE {
            out.push_sql(" AND NOT EXISTS (SELECT FROM unnest(locked.erased, ");
            out.push_bind_param::<Array<Nullable<BigInt>>, _>(&batch.sessions.reads)?;
            out.push_sql(") AS fence (erased, read) WHERE fence.read <= fence.erased)");
        }
        out.push_sql(
            " THEN locked.versions END, answer.ids, \
                 CASE WHEN answer.together THEN answer.times[1:1] ELSE answer.times END \
             FROM locked, answer RETURNING versions, ids, times) SELECT versions, ids, times FROM noted",
        );
        Ok(())
    }
}

/// Whether the statement failed because not each of its sessions could be raised as it is: nothing is committed then.
pub(super) fn says_not_raised(error: &QueryError) -> bool {
    let QueryError::DatabaseError(DatabaseErrorKind::NotNullViolation, refusal) = error else {
        return false;
    };
    refusal.table_name() == Some("chatbot_commits") && refusal.column_name() == Some("versions")
}

/// Begins the statement: creates or locks each session's row and raises its version, in the order of the keys, so that no two batches wait
/// for each other.
fn push_raised<'b, const FENCE: bool>(
    sessions: &'b SessionColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(
        "WITH raised AS ( \
             INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, started_at, last_active_at) \
             SELECT n.department, n.user_id, n.session_id, n.turns, clock_timestamp(), clock_timestamp() \
             FROM unnest(",
    );
    for texts in [&sessions.departments, &sessions.users, &sessions.sessions] {
        out.push_bind_param::<Array<Text>, _>(texts)?;
        out.push_sql(", ");
    }
    out.push_bind_param::<Array<BigInt>, _>(&sessions.turns)?;
    out.push_sql(
        ") AS n (department, user_id, session_id, turns) \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET version = s.version + excluded.version, \
                 last_active_at = excluded.last_active_at, ended_at = NULL \
             RETURNING s.department, s.user_id, s.session_id, s.version",
    );
    out.push_sql(if FENCE { ", s.erased_version)" } else { ")" });
    Ok(())
}

/// - `locked` has one row, and is there when every lock is held and others are told: ids are drawn after that, and the time is taken, so that
///   both grow with the versions. `told` comes first because a view's triggers insert into the table behind it while `added` is at work, and
///   that table's own trigger is to be quiet by then.
/// - `answer` has one row.
fn push_added<'b, const FENCE: bool, const TOLD: bool>(
    messages: &'b MessageColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(if FENCE {
        ", locked AS MATERIALIZED ( \
             SELECT versions, erased, clock_timestamp() AS now \
             FROM (SELECT array_agg(version) AS versions, array_agg(erased_version) AS erased FROM raised) AS raised"
    } else {
        ", locked AS MATERIALIZED ( \
             SELECT versions, clock_timestamp() AS now \
             FROM (SELECT array_agg(version) AS versions FROM raised) AS raised"
    });
    out.push_sql(if TOLD { ", told" } else { "" });
    out.push_sql(
        "), added AS ( \
             INSERT INTO chatbot_messages \
                 (department, user_id, session_id, role, content, created_at, metadata) \
             SELECT m.department, m.user_id, m.session_id, \
                    m.role, m.content, coalesce(m.created_at, locked.now), m.metadata \
             FROM locked, unnest(",
    );
    for texts in [&messages.departments, &messages.users, &messages.session_ids] {
        out.push_bind_param::<Array<Text>, _>(texts)?;
        out.push_sql(", ");
    }
    push_contents(messages, out)?;
    out.push_sql(") AS m (department, user_id, session_id, role, content, created_at, metadata)");
    out.push_sql(ANSWER);
    Ok(())
}
