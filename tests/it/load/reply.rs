//! What a server's reply to a write says about the turn.

use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::ledger::Outcome;

/// Problems after which nothing of the turn is kept, whatever else they say.
const REFUSALS: [&str; 7] = [
    "store_unavailable",
    "overloaded",
    "shutting_down",
    "session_busy",
    "session_erased",
    "not_fresh_enough",
    "model_timeout",
];

/// What the sender of a turn was told, and a chat's response where it was.
pub(crate) async fn outcome(sent: Result<Response, reqwest::Error>) -> (Outcome, Option<String>) {
    let told = async {
        let response = sent?;
        Ok((response.status(), response.text().await?))
    };
    match told.await {
        Ok((status, text)) => of_body(status, &serde_json::from_str(&text).expect(&text)),
        Err(error) => (of_error(&error), None),
    }
}

/// A request that found nobody to talk to was not heard; another one that broke off may have been.
fn of_error(error: &reqwest::Error) -> Outcome {
    assert!(!error.is_timeout(), "the server hangs: {error:?}");
    if error.is_connect() {
        Outcome::Refused("nobody is there".to_owned())
    } else {
        Outcome::Unknown("the connection broke off".to_owned())
    }
}

fn of_body(status: StatusCode, body: &Value) -> (Outcome, Option<String>) {
    if status.is_success() {
        let ids = body["ids"].as_array();
        let committed = Outcome::Committed {
            version: body["version"].as_u64().unwrap(),
            ids: ids.map(|ids| ids.iter().map(|id| id.as_i64().unwrap()).collect()),
            responses: body["history"]["responses"].as_u64(),
        };
        return (committed, body["response"].as_str().map(str::to_owned));
    }
    let code = body["code"].as_str().unwrap();
    let outcome = match (code, body["outcome"].as_str()) {
        ("commit_failed", Some("unknown")) => Outcome::Unknown(code.to_owned()),
        ("commit_failed", Some("not_committed")) => Outcome::Refused(code.to_owned()),
        (code, _) if REFUSALS.contains(&code) => Outcome::Refused(code.to_owned()),
        _ => panic!("{status}: {body}"),
    };
    (outcome, None)
}
