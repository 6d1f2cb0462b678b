//! Clients of HTTP/1.0, clients that offer another protocol, and bodies that are made to be answered at length.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::Backend;
use crate::server::{DEADLINE, Server};

/// Sends a request, and brings the head and the body of what comes until the server closes the connection.
async fn told(server: &Server, sent: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

const CHAT: &str =
    r#"{"department":"d","user":"u","chatsession_id":"1","chatquery":"Hello","historyenabled":true}"#;

fn chat(headers: &str) -> String {
    format!(
        "POST /chatbot/v1/chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{CHAT}",
        CHAT.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_gets_no_chunks() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let asked = "GET /chatbot/openapi.json HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n";
    let (head, body) = told(&server, asked).await;
    assert!(
        head.starts_with("http/1.0 200") && head.contains("content-encoding: gzip"),
        "{head}"
    );
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert!(!head.contains("keep-alive"), "{head}");
    assert!(
        body.starts_with(&[0x1f, 0x8b]),
        "it is gzip's, from its first byte on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_another_protocol_is_answered_and_ends_the_connection() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let offer = "GET /chatbot/health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let (head, body) = told(&server, offer).await;
    assert!(
        head.starts_with("http/1.1 200") && head.contains("connection: close"),
        "{head}"
    );
    assert!(body.starts_with(b"{"));
    // Nor is a body's end missed because of one.
    let (head, body) = told(&server, &chat("Upgrade: websocket\r\n")).await;
    let body = String::from_utf8(body).unwrap();
    assert!(
        head.starts_with("http/1.1 200") && head.contains("connection: close"),
        "{head}{body}"
    );
    assert!(body.contains("\"version\":1"), "{body}");
    assert_eq!(server.history("1").await["version"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_short_however_much_is_wrong() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let mut body = String::from("{");
    for field in 0..50_000 {
        write!(body, "\"x{field}\":0,").unwrap();
    }
    body.push_str("\"y\":0}");
    let asked = format!(
        "POST /chatbot/v1/chat HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (head, answer) = told(&server, &asked).await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert!(answer.len() < 8_192, "{} bytes", answer.len());
    let problem: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(problem["code"], "unknown_field");
    assert_eq!(problem["errors"].as_array().unwrap().len(), 16);
}
