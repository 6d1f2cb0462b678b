//! A cache over the reference store, and sessions in it.

use std::sync::Arc;
use std::time::Duration;

use hearth_cache::{Cache, CacheConfig, Spawner};
use hearth_domain::ports::{HistoryStore, SystemClock};
use hearth_domain::{ConversationKey, MemoryStore, Turn};
use hearth_testkit::build::{append, assistant, key, turn, user};
use tokio::runtime::{Builder, Runtime};

/// Sessions that one warm-up names.
const WARM_UP: usize = 1_000;

/// A cache over a store of its own, on a runtime of its own.
pub(crate) struct Setup {
    pub(crate) runtime: Runtime,
    pub(crate) cache: Cache<MemoryStore>,
    store: Arc<MemoryStore>,
}

impl Setup {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
        let store = Arc::new(MemoryStore::default());
        let config = CacheConfig {
            budget_bytes,
            idle: Duration::from_hours(1_000),
            ..CacheConfig::default()
        };
        let spawner = Spawner::new(runtime.handle().clone());
        let clock = Arc::new(SystemClock::default());
        let cache = Cache::new(Arc::clone(&store), config, clock, spawner);
        Self {
            runtime,
            cache,
            store,
        }
    }

    /// Puts sessions of one turn into the store, past the cache.
    pub(crate) fn write(&self, keys: &[ConversationKey], turn: &Turn) {
        let appends: Vec<_> = keys.iter().map(|key| append(key, turn.clone())).collect();
        for outcome in self.runtime.block_on(self.store.append(&appends)) {
            outcome.unwrap();
        }
    }

    /// Loads sessions.
    pub(crate) fn load(&self, keys: &[ConversationKey]) {
        for keys in keys.chunks(WARM_UP) {
            let counts = self.runtime.block_on(self.cache.warm_up_many(keys));
            assert_eq!(counts.found, keys.len());
        }
    }
}

/// So many keys, in an order that is the same in every run and has nothing to do with their numbers.
pub(crate) fn keys(count: usize) -> Vec<ConversationKey> {
    let mut keys: Vec<_> = (0..count)
        .map(|number| {
            key(
                "bench",
                &format!("user-{number}"),
                &format!("01996b3e-0000-7000-8000-{number:012}"),
            )
        })
        .collect();
    fastrand::Rng::with_seed(1).shuffle(&mut keys);
    keys
}

/// A turn of so many messages of so many bytes each.
pub(crate) fn talk(messages: usize, bytes: usize) -> Turn {
    let content = "a".repeat(bytes);
    let message = |place| {
        if place % 2 == 0 {
            user(&content)
        } else {
            assistant(&content)
        }
    };
    turn(&(0..messages).map(message).collect::<Vec<_>>())
}
