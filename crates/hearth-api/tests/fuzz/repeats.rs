//! Repeats: the key of a request, and what a repeat is told.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::{Value, json};

use crate::chat::messages;
use crate::client::{Client, Request, encoded};
use crate::headers::value;
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::content;
use crate::verdict::{code, send};

/// Sends a request twice, and another one with its key; says whether the key is one.
fn repeat(client: &Client, first: &Request, other: &Request, status: u16) -> Result<bool, TestCaseError> {
    let key = first.headers.iter().find(|(name, _)| *name == "Idempotency-Key");
    let key = key.map_or(&[][..], |(_, key)| key).trim_ascii();
    let is_key = (1..=255).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let answer = send(client, first)?;
    if !is_key {
        prop_assert_eq!(code(&answer)?, "invalid_field", "{:?}", first);
        return Ok(false);
    }
    prop_assert_eq!(
        (answer.status, answer.header("idempotent-replayed")),
        (status, None)
    );
    let again = send(client, first)?;
    prop_assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (status, Some("true"))
    );
    prop_assert_eq!(again.json()?, answer.json()?);
    prop_assert_eq!(code(&send(client, other)?)?, "idempotency_key_reused");
    Ok(true)
}

fn check_kept(client: &Client, path: &str, contents: &[&Value]) -> TestCaseResult {
    let history = send(client, &Request::new("GET", path))?.json()?;
    let kept: Vec<&Value> = messages(&history)?
        .iter()
        .map(|message| &message["content"])
        .collect();
    prop_assert_eq!(kept, contents);
    Ok(())
}

#[test]
fn a_repeat_is_told_what_the_first_was_and_keeps_nothing() {
    let server = Server::open();
    let client = server.client();
    let users = Cell::new(0_u32);
    fuzz(&(value(), content(), content()), |(key, said, other)| {
        prop_assume!(said != other);
        users.set(users.get() + 1);
        let user = format!("user {}", users.get());

        let session = format!(
            "/chatbot/v1/sessions/s/messages?department=d&user={}",
            encoded(&user)
        );
        let append = |content: &str| {
            let body = json!({"messages": [{"role": "user", "content": content}]});
            Request::post(&*session, body.to_string().into_bytes()).header("Idempotency-Key", key.clone())
        };
        let is_kept = repeat(&client, &append(&said), &append(&other), 201)?;
        let content = Value::from(&*said);
        let kept = [&content];
        check_kept(&client, &session, if is_kept { &kept } else { &[] })?;

        // The same key once more: those of chats are others than those of appends.
        let chat = |content: &str| {
            let body = json!({"department": "d", "user": user, "chatquery": content});
            let request = Request::post("/chatbot/v1/chat", body.to_string().into_bytes());
            request.header("Idempotency-Key", key.clone())
        };
        if !repeat(&client, &chat(&said), &chat(&other), 200)? {
            return Ok(());
        }
        let answer = send(&client, &chat(&said))?.json()?;
        let session = answer["chatsession_id"].as_str().unwrap_or_default();
        let session = format!(
            "/chatbot/v1/sessions/{}/messages?department=d&user={}",
            encoded(session),
            encoded(&user)
        );
        check_kept(&client, &session, &[&content, &answer["response"]])
    });
}
