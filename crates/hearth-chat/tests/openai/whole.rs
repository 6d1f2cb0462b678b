//! Answers that are not streamed.

use hearth_domain::Status;
use hearth_domain::limits::CONTENT_BYTES_MAX;
use hearth_domain::ports::ModelError;
use hearth_testkit::model_server::Reply;
use serde_json::json;

use crate::setup::{scene, told};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_taken_as_it_is() {
    let scene = scene().await;
    scene.server.next(Reply::saying("Hello there"));
    let answer = scene.ask(false).await.0.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.status),
        ("Hello there", Status::Complete)
    );
    assert_eq!(answer.usage.unwrap().completion_tokens, 2);
    let request = scene.server.requests().remove(0);
    assert!(request.body.get("stream").is_none() && request.body.get("stream_options").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_streams_unasked_is_understood() {
    let scene = scene().await;
    scene
        .server
        .next(Reply::stream().text("Hello").text(" there").done());
    assert_eq!(scene.ask(false).await.0.unwrap().text, "Hello there");
}

#[tokio::test(flavor = "multi_thread")]
async fn length_and_filter_are_told_apart() {
    let scene = scene().await;
    for (reason, status) in [
        ("length", Status::Complete),
        ("content_filter", Status::Incomplete),
    ] {
        let choice = json!({"message": {"content": "a"}, "finish_reason": reason});
        scene.server.next(Reply::json(&json!({"choices": [choice]})));
        assert_eq!(scene.ask(false).await.0.unwrap().status, status, "{reason}");
    }
    let long = json!({"choices": [{"message": {"content": "a".repeat(40_000)}}]});
    scene.server.next(Reply::json(&long));
    let answer = scene.ask(false).await.0.unwrap();
    assert_eq!(
        (answer.text.len(), answer.status),
        (CONTENT_BYTES_MAX, Status::Incomplete)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_is_a_failure() {
    for (reply, why) in [
        (Reply::json(&json!({"choices": []})), "an empty answer"),
        (
            Reply::json(&json!({"choices": [{"message": {"content": ""}}]})),
            "an empty answer",
        ),
        (
            Reply::json(&json!({"error": {"code": "server_error", "message": "private"}})),
            "reported an error (server_error)",
        ),
        (
            Reply::of(200, "text/html").bytes(b"<html>private"),
            "unreadable JSON",
        ),
        (
            Reply::of(200, "application/json").bytes(&vec![b' '; 5 << 20]),
            "too large",
        ),
        (
            Reply::of(200, "application/json").bytes(b"{\"cho").close(),
            "broke",
        ),
    ] {
        let scene = scene().await;
        scene.server.next(reply);
        let error = scene.ask(false).await.0.unwrap_err();
        assert!(matches!(error, ModelError::Failed(_)), "{error:?}");
        let text = told(&error);
        assert!(text.contains(why) && !text.contains("private"), "{text}");
    }
}
