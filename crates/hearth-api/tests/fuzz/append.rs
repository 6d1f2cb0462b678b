//! The bodies of appended turns.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use serde_json::{Value, json};

use crate::chat::messages;
use crate::client::{Answer, Client, Request};
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{content, is_content};
use crate::values::{self, broken, changed, version};
use crate::verdict::{code, send};

const MESSAGES: &str = "/chatbot/v1/sessions/s/messages?department=d&user=u";

const ROLES: [&str; 4] = ["user", "assistant", "system", "tool"];

fn valid() -> impl Strategy<Value = Value> {
    let role = prop::sample::select(ROLES.to_vec());
    let message = (role, content()).prop_map(|(role, content)| json!({"role": role, "content": content}));
    let if_version = prop_oneof![3 => Just(Value::Null), 1 => version()];
    (vec(message, 1..18), if_version)
        .prop_map(|(messages, if_version)| json!({"messages": messages, "if_version": if_version}))
}

fn is_valid(body: &Value) -> bool {
    let has_only = |value: &Value, known: &[&str]| {
        let members = value.as_object();
        members.is_some_and(|members| members.keys().all(|name| known.contains(&name.as_str())))
    };
    let is_message = |message: &Value| {
        has_only(message, &["role", "content"])
            && message["role"].as_str().is_some_and(|role| ROLES.contains(&role))
            && message["content"].as_str().is_some_and(is_content)
    };
    let version = &body["if_version"];
    has_only(body, &["messages", "if_version"])
        && (version.is_null()
            || version
                .as_u64()
                .is_some_and(|version| i64::try_from(version).is_ok()))
        && body["messages"]
            .as_array()
            .is_some_and(|messages| (1..=16).contains(&messages.len()) && messages.iter().all(is_message))
}

fn reads_back(client: &Client, body: &Value, answer: &Answer) -> TestCaseResult {
    let said = answer.json()?;
    let ids = said["ids"].as_array().cloned().unwrap_or_default();
    let history = send(client, &Request::new("GET", MESSAGES))?.json()?;
    let kept = messages(&history)?
        .iter()
        .filter(|message| ids.contains(&message["id"]));
    let kept: Vec<Value> = kept
        .map(|message| json!({"role": message["role"], "content": message["content"]}))
        .collect();
    prop_assert_eq!(Some(&kept), body["messages"].as_array());
    prop_assert_eq!(&history["version"], &said["version"]);
    Ok(())
}

#[test]
fn a_turn_is_kept_where_the_contract_takes_it_and_refused_elsewhere() {
    let server = Server::open();
    let client = server.client();
    fuzz(&prop_oneof![3 => changed(valid()), 1 => values::json()], |body| {
        let answer = send(&client, &Request::post(MESSAGES, body.to_string().into_bytes()))?;
        match (answer.status, code(&answer)?.as_str()) {
            (201, _) => {
                prop_assert!(is_valid(&body), "{}", body);
                reads_back(&client, &body, &answer)
            }
            (409, "version_conflict") => {
                prop_assert!(is_valid(&body) && body["if_version"].is_u64());
                Ok(())
            }
            (status, code) => {
                prop_assert!(!is_valid(&body), "{} {} for {}", status, code, body);
                Ok(())
            }
        }
    });
}

#[test]
fn a_turn_of_any_bytes_is_answered() {
    let server = Server::open();
    let client = server.client();
    fuzz(&broken(valid()), |bytes| {
        let read: Option<Value> = serde_json::from_slice(&bytes).ok();
        let answer = send(&client, &Request::post(MESSAGES, bytes))?;
        if answer.status == 201 {
            prop_assert!(read.as_ref().is_some_and(is_valid), "{:?}", read);
        } else if read.is_none() {
            prop_assert_eq!(code(&answer)?, "malformed_json");
        }
        Ok(())
    });
}
