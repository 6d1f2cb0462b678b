//! What the cache counts. Every figure but the latencies is exact; latencies are kept in buckets at most 1/8 wide, and those of memory
//! are taken of every 64th read of a thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Sets of counters: each thread adds to one of them, so that cores do not share a cache line.
const STRIPES: usize = 16;

/// Of how many memory reads one is timed.
const MEMORY_SAMPLE: u64 = 64;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Count {
    Memory,
    Store,
    New,
    Failed,
    Coalesced,
    Queries,
    Evictions,
    Expired,
    Refused,
    Invalidated,
    Suspected,
    Changes,
    Gaps,
}

const COUNTS: usize = 13;

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe([AtomicU64; COUNTS]);

/// What the cache counts.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    stripes: [Stripe; STRIPES],
    memory: Latencies,
    store: Latencies,
}

impl Statistics {
    pub(crate) fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    pub(crate) fn add_many(&self, count: Count, number: u64) {
        self.counter(count)
            .map(|counter| counter.fetch_add(number, Ordering::Relaxed));
    }

    /// Whether the next read from memory is one that is timed.
    pub(crate) fn is_timed(&self) -> bool {
        self.counter(Count::Memory)
            .is_some_and(|counter| counter.load(Ordering::Relaxed).is_multiple_of(MEMORY_SAMPLE))
    }

    /// Counts a read from memory, and its time where it was taken.
    pub(crate) fn add_memory_read(&self, elapsed: Option<Duration>) {
        self.add(Count::Memory);
        if let Some(elapsed) = elapsed {
            self.memory.record(elapsed);
        }
    }

    pub(crate) fn record_store_read(&self, elapsed: Duration) {
        self.store.record(elapsed);
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a field-less enum")]
    fn counter(&self, count: Count) -> Option<&AtomicU64> {
        self.stripes
            .get(stripe_of_thread())
            .and_then(|stripe| stripe.0.get(count as usize))
    }

    #[expect(clippy::as_conversions, reason = "the discriminant of a field-less enum")]
    pub(crate) fn total(&self, count: Count) -> u64 {
        let counters = self
            .stripes
            .iter()
            .filter_map(|stripe| stripe.0.get(count as usize));
        counters.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// How long reads took, as far as they were timed.
    pub(crate) fn latencies(&self) -> ReadLatencies {
        ReadLatencies {
            memory: self.memory.histogram(),
            store: self.store.histogram(),
        }
    }

    /// All figures, each counter read once.
    pub(crate) fn snapshot(&self) -> Figures {
        // Before the reads that they are among: what is counted meanwhile then only adds to the latter.
        let coalesced = self.total(Count::Coalesced);
        let reads = Reads {
            memory: self.total(Count::Memory),
            store: self.total(Count::Store),
            new: self.total(Count::New),
            failed: self.total(Count::Failed),
            coalesced,
        };
        let issued = self.total(Count::Queries);
        Figures {
            reads,
            queries: Queries {
                issued,
                saved: reads.total().saturating_sub(issued),
            },
            memory_latency: self.memory.quantiles(),
            store_latency: self.store.quantiles(),
            evictions: self.total(Count::Evictions),
            expired: self.total(Count::Expired),
            refused: self.total(Count::Refused),
            invalidated: self.total(Count::Invalidated),
        }
    }
}

fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<Option<usize>> = const { Cell::new(None) };
    }
    STRIPE.with(|stripe| match stripe.get() {
        Some(index) => index,
        None => {
            let index = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
            stripe.set(Some(index));
            index
        }
    })
}

/// Every figure of the cache since it was made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Reads by where the answer came from.
    pub reads: Reads,
    /// Calls to the store.
    pub queries: Queries,
    /// How long reads from memory took.
    pub memory_latency: Quantiles,
    /// How long reads took that waited for the store.
    pub store_latency: Quantiles,
    /// Sessions that left memory for others.
    pub evictions: u64,
    /// Sessions that left memory because nobody used them.
    pub expired: u64,
    /// Sessions that were too large for the budget: served, not kept.
    pub refused: u64,
    /// Sessions whose history in memory was found to be out of date.
    pub invalidated: u64,
}

/// Reads by where the answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// From memory.
    pub memory: u64,
    /// From the store, with messages.
    pub store: u64,
    /// Sessions that nobody wrote to.
    pub new: u64,
    /// Not at all.
    pub failed: u64,
    /// Of those above, the ones that waited for a load which another reader had begun.
    pub coalesced: u64,
}

impl Reads {
    /// All reads: the sum of the sources and of those that failed.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.memory + self.store + self.new + self.failed
    }

    /// The share of reads that memory answered, 0 where there was none.
    #[must_use]
    #[expect(
        clippy::as_conversions,
        reason = "a ratio of counts needs no more than 53 bits"
    )]
    pub fn hit_ratio(&self) -> f64 {
        match self.total() {
            0 => 0.0,
            total => self.memory as f64 / total as f64,
        }
    }
}

/// Calls to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queries {
    /// Calls that loaded sessions.
    pub issued: u64,
    /// Calls that one call a read would have made beyond those.
    pub saved: u64,
}

/// Two quantiles of a latency, zero where nothing was timed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of all were faster.
    pub p50: Duration,
    /// 99 of 100 were faster.
    pub p99: Duration,
}

/// How long reads took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLatencies {
    /// Those from memory; of every 64th read of a thread.
    pub memory: LatencyHistogram,
    /// Those that waited for the store; of every read.
    pub store: LatencyHistogram,
}

/// A latency, as far as it was timed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// How many took less than so long, for every doubling of nanoseconds from 64.
    pub below: Vec<(Duration, u64)>,
    /// How many were timed.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
}

/// A histogram over nanoseconds: eight buckets to every doubling.
#[derive(Debug)]
struct Latencies {
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

const BUCKETS_A_DOUBLING_LOG2: u32 = 3;
/// Covers up to 2^40 ns, about 18 minutes.
const BUCKETS: usize = 304;

impl Default for Latencies {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            nanoseconds: AtomicU64::new(0),
        }
    }
}

impl Latencies {
    fn record(&self, elapsed: Duration) {
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(nanoseconds).min(BUCKETS - 1);
        self.buckets
            .get(bucket)
            .map(|bucket| bucket.fetch_add(1, Ordering::Relaxed));
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn histogram(&self) -> LatencyHistogram {
        let mut below = Vec::new();
        let mut count = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let bound = u32::try_from(index / 8)
                .ok()
                .filter(|_| index % 8 == 0)
                .map(|doubling| 4_u64 << doubling);
            if let Some(bound) = bound.filter(|bound| *bound >= 64) {
                below.push((Duration::from_nanos(bound), count));
            }
            count += bucket.load(Ordering::Relaxed);
        }
        LatencyHistogram {
            below,
            count,
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }

    fn quantiles(&self) -> Quantiles {
        let counts: Vec<u64> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        let quantile = |percent: u64| {
            let rank = (total * percent).div_ceil(100);
            let mut seen = 0;
            let bucket = counts.iter().position(|count| {
                seen += count;
                seen >= rank && rank > 0
            });
            Duration::from_nanos(bucket.map_or(0, middle_of))
        };
        Quantiles {
            p50: quantile(50),
            p99: quantile(99),
        }
    }
}

/// Values below eight have a bucket each; above, the three bits after the leading one choose it.
fn bucket_of(value: u64) -> usize {
    let log2 = value.max(1).ilog2();
    if log2 < BUCKETS_A_DOUBLING_LOG2 {
        return usize::try_from(value).unwrap_or(0);
    }
    let shift = log2 - BUCKETS_A_DOUBLING_LOG2;
    let within = (value >> shift) & 0b111;
    usize::try_from((u64::from(shift) + 1) * 8 + within).unwrap_or(usize::MAX)
}

/// The middle of a bucket, for its figure to be off by at most a sixteenth.
fn middle_of(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).unwrap_or(u64::MAX);
    if bucket < 8 {
        return bucket;
    }
    let (shift, within) = (bucket / 8 - 1, bucket % 8);
    ((8 + within) << shift) + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_off_by_at_most_a_sixteenth() {
        for value in (0..10_000).chain((14..39).map(|power| (1 << power) + 12_345)) {
            let shown = middle_of(bucket_of(value));
            assert!(shown.abs_diff(value) * 16 <= value, "{value} is shown as {shown}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let latencies = Latencies::default();
        assert_eq!(
            latencies.quantiles(),
            Quantiles {
                p50: Duration::ZERO,
                p99: Duration::ZERO
            }
        );
        for microseconds in 1..=100 {
            latencies.record(Duration::from_micros(microseconds));
        }
        let Quantiles { p50, p99 } = latencies.quantiles();
        assert!(
            p50.abs_diff(Duration::from_micros(50)) < Duration::from_micros(4),
            "{p50:?}"
        );
        assert!(
            p99.abs_diff(Duration::from_micros(99)) < Duration::from_micros(7),
            "{p99:?}"
        );
    }

    #[test]
    fn a_histogram_counts_what_is_below_each_bound() {
        let latencies = Latencies::default();
        let recorded = [0, 63, 64, 127, 128, 1_023, 1_024, 1_000_000, u64::MAX];
        for nanoseconds in recorded {
            latencies.record(Duration::from_nanos(nanoseconds));
        }
        let histogram = latencies.histogram();
        assert_eq!(
            histogram.below.first().map(|(bound, _)| bound.as_nanos()),
            Some(64)
        );
        for (bound, below) in &histogram.below {
            let bound = u64::try_from(bound.as_nanos()).unwrap();
            assert!(bound.is_power_of_two());
            let expected = recorded.iter().filter(|value| **value < bound).count();
            assert_eq!(usize::try_from(*below).unwrap(), expected, "below {bound}");
        }
        assert_eq!(histogram.count, 9);
    }

    #[test]
    fn the_sum_of_the_sources_is_the_reads() {
        let statistics = Statistics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        statistics.add_memory_read(statistics.is_timed().then(|| Duration::from_nanos(100)));
                        statistics.add(Count::Store);
                    }
                });
            }
        });
        statistics.add(Count::Queries);
        let figures = statistics.snapshot();
        assert_eq!(figures.reads.total(), 8_000);
        assert_eq!(
            figures.queries,
            Queries {
                issued: 1,
                saved: 7_999
            }
        );
        assert!((figures.reads.hit_ratio() - 0.5).abs() < f64::EPSILON);
        assert!(figures.memory_latency.p50 > Duration::ZERO);
    }
}
