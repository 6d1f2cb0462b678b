//! A committer: takes what has gathered, commits it, takes the next, and ends when nothing is left.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::batch::Batch;
use super::queue::{Place, Queue};
use super::turn::PendingTurn;
use crate::notice::ReplicaId;
use crate::pool::Pool;
use crate::queries::DeleteCommits;

/// A batch that takes longer lets others pass, so that one locked session does not hold them up.
const SLOW: Duration = Duration::from_millis(100);

/// Batches after which old ones are forgotten, and how many of them: more than came in meanwhile.
const BATCHES_A_SWEEP: u64 = 64;
const SWEPT_MAX: i64 = 256;

/// How long a sweep may wait for a connection.
const SWEEP_TIMEOUT: Duration = Duration::from_millis(250);

/// What all committers count.
#[derive(Default)]
pub(super) struct Figures {
    batches: AtomicU64,
    turns: AtomicU64,
    ended: AtomicU64,
}

impl Figures {
    pub(super) fn committed(&self, turns: usize) {
        if turns > 0 {
            self.batches.fetch_add(1, Ordering::Relaxed);
            let turns = u64::try_from(turns).unwrap_or(u64::MAX);
            self.turns.fetch_add(turns, Ordering::Relaxed);
        }
    }

    /// Counts a batch that came to its end, whichever. Says whether it is time to forget old ones.
    fn batch_ended(&self) -> bool {
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        ended.is_multiple_of(BATCHES_A_SWEEP)
    }

    pub(super) fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

/// What committing needs.
pub(super) struct Work {
    pub(super) pool: Pool,
    pub(super) queue: Arc<Queue>,
    pub(super) figures: Figures,
    pub(super) replica: Option<ReplicaId>,
    /// Silence after which a commit is in doubt. It leaves time to find out: executing it again is safe while it goes on.
    pub(super) doubt_after: Duration,
    /// Taken by whoever forgets old batches.
    pub(super) sweeping: Mutex<()>,
    pub(super) handle: Handle,
}

impl Work {
    /// Starts a committer in a place, if there is one.
    pub(super) fn start(self: &Arc<Self>, place: Option<Place>) {
        if let Some(place) = place {
            self.handle.spawn(commit_all(Arc::clone(self), place));
        }
    }
}

async fn commit_all(work: Arc<Work>, mut place: Place) {
    while let Some(turns) = place.next() {
        work.start(place.another());
        commit(&work, turns, &mut place).await;
        if work.figures.batch_ended() {
            work.handle.spawn(forget_old(Arc::clone(&work)));
        }
    }
}

/// Commits a batch. While one is in trouble the other sessions go on; later turns of its own wait.
async fn commit(work: &Arc<Work>, turns: Vec<PendingTurn>, place: &mut Place) {
    let batch = Batch::of(turns);
    let mut committing = pin!(guarded(work, &batch));
    loop {
        tokio::select! {
            biased;
            () = &mut committing => return,
            () = batch.trouble.notified() => {}
            () = sleep(SLOW) => {}
        }
        place.let_others_pass();
        work.start(place.another());
    }
}

/// A panic is the batch's own: its turns are answered by their drop.
async fn guarded(work: &Work, batch: &Batch) {
    if AssertUnwindSafe(batch.commit(work)).catch_unwind().await.is_err() {
        tracing::error!("a commit panicked");
    }
}

async fn forget_old(work: Arc<Work>) {
    // The one at it takes along what came in meanwhile.
    let Ok(_alone) = work.sweeping.try_lock() else {
        return;
    };
    let deadline = Instant::now() + SWEEP_TIMEOUT;
    let sweep = DeleteCommits::up_to(SWEPT_MAX);
    match work.pool.execute(&sweep, deadline).await {
        Ok(0) => {}
        Ok(batches) => tracing::debug!(batches, "old batches were forgotten"),
        // The next one will take them along.
        Err(failure) => tracing::debug!(fault = %failure.fault(), "failed to forget old batches"),
    }
}
