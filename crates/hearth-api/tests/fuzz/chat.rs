//! The bodies of chats.

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Request, encoded};
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{content, id, is_content, is_id};
use crate::values::{self, broken, changed, version};
use crate::verdict::{code, send};

const CHAT: &str = "/chatbot/v1/chat";

const FIELDS: [&str; 8] = [
    "department",
    "user",
    "chatquery",
    "historyenabled",
    "chatsession_id",
    "stream",
    "min_version",
    "if_version",
];

fn valid() -> impl Strategy<Value = Value> {
    let ids = (id(), id(), prop::option::weighted(0.8, id()));
    let versions = prop_oneof![3 => Just((Value::Null, Value::Null)), 1 => (version(), version())];
    (ids, content(), prop::option::of(any::<bool>()), versions).prop_map(
        |((department, user, session), query, history, (min_version, if_version))| {
            json!({
                "department": department, "user": user, "chatsession_id": session, "chatquery": query,
                "historyenabled": history, "min_version": min_version, "if_version": if_version,
            })
        },
    )
}

/// The contract's rules, said once more.
fn is_valid(body: &Value) -> bool {
    let Some(members) = body.as_object() else {
        return false;
    };
    let text = |name: &str, rule: fn(&str) -> bool| body[name].as_str().is_some_and(rule);
    let absent_or = |name: &str, rule: &dyn Fn(&Value) -> bool| body[name].is_null() || rule(&body[name]);
    let is_version = |value: &Value| {
        value
            .as_u64()
            .is_some_and(|version| i64::try_from(version).is_ok())
    };
    let has_version = !body["min_version"].is_null() || !body["if_version"].is_null();
    members.keys().all(|name| FIELDS.contains(&name.as_str()))
        && text("department", is_id)
        && text("user", is_id)
        && text("chatquery", is_content)
        && absent_or("chatsession_id", &|value| value.as_str().is_some_and(is_id))
        && ["historyenabled", "stream"]
            .iter()
            .all(|name| absent_or(name, &Value::is_boolean))
        && ["min_version", "if_version"]
            .iter()
            .all(|name| absent_or(name, &is_version))
        && (body["historyenabled"] != false || !has_version)
}

fn check(client: &Client, bytes: Vec<u8>, body: Option<&Value>) -> TestCaseResult {
    let request = Request::post(CHAT, bytes);
    let answer = send(client, &request)?;
    let Some(body) = body else {
        prop_assert_eq!(answer.status, 400, "{:?}", request);
        return Ok(());
    };
    let streams = body["stream"] == true;
    match (answer.status, code(&answer)?.as_str()) {
        (200, _) => {
            prop_assert!(is_valid(body), "{}", body);
            if !streams {
                reads_back(client, body, &answer)?;
            }
        }
        (503, "not_fresh_enough") => prop_assert!(body["min_version"] != 0 && is_valid(body)),
        (409, "version_conflict") => prop_assert!(body["if_version"].is_u64() && is_valid(body)),
        (status, code) => prop_assert!(!is_valid(body), "{} {} for {}", status, code, body),
    }
    if let Some(query) = body["chatquery"]
        .as_str()
        .filter(|query| query.len() > 12 && answer.status >= 400)
    {
        let text = String::from_utf8_lossy(&answer.body);
        prop_assert!(!text.contains(query), "the refusal quotes the query: {}", text);
    }
    Ok(())
}

fn reads_back(client: &Client, body: &Value, answer: &Answer) -> TestCaseResult {
    let said = answer.json()?;
    prop_assert_eq!(&said["department"], &body["department"]);
    prop_assert_eq!(&said["user"], &body["user"]);
    if !body["chatsession_id"].is_null() {
        prop_assert_eq!(&said["chatsession_id"], &body["chatsession_id"]);
    }
    let part = |name: &str| encoded(said[name].as_str().unwrap_or_default());
    let target = format!(
        "/chatbot/v1/sessions/{}/messages?department={}&user={}",
        part("chatsession_id"),
        part("department"),
        part("user"),
    );
    let history = send(client, &Request::new("GET", target))?.json()?;
    let messages = messages(&history)?;
    let kept = messages
        .windows(2)
        .any(|turn| turn[0]["content"] == body["chatquery"] && turn[1]["content"] == said["response"]);
    prop_assert_eq!(kept, body["historyenabled"] != false, "{} in {}", body, history);
    Ok(())
}

/// The messages of a history.
pub(crate) fn messages(history: &Value) -> Result<&Vec<Value>, TestCaseError> {
    let messages = history["messages"].as_array();
    messages.ok_or_else(|| TestCaseError::fail(format!("no messages: {history}")))
}

#[test]
fn a_chat_is_answered_where_the_contract_takes_it_and_refused_elsewhere() {
    let server = Server::open();
    let client = server.client();
    fuzz(&prop_oneof![2 => changed(valid()), 1 => values::json()], |body| {
        let is_object = body.is_object();
        check(&client, body.to_string().into_bytes(), is_object.then_some(&body))
    });
}

#[test]
fn a_chat_of_any_bytes_is_answered() {
    let server = Server::open();
    let client = server.client();
    fuzz(&broken(valid()), |bytes| {
        let read: Option<Value> = serde_json::from_slice(&bytes).ok();
        let answer = send(&client, &Request::post(CHAT, bytes))?;
        if answer.status == 200 {
            let body = read.unwrap_or_default();
            prop_assert!(is_valid(&body), "{}", body);
        } else if read.is_none() {
            prop_assert_eq!(code(&answer)?, "malformed_json");
        }
        Ok(())
    });
}
