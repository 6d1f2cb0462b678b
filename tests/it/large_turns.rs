//! The largest turns, of everything that text can hold, come back byte for byte.

use hearth_domain::limits::{CONTENT_BYTES_MAX, TURN_MESSAGES_MAX};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::backend::{Backend, both_stores};
use crate::load::seed;
use crate::server::{Server, messages_path};

both_stores!(
    a_turn_of_the_largest_messages_comes_back_byte_for_byte,
    a_turn_of_nothing_but_escapes_comes_back_byte_for_byte,
    a_chat_keeps_the_largest_query_as_it_was_sent,
);

/// What JSON, SQL, arrays of PostgreSQL and programs of C have trouble with; U+0000 alone is refused.
const PIECES: [&str; 20] = [
    "\"",
    "\\",
    "\\\\\"",
    "\n",
    "\r\n",
    "\t",
    "\u{1}",
    "\u{8}\u{c}",
    "\u{1f}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{feff}",
    "e\u{301}",
    "👩🏽‍🚀",
    "𝕳𐍈",
    "\u{10ffff}\u{fffd}",
    "{},'$1;--\\u0000",
    "Grüße ",
];

/// A text of exactly the largest size.
fn largest(dice: &mut fastrand::Rng, pieces: &[&str]) -> String {
    let mut text = String::with_capacity(CONTENT_BYTES_MAX);
    loop {
        let piece = pieces[dice.usize(..pieces.len())];
        if text.len() + piece.len() > CONTENT_BYTES_MAX {
            break;
        }
        text.push_str(piece);
    }
    text.extend(std::iter::repeat_n('x', CONTENT_BYTES_MAX - text.len()));
    text
}

fn turn(pieces: &[&str]) -> Vec<Value> {
    let mut dice = fastrand::Rng::with_seed(seed());
    let role = |place: usize| {
        if place.is_multiple_of(2) {
            "user"
        } else {
            "assistant"
        }
    };
    (0..TURN_MESSAGES_MAX)
        .map(|place| json!({"role": role(place), "content": largest(&mut dice, pieces)}))
        .collect()
}

async fn a_turn_of_the_largest_messages_comes_back_byte_for_byte(backend: Backend) {
    comes_back(&backend, &turn(&PIECES), &[]).await;
}

/// Six bytes of JSON for each byte of text: more than a body may have by default.
async fn a_turn_of_nothing_but_escapes_comes_back_byte_for_byte(backend: Backend) {
    let controls: Vec<String> = ('\u{1}'..' ').map(String::from).collect();
    let controls: Vec<&str> = controls.iter().map(String::as_str).collect();
    let settings = [("HEARTH__SERVER__BODY_BYTES_MAX", "8388608")];
    comes_back(&backend, &turn(&controls), &settings).await;
}

/// From memory, from a page of the table, and from memory again after it was loaded.
async fn comes_back(backend: &Backend, turn: &[Value], settings: &[(&str, &str)]) {
    let server = Server::start_with(&backend.url(), settings).await;
    assert_eq!(server.history("1").await["source"], "new");
    let appended = server
        .post(
            &messages_path("1"),
            &json!({ "messages": turn }),
            StatusCode::CREATED,
        )
        .await;
    assert_eq!(appended["version"], 1);
    let history = server.history("1").await;
    assert_eq!(history["source"], "memory");
    assert_same(&history, turn);
    assert_same(
        &server.get(&format!("{}&limit=200", messages_path("1"))).await,
        turn,
    );
    let end = server.request(Method::POST, "/chatbot/v1/sessions/1/end?department=d&user=u");
    assert!(end.send().await.unwrap().status().is_success());
    let loaded = server.history("1").await;
    assert_eq!(loaded["source"], "store");
    assert_eq!(loaded["messages"], history["messages"]);
    assert_eq!(
        server.history("1").await["source"],
        "memory",
        "nothing is too large to be kept"
    );
}

async fn a_chat_keeps_the_largest_query_as_it_was_sent(backend: Backend) {
    let server = Server::start(&backend.url()).await;
    let query = largest(&mut fastrand::Rng::with_seed(seed()), &PIECES);
    let answer = server.chat("1", &query).await;
    let turn = [
        json!({"role": "user", "content": query}),
        json!({"role": "assistant", "content": answer["response"]}),
    ];
    assert_same(&server.history("1").await, &turn);
    assert_same(
        &server.get(&format!("{}&limit=200", messages_path("1"))).await,
        &turn,
    );
}

/// Tells the place, not the texts: they are too long to be read.
fn assert_same(history: &Value, turn: &[Value]) {
    let messages = history["messages"].as_array().unwrap();
    assert_eq!(messages.len(), turn.len());
    for (place, (message, sent)) in messages.iter().zip(turn).enumerate() {
        assert_eq!(message["role"], sent["role"], "message {place}");
        assert!(message["content"] == sent["content"], "message {place} differs");
    }
}
