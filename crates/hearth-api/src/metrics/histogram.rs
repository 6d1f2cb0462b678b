//! Durations in fixed buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets in microseconds, each within the bucket: from a read of memory to the longest turn.
const BOUNDS_US: [u64; 19] = [
    50,
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    120_000_000,
];

/// A histogram that many threads add to.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// One a bound, and one for what is above them all.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// A histogram as it was at one moment, or the sum of several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Observed {
    /// What is at or below each bound.
    pub(super) at_most: Vec<(Duration, u64)>,
    pub(super) count: u64,
    pub(super) sum: Duration,
}

impl Histogram {
    pub(super) fn record(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        // Rounded up, so that nothing counts as below a bound that it is above.
        let us_up = us.saturating_add(u64::from(!duration.subsec_nanos().is_multiple_of(1_000)));
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us_up);
        self.buckets
            .get(bucket)
            .map(|bucket| bucket.fetch_add(1, Ordering::Relaxed));
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

impl Observed {
    /// The sum of what these histograms hold.
    pub(super) fn of<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Self {
        let mut counts = [0; BOUNDS_US.len() + 1];
        let mut sum_us = 0;
        for histogram in histograms {
            for (count, bucket) in counts.iter_mut().zip(&histogram.buckets) {
                *count += bucket.load(Ordering::Relaxed);
            }
            sum_us += histogram.sum_us.load(Ordering::Relaxed);
        }
        let mut count = 0;
        let at_most = BOUNDS_US.iter().zip(counts).map(|(bound, in_bucket)| {
            count += in_bucket;
            (Duration::from_micros(*bound), count)
        });
        Self {
            at_most: at_most.collect(),
            count: counts.iter().sum(),
            sum: Duration::from_micros(sum_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_within_its_bucket_and_histograms_add_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        for us in [0, 50, 51, 100, 120_000_000, 120_000_001] {
            one.record(Duration::from_micros(us));
            other.record(Duration::from_micros(us));
        }
        other.record(Duration::from_nanos(50_001));
        let observed = Observed::of([&one, &other]);
        assert_eq!(observed.count, 13);
        assert_eq!(observed.sum, Duration::from_micros(2 * 240_000_202 + 50));
        let at_most = |us| {
            observed
                .at_most
                .iter()
                .find(|(bound, _)| *bound == Duration::from_micros(us))
                .map(|(_, count)| *count)
        };
        assert_eq!(at_most(50), Some(4));
        assert_eq!(at_most(100), Some(9));
        assert_eq!(at_most(120_000_000), Some(11));
    }
}
