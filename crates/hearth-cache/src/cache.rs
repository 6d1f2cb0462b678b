//! The cache: what a server asks for histories, and gives turns to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hearth_domain::ports::{AppendError, Clock, HistoryStore, StoreError};
use hearth_domain::{Append, Committed, ConversationKey, Department, UserId, Version};

use crate::config::CacheConfig;
use crate::error::ReadError;
use crate::expiry;
use crate::flight::Outcome;
use crate::loader::{LoadQueue, Loader};
use crate::performance::{Occupancy, Performance};
use crate::reading::{Reading, Source};
use crate::slots::{Joined, Slots};
use crate::spawn::Spawner;
use crate::statistics::Count;
use crate::strategy::Strategy;

/// How often a reader who asks for a version goes to the store: the first load may have begun before that version was committed.
const FRESH_ATTEMPTS: usize = 2;

/// Sessions of one warm-up that wait for their load at a time, so that a large warm-up leaves room in the queue for readers.
const WARM_UP_STEP: usize = 256;

/// A memory-first cache of conversation histories over a store. Cheap to clone; all clones are one cache.
pub struct Cache<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    store: Arc<S>,
    slots: Arc<Slots>,
    queue: LoadQueue,
    spawner: Spawner,
    clock: Arc<dyn Clock>,
    config: CacheConfig,
    started: Duration,
}

/// What a warm-up of many sessions found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WarmUp {
    /// Sessions that are loaded now and have messages.
    pub found: usize,
    /// Sessions that are loaded now and have none.
    pub new: usize,
    /// Sessions that could not be loaded.
    pub failed: usize,
}

impl<S> Clone for Cache<S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: HistoryStore> Cache<S> {
    /// Makes a cache over `store`. Loads and commits run on the spawner's runtime.
    #[must_use]
    pub fn new(store: Arc<S>, config: CacheConfig, clock: Arc<dyn Clock>, spawner: Spawner) -> Self {
        let keeps = match config.strategy {
            Strategy::MemoryFirst => true,
            Strategy::PassThrough => false,
        };
        let slots = Arc::new(Slots::new(config.budget_bytes, config.window, keeps));
        let loader = Loader {
            store: Arc::clone(&store),
            slots: Arc::clone(&slots),
            clock: Arc::clone(&clock),
            config,
        };
        let queue = loader.start(&spawner);
        spawner.spawn_forever(expiry::sweep_for_ever(
            Arc::downgrade(&slots),
            Arc::clone(&clock),
            config.idle,
        ));
        let started = clock.now();
        Self {
            shared: Arc::new(Shared {
                store,
                slots,
                queue,
                spawner,
                clock,
                config,
                started,
            }),
        }
    }

    /// A session's history: from memory where it is loaded, else from the store, which is asked once however many readers wait.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; the session is not loaded then.
    ///
    /// # Cancel safety
    ///
    /// A reader who goes away cancels nobody's load.
    pub async fn history(&self, key: &ConversationKey) -> Result<Reading, ReadError> {
        self.history_since(key, Version::ZERO).await
    }

    /// The same, at least as new as `version`.
    ///
    /// # Errors
    ///
    /// [`ReadError`]; [`ReadError::NotFresh`] where the store has nothing as new.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::history`].
    pub async fn history_since(&self, key: &ConversationKey, version: Version) -> Result<Reading, ReadError> {
        let shared = &*self.shared;
        let began = shared.clock.now();
        if let Some(reading) = shared.read_memory(key, version, began) {
            shared
                .slots
                .statistics
                .add_memory_read(|| shared.clock.now().saturating_sub(began));
            tell(key, &reading);
            return Ok(reading);
        }
        let outcome = shared.read_store(key, version).await;
        shared.count_read(&outcome, shared.clock.now().saturating_sub(began));
        outcome.inspect(|reading| tell(key, reading))
    }

    /// A session that the caller just made up: loaded and empty, and the store is not asked.
    #[must_use]
    pub fn open(&self, key: &ConversationKey) -> Reading {
        let shared = &*self.shared;
        let reading = Reading::new(shared.slots.open(key, shared.clock.now()), Source::New);
        shared.slots.statistics.add(Count::New);
        tell(key, &reading);
        reading
    }

    /// Loads a session now, without counting it as a read.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn warm_up(&self, key: &ConversationKey) -> Result<Reading, ReadError> {
        let shared = &*self.shared;
        match shared.read_memory(key, Version::ZERO, shared.clock.now()) {
            Some(reading) => Ok(reading),
            None => shared.read_store(key, Version::ZERO).await,
        }
    }

    /// Loads many sessions, in as few calls to the store as they fit into.
    pub async fn warm_up_many(&self, keys: &[ConversationKey]) -> WarmUp {
        let mut counts = WarmUp::default();
        for step in keys.chunks(WARM_UP_STEP) {
            for outcome in join_all(step.iter().map(|key| self.warm_up(key))).await {
                match outcome {
                    Ok(reading) if reading.history().is_empty() => counts.new += 1,
                    Ok(_) => counts.found += 1,
                    Err(_) => counts.failed += 1,
                }
            }
        }
        counts
    }

    /// Commits a turn; memory follows before this returns. A session that is not loaded is not loaded by it.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; unless it is [`AppendError::Unknown`], nothing was committed.
    ///
    /// # Cancel safety
    ///
    /// The commit goes on, memory included, when the caller goes away.
    pub async fn append(&self, append: Append) -> Result<Committed, AppendError> {
        let limit = self.shared.config.append_timeout;
        let commit = self.shared.spawner.spawn(Arc::clone(&self.shared).commit(append));
        match tokio::time::timeout(limit, commit).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(AppendError::Unknown(StoreError::Failed("it panicked".into()))),
            Err(_elapsed) => Err(AppendError::Unknown(StoreError::TimedOut)),
        }
    }

    /// Notes that a session is over, and un-loads it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the session stays loaded then.
    ///
    /// # Cancel safety
    ///
    /// It goes on when the caller goes away, as all that changes the store.
    pub async fn end(&self, key: ConversationKey) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        self.in_task(async move {
            shared.store.end(&key).await?;
            shared.slots.forget(&key);
            Ok(())
        })
        .await
    }

    /// Erases a session in the store and in memory; loads that are under way do not bring it back.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is erased then.
    pub async fn erase(&self, key: ConversationKey) -> Result<Version, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.in_task(async move {
            let version = shared.store.erase(&key).await?;
            shared.slots.forget(&key);
            Ok(version)
        })
        .await
    }

    /// Erases all sessions of a user, and says how many had messages.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is erased then.
    pub async fn erase_user(&self, department: Department, user: UserId) -> Result<usize, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.in_task(async move {
            let erased = shared.store.erase_user(&department, &user).await?;
            erased.iter().for_each(|key| shared.slots.forget(key));
            Ok(erased.len())
        })
        .await
    }

    /// Notes that somebody else changed a session: what is in memory of it, or on its way there, is not served as it is.
    pub fn invalidate(&self, key: &ConversationKey) {
        self.shared.slots.invalidate(key);
    }

    /// What was counted since the cache was made, and what is in memory now. Costs no walk over the sessions.
    #[must_use]
    pub fn performance(&self) -> Performance {
        let shared = &*self.shared;
        let memory = &shared.slots.memory;
        Performance {
            strategy: shared.config.strategy,
            uptime: shared.clock.now().saturating_sub(shared.started),
            figures: shared.slots.statistics.snapshot(),
            memory: Occupancy {
                sessions: memory.len(),
                responses: memory.responses(),
                bytes: memory.weight(),
                budget_bytes: shared.config.budget_bytes,
            },
            load_queue: shared.queue.len(),
        }
    }

    /// The loaded sessions that were used last, the last one first. Walks over all sessions, without stopping anybody.
    #[must_use]
    pub fn recently_used(&self, count: usize) -> Vec<ConversationKey> {
        let mut newest = BinaryHeap::with_capacity(count + 1);
        for (key, session) in self.shared.slots.memory.iter() {
            newest.push((Reverse(session.last_used()), key));
            if newest.len() > count {
                newest.pop();
            }
        }
        newest.into_sorted_vec().into_iter().map(|(_, key)| key).collect()
    }

    /// Un-loads every idle session now, and says how many there were. The cache does it by itself, too.
    pub async fn expire_idle(&self) -> usize {
        let shared = &*self.shared;
        expiry::sweep(&shared.slots, &*shared.clock, shared.config.idle).await
    }

    /// The store beneath.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.shared.store
    }

    /// Runs what changes the store in a task of its own, so that it is not cut off half-way.
    async fn in_task<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let limit = self.shared.config.append_timeout;
        match tokio::time::timeout(limit, self.shared.spawner.spawn(work)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_panic)) => Err(StoreError::Failed("it panicked".into())),
            Err(_elapsed) => Err(StoreError::TimedOut),
        }
    }
}

impl<S: HistoryStore> Shared<S> {
    fn read_memory(&self, key: &ConversationKey, version: Version, now: Duration) -> Option<Reading> {
        let session = self.slots.served(key, now, self.config.idle)?;
        (session.history().version() >= version).then(|| Reading::new(session, Source::Memory))
    }

    async fn read_store(&self, key: &ConversationKey, version: Version) -> Outcome {
        let mut held = Version::ZERO;
        for _ in 0..FRESH_ATTEMPTS {
            if version > Version::ZERO {
                self.slots.outdated(key, version);
            }
            let reading = self.load(key).await?;
            held = reading.history().version();
            if held >= version {
                return Ok(reading);
            }
        }
        Err(ReadError::NotFresh { held })
    }

    /// Waits for the load of a session, which somebody else may have begun.
    async fn load(&self, key: &ConversationKey) -> Outcome {
        let waiting = match self.slots.join(key) {
            Joined::Served(session) => return Ok(Reading::new(session, Source::Memory)),
            Joined::Follows(waiting) => {
                self.slots.statistics.add(Count::Coalesced);
                waiting
            }
            Joined::Leads(waiting) => {
                if let Err(error) = self.queue.push(key.clone()) {
                    self.slots.failed(key, &error);
                }
                waiting
            }
        };
        match tokio::time::timeout(self.config.wait_timeout(), waiting).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_gone)) => Err(ReadError::ShuttingDown),
            Err(_elapsed) => Err(ReadError::TimedOut),
        }
    }

    async fn commit(self: Arc<Self>, append: Append) -> Result<Committed, AppendError> {
        let outcome = self.store.append(std::slice::from_ref(&append)).await.pop();
        let outcome = outcome.unwrap_or_else(|| {
            Err(AppendError::Unknown(StoreError::Failed(
                "it did not answer for the turn".into(),
            )))
        });
        match &outcome {
            Ok(committed) => self.slots.committed(&append, committed, self.clock.now()),
            // It may have been committed: what is in memory cannot be trusted to have it.
            Err(AppendError::Unknown(_)) => self.slots.invalidate(&append.key),
            Err(AppendError::NotCommitted(_) | AppendError::VersionConflict { .. }) => {}
        }
        outcome
    }

    fn count_read(&self, outcome: &Outcome, elapsed: Duration) {
        let statistics = &self.slots.statistics;
        match outcome.as_ref().map(Reading::source) {
            Ok(Source::Memory) => return statistics.add_memory_read(|| elapsed),
            Ok(Source::Store) => statistics.add(Count::Store),
            Ok(Source::New) => statistics.add(Count::New),
            Err(_) => return statistics.add(Count::Failed),
        }
        statistics.record_store_read(elapsed);
    }
}

/// The story of a read, one line at debug level.
fn tell(key: &ConversationKey, reading: &Reading) {
    let responses = reading.history().responses();
    match reading.source() {
        Source::Memory => tracing::debug!(session = %key.session, responses, "fast path"),
        Source::Store => tracing::debug!(session = %key.session, responses, "warm-up"),
        Source::New => tracing::debug!(session = %key.session, responses, "new conversation"),
    }
}
