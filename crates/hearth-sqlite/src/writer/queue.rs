//! Jobs that wait for the writer, in the order of arrival.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use diesel::SqliteConnection;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::job::Job;
use super::shift::Shift;
use crate::error::OpenError;
use crate::file_lock::FileLock;
use crate::lane::Open;

/// Jobs of one transaction, at most.
pub(super) const BATCH_JOBS_MAX: usize = 256;

/// Bytes of a transaction's contents after which no further job joins it.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// The jobs that wait, and the connection for whoever does them.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    idle: Mutex<Option<SqliteConnection>>,
    open: Open,
    runtime: Handle,
    transactions: AtomicU64,
    writes: AtomicU64,
    fails: AtomicBool,
    /// Held until the last job is done, and not just until the store is dropped.
    _lock: Arc<FileLock>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    /// Somebody takes what is there, and looks again before going away.
    has_shift: bool,
}

impl Queue {
    pub(super) fn new(runtime: Handle, open: Open, lock: Arc<FileLock>) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::default(),
            idle: Mutex::default(),
            open,
            runtime,
            transactions: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// Puts jobs in, next to each other, and sees to it that somebody does them.
    pub(super) fn push(self: &Arc<Self>, jobs: Vec<Box<dyn Job>>) {
        let had_shift = {
            let mut waiting = self.waiting.lock();
            waiting.jobs.extend(jobs);
            std::mem::replace(&mut waiting.has_shift, true)
        };
        if !had_shift {
            self.start_shift();
        }
    }

    /// Begins a shift on a thread that may block.
    pub(super) fn start_shift(self: &Arc<Self>) {
        let shift = Shift::of(Arc::clone(self));
        drop(self.runtime.spawn_blocking(move || shift.work()));
    }

    /// The jobs of the next transaction.
    pub(super) fn take(&self) -> Vec<Box<dyn Job>> {
        let mut waiting = self.waiting.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_JOBS_MAX
            && bytes < BATCH_BYTES_MAX
            && let Some(job) = waiting.jobs.pop_front()
        {
            bytes += job.bytes();
            batch.push(job);
        }
        batch
    }

    /// Whether nothing is left: then the shift is over, and the next job begins another.
    pub(super) fn ends_shift(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.has_shift = !waiting.jobs.is_empty();
        !waiting.has_shift
    }

    /// Tells whoever waits that nobody will come.
    pub(super) fn refuse_waiting(&self) {
        let jobs = {
            let mut waiting = self.waiting.lock();
            waiting.has_shift = false;
            std::mem::take(&mut waiting.jobs)
        };
        // Each answers its caller.
        drop(jobs);
    }

    /// The connection that writes, a new one where the last one is gone.
    pub(super) fn connection(&self) -> Result<SqliteConnection, OpenError> {
        let idle = self.idle.lock().take();
        idle.map_or_else(&self.open, Ok)
    }

    /// Keeps a connection for the next transaction.
    pub(super) fn keep(&self, connection: SqliteConnection) {
        *self.idle.lock() = Some(connection);
    }

    /// Counts a transaction; whether the one before it failed.
    pub(super) fn note_commit(&self, writes: usize) -> bool {
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.writes
            .fetch_add(u64::try_from(writes).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.fails.swap(false, Ordering::Relaxed)
    }

    /// Notes that a transaction failed; whether the one before it did not.
    pub(super) fn note_failure(&self) -> bool {
        !self.fails.swap(true, Ordering::Relaxed)
    }

    /// Transactions and writes that were committed.
    pub(super) fn figures(&self) -> (u64, u64) {
        (
            self.transactions.load(Ordering::Relaxed),
            self.writes.load(Ordering::Relaxed),
        )
    }
}
