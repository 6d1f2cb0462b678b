//! The connection on which changes are heard.

use std::time::Duration;

use hearth_postgres::feed::{FeedStatus, LAG_BOUNDS_US, LagCounts};

use super::text::Text;

pub(super) fn write(text: &mut Text, feed: &FeedStatus) {
    text.counter("hearth_feed_connections_total", "Times that it began to listen.")
        .sample(&[], feed.connections);
    text.counter(
        "hearth_feed_overflows_total",
        "Times that changes came faster than they were heeded, and were dropped for a gap.",
    )
    .sample(&[], feed.overflows);
    let (within, count) = cumulated(&feed.lags);
    text.histogram(
        "hearth_feed_lag_seconds",
        "Time from before a heartbeat was sent until it was heard; the notice of a commit takes no longer.",
    )
    .buckets(&[], &within, count, feed.lags.sum);
}

/// What is within each bound, and the count of all.
fn cumulated(lags: &LagCounts) -> (Vec<(Duration, u64)>, u64) {
    let mut count = 0;
    let within = LAG_BOUNDS_US.iter().zip(lags.buckets).map(|(bound, in_bucket)| {
        count += in_bucket;
        (Duration::from_micros(*bound), count)
    });
    (within.collect(), lags.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lags_are_cumulated() {
        let mut lags = LagCounts::default();
        for bucket in [0, 2, 2, LAG_BOUNDS_US.len()] {
            lags.buckets[bucket] += 1;
        }
        let (within, count) = cumulated(&lags);
        assert_eq!(within.len(), LAG_BOUNDS_US.len());
        let counts: Vec<u64> = within.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts[..3], [1, 1, 3]);
        assert_eq!((counts.last().copied(), count), (Some(3), 4));
    }
}
