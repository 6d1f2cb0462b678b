//! PostgreSQL goes away and comes back; the server stays.

use hearth_testkit::poll::until;
use hearth_testkit::postgres::{Cluster, Options};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::server::{DEADLINE, Server, json, messages_path};

#[tokio::test(flavor = "multi_thread")]
async fn loaded_sessions_are_read_and_all_is_well_afterwards() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let settings = [
        ("HEARTH__STORE__TIMEOUT_MS", "1000"),
        ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "1000"),
    ];
    let server = Server::start_with(&cluster.url("postgres"), &settings).await;
    server.chat("loaded", "Hello").await;
    server.chat("other", "Hello").await;
    let end = server.request(Method::POST, "/chatbot/v1/sessions/other/end?department=d&user=u");
    end.send().await.unwrap();

    cluster.stop_immediate().unwrap();
    assert_eq!(server.history("loaded").await["source"], "memory");
    let get = |path: String| server.request(Method::GET, &path).send();
    for session in ["other", "unknown"] {
        let response = get(messages_path(session)).await.unwrap();
        assert!(response.headers().contains_key("retry-after"));
        let problem = json(response, StatusCode::SERVICE_UNAVAILABLE).await;
        assert_eq!(problem["code"], "store_unavailable");
        assert!(
            !problem.to_string().contains("127.0.0.1"),
            "no driver's message: {problem}"
        );
    }
    let chat = |session: &str| {
        let body = json!({"department": "d", "user": "u", "chatsession_id": session, "chatquery": "More"});
        server
            .request(Method::POST, "/chatbot/v1/chat")
            .json(&body)
            .send()
    };
    for _ in 0..2 {
        let response = chat("loaded").await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let refused = json(chat("loaded").await.unwrap(), StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(
        refused["code"], "store_unavailable",
        "refused before the model is asked"
    );
    let health = server.get("/chatbot/health/detailed").await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["store"]["reachable"], false);
    assert_eq!(
        health["cache_stats"]["loaded_sessions_count"], 1,
        "a failed load marks nothing: {health}"
    );
    assert_eq!(
        server.get("/chatbot/health/ready").await,
        json!({"status": "ready", "degraded": true})
    );

    cluster.start_again().unwrap();
    until(DEADLINE, async || {
        chat("other").await.unwrap().status() == StatusCode::OK
    })
    .await;
    let history = server.history("other").await;
    assert_eq!(history["messages"][0]["content"], "Hello");
    assert_eq!(history["responses"], 2);
    assert_eq!(server.history("unknown").await["source"], "new");
    // What was committed of the refused chats, if anything, is whole and the same in memory and in the table.
    let memory = server.history("loaded").await;
    let table = server
        .get(&format!("{}&limit=200", messages_path("loaded")))
        .await;
    assert_eq!(memory["messages"], table["messages"]);
    // Health asks the store at most once a second.
    until(DEADLINE, async || {
        server.get("/chatbot/health/detailed").await["status"] == "healthy"
    })
    .await;
}
