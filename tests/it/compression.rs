//! Large answers are compressed for those who ask for it.

use std::io::Read;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::server::{Server, messages_path};

#[tokio::test(flavor = "multi_thread")]
async fn a_large_history_is_compressed_and_validated() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let turn = json!({"messages": [{"role": "user", "content": "word ".repeat(2_000)}]});
    server.post(&messages_path("1"), &turn, StatusCode::CREATED).await;
    server.history("1").await;
    let get = async |header: &str, value: &str| {
        let request = server.request(Method::GET, &messages_path("1"));
        request.header(header, value).send().await.unwrap()
    };
    let plain = get("Accept-Encoding", "identity").await;
    let strong = plain.headers()["etag"].to_str().unwrap().to_owned();
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.headers()["vary"], "accept-encoding");
    let plain: Value = plain.json().await.unwrap();

    let compressed = get("Accept-Encoding", "gzip").await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert_eq!(compressed.headers()["vary"], "accept-encoding");
    let weak = compressed.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(weak, format!("W/{strong}"), "the bytes are not the same");
    let bytes = compressed.bytes().await.unwrap();
    assert!(bytes.len() < 2_000, "{} bytes", bytes.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), plain);

    for etag in [weak, strong] {
        assert_eq!(
            get("If-None-Match", &etag).await.status(),
            StatusCode::NOT_MODIFIED
        );
    }
    assert_eq!(
        get("Accept-Encoding", "gzip;q=0.5, zstd").await.headers()["content-encoding"],
        "zstd"
    );
    let small = server
        .request(Method::GET, "/chatbot/health")
        .header("Accept-Encoding", "gzip");
    assert!(
        !small
            .send()
            .await
            .unwrap()
            .headers()
            .contains_key("content-encoding")
    );
}
