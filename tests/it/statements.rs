//! What the database is asked, by its own statement log.

use hearth_testkit::postgres::{Cluster, Options};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::server::{Server, messages_path};

/// Statements in the log that name the table of messages.
fn statements(cluster: &Cluster) -> usize {
    cluster
        .log()
        .unwrap()
        .lines()
        .filter(|line| line.contains("execute") && line.contains("chatbot_messages"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn loaded_sessions_cost_no_query_and_first_readers_share_one() {
    let options = Options::default().with("log_statement", "all");
    let cluster = Cluster::start(&options).unwrap();
    let store = cluster.url("postgres");
    let mut server = Server::start(&store).await;
    server.chat("1", "Hello").await;
    server.kill();

    let server = Server::start(&store).await;
    let before = statements(&cluster);
    let path = messages_path("1");
    let readers: Vec<_> = (0..200)
        .map(|_| tokio::spawn(server.request(Method::GET, &path).send()))
        .collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    assert_eq!(
        statements(&cluster),
        before + 1,
        "200 first readers share one query"
    );

    for _ in 0..100 {
        assert_eq!(server.history("1").await["source"], "memory");
    }
    assert_eq!(statements(&cluster), before + 1, "a loaded session costs none");

    let body = json!({"department": "d", "user": "u", "chatquery": "Hello"});
    server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
    assert_eq!(
        statements(&cluster),
        before + 2,
        "a session that Hearth made up costs its commit alone"
    );
    let performance = server.get("/chatbot/v1/performance").await;
    assert_eq!(performance["queries"]["issued"], 1);
}
