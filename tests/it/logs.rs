//! What is logged: a line a request, and never a content, a key or a password.

use std::io::{BufRead, BufReader};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::server::{Server, hearth, messages_path};

both_stores!(nothing_secret_is_told_at_any_level);

/// What must not be told, in the places where callers and operators put it.
const CONTENT: &str = "content-4f1d";
const KEY: &str = "4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e4f1e";
const PASSWORD: &str = "password-4f1f";

async fn nothing_secret_is_told_at_any_level(backend: Backend) {
    let url = backend
        .url()
        .replace("//postgres@", &format!("//postgres:{PASSWORD}@"));
    if let Backend::Postgres(_) = backend {
        assert!(url.contains(PASSWORD), "{url}");
    }
    let settings = [("HEARTH__LOG__LEVEL", "trace")];
    let server = Server::start_with(&url, &settings).await;
    let bearer = format!("Bearer hearth_0123456789abcdef_{KEY}");
    let send = async |method: Method, path: &str, body: &str| {
        let request = server
            .request(method, path)
            .header("Authorization", &bearer)
            .header("Content-Type", "application/json");
        request.body(body.to_owned()).send().await.unwrap();
    };
    let turn = json!({"messages": [{"role": "user", "content": CONTENT}]}).to_string();
    let chat =
        json!({"department": "d", "user": "u", "chatquery": CONTENT, "chatsession_id": "1"}).to_string();
    let wrong = json!({"department": "d", "user": "u", "chatquery": {"a": CONTENT}, "chatsession_id": "1"})
        .to_string();
    send(Method::POST, &messages_path("1"), &turn).await;
    send(Method::POST, "/chatbot/v1/chat", &chat).await;
    send(Method::POST, "/chatbot/v1/chat", &wrong).await;
    send(Method::POST, "/chatbot/v1/chat", &chat[..chat.len() - 3]).await;
    send(Method::GET, &messages_path("1"), "").await;
    send(Method::GET, &(messages_path("1") + "&limit=5"), "").await;
    send(Method::POST, "/chatbot/v1/sessions/1/end?department=d&user=u", "").await;
    send(Method::GET, &messages_path("1"), "").await;
    send(Method::DELETE, "/chatbot/v1/sessions/1?department=d&user=u", "").await;
    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let log = log_until(&server, "GET /metrics").await;
    assert!(
        log.contains("DEBUG") && log.contains("TRACE"),
        "nothing is left out: {log}"
    );
    for (name, secret) in [("content", CONTENT), ("key", KEY), ("password", PASSWORD)] {
        assert!(!metrics.contains(secret), "the {name} is in the metrics");
        if let Some(line) = log.lines().find(|line| line.contains(secret)) {
            panic!("the {name} is in the log: {line}");
        }
    }
}

/// The log, once it has this text: lines go out together, a moment after the answer.
async fn log_until(server: &Server, text: &str) -> String {
    hearth_testkit::poll::until(crate::server::DEADLINE, async || server.log().contains(text)).await;
    server.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_line_with_its_pattern_and_its_trace() {
    let backend = Backend::sqlite().await;
    let settings = [("HEARTH__LOG__FORMAT", "json")];
    let server = Server::start_with(&backend.url(), &settings).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let response = server
        .request(Method::GET, &messages_path("some-session"))
        .header("X-Request-Id", "r-1")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .send()
        .await
        .unwrap();
    let bytes = response.bytes().await.unwrap().len();
    server.request(Method::GET, "/some-path").send().await.unwrap();
    let log = log_until(&server, "unmatched").await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|line: &Value| line["target"] == "hearth_api::access")
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    let line = &lines[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/chatbot/v1/sessions/{id}/messages");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], bytes);
    assert_eq!(line["request_id"], "r-1");
    assert_eq!(line["trace_id"], trace);
    assert!(line["us"].as_u64().unwrap() > 0);
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lines[1]["status"], 404);
    assert!(
        !log.contains("some-session") && !log.contains("some-path"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_can_be_left_out() {
    let backend = Backend::sqlite().await;
    for setting in [
        ("HEARTH__LOG__ACCESS", "false"),
        ("HEARTH__LOG__LEVEL", "info,hearth_api::access=off"),
    ] {
        let mut server = Server::start_with(&backend.url(), &[setting]).await;
        server.history("1").await;
        server.signal("TERM");
        server.ended().await;
        let log = log_until(&server, "stopped").await;
        assert!(!log.contains("hearth_api::access"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = hearth(folder.path(), "sqlite:hearth.db").spawn().unwrap();
    let mut unread = BufReader::new(process.stderr.take().unwrap()).lines();
    let base = loop {
        let line = unread.next().unwrap().unwrap();
        if let Some((_, rest)) = line.split_once("http://") {
            break format!("http://{}", rest.split_whitespace().next().unwrap());
        }
    };
    // A pipe takes 64 KiB; these lines are several times as much.
    let client = Client::new();
    let id = "r".repeat(128);
    for _ in 0..2_000 {
        let health = client
            .get(format!("{base}/chatbot/health"))
            .header("X-Request-Id", &id);
        assert_eq!(health.send().await.unwrap().status(), StatusCode::OK);
    }
    let (mut lines, mut lost) = (0, 0_u64);
    process.kill().unwrap();
    for line in unread.map_while(Result::ok) {
        lines += usize::from(line.contains("hearth_api::access"));
        lost += u64::from(line.contains("lines="));
    }
    process.wait().unwrap();
    assert!(
        lines > 100 && lines < 2_000 && lost == 0,
        "{lines} lines were in the pipe"
    );
}
