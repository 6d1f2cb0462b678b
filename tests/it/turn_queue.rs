//! Turns of one session, one after the other.

use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::event_stream::{EventStream, asking};
use crate::model_upstream;
use crate::server::{DEADLINE, Server, json, messages_path};

both_stores!(chats_of_one_session_wait_for_each_other);

/// Requests under way, the one that asks left out.
async fn in_flight(server: &Server) -> usize {
    let response = server.request(Method::GET, "/metrics").send().await.unwrap();
    let text = response.text().await.unwrap();
    let sample = text
        .lines()
        .find_map(|line| line.strip_prefix("hearth_http_requests_in_flight "));
    sample.unwrap().parse::<usize>().unwrap() - 1
}

/// The reply of a model that is held, and then says something.
fn held(gate: &hearth_testkit::faulty_store::Gate, text: &str) -> Reply {
    Reply::stream().text(text).wait(gate).finish("stop").done()
}

async fn chats_of_one_session_wait_for_each_other(backend: Backend) {
    let model = ModelServer::start().await;
    let settings = [("HEARTH__CHAT__QUEUE_MAX", "1")];
    let server = model_upstream::start(&backend.url(), &model, &settings).await;
    let gate = model.gate();
    model.next(held(&gate, "first"));
    let mut first = EventStream::open(asking(&server, "1", "one")).await;
    first.expect("turn").await;
    let second = server.chat("1", "two");
    let others = async {
        until(DEADLINE, async || in_flight(&server).await == 2).await;
        // One waits, and no more may; as a stream, it is refused with a status all the same.
        let third = asking(&server, "1", "three").send().await.unwrap();
        assert!(third.headers().contains_key("retry-after"));
        let problem = json(third, StatusCode::CONFLICT).await;
        assert_eq!(problem["code"], "session_busy");
        // Other sessions, turns without history and plain appends do not wait.
        server.chat("2", "other").await;
        let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "aside", "historyenabled": false});
        server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
        let body = json!({"messages": [{"role": "system", "content": "appended"}]});
        server.post(&messages_path("1"), &body, StatusCode::CREATED).await;
        assert_eq!(model.calls(), 3, "the second one has not asked");
        gate.open();
        first.rest().await
    };
    let (second, first) = tokio::join!(second, others);
    assert_eq!(first.last().unwrap().data["version"], 2);
    assert_eq!(second["version"], 3);
    let history = server.history("1").await;
    let contents: Vec<&str> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(contents[..4], ["appended", "one", "first", "two"]);
    // The second one's prompt has the first one's answer.
    let asked = model.requests().pop().unwrap().body["messages"].to_string();
    assert!(asked.contains("first"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_chat_is_refused_where_that_is_chosen() {
    let model = ModelServer::start().await;
    let backend = Backend::sqlite().await;
    let settings = [("HEARTH__CHAT__CONCURRENT", "reject")];
    let server = model_upstream::start(&backend.url(), &model, &settings).await;
    let gate = model.gate();
    model.next(held(&gate, "first"));
    let mut first = EventStream::open(asking(&server, "1", "one")).await;
    first.expect("turn").await;
    for _ in 0..3 {
        let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "two"});
        let problem = server.post("/chatbot/v1/chat", &body, StatusCode::CONFLICT).await;
        assert_eq!(problem["code"], "session_busy");
    }
    gate.open();
    first.rest().await;
    assert_eq!(server.chat("1", "two").await["version"], 2);
    assert_eq!(model.calls(), 2);
}
