//! Servers that fail before the answer and in the middle of it.

use std::time::Duration;

use hearth_domain::ports::ModelError;
use hearth_testkit::model_server::Reply;
use serde_json::json;

use crate::setup::{scene, scene_with, told};

/// Long enough for a machine under load, short enough to be waited for.
const SILENCE: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_fault_was_heard() {
    let reported = json!({"error": {"message": "private", "code": "engine_dead"}});
    let begun = || Reply::stream().text("Hel");
    for (reply, why) in [
        (begun().close(), "broke"),
        (begun().event(&reported), "reported an error (engine_dead)"),
        (begun().bytes(b"data: nonsense\n\n"), "unreadable JSON"),
        (begun().bytes(b"data: {\"cho").close(), "broke"),
        (begun().bytes(&vec![b'a'; 2 << 20]), "an event is too large"),
    ] {
        let scene = scene().await;
        scene.server.next(reply);
        let (outcome, heard) = scene.ask(true).await;
        let error = outcome.unwrap_err();
        assert!(matches!(error, ModelError::Failed(_)), "{error:?}");
        assert_eq!(heard, "Hel", "{why}");
        let text = told(&error);
        assert!(text.contains(why) && !text.contains("private"), "{text}");
        assert_eq!(scene.server.calls(), 1, "what was begun is not asked for again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_not_waited_for_beyond_its_limit() {
    let scene = scene_with(|config| config.read_timeout = SILENCE).await;
    for (reply, expected) in [
        (Reply::silence(), ""),
        (Reply::stream().bytes(b": ping\n\n").hang(), ""),
        (Reply::stream().text("Hel").hang(), "Hel"),
    ] {
        scene.server.next(reply);
        let (outcome, heard) = scene.ask(true).await;
        assert!(matches!(outcome, Err(ModelError::TimedOut)), "{outcome:?}");
        assert_eq!(heard, expected);
    }
    assert_eq!(scene.server.calls(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_closes_the_connection() {
    let scene = scene().await;
    scene.server.next(Reply::stream().text("Hel").hang());
    let (asking, heard) = scene.asking(true);
    heard.until("Hel").await;
    scene.server.connected(1).await;
    asking.abort();
    scene.server.connected(0).await;
    assert_eq!(scene.model_status().running, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_closes_without_an_answer_is_not_asked_again() {
    let scene = scene().await;
    scene.server.usually(Reply::closed());
    let error = scene.ask(true).await.0.unwrap_err();
    assert!(told(&error).contains("broke"), "{error:?}");
    assert_eq!(scene.server.calls(), 1, "it may have been paid for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_the_servers_word_and_no_more() {
    for (status, code) in [
        (400, "context_length_exceeded"),
        (401, "invalid_api_key"),
        (500, "oops"),
    ] {
        let scene = scene_with(|config| config.api_key = Some("sk-private".into())).await;
        scene.server.next(Reply::status(status, code));
        let error = scene.ask(true).await.0.unwrap_err();
        assert_eq!(
            told(&error),
            format!("the model failed: the model's server answered {status} ({code})")
        );
        assert!(!format!("{error:?}").contains("private"));
        assert_eq!(scene.server.calls(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let scene = scene().await;
    let elsewhere = Reply::of(307, "text/plain").header("location", &scene.server.base_url());
    scene.server.next(elsewhere);
    let error = scene.ask(false).await.0.unwrap_err();
    assert!(told(&error).contains("307"), "{error:?}");
    assert_eq!(scene.server.calls(), 1);
}
