//! Paths: the ids in them, and whatever else may stand there.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::chat::messages;
use crate::client::{Request, encoded};
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{decoded, is_id, segment};
use crate::verdict::{code, send};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[test]
fn an_id_in_a_path_is_the_one_that_was_encoded() {
    let server = Server::open();
    let client = server.client();
    let body = json!({"messages": [{"role": "user", "content": "a"}]}).to_string();
    fuzz(&(segment(), segment()), |(session, user)| {
        let target = format!("/chatbot/v1/sessions/{session}/messages?department=d&user=u");
        let answer = send(&client, &Request::post(target, body.clone().into_bytes()))?;
        let id = decoded(&session).filter(|id| is_id(id));
        if session.is_empty() {
            prop_assert_eq!(answer.status, 404);
        } else if let Some(id) = &id {
            prop_assert_eq!(answer.status, 201, "{}", session);
            let said = answer.json()?;
            prop_assert_eq!(said["chatsession_id"].as_str(), Some(id.as_str()));
            let target = format!("/chatbot/v1/sessions/{}/messages?department=d&user=u", encoded(id));
            let history = send(&client, &Request::new("GET", target))?.json()?;
            prop_assert_eq!(history["chatsession_id"].as_str(), Some(id.as_str()));
            prop_assert!(messages(&history)?.iter().any(|message| message["id"] == said["ids"][0]));
        } else {
            prop_assert_eq!(answer.status, 422, "{}", session);
        }

        // A user of another department: nothing of the above is erased.
        let target = format!("/chatbot/v1/users/{user}?department=e");
        let answer = send(&client, &Request::new("DELETE", target))?;
        let expected = match decoded(&user) {
            _ if user.is_empty() => 404,
            Some(user) if is_id(&user) => 200,
            Some(_) | None => 422,
        };
        prop_assert_eq!(answer.status, expected, "{}", user);
        Ok(())
    });
}

#[test]
fn any_path_is_answered() {
    let server = Server::open();
    let client = server.client();
    let known = vec![
        "chatbot", "v1", "sessions", "users", "messages", "warm-up", "end", "chat", "turns", "events", "health", "ready",
        "detailed", "performance", "docs", "openapi.json", "..", ".", "", "metrics",
    ];
    let part = prop_oneof![3 => prop::sample::select(known).prop_map(str::to_owned), 1 => segment()];
    let prefix = prop::sample::select(vec!["", "/chatbot", "/chatbot/v1", "/chatbot/v1/sessions", "/chatbot/docs"]);
    let path = (prefix, vec(part, 0..5)).prop_map(|(prefix, parts)| format!("{prefix}/{}", parts.join("/")));
    let query = prop::sample::select(vec!["", "?", "?department=d&user=u", "?department=d"]);
    let body = prop::option::of(prop::sample::select(vec!["", "{}", "{\"recent\":1}"]));
    fuzz(&(prop::sample::select(METHODS.to_vec()), path, query, body), |(method, path, query, body)| {
        let mut request = Request::new(method, format!("{path}{query}"));
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json");
            request.body = Some(body.as_bytes().to_vec());
        }
        let answer = send(&client, &request)?;
        if method == "PUT" || method == "PATCH" {
            let refused = if answer.status == 404 { "not_found" } else { "method_not_allowed" };
            prop_assert_eq!(code(&answer)?, refused, "{:?}", request);
        }
        Ok(())
    });
}
