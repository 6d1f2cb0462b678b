//! What is tried again, and when a server is left alone.

use std::time::Duration;

use hearth_chat::models::OpenAiModel;
use hearth_chat::models::openai::BaseUrl;
use hearth_domain::ports::{Availability, ModelError};
use hearth_testkit::model_server::Reply;

use crate::setup::{scene, scene_with, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_asked_again() {
    for status in [429, 502, 503, 504] {
        let scene = scene().await;
        scene.server.next(Reply::status(status, "busy"));
        scene
            .server
            .next(Reply::status(status, "busy").header("retry-after", "0"));
        assert_eq!(scene.ask(true).await.0.unwrap().text, "Hello", "{status}");
        assert_eq!(scene.server.calls(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_busy_is_asked_three_times() {
    let scene = scene().await;
    scene.server.usually(Reply::status(429, "rate_limit_exceeded"));
    let error = scene.ask(true).await.0.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable { .. }), "{error:?}");
    assert!(told(&error).contains("429 (rate_limit_exceeded)"));
    assert_eq!(scene.server.calls(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_retry_after_is_the_callers_to_wait_for() {
    let scene = scene().await;
    scene
        .server
        .usually(Reply::status(429, "quota").header("retry-after", "30"));
    let error = scene.ask(false).await.0.unwrap_err();
    let ModelError::Unavailable { retry_after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(retry_after, Duration::from_secs(30));
    assert_eq!(scene.server.calls(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_a_failure_and_then_left_alone() {
    // A port that is taken, and at which nobody listens.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nobody.local_addr().unwrap();
    let scene = scene_with(|config| {
        config.base_url = BaseUrl::parse(&format!("http://{address}/v1")).unwrap();
        config.breaker_failures = 2;
    })
    .await;
    for _ in 0..2 {
        let error = scene.ask(true).await.0.unwrap_err();
        assert!(matches!(error, ModelError::Failed(_)), "{error:?}");
        let text = told(&error);
        assert!(text.contains("failed to connect"), "{text}");
    }
    let error = scene.ask(true).await.0.unwrap_err();
    assert!(matches!(error, ModelError::Unavailable { .. }), "{error:?}");
    let availability = scene.model_status().availability;
    assert_eq!(availability, Availability::Unavailable(Duration::from_secs(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_found_when_it_is_back() {
    let scene = scene_with(|config| config.breaker_failures = 3).await;
    scene.server.usually(Reply::status(500, "oops"));
    for _ in 0..5 {
        assert!(scene.ask(true).await.0.is_err());
    }
    assert_eq!(scene.server.calls(), 3, "it was left alone after that");

    scene.clock.advance(Duration::from_secs(5));
    let gate = scene.server.gate();
    scene
        .server
        .next(Reply::stream().wait(&gate).text("Hello").done());
    let (probe, _) = scene.asking(true);
    gate.arrived(1).await;
    assert_eq!(scene.model_status().availability, Availability::Probing);
    assert!(matches!(
        scene.ask(true).await.0,
        Err(ModelError::Unavailable { .. })
    ));
    gate.open();
    assert!(probe.await.unwrap().is_ok());
    scene.server.usually(Reply::saying("Hello"));
    assert!(scene.ask(true).await.0.is_ok());
    assert_eq!(scene.model_status().availability, Availability::Available);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_single_requests_leave_nobody_alone() {
    let scene = scene_with(|config| config.breaker_failures = 2).await;
    scene
        .server
        .usually(Reply::status(400, "context_length_exceeded"));
    for _ in 0..4 {
        assert!(scene.ask(true).await.0.is_err());
    }
    assert_eq!(scene.server.calls(), 4);
}

#[test]
fn the_model_moves_between_threads() {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<OpenAiModel>();
}
