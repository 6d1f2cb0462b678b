//! Bad input: the exact status and code, nothing stored, never a 5xx.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::{Backend, both_stores};
use crate::server::{Server, json, messages_path};

both_stores!(
    wrong_bodies_are_told_apart,
    wrong_queries_are_told_apart,
    wrong_turns_are_told_apart,
    a_body_that_is_too_large_is_refused_and_answered,
    every_wrong_field_is_named,
);

pub(crate) const CHAT: &str = "/chatbot/v1/chat";

async fn refused(server: &Server, body: Vec<u8>, status: u16, code: &str) -> Value {
    let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
    let response = server
        .request(Method::POST, CHAT)
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json",
        "{shown}"
    );
    let request_id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem = json(response, StatusCode::from_u16(status).unwrap()).await;
    assert_eq!(problem["code"], code, "{shown}: {problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], "about:blank");
    assert_eq!(problem["request_id"], request_id.as_str());
    assert!(!problem["title"].as_str().unwrap().is_empty());
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{shown}");
    problem
}

pub(crate) async fn nothing_was_stored(server: &Server) {
    for (department, user) in [("d", "u"), ("x", "y")] {
        let path = format!("/chatbot/v1/sessions?department={department}&user={user}");
        assert_eq!(server.get(&path).await["sessions"], json!([]));
    }
}

pub(crate) fn chat(change: Value) -> Vec<u8> {
    let mut body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hello"});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

async fn wrong_bodies_are_told_apart(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"text\"",
        "7",
        "{\"department\":}",
        "{} {}",
        "nonsense",
    ] {
        refused(&server, body.into(), 400, "malformed_json").await;
    }
    refused(
        &server,
        b"{\"department\":\"\xff\xfe\"}".to_vec(),
        400,
        "malformed_json",
    )
    .await;
    refused(
        &server,
        br#"{"department":"\ud800"}"#.to_vec(),
        400,
        "malformed_json",
    )
    .await;
    refused(&server, "[".repeat(100_000).into_bytes(), 400, "malformed_json").await;

    for twice in [
        r#"{"department":"d","department":"e","user":"u","chatquery":"q"}"#,
        r#"{"user":{"a":1,"a":2}}"#,
    ] {
        let problem = refused(&server, twice.into(), 400, "malformed_json").await;
        assert!(problem["detail"].as_str().unwrap().contains("twice"), "{problem}");
    }
    refused(&server, chat(json!({"chatQuery": "Hello"})), 400, "unknown_field").await;
    refused(&server, chat(json!({"": 1})), 400, "unknown_field").await;

    let invalid = [
        json!({"department": null}),
        json!({"department": 7}),
        json!({"department": ""}),
        json!({"department": "d".repeat(129)}),
        json!({"department": "d\u{0}"}),
        json!({"user": ["u"]}),
        json!({"user": "u\n"}),
        json!({"chatquery": ""}),
        json!({"chatquery": {"text": "Hello"}}),
        json!({"chatquery": "a\u{0}b"}),
        json!({"chatquery": "a".repeat(32_769)}),
        json!({"chatsession_id": ""}),
        json!({"chatsession_id": 1}),
        json!({"chatsession_id": "1".repeat(1_000)}),
        json!({"historyenabled": "true"}),
        json!({"historyenabled": 1}),
        json!({"min_version": -1}),
        json!({"min_version": 1.5}),
        json!({"min_version": "1"}),
        json!({"if_version": u64::MAX}),
        json!({"stream": "no"}),
        json!({"historyenabled": false, "if_version": 1}),
    ];
    for change in invalid {
        refused(&server, chat(change), 422, "invalid_field").await;
    }
    let missing = refused(&server, b"{}".to_vec(), 422, "invalid_field").await;
    assert_eq!(missing["errors"].as_array().unwrap().len(), 3, "{missing}");
    nothing_was_stored(&server).await;
}

async fn every_wrong_field_is_named(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let problem = refused(
        &server,
        chat(json!({"user": 1, "chatquery": ""})),
        422,
        "invalid_field",
    )
    .await;
    assert_eq!(
        problem["errors"],
        json!([
            {"field": "user", "message": "must be a string"},
            {"field": "chatquery", "message": "must be 1 to 32768 bytes"},
        ])
    );
    let problem = refused(
        &server,
        chat(json!({"chatquerry": "Hello"})),
        400,
        "unknown_field",
    )
    .await;
    assert_eq!(problem["errors"][0]["field"], "chatquerry");
}

async fn wrong_queries_are_told_apart(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let long = "x".repeat(1_000);
    let cases = [
        ("/chatbot/v1/sessions".to_owned(), 400, "malformed_query"),
        ("/chatbot/v1/sessions?department=d".into(), 400, "malformed_query"),
        ("/chatbot/v1/sessions?user=u".into(), 400, "malformed_query"),
        (
            "/chatbot/v1/sessions?department=d&user=u&user=v".into(),
            400,
            "malformed_query",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=%FF".into(),
            400,
            "malformed_query",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&limit=x".into(),
            400,
            "malformed_query",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&limit=".into(),
            400,
            "malformed_query",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&after=x".into(),
            400,
            "malformed_query",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&limit=0".into(),
            422,
            "invalid_field",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&limit=201".into(),
            422,
            "invalid_field",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&limit=-1".into(),
            422,
            "invalid_field",
        ),
        (
            "/chatbot/v1/sessions?department=&user=u".into(),
            422,
            "invalid_field",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=%00".into(),
            422,
            "invalid_field",
        ),
        (
            format!("/chatbot/v1/sessions?department=d&user={long}"),
            422,
            "invalid_field",
        ),
        (
            "/chatbot/v1/sessions?department=d&user=u&page=2".into(),
            400,
            "unknown_field",
        ),
        (format!("{}&before=x", messages_path("1")), 400, "malformed_query"),
        (
            format!("{}&min_version=-1", messages_path("1")),
            400,
            "malformed_query",
        ),
        (
            format!("{}&min_version=18446744073709551615", messages_path("1")),
            422,
            "invalid_field",
        ),
        (format!("{}&limit=0", messages_path("1")), 422, "invalid_field"),
        (
            format!("{}&limit=5&min_version=1", messages_path("1")),
            422,
            "invalid_field",
        ),
        (messages_path(&long), 422, "invalid_field"),
        (messages_path("%00"), 422, "invalid_field"),
        (messages_path("%FF"), 422, "invalid_field"),
    ];
    for (path, status, code) in cases {
        let response = server.request(Method::GET, &path).send().await.unwrap();
        let problem = json(response, StatusCode::from_u16(status).unwrap()).await;
        assert_eq!(problem["code"], code, "{path}");
    }
    nothing_was_stored(&server).await;
}

async fn wrong_turns_are_told_apart(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let message = json!({"role": "user", "content": "a"});
    let cases = [
        (json!({}), 422, "invalid_field"),
        (json!({"messages": "a"}), 422, "invalid_field"),
        (json!({"messages": []}), 422, "invalid_field"),
        (
            json!({"messages": vec![message.clone(); 17]}),
            422,
            "invalid_field",
        ),
        (json!({"messages": ["a"]}), 422, "invalid_field"),
        (
            json!({"messages": [{"role": "bot", "content": "a"}]}),
            422,
            "invalid_field",
        ),
        (json!({"messages": [{"role": "user"}]}), 422, "invalid_field"),
        (
            json!({"messages": [{"role": "user", "content": ""}]}),
            422,
            "invalid_field",
        ),
        (
            json!({"messages": [message.clone(), {"role": "user", "content": "a\u{0}"}]}),
            422,
            "invalid_field",
        ),
        (
            json!({"messages": [{"role": "user", "content": "a", "id": 1}]}),
            400,
            "unknown_field",
        ),
        (json!({"messages": [message], "version": 1}), 400, "unknown_field"),
    ];
    for (body, status, code) in cases {
        let problem = server
            .post(&messages_path("1"), &body, StatusCode::from_u16(status).unwrap())
            .await;
        assert_eq!(problem["code"], code, "{body}");
    }
    let problem = server
        .post(
            &messages_path("1"),
            &json!({"messages": [{"role": "user", "content": "a"}, {"role": 7, "content": ""}]}),
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
    assert_eq!(problem["errors"][0]["field"], "messages[1].role");
    nothing_was_stored(&server).await;
}

async fn a_body_that_is_too_large_is_refused_and_answered(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    refused(
        &server,
        chat(json!({"chatquery": "a".repeat(10 << 20)})),
        413,
        "body_too_large",
    )
    .await;

    // The same without a declared length, in chunks, by hand.
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    let head = "POST /chatbot/v1/chat HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..40 {
        stream.write_all(&chunk).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("body_too_large"), "{answer}");
    nothing_was_stored(&server).await;
}
