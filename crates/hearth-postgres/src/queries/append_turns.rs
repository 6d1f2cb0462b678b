//! Commits any number of turns: one statement, which is its own transaction. It notes the batch's id and answer with them, so that
//! running it again either finds that it was committed, and what it answered, or commits it now.

use std::collections::HashMap;

use chrono::{DateTime, SubsecRound, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use hearth_domain::{Append, Completion, ConversationKey, Version};
use serde_json::Value;
use uuid::Uuid;

use crate::notice::ReplicaId;
use crate::pool::Intent;
use crate::queries::KeyColumns;
use crate::queries::append_statement::Statement;
use crate::queries::batch_answer::{BatchAnswer, says_noted};
use crate::rows::committed::CommittedRow;

/// Turns, their messages, and the requests that they complete, column by column.
pub(crate) struct AppendTurns<'a> {
    pub(super) batch: Uuid,
    pub(super) turns: KeyColumns,
    pub(super) reads: Vec<Option<i64>>,
    pub(super) expected: Vec<Option<i64>>,
    pub(super) keyed: Vec<bool>,
    pub(super) messages: MessageColumns<'a>,
    pub(super) requests: RequestColumns<'a>,
    pub(super) replica: Option<String>,
}

/// Messages, in the order of their turns.
#[derive(Default)]
pub(super) struct MessageColumns<'a> {
    /// The place of the message's turn in the batch, from 1.
    pub(super) turns: Vec<i64>,
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
    /// The place of the request's turn in the batch, from 1.
    pub(super) turns: Vec<i64>,
    /// The turn's place among those of its session, from 1.
    pub(super) nths: Vec<i64>,
    /// The turn's messages among those of its session: the first and the last one, from 1.
    pub(super) firsts: Vec<i64>,
    pub(super) lasts: Vec<i64>,
}

/// What the turns of a session before this one have added.
#[derive(Default)]
struct Before {
    turns: i64,
    messages: i64,
}

impl<'a> AppendTurns<'a> {
    /// The columns of turns. A turn that names a version must be its session's only one, and no two may complete the same request.
    pub(crate) fn of(batch: Uuid, appends: &[&'a Append], replica: Option<ReplicaId>) -> Self {
        let stored = |version: Option<Version>| version.map(Version::to_stored);
        let mut columns = Self {
            batch,
            turns: KeyColumns::default(),
            reads: appends.iter().map(|append| stored(append.read_version)).collect(),
            expected: appends.iter().map(|append| stored(append.if_version)).collect(),
            keyed: appends.iter().map(|append| append.completes.is_some()).collect(),
            messages: MessageColumns::default(),
            requests: RequestColumns::of(appends),
            replica: replica.map(ReplicaId::to_text),
        };
        for (append, turn) in appends.iter().zip(1_i64..) {
            columns.turns.push(&append.key);
            columns.messages.push(turn, append);
        }
        columns
    }

    /// The id under which the batch is noted.
    pub(crate) const fn batch(&self) -> Uuid {
        self.batch
    }

    async fn commit<const VERSIONS: bool>(
        &self,
        connection: &mut AsyncPgConnection,
    ) -> QueryResult<Vec<CommittedRow>> {
        let is_keyed = self.keyed.contains(&true);
        match (is_keyed, self.replica.is_some()) {
            (false, false) => Statement::<VERSIONS, false, false>(self).load(connection).await,
            (false, true) => Statement::<VERSIONS, false, true>(self).load(connection).await,
            (true, false) => Statement::<VERSIONS, true, false>(self).load(connection).await,
            (true, true) => Statement::<VERSIONS, true, true>(self).load(connection).await,
        }
    }
}

impl Intent for AppendTurns<'_> {
    /// The inserted rows, whenever they were; none for a session one of whose turns must not be committed.
    type Answer = Vec<CommittedRow>;

    /// While the same batch is still being committed elsewhere, this waits for it to end.
    async fn run(&self, connection: &mut AsyncPgConnection) -> QueryResult<Vec<CommittedRow>> {
        let committed = if self.expected.iter().any(Option::is_some) {
            self.commit::<true>(connection).await
        } else {
            self.commit::<false>(connection).await
        };
        match committed {
            Err(error) if says_noted(&error) => BatchAnswer(self.batch).load(connection).await,
            committed => committed,
        }
    }
}

impl<'a> MessageColumns<'a> {
    fn push(&mut self, turn: i64, append: &'a Append) {
        for message in append.turn.messages() {
            self.turns.push(turn);
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
    fn of(appends: &[&'a Append]) -> Self {
        let mut columns = Self::default();
        if appends.iter().all(|append| append.completes.is_none()) {
            return columns;
        }
        let mut sessions: HashMap<&ConversationKey, Before> = HashMap::new();
        let mut requests = Vec::new();
        for (append, turn) in appends.iter().zip(1_i64..) {
            let before = sessions.entry(&append.key).or_default();
            let first = before.messages + 1;
            before.turns += 1;
            before.messages += i64::try_from(append.turn.messages().len()).unwrap_or(i64::MAX);
            if let Some(completion) = &append.completes {
                requests.push((completion, turn, before.turns, first, before.messages));
            }
        }
        requests.sort_unstable_by_key(|(completion, ..)| &completion.request);
        for (completion, turn, nth, first, last) in requests {
            columns.push(completion);
            columns.turns.push(turn);
            columns.nths.push(nth);
            columns.firsts.push(first);
            columns.lasts.push(last);
        }
        columns
    }

    fn push(&mut self, completion: &'a Completion) {
        let request = &completion.request;
        self.departments.push(request.department.as_str());
        self.users.push(request.user.as_str());
        self.endpoints.push(request.endpoint.as_str());
        self.keys.push(request.key.as_str());
        self.owners.push(completion.owner.0);
        self.answers.push(&completion.answer);
    }
}
