//! Where work runs that others wait for: on a runtime that was passed in, so that no caller takes it along.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use hearth_domain::ports::StoreError;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TrackedFuture;

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

    /// Work that runs in the task of whoever waits for it, and goes on as a task of its own from the moment that nobody does. It saves a task,
    /// and a wake of another thread, where the caller stays. [`Spawner::drain`] waits for it.
    pub(crate) fn handed_over_if_left<F>(&self, work: F) -> HandedOver<F>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        HandedOver {
            work: Some(Box::pin(self.work.track_future(work))),
            runtime: self.runtime.clone(),
        }
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

/// Work that becomes a task where it is left unfinished.
#[must_use = "it begins when it is waited for"]
pub(crate) struct HandedOver<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Until it is done.
    work: Option<Pin<Box<TrackedFuture<F>>>>,
    runtime: Handle,
}

impl<F> Future for HandedOver<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Pending;
        };
        let output = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for HandedOver<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.runtime.spawn(work);
        }
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

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::oneshot;
    use tokio::task;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_is_done_by_whoever_waits_for_it() {
        let spawner = Spawner::new(Handle::current());
        let working = spawner.clone();
        let waiting = spawner.spawn(async move {
            let work = working.handed_over_if_left(async { task::id() });
            (work.await, task::id())
        });
        let (worker, waiter) = waiting.await.unwrap();
        assert_eq!(worker, waiter);
    }

    #[tokio::test]
    async fn work_that_is_left_goes_on_and_is_drained() {
        let spawner = Spawner::new(Handle::current());
        let (go, told_to_go) = oneshot::channel::<()>();
        let (done, told_that_done) = oneshot::channel();
        let mut work = spawner.handed_over_if_left(async move {
            told_to_go.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(poll!(&mut work).is_pending());
        drop(work);
        assert!(!spawner.drain(Duration::ZERO).await, "it is not done yet");
        go.send(()).unwrap();
        assert!(spawner.drain(DEADLINE).await);
        told_that_done.await.unwrap();
    }
}
