//! A cache over a faulty store, with a clock that stands still.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hearth_cache::{Cache, CacheConfig, Figures, ReadError, Reading, Spawner};
use hearth_domain::ports::{HistoryStore, Lookup};
use hearth_domain::{Append, ConversationKey, History, MemoryStore, Version, WindowLimits};
use hearth_testkit::build::{append, exchange, key};
use hearth_testkit::clock::ManualClock;
use hearth_testkit::faulty_store::{Call, FaultyStore, Gate};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A guard against a test that hangs; nothing here takes a tenth of it.
pub(crate) const HANG: Duration = Duration::from_mins(1);

pub(crate) type Store = FaultyStore<MemoryStore>;

pub(crate) struct Setup {
    pub(crate) cache: Cache<Store>,
    pub(crate) store: Store,
    pub(crate) clock: ManualClock,
}

/// Deadlines that no test of anything else comes near, however slow the machine.
pub(crate) fn patient() -> CacheConfig {
    CacheConfig {
        load_timeout: HANG,
        append_timeout: HANG,
        ..CacheConfig::default()
    }
}

pub(crate) fn session(name: &str) -> ConversationKey {
    key("d", "u", name)
}

pub(crate) fn sessions(count: usize) -> Vec<ConversationKey> {
    (0..count).map(|number| session(&number.to_string())).collect()
}

pub(crate) fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

pub(crate) fn says(key: &ConversationKey, what: &str) -> Append {
    append(key, exchange(what, "an answer"))
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self::with(patient())
    }

    pub(crate) fn with(config: CacheConfig) -> Self {
        let store = FaultyStore::new(MemoryStore::default());
        let clock = ManualClock::default();
        let cache = Cache::new(
            Arc::new(store.clone()),
            config,
            Arc::new(clock.clone()),
            Spawner::new(Handle::current()),
        );
        Self { cache, store, clock }
    }

    /// Commits a turn as another replica would: the cache does not hear of it.
    pub(crate) async fn write_behind(&self, key: &ConversationKey, what: &str) {
        let mut outcomes = self.store.inner().append(&[says(key, what)]).await;
        outcomes.pop().unwrap().unwrap();
    }

    pub(crate) async fn append(&self, key: &ConversationKey, what: &str) -> Version {
        self.cache.append(says(key, what)).await.unwrap().version
    }

    pub(crate) async fn read(&self, key: &ConversationKey) -> Reading {
        self.cache.history(key).await.unwrap()
    }

    /// The session with one turn in the store, and loaded.
    pub(crate) async fn loaded(&self, name: &str) -> ConversationKey {
        let key = session(name);
        self.write_behind(&key, "the first").await;
        self.read(&key).await;
        key
    }

    /// What the store has, past the faults.
    pub(crate) async fn stored(&self, key: &ConversationKey) -> History {
        self.stored_within(key, WindowLimits::default()).await
    }

    pub(crate) async fn stored_within(&self, key: &ConversationKey, window: WindowLimits) -> History {
        let keys = std::slice::from_ref(key);
        let lookups = self.store.inner().load(keys, window).await;
        lookups.unwrap().pop().map(Lookup::into_history).unwrap()
    }

    /// A reader who has joined its load when this returns.
    pub(crate) async fn waiting_reader(
        &self,
        key: &ConversationKey,
    ) -> JoinHandle<Result<Reading, ReadError>> {
        let (cache, key) = (self.cache.clone(), key.clone());
        let mut read = Box::pin(async move { cache.history(&key).await });
        let waits = poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await;
        assert!(waits, "it was answered at once");
        Handle::current().spawn(read)
    }

    pub(crate) fn loads(&self) -> usize {
        self.store.calls(Call::Load)
    }

    pub(crate) fn figures(&self) -> Figures {
        self.cache.performance().figures
    }

    pub(crate) fn loaded_sessions(&self) -> usize {
        self.cache.performance().memory.sessions
    }
}

/// Waits until `count` calls are held at the gate.
pub(crate) async fn arrived(gate: &Gate, count: usize) {
    tokio::time::timeout(HANG, gate.arrived(count)).await.unwrap();
}

pub(crate) fn contents(reading: &Reading) -> Vec<String> {
    let messages = reading.history().messages();
    messages.map(|message| message.content.into_owned()).collect()
}
