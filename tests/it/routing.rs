//! Paths, methods and media types: what the URL table does not have is told apart.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::backend::{Backend, both_stores};
use crate::bad_input::{CHAT, chat, nothing_was_stored};
use crate::server::{Server, json};

both_stores!(wrong_paths_and_methods_are_told_apart);

async fn wrong_paths_and_methods_are_told_apart(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    for path in [
        "/",
        "/chatbot",
        "/chatbot/v1/chat/",
        "/chatbot/v2/chat",
        "/chatbot/v1/sessions/1",
        "/chatbot/v1/sessions//messages",
    ] {
        let method = if path.ends_with("/1") {
            Method::GET
        } else {
            Method::PUT
        };
        let status = if path.ends_with("/1") {
            StatusCode::METHOD_NOT_ALLOWED
        } else {
            StatusCode::NOT_FOUND
        };
        let response = server.request(method, path).send().await.unwrap();
        let allow = response
            .headers()
            .get("allow")
            .map(|allow| allow.to_str().unwrap().to_owned());
        let problem = json(response, status).await;
        let expected = if status == StatusCode::NOT_FOUND {
            "not_found"
        } else {
            "method_not_allowed"
        };
        assert_eq!(problem["code"], expected, "{path}");
        assert_eq!(
            allow.is_some(),
            status == StatusCode::METHOD_NOT_ALLOWED,
            "{path}"
        );
    }
    let many = server
        .request(Method::GET, "/chatbot/v1/sessions/warm-up")
        .send()
        .await
        .unwrap();
    assert_eq!(many.headers()["allow"], "POST, DELETE");
    for path in ["/chatbot/health", "/chatbot/health/ready"] {
        let head = server.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK);
        assert!(head.bytes().await.unwrap().is_empty());
    }
    let response = server.request(Method::GET, CHAT).send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(
        json(response, StatusCode::METHOD_NOT_ALLOWED).await["code"],
        "method_not_allowed"
    );

    for declared in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
    ] {
        let request = server.request(Method::POST, CHAT).body(chat(json!({})));
        let request = match declared {
            Some(declared) => request.header("Content-Type", declared),
            None => request,
        };
        let problem = json(request.send().await.unwrap(), StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        assert_eq!(problem["code"], "unsupported_media_type", "{declared:?}");
    }
    nothing_was_stored(&server).await;
}
