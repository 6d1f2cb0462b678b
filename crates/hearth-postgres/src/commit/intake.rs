//! Where turns come in: how many are taken on, and the way back.

use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::AppendError;
use hearth_domain::{Append, Committed};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::CommitStatus;
use super::committer::{Figures, Work};
use super::outcome::{Outcome, Refusal};
use super::queue::{Queue, expire};
use super::turn::Ticket;
use crate::config::{ConfigError, PostgresConfig};
use crate::error::Fault;
use crate::pool::Pool;

/// Committers at once: while one batch is at the disk the next one goes to the server. More make smaller batches, not faster ones.
const COMMITTERS: usize = 2;

/// Of the queue, what one call with more turns than the queue has places may take at once: this part.
const STEPS_A_QUEUE: usize = 4;

/// Takes turns on, and has them committed. Dropping it lets what was accepted be committed.
pub(crate) struct Intake {
    queue: Arc<Queue>,
    work: Arc<Work>,
    room: Arc<Semaphore>,
    places: usize,
    commit_timeout: Duration,
    handle: Handle,
}

impl Intake {
    /// An intake whose committers work on a runtime.
    pub(crate) fn open(config: &PostgresConfig, pool: &Pool, handle: Handle) -> Result<Self, ConfigError> {
        let places = config.commit_queue;
        if places == 0 || u32::try_from(places).is_err() || places > Semaphore::MAX_PERMITS {
            return Err(ConfigError::CommitQueue);
        }
        let committers = COMMITTERS.min(config.pool_size);
        let queue = Arc::new(Queue::new(committers, config.commit_timeout));
        handle.spawn(expire(Arc::downgrade(&queue)));
        let work = Work {
            pool: pool.clone(),
            queue: Arc::clone(&queue),
            figures: Figures::default(),
            replica: config.notify,
            doubt_after: config.commit_timeout / 2,
            sweeping: Mutex::default(),
            handle: handle.clone(),
        };
        Ok(Self {
            queue,
            work: Arc::new(work),
            room: Arc::new(Semaphore::new(places)),
            places,
            commit_timeout: config.commit_timeout,
            handle,
        })
    }

    pub(crate) fn status(&self) -> CommitStatus {
        CommitStatus {
            queued_turns: self.places.saturating_sub(self.room.available_permits()),
            batches: self.work.figures.batches(),
            turns: self.work.figures.turns(),
        }
    }

    /// Has turns committed, those of one session in their order, and answers each. They are on their way when this first waits.
    pub(crate) async fn append(self: &Arc<Self>, appends: &[Append]) -> Vec<Result<Committed, AppendError>> {
        let outcomes = if appends.len() > self.places {
            self.append_in_steps(appends.to_vec()).await
        } else {
            match Arc::clone(&self.room).try_acquire_many_owned(count(appends)) {
                Ok(room) => answers(self.enqueue(appends, room)).await,
                Err(_) => vec![Err(Refusal::Overloaded); appends.len()],
            }
        };
        outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(AppendError::from))
            .collect()
    }

    /// More turns than there are places: a part after the other, each when there is room. Once the database is away, the rest is not
    /// tried.
    async fn append_in_steps(self: &Arc<Self>, appends: Vec<Append>) -> Vec<Outcome> {
        let (reply, answer) = oneshot::channel();
        let intake = Arc::clone(self);
        let turns = appends.len();
        self.handle.spawn(async move {
            let mut outcomes: Vec<Outcome> = Vec::with_capacity(appends.len());
            let mut away = None;
            for part in appends.chunks(intake.places.div_ceil(STEPS_A_QUEUE)) {
                let answered = match &away {
                    None => intake.append_when_room(part).await,
                    Some(fault) => vec![Err(Refusal::NotCommitted(Fault::clone(fault))); part.len()],
                };
                let refusals = answered.iter().filter_map(|outcome| outcome.as_ref().err());
                away = away.or_else(|| refusals.filter_map(Refusal::database_away).next().cloned());
                outcomes.extend(answered);
            }
            drop(reply.send(outcomes));
        });
        let ended = |_| vec![Err(Refusal::Unknown(Fault::task_ended())); turns];
        answer.await.unwrap_or_else(ended)
    }

    async fn append_when_room(&self, part: &[Append]) -> Vec<Outcome> {
        let room = Arc::clone(&self.room).acquire_many_owned(count(part));
        match timeout(self.commit_timeout, room).await {
            Ok(Ok(room)) => answers(self.enqueue(part, room)).await,
            Ok(Err(_)) | Err(_) => vec![Err(Refusal::NotCommitted(Fault::timed_out())); part.len()],
        }
    }

    /// Puts turns into the queue, in the places that were taken for them.
    fn enqueue(&self, appends: &[Append], mut room: OwnedSemaphorePermit) -> Vec<oneshot::Receiver<Outcome>> {
        let mut turns = Vec::with_capacity(appends.len());
        let mut receivers = Vec::with_capacity(appends.len());
        for append in appends {
            let (reply, answer) = oneshot::channel();
            receivers.push(answer);
            if let Some(room) = room.split(1) {
                turns.push((append.clone(), Ticket { room, reply }));
            }
        }
        self.work.start(self.queue.push(turns));
        receivers
    }
}

/// As many as the places that the configuration was checked to have, at most.
fn count(appends: &[Append]) -> u32 {
    u32::try_from(appends.len()).unwrap_or(u32::MAX)
}

async fn answers(receivers: Vec<oneshot::Receiver<Outcome>>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(receivers.len());
    for receiver in receivers {
        // Turns answer whatever happens to them.
        let ended = |_| Err(Refusal::Unknown(Fault::task_ended()));
        outcomes.push(receiver.await.unwrap_or_else(ended));
    }
    outcomes
}
