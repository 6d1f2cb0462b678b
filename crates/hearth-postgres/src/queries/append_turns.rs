//! Commits any number of turns: one statement, which is its own transaction. It notes the batch's id and answer with them, so that
//! running it again either finds that it was committed, and what it answered, or commits it now.

use std::cmp::Ordering;

use chrono::{DateTime, SubsecRound, Utc};
use diesel::QueryResult;
use diesel::result::Error as QueryError;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use hearth_domain::{Append, Committed, Completion, Version};
use serde_json::Value;
use uuid::Uuid;

use crate::error::Fault;
use crate::notice::ReplicaId;
use crate::pool::Intent;
use crate::queries::append_plain::{PlainStatement, says_not_raised};
use crate::queries::append_statement::Statement;
use crate::queries::batch_answer::{BatchAnswer, says_noted};
use crate::rows::committed::{CommittedBatch, SentTurn};

/// Turns, their messages, and the requests that they complete, column by column.
pub(crate) struct AppendTurns<'a> {
    pub(super) batch: Uuid,
    pub(super) sessions: SessionColumns<'a>,
    pub(super) messages: MessageColumns<'a>,
    pub(super) requests: RequestColumns<'a>,
    pub(super) replica: Option<String>,
    /// The turns in the order of the statement: by their session's key, and then by arrival.
    sent: Vec<SentTurn>,
}

/// The sessions of the turns, in the order of their keys: every batch locks them in it, so that no two wait for each other.
#[derive(Default)]
pub(super) struct SessionColumns<'a> {
    pub(super) departments: Vec<&'a str>,
    pub(super) users: Vec<&'a str>,
    pub(super) sessions: Vec<&'a str>,
    /// How many sessions there are.
    pub(super) count: i64,
    /// How many turns a session has here, and how many messages they have together.
    pub(super) turns: Vec<i64>,
    pub(super) messages: Vec<i64>,
    /// The oldest version that one of its turns read, where one read any.
    pub(super) reads: Vec<Option<i64>>,
    /// The version that its only turn names.
    pub(super) expected: Vec<Option<i64>>,
    /// How many of its turns complete a request.
    pub(super) keyed: Vec<i64>,
}

/// Messages, in the order of the turns.
#[derive(Default)]
pub(super) struct MessageColumns<'a> {
    pub(super) departments: Vec<&'a str>,
    pub(super) users: Vec<&'a str>,
    pub(super) session_ids: Vec<&'a str>,
    /// The place of the message's session, from 1.
    pub(super) sessions: Vec<i64>,
    /// How many messages there are.
    pub(super) count: i64,
    pub(super) roles: Vec<&'static str>,
    pub(super) contents: Vec<&'a str>,
    pub(super) times: Vec<Option<DateTime<Utc>>>,
    pub(super) metadata: Vec<Option<&'a Value>>,
}

/// The requests that turns complete, in the order in which every batch locks them.
#[derive(Default)]
pub(super) struct RequestColumns<'a> {
    pub(super) departments: Vec<&'a str>,
    pub(super) users: Vec<&'a str>,
    pub(super) endpoints: Vec<&'static str>,
    pub(super) keys: Vec<&'a str>,
    pub(super) owners: Vec<Uuid>,
    pub(super) answers: Vec<&'a Value>,
    /// The place of the turn's session, from 1.
    pub(super) sessions: Vec<i64>,
    /// The turn's place among those of its session, from 1.
    pub(super) nths: Vec<i64>,
    /// The turn's messages among those of its session: the first and the last one, from 1.
    pub(super) firsts: Vec<i64>,
    pub(super) lasts: Vec<i64>,
}

impl<'a> AppendTurns<'a> {
    /// The columns of turns. A turn that names a version must be its session's only one, and no two may complete the same request.
    pub(crate) fn of(batch: Uuid, appends: &[&'a Append], replica: Option<ReplicaId>) -> Self {
        let mut turns: Vec<(usize, &'a Append)> = appends.iter().copied().enumerate().collect();
        // Stable: turns of one session stay in the order of arrival.
        turns.sort_by(|(_, one), (_, other)| one.key.cmp(&other.key));
        let mut sessions = SessionColumns::default();
        let mut messages = MessageColumns::default();
        let mut completions = Vec::new();
        let mut sent = Vec::with_capacity(turns.len());
        let of_one_session =
            turns.chunk_by(|(_, one), (_, other)| one.key.cmp(&other.key) == Ordering::Equal);
        for (turns, number) in of_one_session.zip(1_i64..) {
            let mut before = 0;
            for ((place, append), nth) in turns.iter().zip(1_i64..) {
                messages.push(number, append);
                let first = before + 1;
                before += count(append.turn.messages().len());
                if let Some(completion) = &append.completes {
                    completions.push((completion, [number, nth, first, before]));
                }
                sent.push(SentTurn {
                    place: *place,
                    session: sessions.turns.len(),
                    messages: append.turn.messages().len(),
                });
            }
            sessions.push(turns.iter().map(|(_, append)| *append), before);
        }
        Self {
            batch,
            sessions,
            messages,
            requests: RequestColumns::of(completions),
            replica: replica.map(ReplicaId::to_text),
            sent,
        }
    }

    /// The id under which the batch is noted.
    pub(crate) const fn batch(&self) -> Uuid {
        self.batch
    }

    /// What each turn came to, in the order in which they were given; nothing for those of a session one of whose turns must not be
    /// committed.
    ///
    /// # Errors
    ///
    /// Where the answer is not one to this batch.
    pub(crate) fn outcomes(&self, answer: &CommittedBatch) -> Result<Vec<Option<Committed>>, Fault> {
        answer.outcomes(&self.sent)
    }

    /// Whether no turn completes a request or names a version.
    fn is_plain(&self) -> bool {
        self.requests.keys.is_empty() && !self.names_versions()
    }

    fn names_versions(&self) -> bool {
        self.sessions.expected.iter().any(Option::is_some)
    }

    /// Reads to the end of the answer, and not to its one row alone: the row comes before the commit, and what fails there comes after it.
    async fn commit_plain(&self, connection: &mut AsyncPgConnection) -> QueryResult<CommittedBatch> {
        let has_read = self.sessions.reads.iter().any(Option::is_some);
        let answers: QueryResult<Vec<CommittedBatch>> = match (has_read, self.replica.is_some()) {
            (false, false) => PlainStatement::<false, false>(self).load(connection).await,
            (false, true) => PlainStatement::<false, true>(self).load(connection).await,
            (true, false) => PlainStatement::<true, false>(self).load(connection).await,
            (true, true) => PlainStatement::<true, true>(self).load(connection).await,
        };
        answers?.pop().ok_or(QueryError::NotFound)
    }

    /// The same where sessions have conditions: that of a version if there are `VERSIONS`, those of keys, and the fence.
    async fn commit<const VERSIONS: bool>(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> QueryResult<CommittedBatch> {
        let is_keyed = !self.requests.keys.is_empty();
        let answers: QueryResult<Vec<CommittedBatch>> = match (is_keyed, self.replica.is_some()) {
            (false, false) => Statement::<VERSIONS, false, false>(self).load(connection).await,
            (false, true) => Statement::<VERSIONS, false, true>(self).load(connection).await,
            (true, false) => Statement::<VERSIONS, true, false>(self).load(connection).await,
            (true, true) => Statement::<VERSIONS, true, true>(self).load(connection).await,
        };
        answers?.pop().ok_or(QueryError::NotFound)
    }
}

impl Intent for AppendTurns<'_> {
    /// What was committed, whenever it was.
    type Answer = CommittedBatch;

    /// While the same batch is still being committed elsewhere, this waits for it to end.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<CommittedBatch> {
        let committed = if self.is_plain() {
            match self.commit_plain(connection).await {
                Err(error) if says_not_raised(&error) => self.commit::<false>(connection).await,
                committed => committed,
            }
        } else if self.names_versions() {
            self.commit::<true>(connection).await
        } else {
            self.commit::<false>(connection).await
        };
        match committed {
            Err(error) if says_noted(&error) => BatchAnswer(self.batch).get_result(connection).await,
            committed => committed,
        }
    }
}

impl<'a> SessionColumns<'a> {
    /// Adds the session of these turns, which have so many messages.
    fn push(&mut self, turns: impl Iterator<Item = &'a Append> + Clone, messages: i64) {
        let Some(first) = turns.clone().next() else {
            return;
        };
        let stored = |version: Option<Version>| version.map(Version::to_stored);
        self.count += 1;
        self.departments.push(first.key.department.as_str());
        self.users.push(first.key.user.as_str());
        self.sessions.push(first.key.session.as_str());
        self.turns.push(count(turns.clone().count()));
        self.messages.push(messages);
        let reads = turns.clone().filter_map(|append| append.read_version);
        self.reads.push(stored(reads.min()));
        self.expected.push(stored(first.if_version));
        let keyed = turns.filter(|append| append.completes.is_some());
        self.keyed.push(count(keyed.count()));
    }
}

impl<'a> MessageColumns<'a> {
    fn push(&mut self, session: i64, append: &'a Append) {
        for message in append.turn.messages() {
            self.departments.push(append.key.department.as_str());
            self.users.push(append.key.user.as_str());
            self.session_ids.push(append.key.session.as_str());
            self.sessions.push(session);
            self.count += 1;
            self.roles.push(message.role().as_str());
            self.contents.push(message.content());
            // Cut here: what the driver does with parts of a microsecond depends on the century.
            let time = message.created_at().map(|time| time.trunc_subsecs(6));
            self.times.push(time);
            self.metadata.push(message.metadata());
        }
    }
}

impl<'a> RequestColumns<'a> {
    /// Of each request: its session, its turn's place there, its first message and its last one.
    fn of(mut completions: Vec<(&'a Completion, [i64; 4])>) -> Self {
        completions.sort_unstable_by_key(|(completion, _)| &completion.request);
        let mut columns = Self::default();
        for (completion, [session, nth, first, last]) in completions {
            let request = &completion.request;
            columns.departments.push(request.department.as_str());
            columns.users.push(request.user.as_str());
            columns.endpoints.push(request.endpoint.as_str());
            columns.keys.push(request.key.as_str());
            columns.owners.push(completion.owner.0);
            columns.answers.push(&completion.answer);
            columns.sessions.push(session);
            columns.nths.push(nth);
            columns.firsts.push(first);
            columns.lasts.push(last);
        }
        columns
    }
}

/// As the statement counts.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
