//! One batch: the turns of one statement, and what each of them is told.

use std::collections::HashMap;

use futures_util::StreamExt;
use futures_util::stream;
use hearth_domain::{Committed, ConversationKey};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::committer::Work;
use super::outcome::Refusal;
use super::resolve;
use super::turn::PendingTurn;
use crate::error::{Failure, Fault, FaultKind};
use crate::pool::ANSWER_GRACE;
use crate::queries::CommitRefusal;
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
            Ok(outcomes) => self.settle(work, &sent, outcomes).await,
            // Not where the whole database suffers; a deadlock is these turns' own.
            Err(Failure::Refused(fault))
                if sent.len() > 1 && (fault.kind() != FaultKind::Unavailable || fault.is_deadlock()) =>
            {
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
        stream::iter(by_session(turns))
            .for_each_concurrent(APART_AT_ONCE, async |turns| {
                for turn in turns {
                    self.commit_one(work, turn).await;
                }
            })
            .await;
    }

    /// Commits a turn by itself. Where a condition was not met when it was sent and all are met when they are looked at, the turn is tried
    /// again: another commit has just brought its session to the version that it names, or its owner has claimed its request anew.
    async fn commit_one(&self, work: &Work, turn: &PendingTurn) {
        for _ in 0..ATTEMPTS_MAX {
            let (_, result) = resolve::execute(work, &[turn], &self.trouble).await;
            match result.map(|outcomes| outcomes.into_iter().next()) {
                // It was too late, and was told so.
                Ok(None) => return,
                Ok(Some(Some(committed))) => {
                    work.figures.committed(1);
                    return turn.answer(Ok(committed));
                }
                Ok(Some(None)) => match self.unmet(work, turn).await {
                    Ok(None) => {}
                    Ok(Some(unmet)) => return turn.answer(Err(unmet.into())),
                    Err(fault) => return turn.answer(Err(Refusal::NotCommitted(fault))),
                },
                Err(failure) => return turn.answer(Err(failure.into())),
            }
        }
        turn.answer(Err(Refusal::NotCommitted(Fault::failed(
            "a turn that met all of its conditions was not committed",
        ))));
    }

    /// Tells each turn what it came to. A session that was refused has a turn that does not meet its conditions: those of its turns that do are
    /// committed then.
    async fn settle(&self, work: &Work, sent: &[&PendingTurn], outcomes: Vec<Option<Committed>>) {
        let mut refused = Vec::new();
        let mut committed = 0;
        for (turn, outcome) in sent.iter().zip(outcomes) {
            if let Some(outcome) = outcome {
                committed += 1;
                turn.answer(Ok(outcome));
            } else {
                turn.set_not_sent();
                refused.push(turn);
            }
        }
        work.figures.committed(committed);
        for turn in refused {
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

/// The turns of each session, in their order.
fn by_session<'a>(turns: &[&'a PendingTurn]) -> Vec<Vec<&'a PendingTurn>> {
    let mut sessions: HashMap<&ConversationKey, Vec<&'a PendingTurn>> = HashMap::new();
    for turn in turns {
        sessions.entry(&turn.append().key).or_default().push(turn);
    }
    sessions.into_values().collect()
}
