//! Model servers that fail: what the caller is told, and what is stored afterwards.

use hearth_testkit::model_server::{ModelServer, Reply};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::event_stream::{EventStream, asking, names, text};
use crate::model_upstream;
use crate::server::{Server, json};

both_stores!(what_came_is_kept, where_nothing_came_nothing_is_kept);

/// The roles, contents and marks of a session's messages.
async fn kept(server: &Server, session: &str) -> Vec<(String, String, Value)> {
    let history = server.history(session).await;
    let messages = history["messages"].as_array().unwrap().iter();
    let word = |message: &Value, field: &str| message[field].as_str().unwrap().to_owned();
    messages
        .map(|message| {
            (
                word(message, "role"),
                word(message, "content"),
                message["status"].clone(),
            )
        })
        .collect()
}

/// What a streamed request came to: the code of its problem, as a status or as an event, or the whole answer.
async fn streamed(server: &Server, session: &str) -> Result<Value, String> {
    let response = asking(server, session, "Hi").send().await.unwrap();
    let problem: Value = if response.status().is_success() {
        let events = EventStream::of(response).await.rest().await;
        let last = events.last().unwrap().clone();
        if last.name == "done" {
            assert_eq!(last.data["response"], text(&events).as_str());
            return Ok(last.data);
        }
        assert_eq!(
            names(&events),
            ["turn", "error"],
            "what came is kept, and no error"
        );
        last.data
    } else {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let status = response.status();
        json(response, status).await
    };
    assert_ne!(problem["request_id"], "");
    assert!(!problem.to_string().contains("own words"), "{problem}");
    Err(problem["code"].as_str().unwrap().to_owned())
}

async fn what_came_is_kept(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let reported = json!({"error": {"message": "the server's own words", "code": "engine_dead"}});
    let begun = || Reply::stream().text("Hel");
    for (session, (reply, response, status)) in [
        (begun().text("lo").finish("stop").done(), "Hello", Value::Null),
        (
            begun().text("lo").finish("stop").done().split(),
            "Hello",
            Value::Null,
        ),
        (
            Reply::stream().text("\u{1f525}é").finish("stop").done().split(),
            "\u{1f525}é",
            Value::Null,
        ),
        (begun().close(), "Hel", json!("incomplete")),
        (begun().event(&reported), "Hel", json!("incomplete")),
        (begun().bytes(b"data: nonsense\n\n"), "Hel", json!("incomplete")),
        (
            begun().finish("content_filter").done(),
            "Hel",
            json!("incomplete"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let session = session.to_string();
        model.next(reply);
        let done = streamed(&server, &session).await.unwrap();
        assert_eq!(done["response"], response);
        assert_eq!(done.get("status").cloned().unwrap_or_default(), status);
        assert_eq!(done["version"], 1);
        let expected = [
            ("user".to_owned(), "Hi".to_owned(), Value::Null),
            ("assistant".to_owned(), response.to_owned(), status),
        ];
        assert_eq!(kept(&server, &session).await, expected);
        // The session goes on, and so does the server.
        assert_eq!(server.chat(&session, "Again").await["version"], 2);
    }
}

async fn where_nothing_came_nothing_is_kept(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let reported = json!({"error": {"message": "the server's own words", "code": "engine_dead"}});
    let limited = || Reply::status(429, "rate_limit_exceeded").header("Retry-After", "7");
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hi"});
    for (turn, (reply, retry_after)) in [
        (Reply::status(400, "context_length_exceeded"), None),
        (Reply::status(500, "oops"), None),
        (limited(), Some("7")),
        (Reply::closed(), None),
        (Reply::json(&reported), None),
        (Reply::of(200, "application/json").bytes(b"nonsense"), None),
        (Reply::of(200, "text/event-stream").done(), None),
    ]
    .into_iter()
    .enumerate()
    {
        let calls = model.calls();
        model.next(reply.clone());
        assert_eq!(streamed(&server, "1").await, Err("model_failed".to_owned()));
        model.next(reply);
        let request = server.request(Method::POST, "/chatbot/v1/chat").json(&body);
        let response = request.send().await.unwrap();
        let told = response.headers().get("retry-after").cloned();
        assert_eq!(told.as_ref().map(|value| value.to_str().unwrap()), retry_after);
        let problem = json(response, StatusCode::BAD_GATEWAY).await;
        assert_eq!(problem["code"], "model_failed");
        assert!(!problem.to_string().contains("own words"), "{problem}");
        assert_eq!(model.calls(), calls + 2, "neither is asked again");
        assert_eq!(server.history("1").await["version"], turn);
        // A good answer in between, which is all that is kept.
        assert_eq!(server.chat("1", "Again").await["version"], turn + 1);
    }
    let log = server.log();
    assert!(
        log.contains("rate_limit_exceeded") && !log.contains("own words"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_not_seen() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    model.next(Reply::status(503, "overloaded"));
    assert!(streamed(&server, "1").await.is_ok());
    model.next(Reply::status(429, "rate_limit_exceeded").header("Retry-After", "0"));
    assert_eq!(server.chat("1", "Hi").await["version"], 2);
    assert_eq!(model.calls(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_hangs_is_not_waited_for_beyond_a_turns_time() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let settings = [("HEARTH__CHAT__TURN_SECONDS_MAX", "1")];
    let server = model_upstream::start(&backend.url(), &model, &settings).await;
    model.next(Reply::silence());
    assert_eq!(streamed(&server, "1").await, Err("model_timeout".to_owned()));
    model.next(Reply::silence());
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hi"});
    let problem = server
        .post("/chatbot/v1/chat", &body, StatusCode::GATEWAY_TIMEOUT)
        .await;
    assert_eq!(problem["code"], "model_timeout");
    assert_eq!(server.history("1").await["version"], 0);
    model.next(Reply::stream().text("Hel").hang());
    let done = streamed(&server, "1").await.unwrap();
    assert_eq!(
        (&done["response"], &done["status"]),
        (&json!("Hel"), &json!("incomplete"))
    );
    // The model server is not kept waiting either.
    model.connected(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_too_much_to_do_is_told_from_one_that_failed() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let settings = [
        ("HEARTH__MODEL__CONCURRENT_MAX", "1"),
        ("HEARTH__MODEL__QUEUE_MAX", "0"),
    ];
    let server = model_upstream::start(&backend.url(), &model, &settings).await;
    let gate = model.gate();
    model.next(
        Reply::stream()
            .text("Hel")
            .wait(&gate)
            .text("lo")
            .finish("stop")
            .done(),
    );
    let mut first = EventStream::open(asking(&server, "1", "Hi")).await;
    first.expect("turn").await;
    first.expect("delta").await;
    let body = json!({"department": "d", "user": "u", "chatsession_id": "2", "chatquery": "Hi"});
    let problem = server
        .post("/chatbot/v1/chat", &body, StatusCode::TOO_MANY_REQUESTS)
        .await;
    assert_eq!(problem["code"], "overloaded");
    assert_eq!(streamed(&server, "2").await, Err("overloaded".to_owned()));
    gate.open();
    assert_eq!(first.rest().await.last().unwrap().name, "done");
    assert_eq!(model.calls(), 1);
    assert_eq!(server.history("2").await["version"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_keeps_failing_is_left_alone_and_health_says_so() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hi"});
    let health = async || server.get("/chatbot/health/detailed").await;
    while health().await["model"]["availability"] == "available" {
        model.next(Reply::status(500, "oops"));
        let problem = server
            .post("/chatbot/v1/chat", &body, StatusCode::BAD_GATEWAY)
            .await;
        assert_eq!(problem["code"], "model_failed");
        assert!(model.calls() < 100, "it is asked on and on");
    }
    let told = health().await;
    assert_eq!(told["status"], "degraded");
    assert_eq!(told["model"]["availability"], "unavailable");
    assert!(told["model"]["retry_after_ms"].as_u64().unwrap() > 0, "{told}");
    let calls = model.calls();
    let request = server.request(Method::POST, "/chatbot/v1/chat").json(&body);
    let response = request.send().await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    let problem = json(response, StatusCode::BAD_GATEWAY).await;
    assert_eq!(problem["code"], "model_failed");
    assert_eq!(model.calls(), calls, "it is not asked");
    assert_eq!(server.history("1").await["version"], 0);
}
