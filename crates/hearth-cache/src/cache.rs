//! The cache: what a server asks for histories, and gives turns to.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hearth_domain::ports::{AppendError, ChangeFeed, Clock, HistoryStore, StoreError};
use hearth_domain::{Append, Committed, ConversationKey, Department, UserId, Version};

use crate::config::CacheConfig;
use crate::error::ReadError;
use crate::expiry;
use crate::following;
use crate::loader::{LoadQueue, Loader};
use crate::outage::Outage;
use crate::performance::{Coherence, Occupancy, Performance};
use crate::reading::Reading;
use crate::slots::Slots;
use crate::spawn::Spawner;
use crate::statistics::Count;
use crate::statistics::ReadLatencies;
use crate::strategy::Strategy;

/// Sessions of one warm-up that wait for their load at a time, so that a large warm-up leaves room in the queue for readers.
const WARM_UP_STEP: usize = 256;

/// A memory-first cache of conversation histories over a store. Cheap to clone; all clones are one cache.
pub struct Cache<S> {
    shared: Arc<Shared<S>>,
}

/// What all clones of a cache share: [`crate::reads`] reads with it, [`crate::writes`] writes.
pub(crate) struct Shared<S> {
    pub(crate) store: Arc<S>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) outage: Arc<Outage<S>>,
    pub(crate) queue: LoadQueue,
    pub(crate) spawner: Spawner,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: CacheConfig,
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
    /// Makes a cache over `store`. Loads run on the spawner's runtime, and so does whatever changes the store and is left by its caller.
    #[must_use]
    pub fn new(store: Arc<S>, config: CacheConfig, clock: Arc<dyn Clock>, spawner: Spawner) -> Self {
        let keeps = match config.strategy {
            Strategy::MemoryFirst => true,
            Strategy::PassThrough => false,
        };
        let slots = Arc::new(Slots::new(config.budget_bytes, config.window, keeps));
        let outage = Arc::new(Outage::new(
            Arc::clone(&store),
            spawner.clone(),
            config.load_timeout,
        ));
        let loader = Loader {
            store: Arc::clone(&store),
            slots: Arc::clone(&slots),
            outage: Arc::clone(&outage),
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
                outage,
                queue,
                spawner,
                clock,
                config,
                started,
            }),
        }
    }

    /// Keeps memory coherent with other writers, whom `feed` tells of. Call it once, before the first read.
    ///
    /// From then on memory is trusted only while heartbeats come back that are not older than `max_staleness`; a session that is not
    /// trusted is loaded again by its next read, and served as degraded where the store is away. A process that is the store's only writer follows
    /// no feed, or a [`NullFeed`](hearth_domain::ports::NullFeed) with `Duration::MAX`.
    ///
    /// A read that is not degraded shows all that other processes committed up to `max_staleness` before it began, and all that was told until then.
    pub fn follow(&self, feed: impl ChangeFeed, max_staleness: Duration) {
        let shared = &self.shared;
        shared.slots.freshness.follow(max_staleness);
        let following = following::follow(feed, Arc::downgrade(&shared.slots));
        shared.spawner.spawn_forever(following);
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
        self.shared.read(key, version).await
    }

    /// The same where memory has it: for callers that cannot wait. Where the store would have to be asked, it is not, and nothing is counted.
    #[must_use]
    pub fn history_at_once(&self, key: &ConversationKey, version: Version) -> Option<Reading> {
        self.shared.read_at_once(key, version)
    }

    /// A session that the caller just made up: loaded and empty, and the store is not asked. Where the session is loaded already, it is
    /// read instead.
    #[must_use]
    pub fn open(&self, key: &ConversationKey) -> Reading {
        self.shared.open(key)
    }

    /// Loads a session now, without counting it as a read.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub async fn warm_up(&self, key: &ConversationKey) -> Result<Reading, ReadError> {
        self.shared.warm_up(key).await
    }

    /// Loads many sessions, in as few calls to the store as they fit into.
    pub async fn warm_up_many(&self, keys: &[ConversationKey]) -> WarmUp {
        let mut counts = WarmUp::default();
        let room = self.shared.config.load_queue_max / 2;
        for step in keys.chunks(room.clamp(1, WARM_UP_STEP)) {
            for outcome in join_all(step.iter().map(|key| self.warm_up(key))).await {
                match outcome {
                    Ok(reading) if reading.is_of_new_session() => counts.new += 1,
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
    /// The commit goes on, memory included, when this is dropped. It is the caller's task that puts the turn into memory once it is committed:
    /// wait for it or drop it, until then the session is shown as it was before.
    pub async fn append(&self, append: Append) -> Result<Committed, AppendError> {
        Shared::append(&self.shared, append).await
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
        Shared::end(&self.shared, key).await
    }

    /// Erases a session in the store and in memory; loads that are under way do not bring it back.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is erased then, unless it is [`StoreError::TimedOut`], after which the erase may still happen. The next read asks the
    /// store in any case.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::end`].
    pub async fn erase(&self, key: ConversationKey) -> Result<Version, StoreError> {
        Shared::erase(&self.shared, key).await
    }

    /// Erases all sessions of a user, and says how many had messages. Walks over all sessions in memory, without stopping anybody.
    ///
    /// # Errors
    ///
    /// As [`Cache::erase`], for each of the sessions.
    ///
    /// # Cancel safety
    ///
    /// As [`Cache::end`].
    pub async fn erase_user(&self, department: Department, user: UserId) -> Result<usize, StoreError> {
        Shared::erase_user(&self.shared, department, user).await
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
            coherence: shared.coherence(),
        }
    }

    /// Whether there is reason to think that the store is away: a load found it so, or the change feed is lost.
    #[must_use]
    pub fn doubts_store(&self) -> bool {
        let freshness = &self.shared.slots.freshness;
        self.shared.outage.is_known() || (freshness.is_followed() && !freshness.is_connected())
    }

    /// How long reads took since the cache was made.
    #[must_use]
    pub fn latencies(&self) -> ReadLatencies {
        self.shared.slots.statistics.latencies()
    }

    /// The loaded sessions that were used last, the last one first. Walks over all sessions, without stopping anybody.
    #[must_use]
    pub fn recently_used(&self, count: usize) -> Vec<ConversationKey> {
        let mut newest = BinaryHeap::new();
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

    /// Recounts what is counted as it changes, and checks what must always hold. For tests, while nothing else uses the cache: it
    /// walks over all sessions.
    ///
    /// # Panics
    ///
    /// Where a figure is not what the recount says, or a session that may be served is being loaded.
    #[doc(hidden)]
    pub fn validate(&self) {
        self.shared.slots.validate();
    }
}

impl<S: HistoryStore> Shared<S> {
    fn coherence(&self) -> Option<Coherence> {
        let Slots {
            freshness,
            statistics,
            ..
        } = &*self.slots;
        freshness.is_followed().then(|| Coherence {
            connected: freshness.is_connected(),
            staleness: freshness.staleness(self.clock.now()),
            max_staleness: freshness.max_staleness(),
            store_is_away: self.outage.is_known(),
            changes: statistics.total(Count::Changes),
            gaps: statistics.total(Count::Gaps),
            suspected: statistics.total(Count::Suspected),
        })
    }
}
