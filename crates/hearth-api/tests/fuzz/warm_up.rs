//! The bodies of warm-ups of many sessions.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::Request;
use crate::runs::fuzz;
use crate::server::Server;
use crate::texts::{id, is_id};
use crate::values::{self, broken, changed};
use crate::verdict::send;

const WARM_UP: &str = "/chatbot/v1/sessions/warm-up";

const KEY: [&str; 3] = ["department", "user", "chatsession_id"];

fn valid() -> impl Strategy<Value = Value> {
    let session = (id(), id(), id()).prop_map(
        |(department, user, session)| json!({"department": department, "user": user, "chatsession_id": session}),
    );
    prop_oneof![
        2 => vec(session, 0..5).prop_map(|sessions| json!({"sessions": sessions})),
        1 => (0_u32..1_003).prop_map(|recent| json!({"recent": recent})),
    ]
}

fn is_valid(body: &Value) -> bool {
    let Some(members) = body.as_object() else {
        return false;
    };
    let is_key = |value: &Value| {
        let members = value.as_object();
        members.is_some_and(|members| members.keys().all(|name| KEY.contains(&name.as_str())))
            && KEY.iter().all(|name| value[name].as_str().is_some_and(is_id))
    };
    let (sessions, recent) = (&body["sessions"], &body["recent"]);
    members
        .keys()
        .all(|name| ["sessions", "recent"].contains(&name.as_str()))
        && sessions.is_null() != recent.is_null()
        && (recent.is_null()
            || recent
                .as_u64()
                .is_some_and(|recent| (1..=1_000).contains(&recent)))
        && (sessions.is_null() || sessions.as_array().is_some_and(|keys| keys.iter().all(is_key)))
}

#[test]
fn sessions_are_loaded_where_the_contract_takes_it_and_refused_elsewhere() {
    let server = Server::open();
    let client = server.client();
    fuzz(&prop_oneof![3 => changed(valid()), 1 => values::json()], |body| {
        let answer = send(&client, &Request::post(WARM_UP, body.to_string().into_bytes()))?;
        prop_assert_eq!(
            answer.status == 200,
            is_valid(&body),
            "{} for {}",
            answer.status,
            body
        );
        if let Some(sessions) = body["sessions"].as_array().filter(|_| answer.status == 200) {
            let said = answer.json()?;
            let distinct: std::collections::BTreeSet<String> =
                sessions.iter().map(Value::to_string).collect();
            let counted = ["found", "new", "failed"].map(|name| said[name].as_u64().unwrap_or(u64::MAX));
            prop_assert_eq!(counted[2], 0);
            let counted: u64 = counted.iter().sum();
            let (least, most) = (u64::try_from(distinct.len()), u64::try_from(sessions.len()));
            prop_assert!(
                least.unwrap() <= counted && counted <= most.unwrap(),
                "{} for {}",
                said,
                body
            );
        }
        Ok(())
    });
}

#[test]
fn a_warm_up_of_any_bytes_is_answered() {
    let server = Server::open();
    let client = server.client();
    fuzz(&broken(valid()), |bytes| {
        let read: Option<Value> = serde_json::from_slice(&bytes).ok();
        let answer = send(&client, &Request::post(WARM_UP, bytes))?;
        prop_assert!(
            answer.status != 200 || read.as_ref().is_some_and(is_valid),
            "{:?}",
            read
        );
        Ok(())
    });
}
