//! How turns are committed: which of them share a statement, and what is told to whom when one fails.

use std::collections::HashMap;

use hearth_domain::ports::AppendError;
use hearth_domain::{Append, Committed, ConversationKey, Version};
use tokio::time::Instant;

use crate::error::{Failure, Fault, FaultKind};
use crate::pool::Pool;
use crate::queries::{AppendTurns, SessionVersion};
use crate::rows::committed::{CommittedRow, divide};
use crate::rows::session::KeyRow;
use crate::rows::version_of;

/// What became of one turn.
pub(crate) type Outcome = Result<Committed, Refusal>;

/// Why a turn was not committed; shared by the turns of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    Conflict(Version),
    NotCommitted(Fault),
    Unknown(Fault),
}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict(current) => Self::VersionConflict { current },
            Refusal::NotCommitted(fault) => Self::NotCommitted(fault.into()),
            Refusal::Unknown(fault) => Self::Unknown(fault.into()),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(fault) | Failure::Refused(fault) => Self::NotCommitted(fault),
            Failure::Lost(fault) => Self::Unknown(fault),
        }
    }
}

/// Commits a batch in as few statements as its turns allow, and answers each turn. Once the database is away, the rest is not tried.
///
/// Runs in a task of the pool's runtime.
pub(crate) async fn commit(pool: &Pool, batch: &[Append], deadline: Instant) -> Vec<Outcome> {
    let not_yet = Refusal::NotCommitted(Fault::failed("the turn was not reached"));
    let mut outcomes = vec![Err(not_yet); batch.len()];
    let mut away = None;
    for wave in waves(batch) {
        let turns: Vec<&Append> = wave.iter().filter_map(|place| batch.get(*place)).collect();
        let answers = match &away {
            Some(fault) => vec![Err(Refusal::NotCommitted(Fault::clone(fault))); turns.len()],
            None => commit_wave(pool, &turns, deadline).await,
        };
        for (place, answer) in wave.iter().zip(answers) {
            away = away.or_else(|| database_away(&answer));
            if let Some(outcome) = outcomes.get_mut(*place) {
                *outcome = answer;
            }
        }
    }
    outcomes
}

/// Divides a batch into statements. A turn that names a version must see the turns of its session before it, and be seen by those
/// after it, so that it is alone with its session in a statement.
fn waves(batch: &[Append]) -> Vec<Vec<usize>> {
    let mut waves: Vec<Vec<usize>> = Vec::new();
    let mut last: HashMap<&ConversationKey, (usize, bool)> = HashMap::new();
    for (place, append) in batch.iter().enumerate() {
        let names_version = append.if_version.is_some();
        let wave = match last.get(&append.key) {
            None => 0,
            Some((wave, false)) if !names_version => *wave,
            Some((wave, _)) => wave + 1,
        };
        last.insert(&append.key, (wave, names_version));
        match waves.get_mut(wave) {
            Some(members) => members.push(place),
            None => waves.push(vec![place]),
        }
    }
    waves
}

fn database_away(outcome: &Outcome) -> Option<Fault> {
    match outcome {
        Err(Refusal::NotCommitted(fault) | Refusal::Unknown(fault)) if fault.kind() != FaultKind::Failed => {
            Some(fault.clone())
        }
        Ok(_) | Err(_) => None,
    }
}

/// Commits turns with one statement. Where the database refuses it for the fault of one turn, each is tried by itself.
async fn commit_wave(pool: &Pool, turns: &[&Append], deadline: Instant) -> Vec<Outcome> {
    match pool.execute(&AppendTurns::of(turns), deadline).await {
        Ok(rows) => settle(pool, turns, rows, deadline).await,
        Err(Failure::Refused(fault)) if turns.len() > 1 && fault.kind() == FaultKind::Failed => {
            let mut outcomes = Vec::with_capacity(turns.len());
            for turn in turns {
                outcomes.extend(Box::pin(commit_wave(pool, &[turn], deadline)).await);
            }
            outcomes
        }
        Err(failure) => vec![Err(failure.into()); turns.len()],
    }
}

/// Gives each turn its rows. A session without rows is not at the version that its turn named.
async fn settle(pool: &Pool, turns: &[&Append], rows: Vec<CommittedRow>, deadline: Instant) -> Vec<Outcome> {
    let mut rows_of: HashMap<i64, Vec<CommittedRow>> = HashMap::new();
    for row in rows {
        rows_of.entry(row.session).or_default().push(row);
    }
    let mut outcomes: Vec<Option<Outcome>> = vec![None; turns.len()];
    for session in sessions(turns) {
        let rows = rows_of.remove(&session.first).unwrap_or_default();
        let answers = match session.expected {
            Some(expected) if rows.is_empty() => {
                let retried = session.turns.first().map(|(_, turn)| *turn);
                vec![conflict(pool, retried, expected, deadline).await]
            }
            _ => session.divide(rows),
        };
        for ((place, _), answer) in session.turns.iter().zip(answers) {
            if let Some(outcome) = outcomes.get_mut(*place) {
                *outcome = Some(answer);
            }
        }
    }
    let lost = || Err(Refusal::Unknown(Fault::failed("a turn had no session")));
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(lost))
        .collect()
}

/// The turns of one session in a statement.
struct SessionTurns<'a> {
    /// The place of the first of them, from 1, as the statement counts.
    first: i64,
    expected: Option<Version>,
    turns: Vec<(usize, &'a Append)>,
}

impl SessionTurns<'_> {
    /// The statement was committed: rows that do not add up (a trigger of the table swallowed some) leave the outcome open.
    fn divide(&self, rows: Vec<CommittedRow>) -> Vec<Outcome> {
        let lengths: Vec<usize> = self
            .turns
            .iter()
            .map(|(_, turn)| turn.turn.messages().len())
            .collect();
        match divide(rows, &lengths) {
            Ok(committed) => committed.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(Refusal::Unknown(fault)); lengths.len()],
        }
    }
}

fn sessions<'a>(turns: &[&'a Append]) -> Vec<SessionTurns<'a>> {
    let mut index: HashMap<&ConversationKey, usize> = HashMap::new();
    let mut sessions: Vec<SessionTurns<'a>> = Vec::new();
    for ((place, turn), first) in turns.iter().enumerate().zip(1_i64..) {
        let known = *index.entry(&turn.key).or_insert(sessions.len());
        match sessions.get_mut(known) {
            Some(session) => session.turns.push((place, turn)),
            None => sessions.push(SessionTurns {
                first,
                expected: turn.if_version,
                turns: vec![(place, turn)],
            }),
        }
    }
    sessions
}

/// Names the version that a session has instead of the one that was named. Where another commit has just brought it there, the turn
/// is tried again: versions only grow, so that this happens once at most.
async fn conflict(pool: &Pool, turn: Option<&Append>, expected: Version, deadline: Instant) -> Outcome {
    let Some(turn) = turn else {
        return Err(Refusal::Conflict(expected));
    };
    let query = SessionVersion(KeyRow::of(&turn.key));
    let stored = pool
        .execute(&query, deadline)
        .await
        .map_err(|failure| Refusal::NotCommitted(failure.fault()))?;
    let current = version_of(stored.unwrap_or_default()).map_err(Refusal::NotCommitted)?;
    if current != expected {
        return Err(Refusal::Conflict(current));
    }
    let again = Box::pin(commit_wave(pool, &[turn], deadline)).await;
    again
        .into_iter()
        .next()
        .unwrap_or(Err(Refusal::Conflict(current)))
}

#[cfg(test)]
mod tests {
    use hearth_domain::{NewMessage, Role, Turn};

    use super::*;

    #[test]
    fn turns_share_a_statement_unless_one_names_a_version() {
        let check = |picture: &str, expected: &[&[usize]]| {
            let append = |word: &str| Append {
                key: ConversationKey::parse("d", "u", &word[..1]).unwrap(),
                turn: Turn::new(vec![NewMessage::new(Role::User, "q").unwrap()]).unwrap(),
                if_version: word.ends_with('!').then_some(Version::ZERO),
            };
            let batch: Vec<Append> = picture.split(' ').map(append).collect();
            assert_eq!(waves(&batch), expected, "{picture}");
        };
        check("a b a", &[&[0, 1, 2]]);
        check("a a! a a", &[&[0], &[1], &[2, 3]]);
        check("a! b! c", &[&[0, 1, 2]]);
        check("a! a! b a", &[&[0, 2], &[1], &[3]]);
    }
}
