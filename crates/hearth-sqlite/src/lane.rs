//! A bounded set of connections that read, and the way that jobs get to them: on the runtime's blocking threads, each to its end, whether
//! or not its caller is still there.

use std::sync::Arc;
use std::time::Duration;

use diesel::SqliteConnection;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::error::{Fault, OpenError};
use crate::file_lock::FileLock;
use crate::undone::Undone;

/// Opens one more connection of a kind.
pub(crate) type Open = Box<dyn Fn() -> Result<SqliteConnection, OpenError> + Send + Sync>;

/// A set of connections. Callers wait for one in the order in which they came.
pub(crate) struct Lane {
    runtime: Handle,
    open: Open,
    idle: Mutex<Vec<SqliteConnection>>,
    places: Arc<Semaphore>,
    /// Held until the last job is done, and not just until the store is dropped.
    _lock: Arc<FileLock>,
}

impl Lane {
    pub(crate) fn new(runtime: Handle, places: usize, open: Open, lock: Arc<FileLock>) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            open,
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(places)),
            _lock: lock,
        })
    }

    /// Keeps a connection that is open already.
    pub(crate) fn keep(&self, connection: SqliteConnection) {
        self.idle.lock().push(connection);
    }

    /// Runs a job, once a connection is free, with a deadline over both.
    ///
    /// Dropped before the job begins, it does nothing; afterwards the job goes on alone.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        within: Duration,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Undone> {
        let mut deadline = std::pin::pin!(self.deadline(within));
        let place = tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => place.map_err(|_| Undone::NotBegun)?,
            () = &mut deadline => return Err(Undone::NotBegun),
        };
        let lane = Arc::clone(self);
        let running = self.runtime.spawn_blocking(move || {
            let result = lane.with_connection(job);
            // The connection is back before the place is free.
            drop(place);
            result
        });
        tokio::select! {
            biased;
            ended = running => ended.unwrap_or(Err(Fault::BrokeOff)).map_err(Undone::from),
            () = &mut deadline => Err(Undone::StillRunning),
        }
    }

    /// A connection on which a job failed or panicked is closed: whatever state it was in goes with it.
    fn with_connection<T>(
        &self,
        job: impl FnOnce(&mut SqliteConnection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => (self.open)()?,
        };
        let result = job(&mut connection)?;
        self.keep(connection);
        Ok(result)
    }

    /// The timer belongs to the runtime that was passed in, whatever the caller runs on.
    fn deadline(&self, within: Duration) -> tokio::time::Sleep {
        let _entered = self.runtime.enter();
        tokio::time::sleep(within)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::config::SqliteConfig;
    use crate::connection::Place;

    /// Longer than any test takes.
    const AMPLE: Duration = Duration::from_secs(60);

    fn lane(directory: &tempfile::TempDir) -> Arc<Lane> {
        let config = SqliteConfig::new(directory.path().join("hearth.db"));
        let place = Place::prepare(&config).unwrap();
        let lock = Arc::new(FileLock::take(place.path()).unwrap());
        Lane::new(Handle::current(), 1, Box::new(move || place.open_writer()), lock)
    }

    /// A job that says that it has begun, waits to be released, and says that it is done.
    struct Held {
        begun: oneshot::Receiver<()>,
        release: oneshot::Sender<()>,
        done: oneshot::Receiver<()>,
    }

    type Job = Box<dyn FnOnce(&mut SqliteConnection) -> Result<(), Fault> + Send>;

    fn held() -> (Held, Job) {
        let (say_begun, begun) = oneshot::channel();
        let (release, released) = oneshot::channel();
        let (say_done, done) = oneshot::channel();
        let job = Box::new(move |_: &mut SqliteConnection| {
            say_begun.send(()).unwrap();
            released.blocking_recv().unwrap();
            say_done.send(()).map_err(|()| Fault::BrokeOff)
        });
        (Held { begun, release, done }, job)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_caller_that_leaves_stops_no_job() {
        let directory = tempfile::tempdir().unwrap();
        let lane = lane(&directory);
        let (held, job) = held();
        let caller = Handle::current().spawn({
            let lane = Arc::clone(&lane);
            async move { lane.run(AMPLE, job).await }
        });
        held.begun.await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        held.release.send(()).unwrap();
        held.done.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_deadline_tells_what_runs_on_from_what_never_begins() {
        let directory = tempfile::tempdir().unwrap();
        let lane = lane(&directory);
        let (held, job) = held();
        let running = lane.run(Duration::from_millis(1), job).await;
        // The place was free and is asked for first, so that the job began however short the deadline.
        assert!(matches!(running, Err(Undone::StillRunning)));
        let waiting = lane.run(Duration::ZERO, |_| Ok(())).await;
        assert!(matches!(waiting, Err(Undone::NotBegun)), "the place is taken");
        held.release.send(()).unwrap();
        held.done.await.unwrap();
        lane.run(AMPLE, |_| Ok(())).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_panics_takes_its_connection_along() {
        let directory = tempfile::tempdir().unwrap();
        let lane = lane(&directory);
        lane.run(AMPLE, |_| Ok(())).await.unwrap();
        assert_eq!(lane.idle.lock().len(), 1);
        let broken = lane
            .run::<()>(AMPLE, |connection| {
                connection.immediate_transaction(|_| -> Result<(), Fault> { panic!("a job's fault") })
            })
            .await;
        assert!(matches!(broken, Err(Undone::Failed(fault)) if matches!(*fault, Fault::BrokeOff)));
        assert!(lane.idle.lock().is_empty());
        let committed = lane.run(AMPLE, |connection| connection.immediate_transaction(|_| Ok(())));
        committed.await.unwrap();
    }
}
