//! How the feed is doing, for health and metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The upper bounds of the buckets in which lags are counted, in microseconds; one more bucket counts what is above.
pub const LAG_BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000,
];

/// A feed at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedStatus {
    /// Whether it listens.
    pub connected: bool,
    /// When the newest heartbeat that came back was sent, by the process's clock; staleness is its age.
    pub fresh_as_of: Option<Duration>,
    /// How long the newest heartbeat took, from before it was sent until it was heard: a commit's notice takes no longer.
    pub lag: Option<Duration>,
    /// The lags of all heartbeats, counted by [`LAG_BOUNDS_US`].
    pub lags: LagCounts,
    /// Times that it began to listen.
    pub connections: u64,
    /// Times that notices were dropped since the consumer did not keep up.
    pub overflows: u64,
}

/// Counts of lags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LagCounts {
    /// One count a bucket: those up to each of [`LAG_BOUNDS_US`], each lag once, and those above the last.
    pub buckets: [u64; LAG_BOUNDS_US.len() + 1],
    /// The sum of all lags.
    pub sum: Duration,
}

impl LagCounts {
    /// The number of lags that were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, lag: Duration) {
        let place = LAG_BOUNDS_US.partition_point(|bound| Duration::from_micros(*bound) < lag);
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
        self.sum += lag;
    }
}

/// Looks at a feed that somebody else consumes. Clones look at the same one.
#[derive(Debug, Clone, Default)]
pub struct FeedMonitor(Arc<Mutex<FeedStatus>>);

impl FeedMonitor {
    /// The feed as it is now; what is left of one that was dropped is not connected.
    #[must_use]
    pub fn status(&self) -> FeedStatus {
        *self.lock()
    }

    pub(super) fn connected(&self) {
        let mut status = self.lock();
        status.connected = true;
        status.connections += 1;
    }

    pub(super) fn lost(&self) {
        self.lock().connected = false;
    }

    pub(super) fn heartbeat(&self, sent: Duration, now: Duration) {
        let lag = now.saturating_sub(sent);
        let mut status = self.lock();
        status.fresh_as_of = Some(sent);
        status.lag = Some(lag);
        status.lags.add(lag);
    }

    pub(super) fn overflowed(&self) {
        self.lock().overflows += 1;
    }

    fn lock(&self) -> MutexGuard<'_, FeedStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lag_is_counted_in_its_bucket() {
        let monitor = FeedMonitor::default();
        for (lag_us, bucket) in [(0, 0), (100, 0), (101, 1), (2_500_000, 13), (2_500_001, 14)] {
            let before = monitor.status().lags.buckets[bucket];
            monitor.heartbeat(
                Duration::from_secs(1),
                Duration::from_secs(1) + Duration::from_micros(lag_us),
            );
            assert_eq!(monitor.status().lags.buckets[bucket], before + 1, "{lag_us} µs");
        }
        let status = monitor.status();
        assert_eq!(status.lags.count(), 5);
        assert_eq!(status.lags.sum, Duration::from_micros(5_000_202));
        assert_eq!(status.lag, Some(Duration::from_micros(2_500_001)));
    }
}
