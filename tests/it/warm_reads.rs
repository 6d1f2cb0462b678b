//! Histories that are in memory are answered in front of the application: in the same words, to the same callers, at the same price.

use hearth_testkit::poll::until;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::keys::{KEYS, create, id, keys};
use crate::server::{DEADLINE, Server, messages_path};

both_stores!(
    both_ways_answer_alike,
    a_warm_session_is_shown_to_nobody_else,
    a_warm_read_is_counted_once,
);

/// Headers that differ from one answer to the next.
const OF_ONE_ANSWER: [&str; 2] = ["date", "x-request-id"];

/// The same path as the application's router alone knows it.
fn unusual(path: &str) -> String {
    path.replace("/messages", "/m%65ssages")
}

fn exchange(length: usize) -> Value {
    json!({"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "x".repeat(length)}]})
}

/// What an answer says, whoever gave it.
async fn said(request: RequestBuilder) -> (StatusCode, Vec<(String, String)>, Vec<u8>) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
    };
    let mut headers: Vec<_> = response.headers().iter().map(header).collect();
    headers.retain(|(name, _)| !OF_ONE_ANSWER.contains(&name.as_str()));
    headers.sort();
    (status, headers, response.bytes().await.unwrap().to_vec())
}

async fn both_ways_answer_alike(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for (session, length) in [("small", 10), ("large", 5_000)] {
        let path = messages_path(session);
        server.post(&path, &exchange(length), StatusCode::CREATED).await;
        server.history(session).await;
        let etag = server.request(Method::GET, &path).send().await.unwrap().headers()["etag"].clone();
        for (header, value) in [
            ("x-nothing", "1"),
            ("accept-encoding", "gzip"),
            ("accept-encoding", "identity"),
            ("if-none-match", etag.to_str().unwrap()),
            ("if-none-match", "\"another\""),
        ] {
            for more in ["", "&min_version=1", "&min_version=x", "&limit=1", "&nothing=1"] {
                let ask = |path: String| {
                    let request = server.request(Method::GET, &format!("{path}{more}"));
                    said(request.header(header, value))
                };
                let (front, behind) = (ask(path.clone()).await, ask(unusual(&path)).await);
                let is_problem = front.0.is_client_error();
                assert_eq!(front.0, behind.0, "{session} {header} {more}");
                assert_eq!(front.1, behind.1, "{session} {header} {more}");
                // Problems name their request.
                assert!(is_problem || front.2 == behind.2, "{session} {header} {more}");
            }
        }
    }
    let named = server.request(Method::GET, &messages_path("small"));
    let named = named.header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(named.headers()["x-request-id"], "mine");
}

async fn a_warm_session_is_shown_to_nobody_else(backend: Backend) {
    let server = Server::start_with(&backend.url(), &[KEYS]).await;
    let good = create(&backend, &["d"], "read,chat");
    let path = messages_path("1");
    let append = server.request(Method::POST, &path).bearer_auth(&good);
    assert_eq!(
        append.json(&exchange(10)).send().await.unwrap().status(),
        StatusCode::CREATED
    );
    let read = async |key: &str| {
        let request = server.request(Method::GET, &path).bearer_auth(key);
        request.send().await.unwrap().status()
    };
    for _ in 0..3 {
        assert_eq!(read(&good).await, StatusCode::OK);
    }
    let nobody = server.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let foreign = create(&backend, &["e"], "read,chat");
    let writes = create(&backend, &["d"], "chat");
    let mut wrong = good.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    // Twice each: the second time the key is known.
    for _ in 0..2 {
        assert_eq!(read(&foreign).await, StatusCode::FORBIDDEN);
        assert_eq!(read(&writes).await, StatusCode::FORBIDDEN);
        assert_eq!(read(&wrong).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(keys(&backend, &["revoke", id(&good)]).0, Some(0));
    until(DEADLINE, async || read(&good).await == StatusCode::UNAUTHORIZED).await;
}

async fn a_warm_read_is_counted_once(backend: Backend) {
    let rate = [
        ("HEARTH__LIMITS__REQUESTS_PER_SECOND", "1"),
        ("HEARTH__LIMITS__BURST", "30"),
    ];
    let server = Server::start_with(&backend.url(), &rate).await;
    let path = messages_path("1");
    let remaining = |response: &Response| -> u64 {
        let header = response.headers()["ratelimit-remaining"].to_str().unwrap();
        header.parse().unwrap()
    };
    let read = async || {
        let request = server.request(Method::GET, &path);
        request.send().await.unwrap()
    };
    let mut before = remaining(&read().await);
    for _ in 0..10 {
        let response = read().await;
        assert_eq!(response.status(), StatusCode::OK);
        let left = remaining(&response);
        assert!(left + 1 >= before, "one read took {before} to {left}");
        before = left;
    }
    let mut refused = None;
    for _ in 0..200 {
        let response = read().await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!(remaining(&refused), 0);
    assert!(refused.headers().contains_key("retry-after"));
}
