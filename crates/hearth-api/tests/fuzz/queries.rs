//! Query strings.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::chat::messages;
use crate::client::Request;
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{decoded, is_id, segment};
use crate::verdict::send;

/// A parameter as it stands in a query.
fn parameter() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        12 => prop::sample::select(vec!["limit", "after", "before", "min_version"]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["department", "user", "Limit", "%6Cimit", "limit[]", ""]).prop_map(str::to_owned),
        1 => segment(),
    ];
    let value = prop_oneof![
        4 => (-2_i64..210).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<u128>().prop_map(|number| number.to_string()),
        2 => (any::<i64>(), segment()).prop_map(|(micros, id)| format!("{micros}:{id}")),
        2 => segment(),
    ];
    (name, value)
}

fn rest() -> impl Strategy<Value = String> {
    let pairs = vec(
        parameter().prop_map(|(name, value)| format!("{name}={value}")),
        0..3,
    );
    prop_oneof![6 => pairs.prop_map(|pairs| pairs.join("&")), 1 => segment(), 1 => "[&=]{0,5}"]
}

#[test]
fn any_query_is_answered_with_its_bounds_kept() {
    let server = Server::open();
    let client = server.client();
    let path = prop::sample::select(vec![
        ("GET", "/chatbot/v1/sessions"),
        ("GET", "/chatbot/v1/sessions/s/messages"),
        ("HEAD", "/chatbot/v1/sessions/s/messages"),
        ("POST", "/chatbot/v1/sessions/s/warm-up"),
        ("POST", "/chatbot/v1/sessions/s/end"),
        ("DELETE", "/chatbot/v1/sessions/s"),
    ]);
    fuzz(&(path, rest()), |((method, path), rest)| {
        let answer = send(
            &client,
            &Request::new(method, format!("{path}?department=d&user=u&{rest}")),
        )?;
        if answer.status == 200 && method == "GET" {
            let said: Value = answer.json()?;
            let listed = said["sessions"]
                .as_array()
                .or_else(|| said["messages"].as_array());
            prop_assert!(listed.is_some_and(Vec::is_empty), "{}", said);
        }
        Ok(())
    });
}

#[test]
fn who_is_asked_about_is_whom_the_query_encodes() {
    let server = Server::open();
    let client = server.client();
    fuzz(&(segment(), segment()), |(department, user)| {
        let target = format!("/chatbot/v1/sessions/s/messages?department={department}&user={user}");
        let answer = send(&client, &Request::new("GET", target))?;
        let id = |text: &str| decoded(&text.replace('+', " "));
        match (id(&department), id(&user)) {
            (Some(department), Some(user)) if is_id(&department) && is_id(&user) => {
                let history = answer.json()?;
                prop_assert_eq!(history["department"].as_str(), Some(department.as_str()));
                prop_assert_eq!(history["user"].as_str(), Some(user.as_str()));
                prop_assert!(messages(&history)?.is_empty());
            }
            (Some(_), Some(_)) => prop_assert_eq!(answer.status, 422),
            (_, _) => prop_assert_eq!(answer.status, 400),
        }
        Ok(())
    });
}
