//! Caches in this process, and loading sessions into them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use hearth_cache::{Cache, CacheConfig, Spawner};
use hearth_domain::ports::{HistoryStore, SystemClock};
use tokio::runtime::{Builder, Runtime};

use crate::dataset::Dataset;

/// Sessions that one warm-up names.
const WARM_UP: u64 = 1_000;

/// A runtime for one row: when it is dropped, nothing of the row is left that could disturb the next one.
///
/// # Errors
///
/// Where the system gives no threads.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// A cache as the server makes it, but for the budget; no session expires.
pub(crate) fn cache<S: HistoryStore>(store: &Arc<S>, budget_bytes: u64, runtime: &Runtime) -> Cache<S> {
    let config = CacheConfig {
        budget_bytes,
        idle: Duration::from_hours(1_000),
        ..CacheConfig::default()
    };
    let spawner = Spawner::new(runtime.handle().clone());
    Cache::new(
        Arc::clone(store),
        config,
        Arc::new(SystemClock::default()),
        spawner,
    )
}

/// Loads all sessions of a dataset; holds only a few keys at a time.
///
/// # Errors
///
/// Where not all of them are in memory then.
pub(crate) fn load_all<S: HistoryStore>(
    cache: &Cache<S>,
    dataset: &Dataset,
    runtime: &Runtime,
) -> Result<()> {
    let mut begin = 0;
    while begin < dataset.sessions {
        let end = dataset.sessions.min(begin + WARM_UP);
        let sessions: Vec<u64> = (begin..end).collect();
        let counts = runtime.block_on(cache.warm_up_many(&dataset.keys(&sessions)));
        ensure!(
            counts.found == sessions.len(),
            "sessions were not loaded: {counts:?}"
        );
        begin = end;
    }
    let loaded = crate::measure::count(cache.performance().memory.sessions);
    ensure!(
        loaded == dataset.sessions,
        "{loaded} of {} sessions are in memory: the budget is too small",
        dataset.sessions
    );
    Ok(())
}
