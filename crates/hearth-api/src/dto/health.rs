//! `GET /chatbot/health` and its two others.

use std::time::Duration;

use hearth_cache::{Coherence, Performance};
use hearth_domain::ConversationKey;
use hearth_domain::ports::{Availability, ModelStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::performance::strategy_name;
use crate::store::Store;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the process serves.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// Always `ok`: whoever can answer serves.
    pub status: &'static str,
    /// The version of this build.
    pub version: &'static str,
}

/// Whether the process should get traffic.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Always `ready`; otherwise the answer is a problem.
    pub status: &'static str,
    /// Whether the store cannot be asked now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub degraded: bool,
}

/// The whole picture.
#[derive(Debug, Serialize, ToSchema)]
pub struct Detailed {
    status: &'static str,
    version: &'static str,
    uptime_seconds: f64,
    store: StoreHealth,
    cache_stats: CacheStats,
    coherence: CoherenceHealth,
    model: ModelHealth,
}

#[derive(Debug, Serialize, ToSchema)]
struct StoreHealth {
    kind: &'static str,
    reachable: bool,
    #[schema(required = true)]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pool: Option<PoolHealth>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PoolHealth {
    size: usize,
    idle: usize,
}

#[derive(Debug, Serialize, ToSchema)]
struct CacheStats {
    cache_type: &'static str,
    strategy: &'static str,
    loaded_sessions_count: usize,
    loaded_sessions: Vec<String>,
    memory_cache: MemoryCache,
}

#[derive(Debug, Serialize, ToSchema)]
struct MemoryCache {
    total_sessions: usize,
    total_responses: u64,
    estimated_size_kb: f64,
    budget_kb: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct CoherenceHealth {
    mode: &'static str,
    connected: bool,
    #[schema(required = true)]
    staleness_ms: Option<u64>,
    foreign_writers: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct ModelHealth {
    /// `available`; `unavailable` where it failed too often and is not asked for a while; `probing` where one request tries whether it is back.
    availability: &'static str,
    /// When it is asked again, where it is not asked now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    retry_after_ms: Option<u64>,
    running: usize,
    waiting: usize,
}

impl Detailed {
    /// The picture at one moment; `latency` is that of a ping of the store, where it answered. A server that hears nothing of
    /// other processes is degraded too: it asks the store for every read. So is one whose model is not asked.
    #[must_use]
    pub fn new(
        performance: &Performance,
        store: &Store,
        latency: Option<Duration>,
        model: ModelStatus,
        draining: bool,
        covers_foreign_writers: bool,
        recently_used: &[ConversationKey],
    ) -> Self {
        let memory = performance.memory;
        Self {
            status: if draining {
                "unhealthy"
            } else if latency.is_some() && is_trusted(performance) && is_available(model) {
                "healthy"
            } else {
                "degraded"
            },
            version: VERSION,
            uptime_seconds: performance.uptime.as_secs_f64(),
            store: StoreHealth {
                kind: store.kind(),
                reachable: latency.is_some(),
                latency_ms: latency.map(|latency| latency.as_secs_f64() * 1e3),
                pool: store.pool().map(|pool| PoolHealth {
                    size: pool.size,
                    idle: pool.idle,
                }),
            },
            cache_stats: CacheStats {
                cache_type: "performance_optimized",
                strategy: strategy_name(performance.strategy, store),
                loaded_sessions_count: memory.sessions,
                loaded_sessions: recently_used.iter().map(|key| key.session.to_string()).collect(),
                memory_cache: MemoryCache {
                    total_sessions: memory.sessions,
                    total_responses: memory.responses,
                    estimated_size_kb: kilobytes(memory.bytes),
                    budget_kb: memory.budget_bytes / 1_024,
                },
            },
            coherence: CoherenceHealth::new(performance.coherence, covers_foreign_writers),
            model: ModelHealth::new(model),
        }
    }
}

impl CoherenceHealth {
    fn new(followed: Option<Coherence>, covers_foreign_writers: bool) -> Self {
        let staleness = followed.and_then(|coherence| coherence.staleness);
        Self {
            mode: if followed.is_some() { "notify" } else { "off" },
            connected: followed.is_some_and(|coherence| coherence.connected),
            staleness_ms: staleness.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            foreign_writers: if covers_foreign_writers {
                "trigger"
            } else {
                "not_covered"
            },
        }
    }
}

impl ModelHealth {
    fn new(status: ModelStatus) -> Self {
        let (availability, left) = match status.availability {
            Availability::Available => ("available", None),
            Availability::Probing => ("probing", None),
            Availability::Unavailable(left) => ("unavailable", Some(left)),
        };
        Self {
            availability,
            retry_after_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            running: status.running,
            waiting: status.waiting,
        }
    }
}

/// Whether the model is asked.
const fn is_available(model: ModelStatus) -> bool {
    matches!(model.availability, Availability::Available)
}

/// Whether what is in memory may be served without asking the store.
fn is_trusted(performance: &Performance) -> bool {
    performance.coherence.is_none_or(|coherence| {
        let staleness = coherence.staleness;
        staleness.is_some_and(|staleness| staleness <= coherence.max_staleness)
    })
}

/// To one decimal.
#[expect(
    clippy::as_conversions,
    reason = "a figure for people needs no more than 53 bits"
)]
fn kilobytes(bytes: u64) -> f64 {
    (bytes as f64 / 102.4).round() / 10.0
}
