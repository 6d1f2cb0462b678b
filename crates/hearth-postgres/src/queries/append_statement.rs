//! The text of the commit's statement. Batches of three more kinds pay for what they need, and others do not: each kind is a text of its
//! own, of one fixed shape.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use crate::notice;
use crate::queries::append_turns::{AppendTurns, MessageColumns, RequestColumns};

/// The statement of a batch: where turns name `VERSIONS`, each session is looked up once more; where some are `KEYED`, their requests
/// are locked and completed; where others are to be `TOLD`, they are.
pub(super) struct Statement<'a, const VERSIONS: bool, const KEYED: bool, const TOLD: bool>(
    pub(super) &'a AppendTurns<'a>,
);

impl<const VERSIONS: bool, const KEYED: bool, const TOLD: bool> Query
    for Statement<'_, VERSIONS, KEYED, TOLD>
{
    /// The place of the session's first turn in the batch, the session's version with all its turns, and a row's id and time.
    type SqlType = (BigInt, BigInt, BigInt, Timestamptz);
}

impl<const VERSIONS: bool, const KEYED: bool, const TOLD: bool> QueryId
    for Statement<'_, VERSIONS, KEYED, TOLD>
{
    type QueryId = Statement<'static, VERSIONS, KEYED, TOLD>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const VERSIONS: bool, const KEYED: bool, const TOLD: bool> QueryFragment<Pg>
    for Statement<'_, VERSIONS, KEYED, TOLD>
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let batch = self.0;
        push_turns::<VERSIONS, KEYED>(batch, &mut out)?;
        if KEYED {
            push_claims(&batch.requests, &mut out)?;
        }
        push_sessions::<VERSIONS, KEYED>(&mut out);
        push_raised::<VERSIONS>(&mut out);
        if TOLD {
            out.push_sql(", ");
            let replica = batch.replica.as_deref().unwrap_or_default();
            notice::push_told(&mut out, replica, "raised", "version")?;
        }
        push_added::<TOLD>(&batch.messages, &mut out)?;
        if KEYED {
            out.push_sql(COMPLETED);
        }
        out.push_sql(
            ", noted AS (INSERT INTO chatbot_commits (batch_id, turns, versions, ids, times) SELECT ",
        );
        out.push_bind_param::<SqlUuid, _>(&batch.batch)?;
        out.push_sql(NOTED);
        out.push_sql(") SELECT first, version, id, created_at FROM answer");
        Ok(())
    }
}

/// Begins the statement with the turns, which are numbered from 1.
fn push_turns<'b, const VERSIONS: bool, const KEYED: bool>(
    batch: &'b AppendTurns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql("WITH turn AS MATERIALIZED (SELECT * FROM unnest(");
    batch.turns.push_to(out)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<BigInt>>, _>(&batch.reads)?;
    if VERSIONS {
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&batch.expected)?;
    }
    if KEYED {
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&batch.keyed)?;
    }
    out.push_sql(") WITH ORDINALITY AS t (department, user_id, session_id, read_version");
    out.push_sql(if VERSIONS { ", expected" } else { "" });
    out.push_sql(if KEYED { ", keyed" } else { "" });
    out.push_sql(", number))");
    Ok(())
}

/// Locks the requests that are still their owners', before any session and in the order in which they are given: no two batches wait
/// for each other.
fn push_claims<'b>(requests: &'b RequestColumns<'_>, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
    out.push_sql(
        ", claim AS MATERIALIZED ( \
             SELECT r.*, c.answer, c.turn, c.nth, c.first_message, c.last_message FROM unnest(",
    );
    out.push_bind_param::<Array<Text>, _>(&requests.departments)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&requests.users)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&requests.endpoints)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&requests.keys)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<SqlUuid>, _>(&requests.owners)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Jsonb>, _>(&requests.answers)?;
    for numbers in [&requests.turns, &requests.nths, &requests.firsts, &requests.lasts] {
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(numbers)?;
    }
    out.push_sql(
        ") AS c (department, user_id, endpoint, key, owner, answer, turn, nth, first_message, last_message) \
             CROSS JOIN LATERAL ( \
                 SELECT department, user_id, endpoint, key, body_hash, session_id, owner, lease_until, created_at \
                 FROM chatbot_requests \
                 WHERE department = c.department AND user_id = c.user_id AND endpoint = c.endpoint AND key = c.key \
                   AND owner = c.owner AND state = 'claimed' \
                 FOR UPDATE \
             ) AS r \
         )",
    );
    Ok(())
}

/// The distinct sessions, each with its first turn, the number of its turns and the oldest version that one of them read; none where the
/// claim of a turn is lost.
fn push_sessions<const VERSIONS: bool, const KEYED: bool>(out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql(
        ", session AS MATERIALIZED ( \
             SELECT turn.department, turn.user_id, turn.session_id, min(turn.number) AS first, \
                    count(*) AS turns, min(turn.read_version) AS read_version",
    );
    out.push_sql(if VERSIONS {
        ", min(turn.expected) AS expected"
    } else {
        ""
    });
    out.push_sql(" FROM turn");
    if KEYED {
        out.push_sql(" LEFT JOIN claim ON claim.turn = turn.number");
    }
    out.push_sql(" GROUP BY turn.department, turn.user_id, turn.session_id");
    if KEYED {
        out.push_sql(" HAVING count(claim.turn) = count(*) FILTER (WHERE turn.keyed)");
    }
    out.push_sql(")");
}

/// Creates or locks each session's row and raises its version, in the order of the keys, so that no two batches wait for each other.
///
/// A session is not raised where a turn read what is erased, or where it is not at the version that its turn names: both are compared
/// under the row's lock. The first looks for the turn only where there was an erase. A session that is named with a version above 0 and
/// has no row is in conflict, and must not come into being.
fn push_raised<const VERSIONS: bool>(out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql(
        ", raised AS ( \
             INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, started_at, last_active_at) \
             SELECT n.department, n.user_id, n.session_id, n.turns, clock_timestamp(), clock_timestamp() \
             FROM session n",
    );
    if VERSIONS {
        out.push_sql(
            " WHERE coalesce(n.expected, 0) = 0 \
                 OR EXISTS (SELECT FROM chatbot_sessions k WHERE k.department = n.department \
                            AND k.user_id = n.user_id AND k.session_id = n.session_id)",
        );
    }
    out.push_sql(
        " ORDER BY n.department COLLATE \"C\", n.user_id COLLATE \"C\", n.session_id COLLATE \"C\" \
             ON CONFLICT (department, user_id, session_id) DO UPDATE \
             SET version = s.version + excluded.version, \
                 last_active_at = excluded.last_active_at, ended_at = NULL \
             WHERE (s.erased_version IS NULL OR coalesce( \
                 (SELECT n.read_version > s.erased_version FROM session n WHERE n.department = s.department \
                  AND n.user_id = s.user_id AND n.session_id = s.session_id), true))",
    );
    if VERSIONS {
        out.push_sql(
            " AND s.version = coalesce( \
                 (SELECT n.expected FROM session n WHERE n.department = s.department \
                  AND n.user_id = s.user_id AND n.session_id = s.session_id), s.version)",
        );
    }
    out.push_sql(" RETURNING s.department, s.user_id, s.session_id, s.version)");
}

/// - `moment` is the time of the commit, taken when every lock is held: times grow with ids.
/// - `told` comes before it: a view's triggers insert into the table behind it while `added` is at work, and that table's own trigger is
///   to be quiet by then.
/// - `added` are the messages in the order of the turns. The sort needs all of `raised`, so that no id is drawn before the locks are
///   held; within a session ids are therefore in the order of commits.
fn push_added<'b, const TOLD: bool>(
    messages: &'b MessageColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(
        ", moment AS MATERIALIZED ( \
             SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM raised) AS locked",
    );
    out.push_sql(if TOLD { ", told" } else { "" });
    out.push_sql(
        "), added AS ( \
             INSERT INTO chatbot_messages \
                 (department, user_id, session_id, role, content, created_at, metadata) \
             SELECT turn.department, turn.user_id, turn.session_id, \
                    m.role, m.content, coalesce(m.created_at, moment.now), m.metadata \
             FROM unnest(",
    );
    out.push_bind_param::<Array<BigInt>, _>(&messages.turns)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&messages.roles)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&messages.contents)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&messages.times)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&messages.metadata)?;
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
         )",
    );
    Ok(())
}

/// Completes the requests of turns that are committed. They are locked and there: inserting them meets each by its key, where a join
/// might be planned to read them all.
const COMPLETED: &str = ", done AS MATERIALIZED ( \
        SELECT first, version, array_agg(id ORDER BY id) AS ids, array_agg(created_at ORDER BY id) AS times \
        FROM answer GROUP BY first, version \
    ), completed AS ( \
        INSERT INTO chatbot_requests \
            (department, user_id, endpoint, key, body_hash, session_id, owner, lease_until, created_at, \
             state, answer, version, ids, times) \
        SELECT claim.department, claim.user_id, claim.endpoint, claim.key, claim.body_hash, claim.session_id, \
               claim.owner, claim.lease_until, claim.created_at, 'answered', claim.answer, \
               done.version - session.turns + claim.nth, \
               done.ids[claim.first_message::int:claim.last_message::int], \
               done.times[claim.first_message::int:claim.last_message::int] \
        FROM claim \
        JOIN turn ON turn.number = claim.turn \
        JOIN session ON session.department = turn.department AND session.user_id = turn.user_id \
                    AND session.session_id = turn.session_id \
        JOIN done ON done.first = session.first \
        ON CONFLICT (department, user_id, endpoint, key) DO UPDATE \
        SET state = excluded.state, answer = excluded.answer, version = excluded.version, \
            ids = excluded.ids, times = excluded.times \
    )";

/// Refuses the whole statement where the batch is noted already.
const NOTED: &str = ", coalesce(array_agg(first), '{}'), coalesce(array_agg(version), '{}'), \
        coalesce(array_agg(id), '{}'), coalesce(array_agg(created_at), '{}') \
    FROM answer";
