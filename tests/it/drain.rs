//! A stop in front of a balancer: not ready first, and serving on meanwhile.

use hearth_testkit::poll::until;
use reqwest::{Method, StatusCode};

use crate::backend::Backend;
use crate::server::{DEADLINE, Server, json};

/// Long enough for what is asked meanwhile, on whatever machine.
const DELAY: (&str, &str) = ("HEARTH__SERVER__DRAIN_DELAY_SECONDS", "8");

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_readiness_is_asked_serves_on_while_it_is_not_ready() {
    let backend = Backend::sqlite().await;
    let mut server = Server::start_with(&backend.url(), &[DELAY]).await;
    let ready = async || {
        let response = server.request(Method::GET, "/chatbot/health/ready").send().await;
        response.unwrap()
    };
    until(DEADLINE, async || ready().await.status() == StatusCode::OK).await;
    server.signal("TERM");
    until(DEADLINE, async || ready().await.status() != StatusCode::OK).await;
    let response = ready().await;
    assert!(response.headers().contains_key("retry-after"));
    let problem = json(response, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(problem["code"], "shutting_down");
    // New connections and new work are still taken.
    server.chat("1", "Hello").await;
    assert_eq!(server.get("/chatbot/health").await["status"], "ok");
    assert_eq!(
        server.get("/chatbot/health/detailed").await["status"],
        "unhealthy"
    );
    let status = server.ended().await;
    assert!(status.success(), "{status}: {}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_readiness_nobody_asks_stops_at_once() {
    let backend = Backend::sqlite().await;
    let settings = [("HEARTH__SERVER__DRAIN_DELAY_SECONDS", "600")];
    let mut server = Server::start_with(&backend.url(), &settings).await;
    server.history("1").await;
    server.signal("TERM");
    assert!(server.ended().await.success());
}
