//! One batch: the turns of one statement, and what each of them is told.

use std::collections::{HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream;
use hearth_domain::ConversationKey;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::committer::Work;
use super::outcome::{Outcome, Refusal};
use super::resolve;
use super::turn::PendingTurn;
use crate::error::{Failure, Fault, FaultKind};
use crate::pool::ANSWER_GRACE;
use crate::queries::CommitRefusal;
use crate::rows::committed::{CommittedRow, divide};
use crate::rows::refusal::Unmet;

/// Sessions of a batch that are tried by themselves at once: one that is locked must not hold up the others, and readers need
/// connections too.
const APART_AT_ONCE: usize = 2;

/// How often a turn is sent by itself: its conditions change from unmet to met once, if at all.
const ATTEMPTS_MAX: u32 = 3;

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
        let (sent, result) = resolve::execute(work, &turns, &self.trouble).await;
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

    /// Commits a turn by itself. Where a condition was not met when it was sent and all are met when they are looked at, the turn is tried
    /// again: another commit has just brought its session to the version that it names, or its owner has claimed its request anew.
    async fn commit_one(&self, work: &Work, turn: &PendingTurn) {
        for _ in 0..ATTEMPTS_MAX {
            let (sent, result) = resolve::execute(work, &[turn], &self.trouble).await;
            match result {
                // It was too late, and was told so.
                Ok(_) if sent.is_empty() => return,
                Ok(rows) if rows.is_empty() && is_conditional(turn) => match self.unmet(work, turn).await {
                    Ok(None) => {}
                    Ok(Some(unmet)) => return turn.answer(Err(unmet.into())),
                    Err(fault) => return turn.answer(Err(Refusal::NotCommitted(fault))),
                },
                Ok(rows) => return work.figures.committed(SessionTurns::one(turn).answer(rows)),
                Err(failure) => return turn.answer(Err(failure.into())),
            }
        }
        turn.answer(Err(Refusal::NotCommitted(Fault::failed(
            "a turn that met all of its conditions was not committed",
        ))));
    }

    /// Gives each turn its rows. A session without rows has a turn that does not meet its conditions.
    async fn settle(&self, work: &Work, sent: &[&PendingTurn], rows: Vec<CommittedRow>) {
        let mut rows_of: HashMap<i64, Vec<CommittedRow>> = HashMap::new();
        for row in rows {
            rows_of.entry(row.session).or_default().push(row);
        }
        let mut refused = Vec::new();
        let mut committed = 0;
        for session in sessions(sent) {
            let rows = rows_of.remove(&session.first).unwrap_or_default();
            if rows.is_empty() && session.turns.iter().any(|turn| is_conditional(turn)) {
                session.turns.iter().for_each(|turn| turn.set_not_sent());
                refused.push(session);
            } else {
                committed += session.answer(rows);
            }
        }
        work.figures.committed(committed);
        for session in refused {
            self.refuse(work, &session).await;
        }
    }

    /// Tells the turns of a session that was refused why, and commits those that can be.
    async fn refuse(&self, work: &Work, session: &SessionTurns<'_>) {
        for turn in &session.turns {
            match self.unmet(work, turn).await {
                Ok(Some(unmet)) => turn.answer(Err(unmet.into())),
                Ok(None) => self.commit_one(work, turn).await,
                Err(fault) => turn.answer(Err(Refusal::NotCommitted(fault))),
            }
        }
    }

    async fn unmet(&self, work: &Work, turn: &PendingTurn) -> Result<Option<Unmet>, Fault> {
        turn.set_not_sent();
        let query = CommitRefusal::of(turn.append());
        let row = work.pool.execute(&query, turn.deadline()).await;
        row.map_err(Failure::fault)?.unmet(turn.append())
    }
}

/// Whether there is anything that may keep a turn from being committed onto what is there.
fn is_conditional(turn: &PendingTurn) -> bool {
    let append = turn.append();
    append.if_version.is_some() || append.read_version.is_some() || append.completes.is_some()
}

/// The turns of one session in a statement.
struct SessionTurns<'a> {
    /// The place of the first of them, from 1, as the statement counts.
    first: i64,
    turns: Vec<&'a PendingTurn>,
}

impl<'a> SessionTurns<'a> {
    fn one(turn: &'a PendingTurn) -> Self {
        Self {
            first: 1,
            turns: vec![turn],
        }
    }

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
                turns: vec![turn],
            }),
        }
    }
    sessions
}
