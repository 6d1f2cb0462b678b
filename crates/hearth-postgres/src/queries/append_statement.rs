//! The text of the commit's statement. Batches of three more kinds pay for what they need, and others do not: each kind is a text of its
//! own, of one fixed shape.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};

use crate::notice;
use crate::queries::append_turns::{AppendTurns, MessageColumns, RequestColumns, SessionColumns};

/// The statement of a batch: where turns name `VERSIONS`, each session is looked up once more; where some are `KEYED`, their requests
/// are locked and completed; where others are to be `TOLD`, they are.
pub(super) struct Statement<'a, const VERSIONS: bool, const KEYED: bool, const TOLD: bool>(
    pub(super) &'a AppendTurns<'a>,
);

impl<const VERSIONS: bool, const KEYED: bool, const TOLD: bool> Query
    for Statement<'_, VERSIONS, KEYED, TOLD>
{
    /// The versions of the sessions, and the ids and times of the messages that were added.
    type SqlType = (Array<Nullable<BigInt>>, Array<BigInt>, Array<Timestamptz>);
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
        push_sessions::<VERSIONS, KEYED>(&batch.sessions, &mut out)?;
        if KEYED {
            push_claims(&batch.requests, &mut out)?;
        }
        push_raised::<VERSIONS, KEYED>(&mut out);
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
            ", noted AS (INSERT INTO chatbot_commits (batch_id, messages, versions, ids, times) SELECT ",
        );
        out.push_bind_param::<SqlUuid, _>(&batch.batch)?;
        out.push_sql(NOTED);
        out.push_sql(") SELECT versions, ids, times FROM noted");
        Ok(())
    }
}

/// Begins the statement with the sessions, which are numbered from 1 in the order of their keys.
fn push_sessions<'b, const VERSIONS: bool, const KEYED: bool>(
    sessions: &'b SessionColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql("WITH session AS MATERIALIZED (SELECT * FROM unnest(");
    for texts in [&sessions.departments, &sessions.users, &sessions.sessions] {
        out.push_bind_param::<Array<Text>, _>(texts)?;
        out.push_sql(", ");
    }
    for numbers in [&sessions.turns, &sessions.messages] {
        out.push_bind_param::<Array<BigInt>, _>(numbers)?;
        out.push_sql(", ");
    }
    out.push_bind_param::<Array<Nullable<BigInt>>, _>(&sessions.reads)?;
    if VERSIONS {
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&sessions.expected)?;
    }
    if KEYED {
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&sessions.keyed)?;
    }
    out.push_sql(") WITH ORDINALITY AS t (department, user_id, session_id, turns, messages, read_version");
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
             SELECT r.*, c.answer, c.session, c.nth, c.first_message, c.last_message FROM unnest(",
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
    for numbers in [
        &requests.sessions,
        &requests.nths,
        &requests.firsts,
        &requests.lasts,
    ] {
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(numbers)?;
    }
    out.push_sql(
        ") AS c (department, user_id, endpoint, key, owner, answer, session, nth, first_message, last_message) \
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

/// Creates or locks each session's row and raises its version, in the order of the keys, so that no two batches wait for each other.
///
/// A session is not raised where the claim of one of its turns is lost, where a turn read what is erased, or where it is not at the version
/// that its turn names: the last two are compared under the row's lock. The fence looks for the session only where there was an erase. A
/// session that is named with a version above 0 and has no row is in conflict, and must not come into being.
fn push_raised<const VERSIONS: bool, const KEYED: bool>(out: &mut AstPass<'_, '_, Pg>) {
    out.push_sql(
        ", raised AS ( \
             INSERT INTO chatbot_sessions AS s \
                 (department, user_id, session_id, version, started_at, last_active_at) \
             SELECT n.department, n.user_id, n.session_id, n.turns, clock_timestamp(), clock_timestamp() \
             FROM session n",
    );
    if KEYED {
        out.push_sql(
            " LEFT JOIN (SELECT session, count(*) AS held FROM claim GROUP BY session) AS claims \
                  ON claims.session = n.number",
        );
    }
    out.push_sql(if KEYED {
        " WHERE coalesce(claims.held, 0) = n.keyed"
    } else {
        " WHERE true"
    });
    if VERSIONS {
        out.push_sql(
            " AND (coalesce(n.expected, 0) = 0 \
                 OR EXISTS (SELECT FROM chatbot_sessions k WHERE k.department = n.department \
                            AND k.user_id = n.user_id AND k.session_id = n.session_id))",
        );
    }
    out.push_sql(
        " ORDER BY n.number \
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

/// - `reached` are all sessions, with the version of those that were raised: the only place where keys are compared.
/// - `moment` is the time of the commit, taken when every lock is held: times grow with ids.
/// - `told` comes before it: a view's triggers insert into the table behind it while `added` is at work, and that table's own trigger is
///   to be quiet by then.
/// - `added` are the messages in the order in which they were sent: by session, and there by arrival. The sort needs all of `reached`, so that
///   no id is drawn before the locks are held; within a session ids are therefore in the order of commits.
/// - `answer` has one row.
fn push_added<'b, const TOLD: bool>(
    messages: &'b MessageColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_sql(
        ", reached AS MATERIALIZED ( \
             SELECT n.number, n.department, n.user_id, n.session_id, n.turns, n.messages, raised.version \
             FROM session n LEFT JOIN raised USING (department, user_id, session_id) \
         ), moment AS MATERIALIZED ( \
             SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM raised) AS locked",
    );
    out.push_sql(if TOLD { ", told" } else { "" });
    out.push_sql(
        "), added AS ( \
             INSERT INTO chatbot_messages \
                 (department, user_id, session_id, role, content, created_at, metadata) \
             SELECT reached.department, reached.user_id, reached.session_id, \
                    m.role, m.content, coalesce(m.created_at, moment.now), m.metadata \
             FROM unnest(",
    );
    out.push_bind_param::<Array<BigInt>, _>(&messages.sessions)?;
    out.push_sql(", ");
    push_contents(messages, out)?;
    out.push_sql(
        ") WITH ORDINALITY AS m (session, role, content, created_at, metadata, place) \
             JOIN reached ON reached.number = m.session AND reached.version IS NOT NULL \
             CROSS JOIN moment \
             ORDER BY m.place",
    );
    out.push_sql(ANSWER);
    Ok(())
}

/// Binds what messages are beside their session: four arrays.
pub(super) fn push_contents<'b>(
    messages: &'b MessageColumns<'_>,
    out: &mut AstPass<'_, 'b, Pg>,
) -> QueryResult<()> {
    out.push_bind_param::<Array<Text>, _>(&messages.roles)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Text>, _>(&messages.contents)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Timestamptz>>, _>(&messages.times)?;
    out.push_sql(", ");
    out.push_bind_param::<Array<Nullable<Jsonb>>, _>(&messages.metadata)?;
    Ok(())
}

/// Ends the insertion of messages, and gathers what it brings in one row.
pub(super) const ANSWER: &str = " RETURNING id, created_at \
     ), answer AS MATERIALIZED ( \
         SELECT coalesce(array_agg(id), '{}') AS ids, coalesce(array_agg(created_at), '{}') AS times, \
                min(created_at) = max(created_at) AS together \
         FROM added \
     )";

/// Completes the requests of turns that are committed. They are locked and there: inserting them meets each by its key, where a join
/// might be planned to read them all. The messages of a session lie side by side in the answer, behind those of the sessions before it.
const COMPLETED: &str = ", completed AS ( \
        INSERT INTO chatbot_requests \
            (department, user_id, endpoint, key, body_hash, session_id, owner, lease_until, created_at, \
             state, answer, version, ids, times) \
        SELECT claim.department, claim.user_id, claim.endpoint, claim.key, claim.body_hash, claim.session_id, \
               claim.owner, claim.lease_until, claim.created_at, 'answered', claim.answer, \
               placed.version - placed.turns + claim.nth, \
               answer.ids[placed.before + claim.first_message : placed.before + claim.last_message], \
               answer.times[placed.before + claim.first_message : placed.before + claim.last_message] \
        FROM claim \
        JOIN (SELECT number, turns, version, (sum(messages) OVER (ORDER BY number) - messages)::int AS before \
              FROM reached WHERE version IS NOT NULL) AS placed ON placed.number = claim.session \
        CROSS JOIN answer \
        ON CONFLICT (department, user_id, endpoint, key) DO UPDATE \
        SET state = excluded.state, answer = excluded.answer, version = excluded.version, \
            ids = excluded.ids, times = excluded.times \
    )";

/// Refuses the whole statement where the batch is noted already, and where a message that was given was not added.
const NOTED: &str = ", sessions.messages, sessions.versions, answer.ids, \
        CASE WHEN answer.together THEN answer.times[1:1] ELSE answer.times END \
    FROM answer, \
        (SELECT coalesce(sum(messages) FILTER (WHERE version IS NOT NULL), 0) AS messages, \
                array_agg(version ORDER BY number) AS versions FROM reached) AS sessions \
    RETURNING versions, ids, times";
