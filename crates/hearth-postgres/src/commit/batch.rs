//! One batch: the turns of one statement, and what each of them is told.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream;
use hearth_domain::{ConversationKey, Version};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::committer::Work;
use super::outcome::{Outcome, Refusal};
use super::resolve;
use super::turn::PendingTurn;
use crate::error::{Failure, Fault, FaultKind};
use crate::pool::ANSWER_GRACE;
use crate::queries::SessionVersion;
use crate::rows::committed::{CommittedRow, divide};
use crate::rows::session::KeyRow;
use crate::rows::version_of;

/// Sessions of a batch that are tried by themselves at once: one that is locked must not hold up the others, and readers need
/// connections too.
const APART_AT_ONCE: usize = 2;

/// Turns that fit one statement.
pub(super) struct Batch {
    turns: Vec<PendingTurn>,
    /// Told when something takes longer than a commit: a doubt, or turns that must be tried one by one.
    pub(super) trouble: Notify,
}

impl Batch {
    pub(super) fn of(turns: Vec<PendingTurn>) -> Self {
        Self {
            turns,
            trouble: Notify::new(),
        }
    }

    pub(super) fn sessions(&self) -> HashSet<ConversationKey> {
        let keys = self.turns.iter().map(|turn| &turn.append().key);
        keys.cloned().collect()
    }

    /// Commits the turns and answers each, those that are still on their way at their deadline with what can be said then.
    pub(super) async fn commit(&self, work: &Work) {
        tokio::select! {
            biased;
            () = self.carry_out(work) => {}
            () = self.answer_when_due() => {}
        }
    }

    /// Answers turns whose deadline has passed; never ends.
    async fn answer_when_due(&self) {
        loop {
            let open = self.turns.iter().filter(|turn| !turn.is_answered());
            let Some(due) = open.map(|turn| turn.deadline() + ANSWER_GRACE).min() else {
                return std::future::pending().await;
            };
            sleep_until(due).await;
            for turn in &self.turns {
                if turn.deadline() + ANSWER_GRACE <= due {
                    turn.give_up(Fault::timed_out());
                }
            }
        }
    }

    async fn carry_out(&self, work: &Work) {
        let turns: Vec<&PendingTurn> = self.turns.iter().collect();
        let (sent, result) = resolve::execute(&work.pool, &turns, &self.trouble).await;
        match result {
            Ok(rows) => self.settle(work, &sent, rows).await,
            Err(Failure::Refused(fault)) if sent.len() > 1 && fault.kind() != FaultKind::Unavailable => {
                self.trouble.notify_one();
                tracing::debug!(turns = sent.len(), %fault, "a batch was refused, its turns are tried one by one");
                self.commit_apart(work, &sent).await;
            }
            Err(failure) => {
                if let Failure::NotSent(fault) = &failure
                    && fault.kind() != FaultKind::TimedOut
                {
                    work.queue.refuse_waiting(fault);
                }
                let refusal = Refusal::from(failure);
                sent.iter().for_each(|turn| turn.answer(Err(refusal.clone())));
            }
        }
    }

    /// Commits each turn by itself; the sessions do not wait for each other.
    async fn commit_apart(&self, work: &Work, turns: &[&PendingTurn]) {
        let sessions = sessions(turns);
        stream::iter(sessions)
            .for_each_concurrent(APART_AT_ONCE, async |session| {
                for turn in session.turns {
                    self.commit_one(work, turn).await;
                }
            })
            .await;
    }

    async fn commit_one(&self, work: &Work, turn: &PendingTurn) {
        let (sent, result) = resolve::execute(&work.pool, &[turn], &self.trouble).await;
        match result {
            Ok(rows) => self.settle(work, &sent, rows).await,
            Err(failure) => turn.answer(Err(failure.into())),
        }
    }

    /// Gives each turn its rows. A session without rows is not at the version that its turn named.
    async fn settle(&self, work: &Work, sent: &[&PendingTurn], rows: Vec<CommittedRow>) {
        let mut rows_of: HashMap<i64, Vec<CommittedRow>> = HashMap::new();
        for row in rows {
            rows_of.entry(row.session).or_default().push(row);
        }
        let mut refused = Vec::new();
        let mut committed = 0;
        for session in sessions(sent) {
            let rows = rows_of.remove(&session.first).unwrap_or_default();
            match (session.expected, session.turns.as_slice()) {
                (Some(expected), [turn]) if rows.is_empty() => refused.push((expected, *turn)),
                _ => committed += session.answer(rows),
            }
        }
        work.figures.committed(committed);
        for (expected, turn) in refused {
            self.conflict(work, turn, expected).await;
        }
    }

    /// Names the version that a session has instead of the one that was named. Where another commit has just brought it there, the turn
    /// is tried again: versions only grow, so that this happens once at most.
    async fn conflict(&self, work: &Work, turn: &PendingTurn, expected: Version) {
        turn.set_not_sent();
        match self.version_now(work, turn).await {
            Ok(current) if current == expected => Box::pin(self.commit_one(work, turn)).await,
            Ok(current) => turn.answer(Err(Refusal::Conflict(current))),
            Err(fault) => turn.answer(Err(Refusal::NotCommitted(fault))),
        }
    }

    async fn version_now(&self, work: &Work, turn: &PendingTurn) -> Result<Version, Fault> {
        let query = SessionVersion(KeyRow::of(&turn.append().key));
        let stored = work.pool.execute(&query, turn.deadline()).await;
        version_of(stored.map_err(Failure::fault)?.unwrap_or_default())
    }
}

/// The turns of one session in a statement.
struct SessionTurns<'a> {
    /// The place of the first of them, from 1, as the statement counts.
    first: i64,
    expected: Option<Version>,
    turns: Vec<&'a PendingTurn>,
}

impl SessionTurns<'_> {
    /// Answers the turns of a statement that was committed, and says how many there are: rows that do not add up (a trigger of the table
    /// swallowed some) leave the outcome open.
    fn answer(&self, rows: Vec<CommittedRow>) -> usize {
        let lengths: Vec<usize> = self
            .turns
            .iter()
            .map(|turn| turn.append().turn.messages().len())
            .collect();
        let outcomes: Vec<Outcome> = match divide(rows, &lengths) {
            Ok(committed) => committed.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(Refusal::Unknown(fault)); lengths.len()],
        };
        let committed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for (turn, outcome) in self.turns.iter().zip(outcomes) {
            turn.answer(outcome);
        }
        committed
    }
}

fn sessions<'a>(turns: &[&'a PendingTurn]) -> Vec<SessionTurns<'a>> {
    let mut index: HashMap<&ConversationKey, usize> = HashMap::new();
    let mut sessions: Vec<SessionTurns<'a>> = Vec::new();
    for (turn, first) in turns.iter().zip(1_i64..) {
        let append = turn.append();
        let known = *index.entry(&append.key).or_insert(sessions.len());
        match sessions.get_mut(known) {
            Some(session) => session.turns.push(turn),
            None => sessions.push(SessionTurns {
                first,
                expected: append.if_version,
                turns: vec![turn],
            }),
        }
    }
    sessions
}
