//! The chat endpoint.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::server::{Server, json};

both_stores!(
    the_second_answer_knows_the_first,
    a_session_without_an_id_gets_one,
    without_history_nothing_is_read_or_kept,
    versions_are_demanded,
    the_request_of_existing_clients_works_unchanged,
);

async fn the_second_answer_knows_the_first(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let first = server.chat("1", "Hello").await;
    assert!(
        first["response"].as_str().unwrap().contains("\"Hello\""),
        "{first}"
    );
    assert!(
        first["response"]
            .as_str()
            .unwrap()
            .contains("no earlier response"),
        "{first}"
    );
    assert_eq!(
        first["history"],
        json!({"enabled": true, "source": "new", "responses": 0, "truncated": false})
    );
    assert_eq!(first["version"], 1);

    let second = server.chat("1", "Again").await;
    assert!(
        second["response"]
            .as_str()
            .unwrap()
            .contains("1 earlier response"),
        "{second}"
    );
    assert_eq!(
        second["history"],
        json!({"enabled": true, "source": "memory", "responses": 1, "truncated": false})
    );
    assert_eq!(second["version"], 2);
    assert_ne!(first["turn_id"], second["turn_id"]);

    let history = server.history("1").await;
    let contents: Vec<&str> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        contents,
        [
            "Hello",
            first["response"].as_str().unwrap(),
            "Again",
            second["response"].as_str().unwrap()
        ]
    );
    assert_eq!(history["messages"][3]["created_at"], second["created_at"]);
}

async fn a_session_without_an_id_gets_one(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let body = json!({"department": "d", "user": "u", "chatquery": "Hello"});
    let first = server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
    assert_eq!(first["history"]["source"], "new");
    assert_eq!(first["version"], 1);
    let session = first["chatsession_id"].as_str().unwrap();
    assert_eq!(session.len(), 36, "{session}");
    let second = server.chat(session, "Again").await;
    assert_eq!(second["history"]["source"], "memory");
    assert_eq!(second["history"]["responses"], 1);
}

async fn without_history_nothing_is_read_or_kept(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    let body = json!({
        "department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Secretly", "historyenabled": false,
    });
    let answer = server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
    assert_eq!(answer["version"], Value::Null);
    assert_eq!(
        answer["history"],
        json!({"enabled": false, "source": "disabled", "responses": 0, "truncated": false})
    );
    assert!(
        answer["response"]
            .as_str()
            .unwrap()
            .contains("no earlier response"),
        "{answer}"
    );
    let history = server.history("1").await;
    assert_eq!(history["version"], 1);
    assert_eq!(history["messages"].as_array().unwrap().len(), 2);
}

async fn versions_are_demanded(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    let chat = |extra: Value| {
        let mut body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Again"});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        body
    };
    let path = "/chatbot/v1/chat";
    let stale = server
        .post(path, &chat(json!({"if_version": 0})), StatusCode::CONFLICT)
        .await;
    assert_eq!(stale["code"], "version_conflict");
    let ahead = server
        .post(path, &chat(json!({"if_version": 9})), StatusCode::CONFLICT)
        .await;
    assert_eq!(ahead["code"], "version_conflict");
    let missing = server
        .post(
            path,
            &chat(json!({"min_version": 9})),
            StatusCode::SERVICE_UNAVAILABLE,
        )
        .await;
    assert_eq!(missing["code"], "not_fresh_enough");
    let fitting = server
        .post(
            path,
            &chat(json!({"if_version": 1, "min_version": 1})),
            StatusCode::OK,
        )
        .await;
    assert_eq!(fitting["version"], 2);
    assert_eq!(server.history("1").await["version"], 2);
}

async fn the_request_of_existing_clients_works_unchanged(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let body = r#"{"department":"TiaMD","user":"TiaMD","chatquery":"Hello","historyenabled":true,"chatsession_id":"1"}"#;
    let response = server
        .request(Method::POST, "/chatbot/v1/chat")
        .header("Content-Type", "application/json")
        .header("X-Request-Id", "from-the-client")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-request-id"], "from-the-client");
    let timing = response.headers()["server-timing"].to_str().unwrap().to_owned();
    for step in ["history;dur=", "model;dur=", "commit;dur="] {
        assert!(timing.contains(step), "{timing}");
    }
    let answer = json(response, StatusCode::OK).await;
    let mut names: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "chatsession_id",
            "created_at",
            "department",
            "history",
            "model",
            "response",
            "turn_id",
            "user",
            "version"
        ]
    );
    assert_eq!(answer["department"], "TiaMD");
    assert_eq!(answer["model"], "builtin");
}
