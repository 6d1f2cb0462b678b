//! Cursors: those that were given out lead through everything, once.

use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::{Value, json};

use crate::chat::messages;
use crate::client::{Client, Request, encoded};
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{content, id};
use crate::verdict::send;

fn append(client: &Client, user: &str, session: &str, contents: &[String]) -> TestCaseResult {
    let messages: Vec<Value> = contents
        .iter()
        .map(|content| json!({"role": "assistant", "content": content}))
        .collect();
    let target = format!(
        "/chatbot/v1/sessions/{}/messages?department=d&user={}",
        encoded(session),
        encoded(user)
    );
    let body = json!({"messages": messages}).to_string().into_bytes();
    let answer = send(client, &Request::post(target, body))?;
    prop_assert_eq!(answer.status, 201);
    Ok(())
}

#[test]
fn the_list_of_sessions_is_walked_through_whatever_their_ids_are() {
    let server = Server::open();
    let client = server.client();
    let users = std::cell::Cell::new(0_u32);
    fuzz(&(btree_set(id(), 1..5), 1_u16..4), |(sessions, limit)| {
        // Each case has a user of its own, whose list it is.
        users.set(users.get() + 1);
        let user = format!("user {}", users.get());
        for session in &sessions {
            append(&client, &user, session, &["a".to_owned()])?;
        }
        let base = format!(
            "/chatbot/v1/sessions?department=d&user={}&limit={limit}",
            encoded(&user)
        );
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = send(&client, &Request::new("GET", format!("{base}{after}")))?.json()?;
            let listed = page["sessions"].as_array().cloned().unwrap_or_default();
            prop_assert!(
                listed.len() <= usize::from(limit) && seen.len() <= sessions.len(),
                "{}",
                page
            );
            seen.extend(
                listed
                    .iter()
                    .filter_map(|session| session["chatsession_id"].as_str().map(str::to_owned)),
            );
            match page["after"].as_str() {
                Some(cursor) => after = format!("&after={}", encoded(cursor)),
                None => break,
            }
        }
        prop_assert_eq!(seen.len(), sessions.len());
        prop_assert_eq!(BTreeSet::from_iter(seen), sessions);
        Ok(())
    });
}

#[test]
fn a_session_is_paged_through_whatever_its_messages_are() {
    let server = Server::open();
    let client = server.client();
    let users = std::cell::Cell::new(0_u32);
    fuzz(&(vec(content(), 1..8), 1_u16..4), |(contents, limit)| {
        users.set(users.get() + 1);
        let user = format!("user {}", users.get());
        append(&client, &user, "s", &contents)?;
        let base = format!(
            "/chatbot/v1/sessions/s/messages?department=d&user={}&limit={limit}",
            encoded(&user)
        );
        let (mut seen, mut before) = (Vec::new(), String::new());
        loop {
            let page = send(&client, &Request::new("GET", format!("{base}{before}")))?.json()?;
            let listed = messages(&page)?;
            prop_assert!(
                listed.len() <= usize::from(limit) && seen.len() <= contents.len(),
                "{}",
                page
            );
            seen.extend(
                listed
                    .iter()
                    .rev()
                    .map(|message| message["content"].as_str().unwrap_or_default().to_owned()),
            );
            match page["before"].as_i64() {
                Some(id) => before = format!("&before={id}"),
                None => break,
            }
        }
        seen.reverse();
        prop_assert_eq!(seen, contents);
        Ok(())
    });
}
