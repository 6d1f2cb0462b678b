//! Paths: the ids in them, and whatever else may stand there.

use hearth_api::routes::ROUTES;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
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
            let target = format!(
                "/chatbot/v1/sessions/{}/messages?department=d&user=u",
                encoded(id)
            );
            let history = send(&client, &Request::new("GET", target))?.json()?;
            prop_assert_eq!(history["chatsession_id"].as_str(), Some(id.as_str()));
            prop_assert!(
                messages(&history)?
                    .iter()
                    .any(|message| message["id"] == said["ids"][0])
            );
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

/// The path of a route with anything in its places.
fn routed() -> impl Strategy<Value = String> {
    let pattern = prop::sample::select(ROUTES.iter().map(|entry| entry.path).collect::<Vec<_>>());
    (pattern, vec(segment(), 2)).prop_map(|(pattern, segments)| {
        let mut segments = segments.into_iter();
        let parts = pattern.split('/').map(|part| {
            let place = part.starts_with('{').then(|| segments.next());
            place.flatten().unwrap_or_else(|| part.to_owned())
        });
        parts.collect::<Vec<_>>().join("/")
    })
}

/// A path with a part more somewhere.
fn longer() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "", ".", "..", "messages", "warm-up", "end", "events", "chatbot",
    ]);
    let part = prop_oneof![2 => known.prop_map(str::to_owned), 1 => segment()];
    (routed(), part, any::<Index>()).prop_map(|(path, part, at)| {
        let mut parts: Vec<&str> = path.split('/').collect();
        parts.insert(1 + at.index(parts.len()), &part);
        parts.join("/")
    })
}

#[test]
fn any_path_is_answered() {
    let server = Server::open();
    let client = server.client();
    let path = prop_oneof![4 => routed(), 1 => longer(), 1 => segment().prop_map(|part| format!("/{part}"))];
    let query = prop::sample::select(vec![
        "",
        "?",
        "?department=d&user=u",
        "?department=d&user=u",
        "?department=d",
    ]);
    let body = prop::option::of(prop::sample::select(vec!["", "{}", "{\"recent\":1}"]));
    fuzz(
        &(prop::sample::select(METHODS.to_vec()), path, query, body),
        |(method, path, query, body)| {
            let mut request = Request::new(method, format!("{path}{query}"));
            if let Some(body) = body {
                request = request.header("Content-Type", "application/json");
                request.body = Some(body.as_bytes().to_vec());
            }
            let answer = send(&client, &request)?;
            if method == "PUT" || method == "PATCH" {
                let refused = if answer.status == 404 {
                    "not_found"
                } else {
                    "method_not_allowed"
                };
                prop_assert_eq!(code(&answer)?, refused, "{:?}", request);
            }
            Ok(())
        },
    );
}
