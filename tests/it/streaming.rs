//! Answers piece by piece, and streams that are taken up again.

use hearth_testkit::model_server::{ModelServer, Reply};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::event_stream::{Event, EventStream, asking, names, resuming, text};
use crate::model_upstream;
use crate::server::{Server, json};

both_stores!(
    pieces_come_as_the_model_says_them,
    a_stream_is_taken_up_again_at_any_event,
    a_stream_is_taken_up_again_after_a_restart,
);

const SAID: &str = "one \u{1f525} \"two\"\nthree";

async fn pieces_come_as_the_model_says_them(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let gate = model.gate();
    let reply = Reply::stream().text("Hello").wait(&gate).text(" there");
    model.next(reply.finish("stop").usage(7, 2).done());
    let mut stream = EventStream::open(asking(&server, "1", "Hi")).await;
    assert_eq!(stream.header("cache-control"), Some("no-store"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("content-encoding"), None);
    assert!(stream.header("x-request-id").is_some());
    let turn = stream.expect("turn").await.data;
    assert_eq!(turn["chatsession_id"], "1");
    assert_eq!(stream.expect("delta").await.data, json!({"text": "Hello"}));
    // Nothing is there while the model has not said all of it.
    assert_eq!(server.history("1").await["version"], 0);
    gate.open();
    let rest = stream.rest().await;
    assert_eq!(names(&rest), ["delta", "done"]);
    assert_eq!(text(&rest), " there");
    let done = &rest[1].data;
    assert_eq!(done["response"], "Hello there");
    assert_eq!(done["turn_id"], turn["turn_id"]);
    assert_eq!(done["version"], 1);
    assert_eq!(done["model"], "test");
    assert_eq!(done["usage"], json!({"prompt_tokens": 7, "completion_tokens": 2}));
    assert_eq!(done.get("status"), None);
    let history = server.history("1").await;
    assert_eq!(history["messages"][1]["content"], "Hello there");
    assert_eq!(history["messages"][1]["created_at"], done["created_at"]);
}

/// A turn with a client that saw all of it.
async fn streamed(server: &Server, model: &ModelServer) -> (String, Vec<Event>) {
    let pieces = SAID.split_inclusive(' ').fold(Reply::stream(), Reply::text);
    model.next(pieces.finish("stop").usage(7, 3).done());
    let mut stream = EventStream::open(asking(server, "1", "Hi")).await;
    let events = stream.rest().await;
    assert_eq!(names(&events), ["turn", "delta", "delta", "delta", "done"]);
    (events[0].data["turn_id"].as_str().unwrap().to_owned(), events)
}

async fn a_stream_is_taken_up_again_at_any_event(backend: Backend) {
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let (turn_id, events) = streamed(&server, &model).await;
    let all = EventStream::open(resuming(&server, &turn_id, None))
        .await
        .rest()
        .await;
    assert_eq!(all, events);
    for (place, event) in events.iter().enumerate().take(4) {
        let mut stream = EventStream::open(resuming(&server, &turn_id, Some(&event.id))).await;
        assert_eq!(stream.rest().await, events[place + 1..]);
    }
    let end = resuming(&server, &turn_id, Some(&events[4].id))
        .send()
        .await
        .unwrap();
    assert_eq!(end.status(), StatusCode::NO_CONTENT);

    // The same while the turn runs: nothing is missing, nothing comes twice.
    let gate = model.gate();
    let reply = Reply::stream().text("Hello").wait(&gate).text(" there");
    model.next(reply.finish("stop").done());
    let mut first = EventStream::open(asking(&server, "2", "Hi")).await;
    let turn_id = first.expect("turn").await.data["turn_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let seen = first.expect("delta").await;
    drop(first);
    let mut again = EventStream::open(resuming(&server, &turn_id, Some(&seen.id))).await;
    let mut middle = EventStream::open(resuming(&server, &turn_id, Some("2"))).await;
    assert_eq!(middle.expect("delta").await.data, json!({"text": "llo"}));
    gate.open();
    let rest = again.rest().await;
    assert_eq!(names(&rest), ["delta", "done"]);
    assert_eq!(text(&rest), " there");
    assert_eq!(middle.rest().await, rest);
    assert_eq!(rest[1].data["response"], "Hello there");
}

async fn a_stream_is_taken_up_again_after_a_restart(backend: Backend) {
    let model = ModelServer::start().await;
    let mut server = model_upstream::start(&backend.url(), &model, &[]).await;
    let (turn_id, events) = streamed(&server, &model).await;
    server.kill();
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let all = EventStream::open(resuming(&server, &turn_id, None))
        .await
        .rest()
        .await;
    assert_eq!(names(&all), ["turn", "delta", "done"]);
    assert_eq!(all[0], events[0]);
    assert_eq!(text(&all), SAID);
    let (kept, told) = (&all[2].data, &events[4].data);
    for field in [
        "response",
        "turn_id",
        "chatsession_id",
        "department",
        "user",
        "model",
        "usage",
        "created_at",
    ] {
        assert_eq!(kept[field], told[field], "{field}");
    }
    // What was not kept is not made up.
    assert_eq!(kept["version"], Value::Null);
    assert_eq!(kept["history"], json!({"enabled": true}));
    let mut rest = EventStream::open(resuming(&server, &turn_id, Some(&events[1].id))).await;
    let rest = rest.rest().await;
    assert_eq!(names(&rest), ["delta", "done"]);
    assert_eq!(text(&rest), SAID.strip_prefix("one ").unwrap());
    assert_eq!(model.calls(), 1);

    let path = "/chatbot/v1/sessions/1?department=d&user=u";
    server.request(Method::DELETE, path).send().await.unwrap();
    let gone = resuming(&server, &turn_id, None).send().await.unwrap();
    assert!(gone.status().is_client_error(), "{}", gone.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_its_own_users_alone() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let (turn_id, _) = streamed(&server, &model).await;
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (turn, who) in [
        (turn_id.as_str(), "department=d&user=v"),
        (&turn_id, "department=e&user=u"),
        (unknown, "department=d&user=u"),
    ] {
        let path = format!("/chatbot/v1/turns/{turn}/events?{who}");
        let response = server.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(json(response, StatusCode::NOT_FOUND).await["code"], "not_found");
    }
    for (turn, last, field) in [("1", None, "turn_id"), (unknown, Some("one"), "Last-Event-ID")] {
        let response = resuming(&server, turn, last).send().await.unwrap();
        let problem = json(response, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let head = format!("/chatbot/v1/turns/{turn_id}/events?department=d&user=u");
    let head = server.request(Method::HEAD, &head).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "text/event-stream");

    let path = "/chatbot/v1/sessions/1?department=d&user=u";
    server.request(Method::DELETE, path).send().await.unwrap();
    let gone = resuming(&server, &turn_id, None).send().await.unwrap();
    assert_eq!(json(gone, StatusCode::NOT_FOUND).await["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_of_another_replica_is_elsewhere_until_it_has_ended() {
    let model = ModelServer::start().await;
    let backend = Backend::postgres().await;
    let one = model_upstream::start(&backend.url(), &model, &[]).await;
    let other = model_upstream::start(&backend.url(), &model, &[]).await;
    let gate = model.gate();
    let reply = Reply::stream().text("Hello").wait(&gate).text(" there");
    model.next(reply.finish("stop").done());
    let mut stream = EventStream::open(asking(&one, "1", "Hi")).await;
    let turn_id = stream.expect("turn").await.data["turn_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let response = resuming(&other, &turn_id, None).send().await.unwrap();
    assert_eq!(
        json(response, StatusCode::CONFLICT).await["code"],
        "turn_elsewhere"
    );
    gate.open();
    stream.rest().await;
    let kept = EventStream::open(resuming(&other, &turn_id, Some("0")))
        .await
        .rest()
        .await;
    assert_eq!(names(&kept), ["delta", "done"]);
    assert_eq!(text(&kept), "Hello there");
    // An id of long ago runs nowhere.
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    let response = resuming(&other, unknown, None).send().await.unwrap();
    assert_eq!(json(response, StatusCode::NOT_FOUND).await["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_the_model_is_asked_is_a_status() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let server = model_upstream::start(&backend.url(), &model, &[]).await;
    let chat = |extra: Value| {
        let mut body = json!({
            "department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hi", "stream": true,
        });
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    for (extra, status, code) in [
        (
            json!({"chatquery": ""}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            json!({"stream": "yes"}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (json!({"strem": true}), StatusCode::BAD_REQUEST, "unknown_field"),
        (json!({"if_version": 9}), StatusCode::CONFLICT, "version_conflict"),
        (
            json!({"min_version": 9}),
            StatusCode::SERVICE_UNAVAILABLE,
            "not_fresh_enough",
        ),
    ] {
        let problem = server.post("/chatbot/v1/chat", &chat(extra), status).await;
        assert_eq!(problem["code"], code);
    }
    assert_eq!(model.calls(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accept_header_asks_for_a_stream_of_any_model() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let body = json!({"department": "d", "user": "u", "chatquery": "Hello", "historyenabled": false});
    let request = server.request(Method::POST, "/chatbot/v1/chat").json(&body);
    let request = request
        .header("Accept", "text/event-stream")
        .header("Accept-Encoding", "gzip");
    let mut stream = EventStream::open(request).await;
    assert_eq!(stream.header("content-encoding"), None);
    let events = stream.rest().await;
    assert_eq!(events[0].name, "turn");
    let done = events.last().unwrap();
    assert_eq!(done.name, "done");
    assert_eq!(done.data["response"], text(&events).as_str());
    assert_eq!(done.data["version"], Value::Null);
    assert_eq!(done.data["history"]["source"], "disabled");
}
