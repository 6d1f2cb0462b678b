//! PostgreSQL is stopped as a crash would stop it: the server gets over it by itself, and keeps its promises meanwhile.

use std::sync::Arc;

use fastrand::Rng;
use hearth_testkit::model_server::{ModelServer, Reply};
use hearth_testkit::poll::until;
use hearth_testkit::postgres::{Cluster, Options};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::load::{Ledger, Load, Outcome, Work, Write, judge, repeat, rows, seed};
use crate::model_upstream;
use crate::server::{DEADLINE, Server, json as json_of};

const RESTARTS: usize = 5;

/// A claim whose turn nobody knows the end of lasts as long as a turn, its commit and some seconds may take.
const SETTINGS: [(&str, &str); 2] = [
    ("HEARTH__CHAT__TURN_SECONDS_MAX", "2"),
    ("HEARTH__STORE__COMMIT_TIMEOUT_MS", "2000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn five_restarts_under_load() {
    let seed = seed();
    let mut dice = Rng::with_seed(seed);
    let durable = Options {
        durable: true,
        ..Options::default()
    };
    let cluster = Cluster::start(&durable).unwrap();
    let server = Server::start_with(&cluster.url("postgres"), &SETTINGS).await;
    let ledger = Arc::new(Ledger::new());
    let work = Work {
        clients: 12,
        sessions: 5,
        turns_each: None,
        name: "restarts".to_owned(),
        seed: dice.u64(..),
    };
    let load = Load::start(&server, &ledger, &work);
    for _ in 0..RESTARTS {
        ledger.more(dice.u64(20..100)).await;
        tokio::task::block_in_place(|| {
            cluster.stop_immediate().unwrap();
            cluster.start_again().unwrap();
        });
    }
    ledger.more(100).await;
    load.stop().await;
    let is_failed = |write: &&Write| !matches!(write.outcome, Outcome::Committed { .. });
    let failed = ledger.writes().iter().filter(is_failed).count();
    assert!(failed >= RESTARTS, "the restarts were noticed");
    judge(&server, &ledger).await;
    repeat(&server, &ledger).await;
    judge(&server, &ledger).await;
    // Nor does memory hide anything: another process sees the same in the table.
    let another = Server::start(&cluster.url("postgres")).await;
    judge(&another, &ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_given_is_kept_until_it_can_be_committed() {
    let cluster = Cluster::start(&Options::default()).unwrap();
    let model = ModelServer::start().await;
    let settings = [("HEARTH__STORE__COMMIT_TIMEOUT_MS", "1000")];
    let server = model_upstream::start(&cluster.url("postgres"), &model, &settings).await;
    let gate = model.gate();
    let said =
        json!({"choices": [{"message": {"role": "assistant", "content": "Dear"}, "finish_reason": "stop"}]});
    let answer = Reply::of(200, "application/json").wait(&gate);
    model.next(answer.bytes(said.to_string().as_bytes()));
    let body = json!({"department": "d", "user": "u", "chatsession_id": "1", "chatquery": "Hello"});
    let chat = || {
        let request = server.request(Method::POST, "/chatbot/v1/chat");
        request.header("Idempotency-Key", "one").json(&body).send()
    };
    let stop = async {
        gate.arrived(1).await;
        tokio::task::block_in_place(|| cluster.stop_immediate().unwrap());
        gate.open();
    };
    let (failed, ()) = tokio::join!(chat(), stop);
    let problem = json_of(failed.unwrap(), StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(problem["code"], "commit_failed");
    assert_eq!(problem["outcome"], "not_committed");

    tokio::task::block_in_place(|| cluster.start_again().unwrap());
    let mut answer = None;
    until(DEADLINE, async || {
        let response = chat().await.unwrap();
        if response.status() == StatusCode::OK {
            answer = Some(json_of(response, StatusCode::OK).await);
        }
        answer.is_some()
    })
    .await;
    assert_eq!(answer.unwrap()["response"], "Dear");
    assert_eq!(model.calls(), 1, "nobody pays for an answer twice");
    let kept = rows(&server, "1").await;
    let kept: Vec<&str> = kept.iter().map(|row| row.content.as_str()).collect();
    assert_eq!(kept, ["Hello", "Dear"]);
}
