//! Clients that are slow or silent: they are cut at their limits, and nobody else waits for them.

use std::time::Duration;

use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::event_stream::{EventStream, asking, text};
use crate::model_upstream;
use crate::server::{DEADLINE, Server};

const LIMITS: [(&str, &str); 3] = [
    ("HEARTH__LIMITS__HEAD_SECONDS", "3"),
    ("HEARTH__LIMITS__BODY_SECONDS", "3"),
    ("HEARTH__LIMITS__IDLE_SECONDS", "3"),
];

const IDLE: usize = 1_000;
const TRICKLING: usize = 200;

/// A request that is all there.
const HEALTH: &str = "GET /chatbot/health HTTP/1.1\r\nHost: a\r\n\r\n";

/// A request whose head is not all there.
const HEAD: &str = "POST /chatbot/v1/chat HTTP/1.1\r\nHost: a\r\nX-Slow: ";

/// Between two bytes of a client that trickles.
const PACE: Duration = Duration::from_millis(100);

/// Files that the process has open.
fn open_files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.id());
    std::fs::read_dir(folder).unwrap().count()
}

/// Sends `first` at once and then one byte after the other, until the server closes the connection.
async fn trickle(authority: String, first: String) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut answer = [0; 1_024];
    loop {
        tokio::select! {
            read = stream.read(&mut answer) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            () = tokio::time::sleep(PACE) => {
                if stream.write_all(b"x").await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Says nothing, until the server closes the connection.
async fn idle(authority: String, first: String) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // However it is closed, it is.
    let _closed = stream.read_to_end(&mut answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_cut_and_nobody_waits_for_them() {
    let backend = Backend::sqlite().await;
    let server = Server::start_with(&backend.url(), &LIMITS).await;
    server.chat("warm", "Hello").await;
    let before = open_files(&server);

    let later = format!("{HEALTH}{HEAD}");
    let body = "POST /chatbot/v1/chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{";
    let unread = "GET /chatbot/health HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let chunked = "GET /chatbot/health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\n";
    let mut slow = JoinSet::new();
    for number in 0..IDLE {
        let first = if number % 2 == 0 { "" } else { HEALTH };
        slow.spawn(idle(server.authority().to_owned(), first.to_owned()));
    }
    for number in 0..TRICKLING {
        let first = [HEAD, later.as_str(), body, unread, chunked][number % 5];
        slow.spawn(trickle(server.authority().to_owned(), first.to_owned()));
    }
    until(DEADLINE, async || open_files(&server) >= before + IDLE / 4).await;

    let mut answered = 0;
    let begun = tokio::time::Instant::now();
    while !slow.is_empty() {
        assert!(begun.elapsed() < DEADLINE, "{} are not cut", slow.len());
        let body = json!({"department": "d", "user": "u", "chatsession_id": format!("{answered}"), "chatquery": "Hello"});
        server.post("/chatbot/v1/chat", &body, StatusCode::OK).await;
        server.history("warm").await;
        answered += 1;
        while slow.try_join_next().is_some() {}
    }
    assert!(answered > 10, "a normal client worked meanwhile: {answered}");
    until(DEADLINE, async || open_files(&server) <= before + 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_the_server_is_not_cut() {
    let backend = Backend::sqlite().await;
    let model = ModelServer::start().await;
    let server = model_upstream::start(&backend.url(), &model, &LIMITS).await;
    let gate = model.gate();
    let reply = Reply::stream().text("Hello").wait(&gate).text(" there");
    model.next(reply.finish("stop").done());
    let mut stream = EventStream::open(asking(&server, "1", "Hi")).await;
    stream.expect("turn").await;
    stream.expect("delta").await;
    // It came later, and is cut: by then the stream was silent for as long.
    let slow = trickle(server.authority().to_owned(), format!("{HEALTH}{HEAD}"));
    tokio::time::timeout(DEADLINE, slow).await.unwrap();
    gate.open();
    assert_eq!(text(&stream.rest().await), " there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_told_so() {
    let backend = Backend::sqlite().await;
    let server = Server::start_with(&backend.url(), &LIMITS).await;
    let mut stream = TcpStream::connect(server.authority()).await.unwrap();
    let head = "POST /chatbot/v1/chat HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("did not arrive within 3 s"), "{answer}");
}
