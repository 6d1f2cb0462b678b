//! What was acknowledged is there after a crash.

use hearth_testkit::poll::until;
use reqwest::Method;
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::server::{DEADLINE, Server};

both_stores!(
    what_was_acknowledged_survives_a_kill,
    limits_of_the_window_are_settings,
    a_warm_start_loads_the_most_recent_sessions,
);

async fn what_was_acknowledged_survives_a_kill(backend: Backend) {
    let mut server = Server::start(&backend.url()).await;
    let first = server.chat("1", "Hello").await;
    let before = server.history("1").await;
    server.kill();

    let server = Server::start(&backend.url()).await;
    let after = server.history("1").await;
    assert_eq!(after["source"], "store");
    assert_eq!(after["messages"], before["messages"]);
    assert_eq!(after["version"], first["version"]);
    let second = server.chat("1", "Again").await;
    assert_eq!(second["history"]["responses"], 1);
}

async fn limits_of_the_window_are_settings(backend: Backend) {
    let settings = [("HEARTH__CACHE__MAX_RESPONSES", "2")];
    let server = Server::start_with(&backend.url(), &settings).await;
    for query in ["one", "two", "three"] {
        server.chat("1", query).await;
    }
    let history = server.history("1").await;
    assert_eq!(history["responses"], 2);
    assert_eq!(history["truncated"], json!(true));
    assert_eq!(history["messages"][0]["content"], "two");
}

async fn a_warm_start_loads_the_most_recent_sessions(backend: Backend) {
    let mut server = Server::start(&backend.url()).await;
    for session in ["1", "2", "3"] {
        server.chat(session, "Hello").await;
    }
    server.kill();
    let settings = [("HEARTH__CACHE__WARM_START", "2")];
    let server = Server::start_with(&backend.url(), &settings).await;
    until(DEADLINE, async || {
        let ready = server
            .request(Method::GET, "/chatbot/health/ready")
            .send()
            .await
            .unwrap();
        ready.status().is_success()
    })
    .await;
    assert_eq!(server.history("3").await["source"], "memory");
    assert_eq!(server.history("2").await["source"], "memory");
    assert_eq!(server.history("1").await["source"], "store");
}
