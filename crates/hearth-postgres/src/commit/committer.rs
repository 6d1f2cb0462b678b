//! One committer: takes what has gathered, commits it, takes the next.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::batch::Batch;
use super::queue::Queue;
use super::turn::PendingTurn;
use crate::notice::ReplicaId;
use crate::pool::Pool;
use crate::queries::DeleteCommits;

/// A batch that takes longer is set aside where there is room, so that one locked session does not hold up the others.
const SLOW: Duration = Duration::from_millis(250);

/// Batches after which a committer forgets old ones, and how many of them: more than came in meanwhile.
const BATCHES_A_SWEEP: u64 = 64;
const SWEPT_MAX: i64 = 256;

/// How long a sweep may wait for a connection.
const SWEEP_TIMEOUT: Duration = Duration::from_millis(250);

/// What all committers count.
#[derive(Default)]
pub(super) struct Figures {
    batches: AtomicU64,
    turns: AtomicU64,
}

impl Figures {
    pub(super) fn committed(&self, turns: usize) {
        if turns > 0 {
            self.batches.fetch_add(1, Ordering::Relaxed);
            let turns = u64::try_from(turns).unwrap_or(u64::MAX);
            self.turns.fetch_add(turns, Ordering::Relaxed);
        }
    }

    pub(super) fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}

/// What committing needs.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) pool: Pool,
    pub(super) queue: Arc<Queue>,
    pub(super) figures: Arc<Figures>,
    pub(super) replica: Option<ReplicaId>,
    /// Silence after which a commit is in doubt. It leaves time to find out: executing it again is safe while it goes on.
    pub(super) doubt_after: Duration,
}

/// Refuses what waits when its committer ends, however it ends.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Starts a committer; it ends when its queue is closed and empty, or with the runtime.
pub(super) fn start(work: Work, handle: Handle) {
    let end = End(Arc::clone(&work.queue));
    let runtime = handle.clone();
    handle.spawn(async move {
        let _end = end;
        tokio::select! {
            () = commit_all(&work, &runtime) => {}
            () = work.queue.expire() => {}
        }
    });
}

async fn commit_all(work: &Work, runtime: &Handle) {
    let mut batches: u64 = 0;
    while let Some(turns) = work.queue.next().await {
        commit(work, turns, runtime).await;
        batches += 1;
        if batches.is_multiple_of(BATCHES_A_SWEEP) {
            forget_old(work).await;
        }
    }
}

/// Commits a batch. One in trouble goes on in a task of its own, and so do the other sessions here; later turns of its sessions wait.
async fn commit(work: &Work, turns: Vec<PendingTurn>, runtime: &Handle) {
    let batch = Arc::new(Batch::of(turns));
    let mut committing = guarded(work.clone(), Arc::clone(&batch));
    tokio::select! {
        biased;
        () = &mut committing => return,
        () = batch.trouble.notified() => {}
        () = sleep(SLOW) => {}
    }
    match work.queue.hold(batch.sessions()) {
        Some(hold) => {
            runtime.spawn(async move {
                committing.await;
                drop(hold);
            });
        }
        None => committing.await,
    }
}

/// A panic is the batch's own: its turns are answered by their drop.
fn guarded(work: Work, batch: Arc<Batch>) -> BoxFuture<'static, ()> {
    let committing = async move { batch.commit(&work).await };
    let caught = AssertUnwindSafe(committing).catch_unwind();
    caught
        .map(|outcome| {
            if outcome.is_err() {
                tracing::error!("a commit panicked");
            }
        })
        .boxed()
}

async fn forget_old(work: &Work) {
    let deadline = Instant::now() + SWEEP_TIMEOUT;
    let sweep = DeleteCommits::up_to(SWEPT_MAX);
    match work.pool.execute(&sweep, deadline).await {
        Ok(0) => {}
        Ok(batches) => tracing::debug!(batches, "old batches were forgotten"),
        // The next one will take them along.
        Err(failure) => tracing::debug!(fault = %failure.fault(), "failed to forget old batches"),
    }
}
