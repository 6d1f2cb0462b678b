//! Health and performance: the fields that dashboards read, with true figures.

use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::server::Server;

both_stores!(
    cache_stats_are_true_field_for_field,
    performance_adds_up,
    pass_through_keeps_nothing
);

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

async fn cache_stats_are_true_field_for_field(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    assert_eq!(server.get("/chatbot/health").await["status"], "ok");
    assert_eq!(
        server.get("/chatbot/health/ready").await,
        json!({"status": "ready"})
    );
    for session in ["1", "999", "123", "1"] {
        server.chat(session, "Hello").await;
    }
    let health = server.get("/chatbot/health/detailed").await;
    assert_eq!(
        names(&health),
        [
            "cache_stats",
            "coherence",
            "model",
            "status",
            "store",
            "uptime_seconds",
            "version"
        ]
    );
    assert_eq!(health["status"], "healthy");
    let model = json!({"availability": "available", "running": 0, "waiting": 0});
    assert_eq!(health["model"], model);
    assert!(health["uptime_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(health["store"]["reachable"], true);
    assert!(health["store"]["latency_ms"].as_f64().unwrap() > 0.0);
    let (kind, word) = match backend {
        Backend::Sqlite(_) => ("sqlite", "sqlite"),
        Backend::Postgres(_) => ("postgres", "postgresql"),
    };
    assert_eq!(health["store"]["kind"], kind);

    let stats = &health["cache_stats"];
    assert_eq!(
        names(stats),
        [
            "cache_type",
            "loaded_sessions",
            "loaded_sessions_count",
            "memory_cache",
            "strategy"
        ]
    );
    assert_eq!(stats["cache_type"], "performance_optimized");
    assert_eq!(stats["strategy"], format!("memory_first_with_{word}_warmup"));
    assert_eq!(stats["loaded_sessions_count"], 3);
    let mut ids: Vec<&str> = stats["loaded_sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["1", "123", "999"]);
    let memory = &stats["memory_cache"];
    assert_eq!(
        names(memory),
        [
            "budget_kb",
            "estimated_size_kb",
            "total_responses",
            "total_sessions"
        ]
    );
    assert_eq!(memory["total_sessions"], 3);
    assert_eq!(memory["total_responses"], 4);
    assert_eq!(memory["budget_kb"], 262_144);
    let kilobytes = memory["estimated_size_kb"].as_f64().unwrap();
    assert!((1.0..100.0).contains(&kilobytes), "{kilobytes}");
}

async fn performance_adds_up(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    for _ in 0..5 {
        server.history("1").await;
    }
    server.history("unknown").await;
    let performance = server.get("/chatbot/v1/performance").await;
    assert_eq!(
        names(&performance),
        [
            "coherence",
            "evictions",
            "expired",
            "hit_ratio",
            "invalidated",
            "latency_us",
            "queries",
            "reads",
            "refused",
            "speedup_p50",
            "strategy",
            "uptime_seconds"
        ]
    );
    let expected = json!({"memory": 5, "store": 0, "new": 2, "failed": 0, "coalesced": 0});
    assert_eq!(performance["reads"], expected);
    assert_eq!(performance["queries"], json!({"issued": 2, "saved": 5}));
    assert!((performance["hit_ratio"].as_f64().unwrap() - 5.0 / 7.0).abs() < 1e-9);
    assert!(performance["latency_us"]["memory"]["p50"].as_f64().unwrap() > 0.0);
    assert!(performance["speedup_p50"].as_f64().unwrap() > 0.0);
}

async fn pass_through_keeps_nothing(backend: Backend) {
    let settings = [("HEARTH__CACHE__STRATEGY", "pass_through")];
    let server = Server::start_with(&backend.url(), &settings).await;
    server.chat("1", "Hello").await;
    for _ in 0..3 {
        assert_eq!(server.history("1").await["source"], "store");
    }
    let stats = &server.get("/chatbot/health/detailed").await["cache_stats"];
    assert_eq!(stats["strategy"], "pass_through");
    assert_eq!(stats["loaded_sessions_count"], 0);
    assert_eq!(
        server.get("/chatbot/v1/performance").await["queries"]["issued"],
        4
    );
}
