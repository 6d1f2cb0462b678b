//! Requests with an `Idempotency-Key`, and their repeats.

use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::backend::{Backend, both_stores};
use crate::event_stream::{EventStream, names, text};
use crate::model_upstream;
use crate::server::{DEADLINE, Server, json, messages_path};

both_stores!(
    repeats_get_the_first_answer,
    repeats_at_once_are_one_turn,
    a_repeat_after_a_crash_is_no_second_turn,
    a_key_says_one_thing,
    appends_are_repeated_safely,
    what_leaves_no_turn_is_repeated_too,
    an_erased_answer_is_not_repeated,
    a_failure_is_not_kept,
);

const CHAT: &str = "/chatbot/v1/chat";

/// Sends a body with a key.
async fn keyed(server: &Server, path: &str, key: &str, body: &str) -> Response {
    let request = server.request(Method::POST, path).header("Idempotency-Key", key);
    let request = request.header("Content-Type", "application/json");
    request.body(body.to_owned()).send().await.unwrap()
}

/// What was answered: whether it was given before, and its bytes.
async fn answered(response: Response, status: StatusCode) -> (bool, String) {
    let replayed = response.headers().get("idempotent-replayed");
    let replayed = replayed.map(|value| value.to_str().unwrap().to_owned());
    assert!(replayed.is_none() || replayed.as_deref() == Some("true"));
    let (actual, body) = (response.status(), response.text().await.unwrap());
    assert_eq!(actual, status, "{body}");
    (replayed.is_some(), body)
}

fn chat(session: &str, query: &str) -> String {
    json!({"department": "d", "user": "u", "chatsession_id": session, "chatquery": query}).to_string()
}

async fn repeats_get_the_first_answer(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    model.next(Reply::saying("Hello \u{1f525} there"));
    let (replayed, first) = answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    assert!(!replayed);
    // Neither the order of the fields nor white space nor a default that is written out is another body.
    let same = r#" { "chatquery":"\u0048i","historyenabled": true,
        "user":"u", "stream":false, "chatsession_id":"1", "if_version": null, "department" : "d" } "#;
    for body in [&chat("1", "Hi"), same] {
        let repeat = answered(keyed(&server, CHAT, "k", body).await, StatusCode::OK).await;
        assert_eq!(repeat, (true, first.clone()));
    }
    // Nor is the way in which it is to be answered: a replay of a stream is one piece.
    let streamed = same.replace("\"stream\":false", "\"stream\":true");
    let mut stream = EventStream::of(keyed(&server, CHAT, "k", &streamed).await).await;
    assert_eq!(stream.header("idempotent-replayed"), Some("true"));
    let events = stream.rest().await;
    assert_eq!(names(&events), ["turn", "delta", "done"]);
    assert_eq!(text(&events), "Hello \u{1f525} there");
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(events[2].data, first);
    assert_eq!(events[0].data["turn_id"], first["turn_id"]);
    assert_eq!(model.calls(), 1);
    assert_eq!(server.history("1").await["version"], 1);

    // Another key is another turn, and so is the key of another user.
    let (replayed, _) = answered(keyed(&server, CHAT, "k2", &chat("1", "Hi")).await, StatusCode::OK).await;
    assert!(!replayed);
    let other = chat("1", "Hi").replace("\"u\"", "\"v\"");
    let (replayed, _) = answered(keyed(&server, CHAT, "k", &other).await, StatusCode::OK).await;
    assert!(!replayed);
    assert_eq!(model.calls(), 3);
}

async fn repeats_at_once_are_one_turn(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let gate = model.gate();
    let whole = json!({"choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]});
    let reply = Reply::of(200, "application/json");
    model.next(reply.wait(&gate).bytes(whole.to_string().as_bytes()));
    let mut asking = JoinSet::new();
    for _ in 0..10 {
        let request = server.request(Method::POST, CHAT).header("Idempotency-Key", "k");
        let request = request
            .header("Content-Type", "application/json")
            .body(chat("1", "Hi"));
        asking.spawn(request.send());
    }
    gate.arrived(1).await;
    gate.open();
    let mut answers = Vec::new();
    while let Some(response) = asking.join_next().await {
        answers.push(answered(response.unwrap().unwrap(), StatusCode::OK).await);
    }
    answers.sort();
    assert_eq!(answers.iter().filter(|(replayed, _)| !replayed).count(), 1);
    assert!(answers.iter().all(|(_, body)| *body == answers[0].1));
    assert_eq!(model.calls(), 1);
    assert_eq!(server.history("1").await["version"], 1);
}

async fn a_repeat_after_a_crash_is_no_second_turn(backend: Backend) {
    let model = ModelServer::start().await;
    let mut server = model_upstream::start(&backend.url(), &model, &[]).await;
    let (_, first) = answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    // A client that goes away before its answer finds it under its key.
    let gate = model.gate();
    model.next(
        Reply::stream()
            .text("Hello")
            .wait(&gate)
            .text(" there")
            .finish("stop")
            .done(),
    );
    let body =
        json!({"department": "d", "user": "u", "chatsession_id": "2", "chatquery": "Hi", "stream": true});
    let body = body.to_string();
    let mut lost = EventStream::of(keyed(&server, CHAT, "lost", &body).await).await;
    let lost = lost.expect("turn").await;
    gate.open();
    until(DEADLINE, async || server.history("2").await["version"] == 1).await;
    server.kill();

    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let repeat = answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    assert_eq!(repeat, (true, first));
    let (replayed, found) = answered(
        keyed(&server, CHAT, "lost", &chat("2", "Hi")).await,
        StatusCode::OK,
    )
    .await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert!(replayed);
    assert_eq!(found["turn_id"], lost.data["turn_id"]);
    assert_eq!(found["response"], "Hello there");
    assert_eq!(model.calls(), 2);
    for session in ["1", "2"] {
        assert_eq!(server.history(session).await["version"], 1);
    }
}

async fn a_key_says_one_thing(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    let append = json!({"messages": [{"role": "user", "content": "Hi"}]}).to_string();
    answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    // The same key means another request at another endpoint.
    let (replayed, _) = answered(keyed(&server, &path, "k", &append).await, StatusCode::CREATED).await;
    assert!(!replayed);
    let more = append.replace("\"Hi\"", "\"Ho\"");
    let expected = append.replace("{\"messages\"", "{\"if_version\":2,\"messages\"");
    for (path, body) in [
        (CHAT, &chat("1", "Ho")),
        (CHAT, &chat("2", "Hi")),
        (
            CHAT,
            &chat("1", "Hi").replace("\"d\"", "\"d\",\"historyenabled\":false"),
        ),
        (CHAT, &chat("1", "Hi").replace("\"d\"", "\"d\",\"if_version\":2")),
        (&path, &more),
        (&path, &expected),
        (&messages_path("2"), &append),
    ] {
        let response = keyed(&server, path, "k", body).await;
        let problem = json(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["code"], "idempotency_key_reused", "{path} {body}");
    }
    let long = "k".repeat(256);
    for key in ["", "a b", &long] {
        for (path, body) in [(CHAT, &chat("1", "Hi")), (&path, &append)] {
            let response = keyed(&server, path, key, body).await;
            let problem = json(response, StatusCode::UNPROCESSABLE_ENTITY).await;
            assert_eq!(problem["code"], "invalid_field");
            assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
        }
    }
    assert_eq!(server.history("1").await["version"], 2);
}

async fn appends_are_repeated_safely(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    let body = r#"{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"}]}"#;
    let (replayed, first) = answered(keyed(&server, &path, "k", body).await, StatusCode::CREATED).await;
    assert!(!replayed);
    let spaced =
        r#"{ "messages" : [ {"content":"Hi","role":"user"}, {"content":"Ho","role":"assistant"} ] }"#;
    let repeat = answered(keyed(&server, &path, "k", spaced).await, StatusCode::CREATED).await;
    assert_eq!(repeat, (true, first));
    assert_eq!(server.history("1").await["version"], 1);
    // Without a key a repeat is another turn.
    for version in [2, 3] {
        let body: Value = serde_json::from_str(body).unwrap();
        let appended = server.post(&path, &body, StatusCode::CREATED).await;
        assert_eq!(appended["version"], version);
    }
}

async fn what_leaves_no_turn_is_repeated_too(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let off = r#"{"department":"d","user":"u","chatquery":"Hi","historyenabled":false}"#;
    let (_, first) = answered(keyed(&server, CHAT, "off", off).await, StatusCode::OK).await;
    let repeat = answered(keyed(&server, CHAT, "off", off).await, StatusCode::OK).await;
    assert_eq!(repeat, (true, first));
    // A session that was made up for the first is the session of the repeat.
    let new = r#"{"department":"d","user":"u","chatquery":"Hi"}"#;
    let (_, first) = answered(keyed(&server, CHAT, "new", new).await, StatusCode::OK).await;
    let repeat = answered(keyed(&server, CHAT, "new", new).await, StatusCode::OK).await;
    assert_eq!(repeat, (true, first.clone()));
    let first: Value = serde_json::from_str(&first).unwrap();
    let history = server.history(first["chatsession_id"].as_str().unwrap()).await;
    assert_eq!(history["version"], 1);
    assert_eq!(model.calls(), 2);
}

async fn an_erased_answer_is_not_repeated(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    let path = "/chatbot/v1/sessions/1?department=d&user=u";
    let erased = server.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::NO_CONTENT);
    let streamed = chat("1", "Hi").replace("\"d\"", "\"d\",\"stream\":true");
    for body in [chat("1", "Hi"), streamed] {
        let response = keyed(&server, CHAT, "k", &body).await;
        assert_eq!(
            json(response, StatusCode::CONFLICT).await["code"],
            "session_erased"
        );
    }
    assert_eq!(model.calls(), 1);
    assert_eq!(server.history("1").await["messages"], json!([]));
}

async fn a_failure_is_not_kept(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    model.next(Reply::status(400, "context_length_exceeded"));
    let response = keyed(&server, CHAT, "k", &chat("1", "Hi")).await;
    assert_eq!(
        json(response, StatusCode::BAD_GATEWAY).await["code"],
        "model_failed"
    );
    let (replayed, _) = answered(keyed(&server, CHAT, "k", &chat("1", "Hi")).await, StatusCode::OK).await;
    assert!(!replayed);
    assert_eq!(model.calls(), 2);
    assert_eq!(server.history("1").await["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_on_another_replica_waits_for_the_first() {
    let model = ModelServer::start().await;
    let backend = Backend::postgres().await;
    let one = model_upstream::start(&backend.url(), &model, &[]).await;
    let other = model_upstream::start(&backend.url(), &model, &[]).await;
    let gate = model.gate();
    model.next(
        Reply::stream()
            .text("Hello")
            .wait(&gate)
            .text(" there")
            .finish("stop")
            .done(),
    );
    let streamed = chat("1", "Hi").replace("\"d\"", "\"d\",\"stream\":true");
    let mut first = EventStream::of(keyed(&one, CHAT, "k", &streamed).await).await;
    first.expect("turn").await;
    let body = chat("1", "Hi");
    let repeat = keyed(&other, CHAT, "k", &body);
    let first = async {
        // What is asked of that replica meanwhile is answered: the repeat has been sent before.
        other.history("2").await;
        gate.open();
        first.rest().await
    };
    let (repeat, first) = tokio::join!(repeat, first);
    let (replayed, repeat) = answered(repeat, StatusCode::OK).await;
    assert!(replayed);
    let repeat: Value = serde_json::from_str(&repeat).unwrap();
    assert_eq!(repeat, first.last().unwrap().data);
    assert_eq!(model.calls(), 1);
    assert_eq!(one.history("1").await["version"], 1);
}
