//! The OpenAPI document of the running server, and whether the server does what it says.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::server::{Server, json};

/// The names that a refusal of an unknown field or parameter lists: "…; it takes a, b".
fn taken(problem: &Value) -> BTreeSet<String> {
    assert_eq!(problem["code"], "unknown_field", "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    let (_, names) = detail.split_once("it takes ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

/// Every documented call: method, path with something in the place of its parameters, and the call.
fn calls(document: &Value) -> Vec<(Method, String, Value)> {
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let path = path.replace("{id}", "1").replace("{user}", "u");
            calls.push((method, path, call.clone()));
        }
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_exactly_what_calls_take() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let document = server.get("/chatbot/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let (mut queries, mut bodies) = (0, 0);
    for (method, path, call) in calls(&document) {
        let parameters = call["parameters"].as_array().unwrap().iter();
        let in_query: BTreeSet<String> = parameters
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
            .collect();
        let reference = call["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
        if !in_query.is_empty() {
            // A body, where one is taken, is a right one: the parameters are to be refused.
            let mut request = server.request(method.clone(), &format!("{path}?frobnicate=1"));
            if reference.is_some() {
                request = request.json(&json!({"messages": [{"role": "user", "content": "a"}]}));
            }
            let problem = json(request.send().await.unwrap(), StatusCode::BAD_REQUEST).await;
            assert_eq!(taken(&problem), in_query, "{method} {path}");
            queries += 1;
        }
        if let Some(reference) = reference {
            let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
            let fields = schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            let path = format!("{path}?department=d&user=u");
            let path = if in_query.is_empty() {
                path.split('?').next().unwrap()
            } else {
                &path
            };
            let request = server
                .request(method.clone(), path)
                .json(&json!({"frobnicate": 1}));
            let problem = json(request.send().await.unwrap(), StatusCode::BAD_REQUEST).await;
            assert_eq!(taken(&problem), fields, "{method} {path}");
            bodies += 1;
        }
    }
    assert!(
        queries >= 8 && bodies >= 3,
        "{queries} queries and {bodies} bodies were compared"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_comes_whole_from_the_binary() {
    let backend = Backend::sqlite().await;
    let server = Server::start(&backend.url()).await;
    let text = async |path: String| {
        let response = server.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert!(
            response.headers().contains_key("content-security-policy"),
            "{path}"
        );
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        response.text().await.unwrap()
    };
    // The redirection is followed.
    let page = text("/chatbot/docs".to_owned()).await;
    assert!(!page.contains("://"), "nothing is loaded from elsewhere: {page}");
    let files: Vec<&str> = page
        .split('"')
        .filter(|part| part.ends_with(".js") || part.ends_with(".css"))
        .collect();
    assert!(files.len() >= 3, "{page}");
    for file in files {
        let file = file.trim_start_matches("./");
        assert!(!text(format!("/chatbot/docs/{file}")).await.is_empty(), "{file}");
    }
    let script = text("/chatbot/docs/swagger-initializer.js".to_owned()).await;
    assert!(script.contains("\"/chatbot/openapi.json\""), "{script}");
    let missing = server
        .request(Method::GET, "/chatbot/docs/nothing.js")
        .send()
        .await
        .unwrap();
    assert_eq!(json(missing, StatusCode::NOT_FOUND).await["code"], "not_found");
}
