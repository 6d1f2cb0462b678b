//! A session in memory: its history, and the few words about it that change.

use std::time::Duration;

use hearth_domain::History;

use crate::freshness::Epoch;
use crate::residency::Held;
use crate::sync::{AtomicU32, Ordering};

/// The unit in which uses are noted. Uses within one are one use: a busy session's cache line stays shared between the cores that read
/// it, and 32 bits last for 13 years.
const TICK: Duration = Duration::from_millis(100);

/// The bit that says that a session is stale, beside the number of its epoch.
const STALE: u32 = 1;

/// A session in memory. With the counts of its `Arc` it is one cache line: a read of a loaded session touches no other one of it.
#[derive(Debug)]
pub(crate) struct LoadedSession {
    history: History,
    last_used_ticks: AtomicU32,
    /// The epoch in which its load began, and whether it is known to be out of date since.
    state: AtomicU32,
}

impl LoadedSession {
    pub(crate) fn new(history: History, now: Duration, epoch: Epoch) -> Self {
        Self {
            history,
            last_used_ticks: AtomicU32::new(ticks(now)),
            state: AtomicU32::new(epoch.number() << 1),
        }
    }

    pub(crate) const fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            version: self.history.version(),
            stale: self.is_stale(),
        }
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.state.load(Ordering::Acquire) & STALE != 0
    }

    /// Whether this made it stale.
    pub(crate) fn mark_stale(&self) -> bool {
        self.state.fetch_or(STALE, Ordering::AcqRel) & STALE == 0
    }

    /// The epoch in which its load began.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch::new(self.state.load(Ordering::Acquire) >> 1)
    }

    /// Whether it is of this epoch, and not known to be out of date.
    pub(crate) fn is_fresh_in(&self, epoch: Epoch) -> bool {
        self.state.load(Ordering::Acquire) == epoch.number() << 1
    }

    pub(crate) fn touch(&self, now: Duration) {
        let now = ticks(now);
        if now > self.last_used_ticks.load(Ordering::Relaxed) {
            self.last_used_ticks.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn last_used(&self) -> Duration {
        TICK * self.last_used_ticks.load(Ordering::Relaxed)
    }

    pub(crate) fn is_idle(&self, now: Duration, limit: Duration) -> bool {
        now.saturating_sub(self.last_used()) >= limit
    }
}

fn ticks(time: Duration) -> u32 {
    u32::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn with_the_counts_of_its_arc_it_is_one_cache_line() {
        assert_eq!(size_of::<LoadedSession>() + 2 * size_of::<usize>(), 64);
    }
}
