//! Reading a history, paging back, appending.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::server::{Server, json, messages_path};

both_stores!(
    an_unknown_session_is_new_and_empty,
    a_turn_is_appended_and_read,
    etags_spare_the_body,
    pages_go_back_to_the_beginning,
    a_version_is_expected_or_demanded,
    contents_come_back_byte_for_byte,
);

fn exchange(query: &str, response: &str) -> Value {
    json!({"messages": [{"role": "user", "content": query}, {"role": "assistant", "content": response}]})
}

async fn an_unknown_session_is_new_and_empty(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let history = server.history("nobody").await;
    assert_eq!(
        history,
        json!({
            "chatsession_id": "nobody", "department": "d", "user": "u", "version": 0, "responses": 0,
            "truncated": false, "source": "new", "messages": [], "before": null,
        })
    );
    assert_eq!(
        server.history("nobody").await["source"],
        "memory",
        "known to be empty"
    );
}

async fn a_turn_is_appended_and_read(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    let appended = server
        .post(&path, &exchange("Hello", "Hi"), StatusCode::CREATED)
        .await;
    assert_eq!(appended["version"], 1);
    assert_eq!(appended["ids"].as_array().unwrap().len(), 2);
    assert_eq!(appended["turn_id"].as_str().unwrap().len(), 36);

    let history = server.history("1").await;
    assert_eq!(
        history["source"], "store",
        "an append to a session that is not loaded loads nothing"
    );
    assert_eq!(history["responses"], 1);
    assert_eq!(history["messages"][0]["id"], appended["ids"][0]);
    assert_eq!(history["messages"][1]["content"], "Hi");

    server
        .post(&path, &exchange("More", "Yes"), StatusCode::CREATED)
        .await;
    let history = server.history("1").await;
    assert_eq!(history["source"], "memory");
    assert_eq!(history["version"], 2);
    assert_eq!(history["messages"][3]["content"], "Yes");
}

async fn etags_spare_the_body(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    server
        .post(&path, &exchange("Hello", "Hi"), StatusCode::CREATED)
        .await;
    let get = |tag: Option<String>| {
        let request = server.request(Method::GET, &path);
        match tag {
            Some(tag) => request.header("If-None-Match", tag),
            None => request,
        }
        .send()
    };
    let first = get(None).await.unwrap();
    let etag = first.headers()["etag"].to_str().unwrap().to_owned();
    for known in [
        etag.clone(),
        format!("\"other\", {etag}"),
        format!("W/{etag}"),
        "*".into(),
    ] {
        let response = get(Some(known)).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()["etag"], etag.as_str());
        assert!(response.bytes().await.unwrap().is_empty());
    }
    server
        .post(&path, &exchange("More", "Yes"), StatusCode::CREATED)
        .await;
    let changed = get(Some(etag.clone())).await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"], etag.as_str());
}

async fn pages_go_back_to_the_beginning(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    for turn in 0..35 {
        server
            .post(
                &path,
                &exchange(&format!("q{turn}"), &format!("a{turn}")),
                StatusCode::CREATED,
            )
            .await;
    }
    let history = server.history("1").await;
    assert_eq!(history["responses"], 30);
    assert_eq!(history["truncated"], true);
    assert_eq!(history["messages"][0]["content"], "q5");
    assert_eq!(history["before"], history["messages"][0]["id"]);

    let mut before = history["before"].clone();
    let mut older = Vec::new();
    while !before.is_null() {
        let page = server.get(&format!("{path}&before={before}&limit=4")).await;
        assert_eq!(page["source"], "store");
        assert_eq!(page["truncated"], !page["before"].is_null());
        let messages = page["messages"].as_array().unwrap();
        older.splice(
            0..0,
            messages.iter().map(|m| m["content"].as_str().unwrap().to_owned()),
        );
        before = page["before"].clone();
    }
    let expected: Vec<String> = (0..5)
        .flat_map(|turn| [format!("q{turn}"), format!("a{turn}")])
        .collect();
    assert_eq!(older, expected);
    let newest = server.get(&format!("{path}&limit=2")).await;
    assert_eq!(newest["messages"][1]["content"], "a34");
}

async fn a_version_is_expected_or_demanded(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let path = messages_path("1");
    let onto = |version: u64| {
        let mut body = exchange("q", "a");
        body["if_version"] = json!(version);
        body
    };
    server.post(&path, &onto(0), StatusCode::CREATED).await;
    let conflict = server.post(&path, &onto(0), StatusCode::CONFLICT).await;
    assert_eq!(conflict["code"], "version_conflict");
    assert!(
        conflict["detail"].as_str().unwrap().contains("version 1"),
        "{conflict}"
    );
    server.post(&path, &onto(1), StatusCode::CREATED).await;
    assert_eq!(server.history("1").await["version"], 2);
    assert_eq!(server.get(&format!("{path}&min_version=2")).await["version"], 2);
    let response = server
        .request(Method::GET, &format!("{path}&min_version=3"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(
        json(response, StatusCode::SERVICE_UNAVAILABLE).await["code"],
        "not_fresh_enough"
    );
}

async fn contents_come_back_byte_for_byte(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let hard = "quotes \" ' backslash \\ newline \n tab \t bell \u{7} beyond the BMP \u{1F525}\u{10FFFF} sep \u{2028}";
    let large = "\u{1F525}".repeat(32_768 / 4);
    let messages: Vec<Value> = (0..16)
        .map(|index| {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            json!({"role": role, "content": if index % 3 == 0 { hard } else { &large }})
        })
        .collect();
    let path = messages_path("1");
    server
        .post(&path, &json!({"messages": messages}), StatusCode::CREATED)
        .await;
    for source in ["store", "memory"] {
        let history = server.history("1").await;
        assert_eq!(history["source"], source);
        let back = history["messages"].as_array().unwrap();
        assert_eq!(back.len(), 16);
        for (sent, back) in messages.iter().zip(back) {
            assert_eq!(sent["content"], back["content"]);
            assert_eq!(sent["role"], back["role"]);
        }
    }
}
