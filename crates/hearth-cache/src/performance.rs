//! The cache's performance info: what it counted, and what is in memory now.

use std::time::Duration;

use crate::statistics::Figures;
use crate::strategy::Strategy;

/// The cache's performance info.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// How histories are read.
    pub strategy: Strategy,
    /// Time since the cache was made.
    pub uptime: Duration,
    /// What was counted since then.
    pub figures: Figures,
    /// What is in memory now.
    pub memory: Occupancy,
    /// Sessions that wait for a load.
    pub load_queue: usize,
    /// How well it keeps up with other writers; nothing where no change feed is followed.
    pub coherence: Option<Coherence>,
}

/// How well memory keeps up with other writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coherence {
    /// Whether the change feed listens.
    pub connected: bool,
    /// The age of the newest heartbeat that came back; nothing before the first.
    pub staleness: Option<Duration>,
    /// The age past which nothing in memory is trusted.
    pub max_staleness: Duration,
    /// Whether the store is known to be away: what is not trusted is served as degraded then, without asking.
    pub store_is_away: bool,
    /// Changes that were told, one a session.
    pub changes: u64,
    /// How often the feed listened anew, so that everything loaded before was suspect.
    pub gaps: u64,
    /// Sessions that were loaded again because they were suspect: nobody said that they had changed, nor that they had not.
    pub suspected: u64,
}

/// What is in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupancy {
    /// Loaded sessions.
    pub sessions: usize,
    /// Their responses.
    pub responses: u64,
    /// Their bytes, overhead included.
    pub bytes: u64,
    /// The bytes that they may take.
    pub budget_bytes: u64,
}

impl Performance {
    /// How many times faster the median read from memory is than the median read that waited for the store; nothing before both happened.
    #[must_use]
    pub fn speedup_p50(&self) -> Option<f64> {
        let memory = self.figures.memory_latency.p50;
        let store = self.figures.store_latency.p50;
        (!memory.is_zero() && !store.is_zero()).then(|| store.as_secs_f64() / memory.as_secs_f64())
    }
}
