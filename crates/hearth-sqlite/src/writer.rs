//! The one writer, and group commit: what was handed in while one transaction is at the disk shares the next one.
//!
//! - `queue`: jobs wait in the order of arrival.
//! - `job`: one of them on its way, which is answered whatever happens.
//! - `shift`: takes what has gathered, commits it as one transaction, takes the next. No timer: an idle writer begins at once.
//!
//! Turns, ends, erases, claims and keys all go this way, so that they have one order and share their flushes.

mod job;
mod queue;
mod shift;

use std::sync::Arc;
use std::time::Duration;

use diesel::SqliteConnection;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::config::SqliteConfig;
use crate::error::Fault;
use crate::file_lock::FileLock;
use crate::lane::Open;
use crate::undone::Undone;
use job::{Job, Submitted};
use queue::Queue;

/// How the commits are getting on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitStatus {
    /// Writes that were accepted and have no outcome yet, those at the disk included.
    pub queued: usize,
    /// Transactions that were committed since the store was opened.
    pub transactions: u64,
    /// Writes that were committed since the store was opened: turns, and whatever else changes a row.
    pub writes: u64,
}

/// Takes writes on, as many as the queue has places, and has them committed whether or not their callers wait.
pub(crate) struct Writer {
    queue: Arc<Queue>,
    room: Arc<Semaphore>,
    places: usize,
    within: Duration,
    runtime: Handle,
}

impl Writer {
    pub(crate) fn new(config: &SqliteConfig, runtime: Handle, open: Open, lock: Arc<FileLock>) -> Self {
        // A permit is counted in 32 bits where many are taken at once.
        let bound = usize::try_from(u32::MAX)
            .unwrap_or(usize::MAX)
            .min(Semaphore::MAX_PERMITS);
        let places = config.commit_queue.clamp(1, bound);
        Self {
            queue: Queue::new(runtime.clone(), open, lock),
            room: Arc::new(Semaphore::new(places)),
            places,
            within: config.commit_timeout,
            runtime,
        }
    }

    /// Keeps a connection that is open already.
    pub(crate) fn keep(&self, connection: SqliteConnection) {
        self.queue.keep(connection);
    }

    /// How many writes are taken on at once.
    pub(crate) const fn places(&self) -> usize {
        self.places
    }

    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn status(&self) -> CommitStatus {
        let (transactions, writes) = self.queue.figures();
        CommitStatus {
            queued: self.places.saturating_sub(self.room.available_permits()),
            transactions,
            writes,
        }
    }

    /// Places for so many writes, if there are.
    pub(crate) fn try_room(&self, writes: usize) -> Option<Room> {
        let writes = u32::try_from(writes).ok()?;
        let permits = Arc::clone(&self.room).try_acquire_many_owned(writes).ok()?;
        Some(self.room_until(permits, self.deadline()))
    }

    /// Places for so many writes, not more than there are in all, when they are free.
    ///
    /// Nothing is taken where the caller goes away.
    pub(crate) async fn room(&self, writes: usize) -> Result<Room, Undone> {
        let writes = u32::try_from(writes.min(self.places)).unwrap_or(u32::MAX);
        let deadline = self.deadline();
        let permits = Arc::clone(&self.room).acquire_many_owned(writes);
        match self.until(deadline, permits).await {
            Some(Ok(permits)) => Ok(self.room_until(permits, deadline)),
            Some(Err(_)) | None => Err(Undone::NotBegun),
        }
    }

    /// Does one write, with a deadline over its wait for a place, for the writer, and for the disk.
    ///
    /// Dropped while it waits for a place, it does nothing; afterwards the write goes on alone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Undone> {
        let submitted = self.submit(work).await?;
        self.outcome(submitted).await
    }

    /// The same for what memory must follow: once it has begun it is waited for until it is done, however long the disk takes.
    pub(crate) async fn run_to_its_end<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Undone> {
        let submitted = self.submit(work).await?;
        self.end_of(submitted).await
    }

    /// Sends one write on its way.
    async fn submit<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Submitted<T>, Undone> {
        let mut room = self.room(1).await?;
        let submitted = room.submit(0, work);
        room.send();
        Ok(submitted)
    }

    /// What became of a write, by its deadline.
    async fn outcome<T>(&self, mut submitted: Submitted<T>) -> Result<T, Undone> {
        match self.until(submitted.deadline, &mut submitted.reply).await {
            Some(answer) => answer.unwrap_or_else(|_| Err(Fault::BrokeOff.into())),
            None if submitted.begun.take() => Err(Undone::NotBegun),
            None => Err(Undone::StillRunning),
        }
    }

    /// What became of a write: by its deadline where it has not begun, and else when it is done.
    pub(crate) async fn end_of<T>(&self, mut submitted: Submitted<T>) -> Result<T, Undone> {
        let answer = match self.until(submitted.deadline, &mut submitted.reply).await {
            Some(answer) => answer,
            None if submitted.begun.take() => return Err(Undone::NotBegun),
            None => submitted.reply.await,
        };
        answer.unwrap_or_else(|_| Err(Fault::BrokeOff.into()))
    }

    fn room_until(&self, permits: OwnedSemaphorePermit, deadline: Instant) -> Room {
        Room {
            queue: Arc::clone(&self.queue),
            permits,
            deadline,
            jobs: Vec::new(),
        }
    }

    fn deadline(&self) -> Instant {
        let _entered = self.runtime.enter();
        Instant::now() + self.within
    }

    /// The timer belongs to the runtime that was passed in, whatever the caller runs on.
    async fn until<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
        let sleep = {
            let _entered = self.runtime.enter();
            tokio::time::sleep_until(deadline)
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = sleep => None,
        }
    }
}

/// Places in the queue that were taken, and the jobs that are to go there next to each other.
pub(crate) struct Room {
    queue: Arc<Queue>,
    permits: OwnedSemaphorePermit,
    deadline: Instant,
    jobs: Vec<Box<dyn Job>>,
}

impl Room {
    /// Puts a write of about so many bytes into one of the places. It may be run more than once, each time on a database that has nothing of the
    /// time before.
    pub(crate) fn submit<T: Send + 'static>(
        &mut self,
        bytes: usize,
        work: impl FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Submitted<T> {
        let (job, submitted) = job::prepare(work, bytes, self.permits.split(1), self.deadline);
        self.jobs.push(job);
        submitted
    }

    /// Sends the jobs on their way.
    pub(crate) fn send(self) {
        self.queue.push(self.jobs);
    }
}

#[cfg(test)]
pub(crate) mod held;
#[cfg(test)]
mod tests;
