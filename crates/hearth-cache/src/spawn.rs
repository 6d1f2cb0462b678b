//! Where work runs that others wait for: on a runtime that was passed in, never on the caller's.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use hearth_domain::ports::StoreError;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// A runtime for work that outlives the caller who started it, and the count of what still runs there.
///
/// A web server's workers come and go with their connections; a load or a commit that ran on one of them would go too.
#[derive(Debug, Clone)]
pub struct Spawner {
    runtime: Handle,
    work: TaskTracker,
}

impl Spawner {
    /// Runs work on `runtime`, which must be a multi-thread runtime with time and IO.
    #[must_use]
    pub fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            work: TaskTracker::new(),
        }
    }

    /// Starts work that [`Spawner::drain`] waits for.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.work.spawn_on(work, &self.runtime)
    }

    /// Starts work that runs for as long as the process does, and that nobody waits for.
    pub fn spawn_forever<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.runtime.spawn(work);
    }

    /// The runtime.
    #[must_use]
    pub const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Waits until all work is done, for at most `limit`; says whether it was. Work may be started meanwhile.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.work.close();
        tokio::time::timeout(limit, self.work.wait()).await.is_ok()
    }
}

/// A call to the store whose panic is a failure like another. Nothing of ours is left half-changed by it: the store's own state is the
/// store's matter. Make the call within `call`, so that one that panics before its first await is caught as well.
pub(crate) async fn unwound<T>(call: impl Future<Output = T>) -> Result<T, StoreError> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .map_err(|_panic| StoreError::Failed("it panicked".into()))
}

/// A call to the store that neither hangs nor panics.
pub(crate) async fn guarded<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, unwound(call)).await {
        Ok(answer) => answer.flatten(),
        Err(_elapsed) => Err(StoreError::TimedOut),
    }
}
