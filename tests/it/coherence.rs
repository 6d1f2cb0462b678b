//! What one server commits is seen by the others, and a server that hears nothing of them says so and serves on.

use hearth_testkit::poll::until;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::replicas::crew::{Replica, queries};
use crate::replicas::proxy::FeedProxy;
use crate::server::{DEADLINE, Server, json, messages_path};

async fn coherence(server: &Server) -> Value {
    server.get("/chatbot/health/detailed").await["coherence"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_on_one_is_seen_on_the_others() {
    let backend = Backend::postgres().await;
    let [one, two, three] = Replica::start_many(&backend.url()).await;
    one.server.chat("1", "first").await;
    for replica in [&two, &three] {
        replica.holds("1").await;
    }
    for number in 0..5 {
        let query = format!("query {number}");
        let version = one.append("1", &query).await;
        for replica in [&one, &two, &three] {
            let newest = |history: &Value| queries(history).last() == Some(&query.as_str());
            let shown = replica.shows("1", &query, newest).await;
            assert_eq!(shown["version"], version);
        }
        // What was told of is loaded once, and served from memory then.
        two.holds("1").await;
    }
    let health = coherence(&two.server).await;
    assert_eq!(health["mode"], "notify");
    assert_eq!(health["connected"], true);
    assert!(health["staleness_ms"].as_u64().is_some(), "{health}");
    let figures = two.server.get("/chatbot/v1/performance").await;
    assert!(
        figures["coherence"]["changes"].as_u64().unwrap() >= 6,
        "{figures}"
    );
    assert!(
        figures["coherence"]["lag_ms"].as_f64().unwrap() > 0.0,
        "{figures}"
    );
    let metrics = two.server.request(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let lags = metrics
        .lines()
        .find_map(|line| line.strip_prefix("hearth_feed_lag_seconds_count "));
    assert!(lags.unwrap().parse::<u64>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_reads_its_own_write_anywhere_at_once() {
    let backend = Backend::postgres().await;
    let [one, two] = Replica::start_many(&backend.url()).await;
    one.append("1", "first").await;
    two.holds("1").await;
    // Nothing that is told arrives any more, and memory is trusted until the bound passes.
    two.proxy.stall();
    for number in 0..5 {
        let version = one.append("1", &format!("query {number}")).await;
        let path = format!("{}&min_version={version}", messages_path("1"));
        let history = two.server.get(&path).await;
        assert_eq!(history["version"], version);
        assert_eq!(
            queries(&history).last(),
            Some(&format!("query {number}").as_str())
        );
        let body = json!({
            "department": "d", "user": "u", "chatsession_id": "1", "chatquery": "What next?", "min_version": version,
        });
        let answer = two.server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
        assert_eq!(answer["version"], version + 1);
    }
    let path = format!("{}&min_version=1000", messages_path("1"));
    let response = two.server.request(Method::GET, &path).send().await.unwrap();
    let problem = json(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(problem["code"], "not_fresh_enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ended_or_erased_on_one_leaves_the_others() {
    let backend = Backend::postgres().await;
    let [one, two] = Replica::start_many(&backend.url()).await;
    let sessions = ["ended", "erased", "of the user"];
    for session in sessions {
        one.append(session, "first").await;
        two.holds(session).await;
    }
    let loaded = async || {
        let health = two.server.get("/chatbot/health/detailed").await;
        let mut ids: Vec<String> =
            serde_json::from_value(health["cache_stats"]["loaded_sessions"].clone()).unwrap();
        ids.sort();
        ids
    };
    let end = "/chatbot/v1/sessions/ended/end?department=d&user=u";
    let ended = one.server.request(Method::POST, end).send().await.unwrap();
    assert!(ended.status().is_success());
    until(DEADLINE, async || loaded().await == ["erased", "of the user"]).await;
    assert_eq!(
        queries(&two.server.history("ended").await),
        ["first"],
        "its rows stay"
    );

    let erase = "/chatbot/v1/sessions/erased?department=d&user=u";
    let erased = one.server.request(Method::DELETE, erase).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::NO_CONTENT);
    until(DEADLINE, async || loaded().await == ["ended", "of the user"]).await;
    assert_eq!(queries(&two.server.history("erased").await), [""; 0]);

    let erase = "/chatbot/v1/users/u?department=d";
    let erased = one.server.request(Method::DELETE, erase).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::OK);
    until(DEADLINE, async || {
        loaded().await.iter().all(|session| session == "erased")
    })
    .await;
    assert_eq!(queries(&two.server.history("of the user").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_listen_starts_and_gets_better_by_itself() {
    let backend = Backend::postgres().await;
    let proxy = FeedProxy::in_front_of(&backend.url()).await;
    proxy.refuse(true);
    let deaf = Replica::start_behind(proxy, &backend.url()).await;
    until(DEADLINE, async || {
        let ready = deaf
            .server
            .request(Method::GET, "/chatbot/health/ready")
            .send()
            .await;
        ready.unwrap().status() == StatusCode::OK
    })
    .await;
    deaf.is("degraded", false).await;
    assert_eq!(coherence(&deaf.server).await["staleness_ms"], Value::Null);
    deaf.server.chat("1", "Hello").await;
    for _ in 0..3 {
        let history = deaf.server.history("1").await;
        assert_eq!(history["source"], "store", "memory cannot be trusted");
        assert_eq!(queries(&history), ["Hello"]);
    }
    deaf.proxy.refuse(false);
    deaf.is("healthy", true).await;
    deaf.holds("1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_alone_follows_nothing() {
    for (backend, settings) in [
        (Backend::sqlite().await, None),
        (
            Backend::postgres().await,
            Some(("HEARTH__COHERENCE__MODE", "off")),
        ),
    ] {
        let settings: Vec<_> = settings.into_iter().collect();
        let server = Server::start_with(&backend.url(), &settings).await;
        server.chat("1", "Hello").await;
        assert_eq!(server.history("1").await["source"], "memory");
        let expected = json!({"mode": "off", "connected": false, "staleness_ms": null, "foreign_writers": "not_covered"});
        assert_eq!(coherence(&server).await, expected);
        assert_eq!(server.get("/chatbot/health/detailed").await["status"], "healthy");
        assert_eq!(
            server.get("/chatbot/v1/performance").await["coherence"],
            Value::Null
        );
        if let Backend::Postgres(database) = &backend {
            let client = database.client().await.unwrap();
            let listeners = "SELECT count(*) FROM pg_stat_activity
                             WHERE application_name = 'hearth-feed' AND datname = current_database()";
            assert_eq!(
                client.query_one(listeners, &[]).await.unwrap().get::<_, i64>(0),
                0
            );
        }
    }
}
