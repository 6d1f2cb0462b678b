//! A write on its way. Whatever happens to it, whoever handed it in is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::SqliteConnection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::error::{Fault, OpenError};
use crate::undone::Undone;

/// A write that was accepted. Dropping one that was not settled answers it.
pub(super) trait Job: Send {
    /// About what it adds to the log.
    fn bytes(&self) -> usize;

    /// Notes that it is about to run. `false` where it is too late: it has been told so, and is to be dropped.
    fn begin(&mut self, now: Instant) -> bool;

    /// Does the work in the transaction that is open, anew where it was done before.
    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault>;

    /// Tells the outcome: that of the transaction, or why this job is not in it.
    fn settle(self: Box<Self>, end: Result<(), Undone>);
}

/// The caller's side of a job.
pub(crate) struct Submitted<T> {
    pub(super) reply: oneshot::Receiver<Result<T, Undone>>,
    pub(super) begun: Begun,
    pub(super) deadline: Instant,
}

/// Whether a job runs, or never will: the writer and the deadline decide between them, whoever comes first.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<AtomicBool>);

impl Begun {
    /// Whether this side comes first.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

struct Write<T, F> {
    work: F,
    bytes: usize,
    result: Option<T>,
    begun: Begun,
    runs: bool,
    deadline: Instant,
    way_back: Option<WayBack<T>>,
}

struct WayBack<T> {
    room: Option<OwnedSemaphorePermit>,
    reply: oneshot::Sender<Result<T, Undone>>,
}

/// A job and its caller's side.
pub(super) fn prepare<T, F>(
    work: F,
    bytes: usize,
    room: Option<OwnedSemaphorePermit>,
    deadline: Instant,
) -> (Box<dyn Job>, Submitted<T>)
where
    T: Send + 'static,
    F: FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send + 'static,
{
    let begun = Begun::default();
    let (sender, reply) = oneshot::channel();
    let job = Write {
        work,
        bytes,
        result: None,
        begun: begun.clone(),
        runs: false,
        deadline,
        way_back: Some(WayBack { room, reply: sender }),
    };
    let submitted = Submitted {
        reply,
        begun,
        deadline,
    };
    (Box::new(job), submitted)
}

impl<T, F> Write<T, F> {
    fn answer(&mut self, outcome: Result<T, Undone>) {
        if let Some(WayBack { room, reply }) = self.way_back.take() {
            // First, so that a caller who comes straight back finds the place free.
            drop(room);
            // A caller who went away does not mind.
            drop(reply.send(outcome));
        }
    }
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnMut(&mut SqliteConnection) -> Result<T, Fault> + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn begin(&mut self, now: Instant) -> bool {
        self.runs = self.deadline > now && self.begun.take();
        if !self.runs {
            self.answer(Err(Undone::NotBegun));
        }
        self.runs
    }

    fn run(&mut self, connection: &mut SqliteConnection) -> Result<(), Fault> {
        self.result = Some((self.work)(connection)?);
        Ok(())
    }

    fn settle(mut self: Box<Self>, end: Result<(), Undone>) {
        let result = self.result.take();
        let outcome = end.and_then(|()| result.ok_or_else(|| Fault::BrokeOff.into()));
        self.answer(outcome);
    }
}

impl<T, F> Drop for Write<T, F> {
    fn drop(&mut self) {
        if self.way_back.is_some() {
            let fault = if self.runs {
                Fault::BrokeOff
            } else {
                Fault::Open(OpenError::RuntimeGone)
            };
            self.answer(Err(fault.into()));
        }
    }
}
