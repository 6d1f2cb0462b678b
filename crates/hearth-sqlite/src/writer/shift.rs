//! Doing what has gathered, until nothing is left.

use std::sync::Arc;

use diesel::{Connection, SqliteConnection};
use tokio::time::Instant;

use super::job::Job;
use super::queue::Queue;
use crate::error::Fault;
use crate::undone::Undone;

type Batch = Vec<Box<dyn Job>>;

type Outcomes = Vec<(Box<dyn Job>, Result<(), Undone>)>;

/// For each job of a transaction that was committed, why it is not in it; shorter where all the others are.
type Failures = Vec<Option<Fault>>;

/// A time of work. However it ends, somebody sees to the jobs that wait.
pub(super) struct Shift {
    queue: Arc<Queue>,
    state: State,
}

enum State {
    /// The runtime has not given it a thread.
    Called,
    Working,
    /// Nothing was left.
    Over,
}

impl Shift {
    pub(super) const fn of(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            state: State::Called,
        }
    }

    /// Commits batch after batch.
    pub(super) fn work(mut self) {
        self.state = State::Working;
        loop {
            let mut batch = self.queue.take();
            let now = Instant::now();
            batch.retain_mut(|job| job.begin(now));
            let outcomes = if batch.is_empty() {
                Vec::new()
            } else {
                self.commit(batch)
            };
            if self.queue.ends_shift() {
                self.state = State::Over;
                // Before callers know: whoever drops the store then finds the file free.
                drop(self);
                tell(outcomes);
                return;
            }
            tell(outcomes);
        }
    }

    /// Commits a batch. What commits meet is logged when it changes.
    fn commit(&self, mut batch: Batch) -> Outcomes {
        let jobs = batch.len();
        match self.transaction(&mut batch) {
            Ok(failures) => {
                if self.queue.note_commit(jobs - failures.iter().flatten().count()) {
                    tracing::info!("the database is written again");
                }
                let failures = failures.into_iter().chain(std::iter::repeat_with(|| None));
                let outcomes = failures.map(|failure| failure.map_or(Ok(()), |fault| Err(fault.into())));
                batch.into_iter().zip(outcomes).collect()
            }
            Err(fault) => {
                if self.queue.note_failure() {
                    tracing::warn!(error = %fault, jobs, "the database cannot be written");
                }
                let undone = Undone::from(fault);
                batch.into_iter().map(|job| (job, Err(undone.clone()))).collect()
            }
        }
    }

    /// One transaction for all of the jobs. Where one of them fails by its own fault, another transaction for all but such.
    fn transaction(&self, batch: &mut Batch) -> Result<Failures, Fault> {
        let together = self.attempt(|connection| {
            batch.iter_mut().try_for_each(|job| job.run(connection))?;
            Ok(Failures::new())
        });
        match together {
            Err(fault) if !fault.is_of_the_outside() && !fault.is_at_commit() => {
                self.attempt(|connection| batch.iter_mut().map(|job| run_apart(job, connection)).collect())
            }
            settled => settled,
        }
    }

    /// A connection whose transaction failed, or panicked, is closed: whatever state it was in goes with it.
    fn attempt(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<Failures, Fault>,
    ) -> Result<Failures, Fault> {
        let mut connection = self.queue.connection()?;
        let mut written = false;
        let ended = connection.immediate_transaction(|connection| {
            let failures = work(connection)?;
            written = true;
            Ok(failures)
        });
        let failures = ended.map_err(|fault: Fault| if written { fault.at_commit() } else { fault })?;
        self.queue.keep(connection);
        Ok(failures)
    }
}

fn tell(outcomes: Outcomes) {
    for (job, outcome) in outcomes {
        job.settle(outcome);
    }
}

/// Runs a job so that its own fault undoes nothing of the others.
fn run_apart(job: &mut Box<dyn Job>, connection: &mut SqliteConnection) -> Result<Option<Fault>, Fault> {
    match connection.transaction(|connection| job.run(connection)) {
        Ok(()) => Ok(None),
        Err(fault) if fault.is_of_the_outside() => Err(fault),
        Err(fault) => Ok(Some(fault)),
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        match self.state {
            State::Called => self.queue.refuse_waiting(),
            // A job panicked: its transaction is gone, and its callers were told as they were dropped.
            State::Working => self.queue.start_shift(),
            State::Over => {}
        }
    }
}
