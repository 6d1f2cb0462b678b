//! Browsers: no page may call unless its origin is named.

use reqwest::{Method, Response, StatusCode};

use crate::backend::Backend;
use crate::server::{Server, hearth, output};

const ORIGINS: (&str, &str) = (
    "HEARTH__SERVER__CORS_ORIGINS",
    "https://chat.example.org, http://localhost:3000",
);

/// What a browser asks before it lets a page post JSON with a key, or take up a stream again.
async fn question(server: &Server, origin: &str) -> Response {
    server
        .request(Method::OPTIONS, "/chatbot/v1/chat")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header(
            "Access-Control-Request-Headers",
            "authorization,content-type,last-event-id",
        )
        .send()
        .await
        .unwrap()
}

fn allowed(response: &Response) -> Option<&str> {
    let origin = response.headers().get("access-control-allow-origin");
    origin.map(|origin| origin.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn named_pages_may_call_and_no_others() {
    let backend = Backend::sqlite().await;
    let settings = [ORIGINS, ("HEARTH__AUTH__MODE", "keys")];
    let server = Server::start_with(&backend.url(), &settings).await;
    for origin in ["https://chat.example.org", "http://localhost:3000"] {
        let response = question(&server, origin).await;
        assert!(response.status().is_success(), "{}", response.status());
        assert_eq!(allowed(&response), Some(origin));
        assert!(response.headers().contains_key("x-request-id"));
        // A refusal is one that the page can read, too.
        let request = server
            .request(Method::GET, "/chatbot/v1/performance")
            .header("Origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(allowed(&response), Some(origin));
    }
    for origin in [
        "https://evil.example.org",
        "null",
        "https://chat.example.org.evil.org",
    ] {
        let response = question(&server, origin).await;
        assert!(response.status().is_success(), "{}", response.status());
        assert_eq!(allowed(&response), None, "{origin}");
    }
    server.get("/chatbot/health").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_may_call_by_default() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let response = question(&server, "http://localhost:3000").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(allowed(&response), None);
}

#[test]
fn every_page_is_not_an_origin() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = hearth(folder.path(), "sqlite:hearth.db");
    let (code, _, text) = output(command.env(ORIGINS.0, "*"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("server.cors_origins"), "{text}");
}
