//! What the cache is told when it is made.

use std::time::Duration;

use hearth_domain::WindowLimits;

use crate::strategy::Strategy;

/// What the cache is told when it is made. The defaults are those of Hearth's settings.
#[derive(Debug, Clone, Copy)]
pub struct CacheConfig {
    /// How histories are read.
    pub strategy: Strategy,
    /// How much of a session a history keeps.
    pub window: WindowLimits,
    /// Bytes of memory that loaded sessions may take, overhead included.
    pub budget_bytes: u64,
    /// A session that was not used for so long is un-loaded.
    pub idle: Duration,
    /// Deadline of one call to the store.
    pub load_timeout: Duration,
    /// Sessions that travel in one call to the store, at most.
    pub load_batch_max: usize,
    /// Calls to the store that are under way at a time, at most.
    pub loads_in_flight_max: usize,
    /// Sessions that wait for a load, at most; past it a read is refused as overloaded.
    pub load_queue_max: usize,
    /// How long the caller of an append waits for it. The store has deadlines of its own; this one guards against a store that hangs.
    pub append_timeout: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::MemoryFirst,
            window: WindowLimits::default(),
            budget_bytes: 256 << 20,
            idle: Duration::from_mins(30),
            load_timeout: Duration::from_secs(2),
            load_batch_max: 64,
            loads_in_flight_max: 2,
            load_queue_max: 8_192,
            append_timeout: Duration::from_secs(6),
        }
    }
}

impl CacheConfig {
    /// How long a reader waits for a load: what is queued before it, then its own.
    pub(crate) const fn wait_timeout(&self) -> Duration {
        self.load_timeout.saturating_mul(2)
    }

    /// How long a change whose outcome is unknown may still be under way: a statement has the longer one of the store's deadlines.
    pub(crate) fn doubt_timeout(&self) -> Duration {
        self.append_timeout
            .max(self.load_timeout + Duration::from_secs(1))
    }

    /// How long a commit waits for an earlier one of its session to come back. A store that gives them their versions in one order and tells
    /// of them in another does so within much less; past it the session is read again.
    /// It ends before the caller of an append gives up on a store that answered by its own deadline.
    pub(crate) fn order_patience(&self) -> Duration {
        (self.append_timeout / 4).min(Duration::from_millis(500))
    }
}
