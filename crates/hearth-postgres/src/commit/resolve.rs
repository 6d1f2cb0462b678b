//! Executing a batch until its outcome is known.
//!
//! A connection that is lost in the middle of a commit may leave its backend committing, so that looking proves nothing. The batch is executed
//! again instead: its id makes sure that it is committed once, whoever comes first, and waits for whoever is still at it.

use std::time::Duration;

use hearth_domain::Committed;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::committer::Work;
use super::turn::PendingTurn;
use crate::error::{Failure, Fault};
use crate::pauses::Pauses;
use crate::pool::Pool;
use crate::queries::{AnnulBatch, Annulment, AppendTurns};
use crate::rows::committed::CommittedBatch;

/// The pause after the second failure, and the longest one.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Commits turns with one statement. Those that are too late when a connection is there are told so and left out.
///
/// Brings the turns that went, and what each came to, nothing where its session was refused; a failure leaves nothing open but
/// [`Failure::Lost`]. The last deadline of the turns bounds the attempts. `trouble` is told when an outcome is in doubt.
pub(super) async fn execute<'a>(
    work: &Work,
    turns: &[&'a PendingTurn],
    trouble: &Notify,
) -> (Vec<&'a PendingTurn>, Result<Vec<Option<Committed>>, Failure>) {
    let pool = &work.pool;
    let now = Instant::now();
    let deadline = turns.iter().map(|turn| turn.deadline()).max().unwrap_or(now);
    let connection = match pool.acquire(deadline).await {
        Ok(connection) => connection,
        Err(fault) => return (turns.to_vec(), Err(Failure::NotSent(fault))),
    };
    let now = Instant::now();
    let sent: Vec<&PendingTurn> = turns.iter().copied().filter(|turn| turn.set_sent(now)).collect();
    if sent.is_empty() {
        return (sent, Ok(Vec::new()));
    }
    let appends: Vec<_> = sent.iter().map(|turn| turn.append()).collect();
    let batch = AppendTurns::of(Uuid::now_v7(), &appends, work.replica);
    let result = match pool.execute_on(connection, &batch, work.doubt_after).await {
        Err(Failure::Lost(fault)) => {
            trouble.notify_one();
            resolve(pool, &batch, deadline, fault).await
        }
        result => result,
    };
    if result.is_ok() {
        pool.condition().wrote();
    }
    if let Err(Failure::NotSent(_) | Failure::Refused(_)) = result {
        sent.iter().for_each(|turn| turn.set_not_sent());
    }
    // It is committed, and nobody can say as what.
    let outcomes = result.and_then(|answer| batch.outcomes(&answer).map_err(Failure::Lost));
    (sent, outcomes)
}

/// Executes a batch whose outcome is in doubt again, until there is one or its time is up.
async fn resolve(
    pool: &Pool,
    batch: &AppendTurns<'_>,
    deadline: Instant,
    mut fault: Fault,
) -> Result<CommittedBatch, Failure> {
    let id = batch.batch();
    tracing::warn!(batch = %id, %fault, "the outcome of a commit is in doubt, it is executed again");
    let mut pauses = Pauses::from(PAUSE_FIRST, id);
    while Instant::now() < deadline {
        fault = match pool.execute(batch, deadline).await {
            Ok(answer) => return Ok(answer),
            // This attempt did nothing, but the one before may still be on its way.
            Err(Failure::Refused(refusal)) => match pool.execute(&AnnulBatch(id), deadline).await {
                Ok(Annulment::Annulled) => return Err(Failure::Refused(refusal)),
                Ok(Annulment::Committed(answer)) => return Ok(answer),
                Err(failure) => failure.fault(),
            },
            Err(failure) => failure.fault(),
        };
        tracing::debug!(batch = %id, %fault, "the outcome is still in doubt");
        sleep_until(deadline.min(Instant::now() + pauses.next(PAUSE_MAX))).await;
    }
    tracing::error!(batch = %id, %fault, "the outcome of a commit could not be found out in time");
    Err(Failure::Lost(fault))
}
