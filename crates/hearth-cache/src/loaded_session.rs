//! A session in memory: its history, and the few words about it that change.

use std::time::Duration;

use hearth_domain::History;

use crate::residency::Held;
use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// Uses closer together than this are one use: a busy session's cache line then stays shared between the cores that read it.
const USE_GRANULARITY: Duration = Duration::from_millis(100);

/// A session in memory.
#[derive(Debug)]
pub(crate) struct LoadedSession {
    history: History,
    stale: AtomicBool,
    last_used_ms: AtomicU64,
}

impl LoadedSession {
    pub(crate) fn new(history: History, now: Duration) -> Self {
        Self {
            history,
            stale: AtomicBool::new(false),
            last_used_ms: AtomicU64::new(milliseconds(now)),
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
        self.stale.load(Ordering::Acquire)
    }

    /// Whether this made it stale.
    pub(crate) fn mark_stale(&self) -> bool {
        !self.stale.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn touch(&self, now: Duration) {
        let now = milliseconds(now);
        let last = self.last_used_ms.load(Ordering::Relaxed);
        if now >= last.saturating_add(milliseconds(USE_GRANULARITY)) {
            self.last_used_ms.store(now, Ordering::Relaxed);
        }
    }

    pub(crate) fn last_used(&self) -> Duration {
        Duration::from_millis(self.last_used_ms.load(Ordering::Relaxed))
    }

    pub(crate) fn is_idle(&self, now: Duration, limit: Duration) -> bool {
        now.saturating_sub(self.last_used()) >= limit
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
