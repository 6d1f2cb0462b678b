//! `GET /chatbot/v1/performance`.

use std::time::Duration;

use hearth_cache::{Performance, Quantiles, Strategy};
use hearth_postgres::feed::FeedStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::Store;

/// The cache's performance info.
#[derive(Debug, Serialize, ToSchema)]
pub struct PerformanceResponse {
    strategy: &'static str,
    uptime_seconds: f64,
    reads: Reads,
    hit_ratio: f64,
    queries: Queries,
    latency_us: Latency,
    #[schema(required = true)]
    speedup_p50: Option<f64>,
    evictions: u64,
    expired: u64,
    refused: u64,
    invalidated: u64,
    /// Null where no other process's changes are followed.
    #[schema(required = true)]
    coherence: Option<CoherenceFigures>,
}

#[derive(Debug, Serialize, ToSchema)]
struct CoherenceFigures {
    #[schema(required = true)]
    staleness_ms: Option<f64>,
    #[schema(required = true)]
    lag_ms: Option<f64>,
    changes: u64,
    gaps: u64,
    suspected: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Reads {
    memory: u64,
    store: u64,
    new: u64,
    failed: u64,
    coalesced: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Queries {
    issued: u64,
    saved: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Latency {
    memory: LatencyQuantiles,
    store: LatencyQuantiles,
}

#[derive(Debug, Serialize, ToSchema)]
struct LatencyQuantiles {
    p50: f64,
    p99: f64,
}

impl PerformanceResponse {
    /// The figures as clients see them.
    #[must_use]
    pub fn new(performance: &Performance, store: &Store, feed: Option<FeedStatus>) -> Self {
        let figures = &performance.figures;
        Self {
            strategy: strategy_name(performance.strategy, store),
            uptime_seconds: performance.uptime.as_secs_f64(),
            reads: Reads {
                memory: figures.reads.memory,
                store: figures.reads.store,
                new: figures.reads.new,
                failed: figures.reads.failed,
                coalesced: figures.reads.coalesced,
            },
            hit_ratio: figures.reads.hit_ratio(),
            queries: Queries {
                issued: figures.queries.issued,
                saved: figures.queries.saved,
            },
            latency_us: Latency {
                memory: microseconds(figures.memory_latency),
                store: microseconds(figures.store_latency),
            },
            speedup_p50: performance.speedup_p50(),
            evictions: figures.evictions,
            expired: figures.expired,
            refused: figures.refused,
            invalidated: figures.invalidated,
            coherence: performance.coherence.map(|coherence| CoherenceFigures {
                staleness_ms: coherence.staleness.map(milliseconds),
                lag_ms: feed.and_then(|feed| feed.lag).map(milliseconds),
                changes: coherence.changes,
                gaps: coherence.gaps,
                suspected: coherence.suspected,
            }),
        }
    }
}

/// The strategy's name, which tells the store in use.
#[must_use]
pub const fn strategy_name(strategy: Strategy, store: &Store) -> &'static str {
    match strategy {
        Strategy::MemoryFirst => store.warm_up_name(),
        Strategy::PassThrough => "pass_through",
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn microseconds(quantiles: Quantiles) -> LatencyQuantiles {
    let microseconds = |latency: Duration| latency.as_secs_f64() * 1e6;
    LatencyQuantiles {
        p50: microseconds(quantiles.p50),
        p99: microseconds(quantiles.p99),
    }
}
