//! Streamed answers, and taking them up again from anywhere.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::client::{Answer, Client, Request};
use crate::headers::value;
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::content;
use crate::verdict::{code, send};

/// One event: its name, its id, its data.
type Event = (String, String, Value);

/// The events of an answer, which has nothing else.
fn events(answer: &Answer) -> Result<Vec<Event>, TestCaseError> {
    prop_assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = String::from_utf8(answer.body.clone()).unwrap_or_default();
    let events = text.split_terminator("\n\n").map(|event| {
        let mut lines = event.split('\n');
        let mut line = |name: &str| lines.next()?.strip_prefix(name).map(str::to_owned);
        let (name, id, data) = (line("event: ")?, line("id: ")?, line("data: ")?);
        let data = serde_json::from_str(&data).ok()?;
        lines.next().is_none().then_some((name, id, data))
    });
    let events: Option<Vec<Event>> = events.collect();
    events.ok_or_else(|| TestCaseError::fail(format!("no events: {text}")))
}

/// The text of the pieces.
fn text(events: &[Event]) -> String {
    let pieces = events.iter().filter(|(name, ..)| name == "delta");
    pieces.filter_map(|(_, _, data)| data["text"].as_str()).collect()
}

fn resume(client: &Client, turn: &Value, last: Vec<u8>) -> Result<Answer, TestCaseError> {
    let turn = turn["turn_id"].as_str().unwrap_or_default();
    let target = format!("/chatbot/v1/turns/{turn}/events?department=d&user=u");
    send(client, &Request::new("GET", target).header("Last-Event-ID", last))
}

#[test]
fn a_stream_is_whole_and_is_taken_up_again_from_anywhere() {
    let server = Server::open();
    let client = server.client();
    let last = prop_oneof![
        3 => (0_usize..400).prop_map(|bytes| bytes.to_string().into_bytes()),
        1 => any::<u64>().prop_map(|bytes| bytes.to_string().into_bytes()),
        1 => Just(b"end".to_vec()),
        2 => value(),
    ];
    fuzz(&(content(), last), |(query, last)| {
        let body = json!({"department": "d", "user": "u", "chatquery": query, "stream": true});
        let answer = send(
            &client,
            &Request::post("/chatbot/v1/chat", body.to_string().into_bytes()),
        )?;
        let events_of_all = events(&answer)?;
        let names: Vec<&str> = events_of_all.iter().map(|(name, ..)| name.as_str()).collect();
        prop_assert!(
            names.starts_with(&["turn"]) && names.ends_with(&["done"]),
            "{:?}",
            names
        );
        prop_assert!(
            names[1..names.len() - 1].iter().all(|name| *name == "delta"),
            "{:?}",
            names
        );
        let done = &events_of_all[names.len() - 1].2;
        let response = text(&events_of_all);
        prop_assert_eq!(done["response"].as_str(), Some(response.as_str()));
        prop_assert_eq!(&events_of_all[0].2["turn_id"], &done["turn_id"]);

        let answer = resume(&client, done, last.clone())?;
        let position = std::str::from_utf8(last.trim_ascii()).unwrap_or_default();
        match (position, position.parse::<usize>()) {
            ("end", _) => prop_assert_eq!(answer.status, 204),
            (_, Ok(bytes)) => {
                let rest = events(&answer)?;
                let begin = response.ceil_char_boundary(bytes.min(response.len()));
                prop_assert_eq!(text(&rest), &response[begin..]);
                prop_assert_eq!(rest.last().map(|(_, _, data)| data), Some(done));
            }
            (_, Err(_)) => prop_assert_eq!(code(&answer)?, "invalid_field", "{}", position),
        }
        Ok(())
    });
}
