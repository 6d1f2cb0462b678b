//! What never became a request: it is refused as everything else is, with the body of a problem and an id, and counted.

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::backend::Backend;
use crate::server::{DEADLINE, Server};

const HEALTH: &str = "GET /chatbot/health HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends these bytes, and brings all that the server says until it closes the connection.
async fn told(server: &Server, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    // It may be refused before all of it is sent.
    let _sent = stream.write_all(sent).await;
    let mut answer = Vec::new();
    // What was sent and is not read any more may reset the connection once the answer is there.
    let _reset = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    String::from_utf8(answer).unwrap()
}

/// Checks an answer, which says how many bytes its body has.
fn check(answer: &str, status: u16, code: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    assert!(first.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    let header = |name: &str| {
        let mut values = headers.iter().filter(|(other, _)| *other == name);
        let value = values.next().map(|(_, value)| *value);
        assert!(values.next().is_none(), "{name} twice: {answer}");
        value.unwrap_or_default()
    };
    assert_eq!(header("content-type"), "application/problem+json", "{answer}");
    assert_eq!(header("connection"), "close", "{answer}");
    assert_eq!(header("content-length"), body.len().to_string(), "{answer}");
    assert!(header("date").ends_with("GMT"), "{answer}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], header("x-request-id"));
    assert!(!header("x-request-id").is_empty());
    assert!(!problem["detail"].as_str().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_a_problem_like_any_other() {
    let backend = Backend::sqlite().await;
    let server = Server::start_with(&backend.url(), &[("HEARTH__LIMITS__HEAD_SECONDS", "2")]).await;
    check(&told(&server, b"GARBAGE\r\n\r\n").await, 400, "malformed_request");
    let large = format!("GET / HTTP/1.1\r\nX-Large: {}", "a".repeat(300_000));
    check(&told(&server, large.as_bytes()).await, 431, "head_too_large");
    check(
        &told(&server, b"GET / HTTP/1.1\r\nX-Slow: a").await,
        408,
        "request_timeout",
    );

    let both = told(&server, format!("{HEALTH}GARBAGE\r\n\r\n").as_bytes()).await;
    let (first, second) = both.split_at(both.rfind("HTTP/1.1").unwrap());
    assert!(first.starts_with("HTTP/1.1 200"), "{both}");
    assert!(first.ends_with('}'), "{both}");
    check(second, 400, "malformed_request");

    let metrics = server.request(Method::GET, "/metrics").send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let counted = "hearth_http_requests_total{route=\"unmatched\",method=\"other\",status=\"4xx\"} 4";
    assert!(metrics.contains(counted), "{metrics}");
}
