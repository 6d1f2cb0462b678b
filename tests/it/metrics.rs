//! `/metrics`: the format, and true figures.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::server::{Server, messages_path};

both_stores!(figures_are_those_that_were_counted);

/// Every sample by its name and labels, as they are written.
async fn scrape(server: &Server) -> HashMap<String, f64> {
    let response = server.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(
        media_type.starts_with("text/plain; version=0.0.4"),
        "{media_type}"
    );
    parse(&response.text().await.unwrap())
}

/// Reads the format strictly: each metric is described once, before its samples, and no sample comes twice.
fn parse(text: &str) -> HashMap<String, f64> {
    let mut samples = HashMap::new();
    let mut described = Vec::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(!described.contains(&name), "{name} is described twice");
            described.push(name);
            current = name;
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(current) && !current.is_empty(), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(
                samples.insert(name.to_owned(), value).is_none(),
                "{line} comes twice"
            );
        }
    }
    samples
}

async fn figures_are_those_that_were_counted(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("secret-session", "Hello").await;
    for _ in 0..5 {
        server.history("secret-session").await;
    }
    server.history("unknown").await;
    let path = messages_path("secret-session") + "&frobnicate=1";
    server.request(Method::GET, &path).send().await.unwrap();
    server
        .request(Method::GET, "/chatbot/made-up-path")
        .send()
        .await
        .unwrap();
    let turn = json!({"messages": [{"role": "user", "content": "a"}]});
    server
        .post(&messages_path("secret-session"), &turn, StatusCode::CREATED)
        .await;

    let samples = scrape(&server).await;
    let check = |name: &str, expected: f64| {
        let found = samples.get(name).copied().unwrap_or(f64::NAN);
        assert!(
            (found - expected).abs() < f64::EPSILON,
            "{name} is {found}, not {expected}"
        );
    };
    check("hearth_reads_total{source=\"memory\"}", 5.0);
    check("hearth_reads_total{source=\"new\"}", 2.0);
    check("hearth_loaded_sessions", 2.0);
    check("hearth_model_calls_total{outcome=\"complete\"}", 1.0);
    let messages = "route=\"/chatbot/v1/sessions/{id}/messages\"";
    let requests = |labels: &str| format!("hearth_http_requests_total{{{labels}}}");
    check(
        &requests(&format!("{messages},method=\"GET\",status=\"2xx\"")),
        6.0,
    );
    check(
        &requests(&format!("{messages},method=\"GET\",status=\"4xx\"")),
        1.0,
    );
    check(
        &requests(&format!("{messages},method=\"POST\",status=\"2xx\"")),
        1.0,
    );
    check(
        &requests("route=\"unmatched\",method=\"GET\",status=\"4xx\""),
        1.0,
    );
    let duration = format!("hearth_http_request_duration_seconds_count{{{messages},method=\"GET\"}}");
    check(&duration, 7.0);
    let names = || samples.keys();
    assert!(!names().any(|name| name.contains("secret") || name.contains("made-up")));
    if let Backend::Postgres(_) = backend {
        check("hearth_committed_turns_total", 2.0);
        check("hearth_commit_queue_turns", 0.0);
        assert!(names().any(|name| name == "hearth_store_connections{state=\"idle\"}"));
    }
    let performance = server.get("/chatbot/v1/performance").await;
    check(
        "hearth_store_loads_total",
        performance["queries"]["issued"].as_f64().unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn histograms_grow_towards_their_count() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    for _ in 0..200 {
        server.history("1").await;
    }
    let text = server.request(Method::GET, "/metrics").send().await.unwrap();
    let text = text.text().await.unwrap();
    let mut last: HashMap<String, f64> = HashMap::new();
    for line in text.lines().filter(|line| line.contains("_bucket{")) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (series, bound) = name.split_once("le=\"").unwrap();
        let value: f64 = value.parse().unwrap();
        let before = last.insert(series.to_owned(), value).unwrap_or(0.0);
        assert!(value >= before, "{line}");
        if bound.starts_with("+Inf") {
            let count = series.replace("_bucket{", "_count{");
            let count = count.trim_end_matches(['{', ',']);
            let counted = text.lines().find(|line| line.starts_with(count)).unwrap();
            assert!(
                counted.ends_with(&format!(" {value}")),
                "{counted} against {line}"
            );
        }
    }
    let samples = parse(&text);
    let timed = samples["hearth_read_duration_seconds_count{source=\"memory\"}"];
    assert!(
        (1.0..=199.0).contains(&timed),
        "some of the reads were timed: {timed}"
    );
}
