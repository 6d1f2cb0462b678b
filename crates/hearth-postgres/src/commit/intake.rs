//! Where turns come in: how many are taken on, to which committer each goes, and the way back.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use hearth_domain::ports::AppendError;
use hearth_domain::{Append, Committed, ConversationKey};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::CommitStatus;
use super::committer::{self, Figures, Work};
use super::outcome::{Outcome, Refusal};
use super::queue::Queue;
use super::turn::Ticket;
use crate::config::{ConfigError, PostgresConfig};
use crate::error::Fault;
use crate::pool::Pool;

/// Committers: while one batch is at the disk the next one goes to the server. More make smaller batches, not faster ones.
const COMMITTERS: usize = 2;

/// Of the queue, what one call with more turns than the queue has places may take at once: this part.
const STEPS_A_QUEUE: usize = 4;

/// Takes turns on, and has them committed. Dropping it lets what was accepted be committed.
pub(crate) struct Intake {
    queues: Vec<Arc<Queue>>,
    hasher: RandomState,
    room: Arc<Semaphore>,
    places: usize,
    figures: Arc<Figures>,
    commit_timeout: Duration,
    handle: Handle,
}

impl Intake {
    /// Starts the committers on a runtime.
    pub(crate) fn open(config: &PostgresConfig, pool: &Pool, handle: Handle) -> Result<Self, ConfigError> {
        let places = config.commit_queue;
        if places == 0 || u32::try_from(places).is_err() || places > Semaphore::MAX_PERMITS {
            return Err(ConfigError::CommitQueue);
        }
        let figures = Arc::<Figures>::default();
        let start = |_| {
            let queue = Arc::new(Queue::new(config.commit_timeout));
            let work = Work {
                pool: pool.clone(),
                queue: Arc::clone(&queue),
                figures: Arc::clone(&figures),
                replica: config.notify,
                doubt_after: config.commit_timeout / 2,
            };
            committer::start(work, handle.clone());
            queue
        };
        Ok(Self {
            queues: (0..COMMITTERS.min(config.pool_size)).map(start).collect(),
            hasher: RandomState::new(),
            room: Arc::new(Semaphore::new(places)),
            places,
            figures,
            commit_timeout: config.commit_timeout,
            handle,
        })
    }

    pub(crate) fn status(&self) -> CommitStatus {
        CommitStatus {
            queued_turns: self.places.saturating_sub(self.room.available_permits()),
            batches: self.figures.batches(),
            turns: self.figures.turns(),
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

    /// Puts turns into their queues, in the places that were taken for them.
    fn enqueue(&self, appends: &[Append], mut room: OwnedSemaphorePermit) -> Vec<oneshot::Receiver<Outcome>> {
        let mut shares: Vec<Vec<(Append, Ticket)>> = self.queues.iter().map(|_| Vec::new()).collect();
        let mut receivers = Vec::with_capacity(appends.len());
        for append in appends {
            let (reply, answer) = oneshot::channel();
            receivers.push(answer);
            let share = shares.get_mut(self.queue_of(&append.key));
            if let (Some(room), Some(share)) = (room.split(1), share) {
                share.push((append.clone(), Ticket { room, reply }));
            }
        }
        for (queue, share) in self.queues.iter().zip(shares) {
            if !share.is_empty() {
                queue.push(share);
            }
        }
        receivers
    }

    /// Turns of one session always go to the same committer: their order is the order of arrival.
    fn queue_of(&self, key: &ConversationKey) -> usize {
        let queues = u64::try_from(self.queues.len()).unwrap_or(1);
        usize::try_from(self.hasher.hash_one(key) % queues).unwrap_or_default()
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.queues.iter().for_each(|queue| queue.close());
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
