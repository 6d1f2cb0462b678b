//! Lists, warm-up, end, erase.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::server::{Server, json, messages_path};

both_stores!(
    sessions_are_listed_newest_first,
    a_session_is_warmed_up,
    many_sessions_are_warmed_up,
    an_ended_session_leaves_memory_and_keeps_its_rows,
    an_erased_session_is_gone,
    an_erased_user_is_gone,
    a_session_may_be_called_warm_up,
);

async fn sessions_are_listed_newest_first(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for session in ["a", "b", "c:d", "a"] {
        server.chat(session, "Hello").await;
    }
    let list = server.get("/chatbot/v1/sessions?department=d&user=u").await;
    let ids: Vec<&str> = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["chatsession_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "c:d", "b"]);
    assert_eq!(list["sessions"][0]["version"], 2);
    assert_eq!(list["after"], json!(null));

    let mut paged = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/chatbot/v1/sessions?department=d&user=u&limit=1{after}");
        let page = server.get(&path).await;
        paged.push(page["sessions"][0]["chatsession_id"].as_str().unwrap().to_owned());
        match page["after"].as_str() {
            Some(cursor) => after = format!("&after={}", cursor.replace(':', "%3A")),
            None => break,
        }
    }
    assert_eq!(paged, ["a", "c:d", "b"]);
    let nobody = server.get("/chatbot/v1/sessions?department=d&user=nobody").await;
    assert_eq!(nobody, json!({"sessions": [], "after": null}));
}

async fn a_session_is_warmed_up(backend: Backend) {
    let mut server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    server.kill();
    let server = Server::start(&backend.url()).await;
    let path = "/chatbot/v1/sessions/1/warm-up?department=d&user=u";
    let warm = server.post(path, &json!({}), StatusCode::OK).await;
    assert_eq!(
        warm,
        json!({"chatsession_id": "1", "source": "store", "responses": 1, "version": 1})
    );
    assert_eq!(
        server.post(path, &json!({}), StatusCode::OK).await["source"],
        "memory"
    );
    assert_eq!(server.history("1").await["source"], "memory");
}

async fn many_sessions_are_warmed_up(backend: Backend) {
    let mut server = Server::start(&backend.url()).await;
    for session in ["1", "2", "3"] {
        server.chat(session, "Hello").await;
    }
    server.kill();
    let server = Server::start(&backend.url()).await;
    let path = "/chatbot/v1/sessions/warm-up";
    let key = |session: &str| json!({"department": "d", "user": "u", "chatsession_id": session});
    let named = json!({"sessions": [key("1"), key("unknown")]});
    assert_eq!(
        server.post(path, &named, StatusCode::OK).await,
        json!({"found": 1, "new": 1, "failed": 0})
    );
    let recent = server.post(path, &json!({"recent": 2}), StatusCode::OK).await;
    assert_eq!(recent, json!({"found": 2, "new": 0, "failed": 0}));
    assert_eq!(server.history("3").await["source"], "memory");
    let both = server
        .post(
            path,
            &json!({"recent": 2, "sessions": []}),
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
    assert_eq!(both["code"], "invalid_field");
}

async fn an_ended_session_leaves_memory_and_keeps_its_rows(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    let end = |session: &str| {
        let path = format!("/chatbot/v1/sessions/{session}/end?department=d&user=u");
        server.request(Method::POST, &path).send()
    };
    for _ in 0..2 {
        assert_eq!(end("1").await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(end("nobody").await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    let stats = &server.get("/chatbot/health/detailed").await["cache_stats"];
    assert_eq!(stats["loaded_sessions_count"], 0);
    let list = server.get("/chatbot/v1/sessions?department=d&user=u").await;
    assert_eq!(
        list["sessions"].as_array().unwrap().len(),
        1,
        "ending created nothing: {list}"
    );
    assert!(list["sessions"][0]["ended_at"].is_string(), "{list}");
    let history = server.history("1").await;
    assert_eq!(history["source"], "store");
    assert_eq!(history["responses"], 1);
    server.chat("1", "Again").await;
    let list = server.get("/chatbot/v1/sessions?department=d&user=u").await;
    assert!(
        list["sessions"][0]["ended_at"].is_null(),
        "the next message reopens it: {list}"
    );
}

async fn an_erased_session_is_gone(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("1", "Hello").await;
    server.chat("2", "Hello").await;
    let erase = || {
        server
            .request(Method::DELETE, "/chatbot/v1/sessions/1?department=d&user=u")
            .send()
    };
    for _ in 0..2 {
        assert_eq!(erase().await.unwrap().status(), StatusCode::NO_CONTENT);
        let history = server.history("1").await;
        assert_eq!(history["messages"], json!([]));
        assert!(
            history["version"].as_u64().unwrap() > 1,
            "an erase raises the version: {history}"
        );
    }
    assert_eq!(server.history("2").await["responses"], 1);
    let answer = server.chat("1", "Who am I?").await;
    assert!(
        answer["response"]
            .as_str()
            .unwrap()
            .contains("no earlier response"),
        "{answer}"
    );
}

async fn an_erased_user_is_gone(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for session in ["1", "2"] {
        server.chat(session, "Hello").await;
    }
    let other = json!({"department": "d", "user": "v", "chatsession_id": "1", "chatquery": "Hello"});
    server.post("/chatbot/v1/chat", &other, StatusCode::OK).await;
    for expected in [2, 0] {
        let response = server
            .request(Method::DELETE, "/chatbot/v1/users/u?department=d")
            .send()
            .await
            .unwrap();
        assert_eq!(json(response, StatusCode::OK).await, json!({"erased": expected}));
    }
    for session in ["1", "2"] {
        assert_eq!(server.history(session).await["messages"], json!([]));
    }
    let kept = server
        .get("/chatbot/v1/sessions/1/messages?department=d&user=v")
        .await;
    assert_eq!(kept["responses"], 1);
}

async fn a_session_may_be_called_warm_up(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    server.chat("warm-up", "Hello").await;
    assert_eq!(server.history("warm-up").await["responses"], 1);
    let path = "/chatbot/v1/sessions/warm-up?department=d&user=u";
    let erased = server.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(erased.status(), StatusCode::NO_CONTENT);
    let history = server.get(&messages_path("warm-up")).await;
    assert_eq!(history["messages"], json!([]));
}
